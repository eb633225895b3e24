"""Decoding and attention: from logits to sequences, and from a decoder's state to what it looks at.

A decoder is a step function, `step(carry, token) -> (carry, logits)`: `greedy`, `sample`, `stream` and `beam` run any.
"""

from jaxrnn.decode.attend import AttendAfter as AttendAfter
from jaxrnn.decode.attend import AttendBefore as AttendBefore
from jaxrnn.decode.attend import AttendCarry as AttendCarry
from jaxrnn.decode.attend import Attended as Attended
from jaxrnn.decode.attend import attend_after as attend_after
from jaxrnn.decode.attend import attend_before as attend_before
from jaxrnn.decode.attention import Attention as Attention
from jaxrnn.decode.attention import Memory as Memory
from jaxrnn.decode.attention import bahdanau as bahdanau
from jaxrnn.decode.attention import luong as luong
from jaxrnn.decode.beam import Hypotheses as Hypotheses
from jaxrnn.decode.beam import beam as beam
from jaxrnn.decode.logits import filter_logits as filter_logits
from jaxrnn.decode.sampling import Decoded as Decoded
from jaxrnn.decode.sampling import greedy as greedy
from jaxrnn.decode.sampling import sample as sample
from jaxrnn.decode.sampling import stream as stream
