"""Decoding and attention: from logits to sequences, and from a decoder's state to what it looks at.

Beside them what handwriting and drawing need: mixture densities as a readout, Graves's window that reads along a text,
and `glimpse`, the filters by which DRAW reads and paints a patch of a picture.
A decoder is a step function, `step(carry, token) -> (carry, logits)`: `greedy`, `sample`, `stream` and `beam` run any.
"""

from jaxrnn.decode import glimpse as glimpse
from jaxrnn.decode.attend import Attend as Attend
from jaxrnn.decode.attend import AttendCarry as AttendCarry
from jaxrnn.decode.attend import Attended as Attended
from jaxrnn.decode.attend_after import AttendAfter as AttendAfter
from jaxrnn.decode.attend_after import attend_after as attend_after
from jaxrnn.decode.attend_before import AttendBefore as AttendBefore
from jaxrnn.decode.attend_before import attend_before as attend_before
from jaxrnn.decode.attention import Attention as Attention
from jaxrnn.decode.attention import Memory as Memory
from jaxrnn.decode.beam import Hypotheses as Hypotheses
from jaxrnn.decode.beam import beam as beam
from jaxrnn.decode.logits import filter_logits as filter_logits
from jaxrnn.decode.mixture import Mixture as Mixture
from jaxrnn.decode.mixture import MixtureDensity as MixtureDensity
from jaxrnn.decode.mixture import mixture_density as mixture_density
from jaxrnn.decode.sampling import Decoded as Decoded
from jaxrnn.decode.sampling import greedy as greedy
from jaxrnn.decode.sampling import sample as sample
from jaxrnn.decode.sampling import stream as stream
from jaxrnn.decode.scores import bahdanau as bahdanau
from jaxrnn.decode.scores import luong as luong
from jaxrnn.decode.window import Window as Window
from jaxrnn.decode.window import WindowCarry as WindowCarry
from jaxrnn.decode.window import Windowed as Windowed
from jaxrnn.decode.window import window as window

__all__ = [
    "Attend",
    "AttendAfter",
    "AttendBefore",
    "AttendCarry",
    "Attended",
    "Attention",
    "Decoded",
    "Hypotheses",
    "Memory",
    "Mixture",
    "MixtureDensity",
    "Window",
    "WindowCarry",
    "Windowed",
    "attend_after",
    "attend_before",
    "bahdanau",
    "beam",
    "filter_logits",
    "glimpse",
    "greedy",
    "luong",
    "mixture_density",
    "sample",
    "stream",
    "window",
]


def __dir__() -> list[str]:
    return __all__
