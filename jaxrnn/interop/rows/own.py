"""Our own parameters, in files."""

from __future__ import annotations

from jaxrnn.interop.rows.row import ALL_ACTIVATIONS, RESET_AFTER, RESET_BEFORE, Array, Row

OURS = (
    Array("kernel", "kernel", "d g h"),
    Array("recurrent_kernel", "recurrent_kernel", "r g h"),
    Array("bias", "bias", "g h", when="use_bias"),
)
OURS_LSTM = (
    Array("peepholes", "peepholes", "k h", when="peepholes"),
    Array("projection", "projection", "h p", when="projection"),
)
INNER = Array("recurrent_bias", "recurrent_bias", "h", when="use_bias")
OURS_CAN = ("cell_clip", "truncated_gradient", *ALL_ACTIVATIONS)

ROWS = (
    Row("jaxrnn", "lstm", "lstm", "ifgo", (*OURS, *OURS_LSTM), ("use_bias", "peepholes", "projection", *OURS_CAN)),
    Row("jaxrnn", "gru", "gru", "rzn", (*OURS, INNER), ("use_bias", *ALL_ACTIVATIONS), RESET_AFTER),
    Row("jaxrnn", "gru(reset_after=False)", "gru", "rzn", OURS, ("use_bias", *ALL_ACTIVATIONS), RESET_BEFORE),
    Row("jaxrnn", "elman", "elman", "h", OURS, ("use_bias", "leak", "residual", *ALL_ACTIVATIONS)),
)
