"""TensorFlow 1: the cells of `tf.nn.rnn_cell`, by the names of releases since 1.2 and of those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jaxrnn.interop.rows.row import RESET_AFTER, RESET_BEFORE, Array, Row

BOTH = ("kernel", "recurrent_kernel")
LSTM = (
    Array("kernel", BOTH, "+ gh"),
    Array("bias", "bias", "gh"),
    Array("w_{g}_diag", "peepholes", "h", when="peepholes"),
    Array("projection/kernel", "projection", "h p", when="projection"),
)
GATES = (Array("gates/kernel", BOTH, "+ gh", gates="rz"), Array("gates/bias", "bias", "gh", gates="rz"))
GRU = (*GATES, Array("candidate/kernel", BOTH, "+ gh", gates="n"), Array("candidate/bias", "bias", "gh", gates="n"))
CUDNN_GRU = (
    *GATES,
    Array("candidate/input_projection/kernel", "kernel", "d gh", gates="n"),
    Array("candidate/input_projection/bias", "bias", "gh", gates="n"),
    Array("candidate/hidden_projection/kernel", "recurrent_kernel", "r gh", gates="n"),
    Array("candidate/hidden_projection/bias", "recurrent_bias", "h"),
)
PLACES: dict[str, Any] = dict(numbered=r"cell_(\d{1,4})", ways=("fw", "bw"))
LSTM_SCOPE = (
    r"(\w+_)?lstm(_\w+)?_cell(_\d+)?"  # lstm_cell, basic_lstm_cell, cudnn_compatible_lstm_cell, lstm_fused_cell
)


def spelled(row: Row) -> Iterator[Row]:
    """A row, and the same of releases before 1.2."""
    yield row
    names = {array.name: array.name.replace("kernel", "weights").replace("bias", "biases") for array in row.arrays}
    arrays = tuple(replace(array, name=names[array.name]) for array in row.arrays)
    yield replace(row, name=f"{row.name}(weights)", arrays=arrays)


ROWS = (
    *spelled(
        Row(
            "tf1",
            "LSTMCell",
            "lstm",
            "igfo",
            LSTM,
            ("peepholes", "projection", "cell_clip", "activation"),
            added=(("f", 1.0),),
            within=LSTM_SCOPE,
            **PLACES,
        )
    ),
    *spelled(Row("tf1", "GRUCell", "gru", "rzn", GRU, ("activation",), RESET_BEFORE, **PLACES)),
    Row("tf1", "CudnnCompatibleGRUCell", "gru", "rzn", CUDNN_GRU, ("activation",), RESET_AFTER, **PLACES),
    *spelled(
        Row(
            "tf1",
            "BasicRNNCell",
            "elman",
            "h",
            (Array("kernel", BOTH, "+ gh"), Array("bias", "bias", "gh")),
            ("activation",),
            within=r"(\w+_)?rnn_cell(_\d+)?",
            **PLACES,
        )
    ),
)
