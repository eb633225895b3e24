"""ONNX's operators."""

from __future__ import annotations

from jaxrnn.interop.rows.row import ACTIVATIONS, ALL_ACTIVATIONS, Array, Row

ONNX = (
    Array("W", "kernel", "gh d"),
    Array("R", "recurrent_kernel", "gh r"),
    Array("B", ("bias", "inner"), "2 gh", when="use_bias"),
)

ROWS = (
    Row(
        "onnx",
        "LSTM",
        "lstm",
        "iofg",
        (*ONNX, Array("P", "peepholes", "kh", when="peepholes")),
        ("use_bias", "peepholes", "coupled", *ALL_ACTIVATIONS),
    ),
    Row("onnx", "GRU", "gru", "zrn", ONNX, ("use_bias", "reset_after", *ACTIVATIONS)),
    Row("onnx", "RNN", "elman", "h", ONNX, ("use_bias", *ACTIVATIONS)),
)
