"""Keras's layers."""

from __future__ import annotations

from jaxrnn.interop.rows.row import ACTIVATIONS, FORMS, RESET_AFTER, RESET_BEFORE, Array, Row, Windows

KERAS = (
    Array("kernel", "kernel", "d gh"),
    Array("recurrent_kernel", "recurrent_kernel", "r gh"),
    Array("bias", "bias", "gh", when="use_bias"),
)
WINDOWS = (
    Array("kernel", "kernel", "w d gh"),
    Array("recurrent_kernel", "recurrent_kernel", "v r gh"),
    KERAS[2],
)

ROWS = (
    Row("keras", "LSTM", "lstm", "ifgo", KERAS, ("use_bias", *ACTIVATIONS)),
    Row(
        "keras",
        "GRU",
        "gru",
        "zrn",
        (*KERAS[:2], Array("bias", ("bias", "inner"), "2 gh", when="use_bias")),
        ("use_bias", *ACTIVATIONS),
        RESET_AFTER,
    ),
    Row("keras", "GRU(reset_after=False)", "gru", "zrn", KERAS, ("use_bias", *ACTIVATIONS), RESET_BEFORE),
    Row("keras", "SimpleRNN", "elman", "h", KERAS, ("use_bias", *ACTIVATIONS)),
    Row(
        "keras",
        "ConvLSTM",
        "lstm",
        "ifgo",
        WINDOWS,
        ("use_bias", *FORMS, *ACTIVATIONS),
        windows=Windows("window", "valid"),
    ),
)
