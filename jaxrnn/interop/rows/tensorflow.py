"""TensorFlow 1."""

from __future__ import annotations

from jaxrnn.interop.rows.row import Array, Row

TF1_LSTM = (
    Array("kernel", ("kernel", "recurrent_kernel"), "+ gh"),
    Array("bias", "bias", "gh"),
    Array("w_{g}_diag", "peepholes", "h", when="peepholes"),
    Array("projection/kernel", "projection", "h p", when="projection"),
)

ROWS = (
    Row(
        "tf1",
        "LSTMCell",
        "lstm",
        "igfo",
        TF1_LSTM,
        ("peepholes", "projection", "cell_clip", "activation"),
        added=(("f", 1.0),),
    ),
)
