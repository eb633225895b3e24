"""What Keras's recurrent layers, their options and their variables are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jaxrnn.compose import Bidirectional, Reverse
from jaxrnn.core.layer import Layer

KINDS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "elman"}
CUDNN = {"CuDNNLSTM": "lstm", "CuDNNGRU": "gru"}  # Keras 2's, with the only options that cuDNN has
CONVOLUTIONS = {f"ConvLSTM{n}D": "lstm" for n in (1, 2, 3)} | {"ConvLSTMCell": "lstm"}
RECURRENT = {*KINDS, *CUDNN, *CONVOLUTIONS, "RNN", "Bidirectional"} - {"ConvLSTMCell"}
LIVE = {*RECURRENT, *CONVOLUTIONS, "StackedRNNCells", *(f"{kind}Cell" for kind in KINDS)}
CONVOLUTION = (("strides", "strides", 1), ("dilation", "dilation_rate", 1), ("padding", "padding", "valid"))
ASKED = ("units", "filters", "kernel_size", *(k for _, k, _ in CONVOLUTION))  # of a live cell, where it has them
ASKED += ("use_bias", "activation", "recurrent_activation", "reset_after")
VARIABLES = ("kernel", "recurrent_kernel", "bias")  # vars/0, vars/1, vars/2 of a cell
GROUPS = {"lstm": "lstm", "gru": "gru", "elman": "simple_rnn"}  # in a file of weights


def keras_heads(layers: Sequence[Layer]) -> list[str]:
    """What a file of weights calls the layers of a stack: by their class, of which all but the first are numbered."""
    used: Counter[str] = Counter()
    heads = []
    for part in layers:
        one = part.layer if isinstance(part, Reverse) else part
        name = f"conv_lstm{one.axes}d" if one.axes else GROUPS.get(getattr(one, "name", ""), "")
        name = "bidirectional" if isinstance(one, Bidirectional) else name
        heads.append(f"{name}_{used[name]}" if used[name] else name)
        used[name] += 1
    return heads
