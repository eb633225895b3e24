"""Flax, haiku and equinox."""

from __future__ import annotations

import jax

from jaxrnn.interop.rows.row import ACTIVATIONS, FORMS, INSIDE, RESET_AFTER, RESET_BEFORE, Array, Row, Windows

FLAX_WINDOWS = (Array("ih/kernel", "kernel", "w d gh"), Array("hh/kernel", "recurrent_kernel", "v r gh"))
FLAX_LSTM = (
    Array("i{g}/kernel", "kernel", "d h"),
    Array("h{g}/kernel", "recurrent_kernel", "r h"),
    Array("h{g}/bias", "bias", "h"),
)
DENSE = (
    Array("dense_i/kernel", "kernel", "d gh"),
    Array("dense_h/kernel", "recurrent_kernel", "r gh"),
    Array("dense_i/bias", "bias", "gh"),
)
HAIKU_VANILLA = (
    Array("linear/w", "kernel", "d gh"),
    Array("linear_1/w", "recurrent_kernel", "r gh"),
    Array("linear/b", "bias", "gh"),
)
EQUINOX = (
    Array("weight_ih", "kernel", "gh d"),
    Array("weight_hh", "recurrent_kernel", "gh r"),
    Array("bias", "bias", "gh", when="use_bias"),
)

ROWS = (
    Row("flax.linen", "LSTMCell", "lstm", "ifgo", FLAX_LSTM, ACTIVATIONS),
    Row(
        "flax.linen",
        "GRUCell",
        "gru",
        "rzn",
        (
            *FLAX_LSTM[:2],
            Array("i{g}/bias", "bias", "h"),
            Array("hn/bias", "recurrent_bias", "h"),
        ),
        ACTIVATIONS,
        RESET_AFTER,
    ),
    Row(
        "flax.linen",
        "SimpleCell",
        "elman",
        "h",
        (
            Array("i/kernel", "kernel", "d gh"),
            Array("h/kernel", "recurrent_kernel", "r gh"),
            Array("i/bias", "bias", "gh"),
        ),
        ("residual", *ACTIVATIONS),
        values=INSIDE,
    ),
    Row(
        "flax.linen",
        "ConvLSTMCell",
        "lstm",
        "igfo",
        (*FLAX_WINDOWS, Array("ih/bias", "bias", "gh"), Array("hh/bias", "inner", "gh")),
        ("use_bias", *FORMS),
        added=(("f", 1.0),),
        windows=Windows("padding"),
    ),
    Row(
        "flax.linen",
        "ConvLSTMCell(use_bias=False)",
        "lstm",
        "igfo",
        FLAX_WINDOWS,
        FORMS,
        added=(("f", 1.0),),
        windows=Windows("padding"),
    ),
    Row("flax.nnx", "LSTMCell", "lstm", "ifgo", FLAX_LSTM, ACTIVATIONS, spelled=(("if", "if_"),)),
    Row(
        "flax.nnx",
        "OptimizedLSTMCell",
        "lstm",
        "ifgo",
        (*DENSE[:2], Array("dense_h/bias", "bias", "gh")),
        ACTIVATIONS,
    ),
    Row("flax.nnx", "GRUCell", "gru", "rzn", DENSE, ACTIVATIONS, RESET_AFTER),
    Row("flax.nnx", "SimpleCell", "elman", "h", DENSE, ("residual", *ACTIVATIONS), values=INSIDE),
    Row(
        "haiku",
        "LSTM",
        "lstm",
        "igfo",
        (Array("linear/w", ("kernel", "recurrent_kernel"), "+ gh"), Array("linear/b", "bias", "gh")),
        added=(("f", 1.0),),
        within=r"(\w+_)?lstm(_\d+)?",
    ),
    Row(
        "haiku",
        "GRU",
        "gru",
        "zrn",
        (
            Array("w_i", "kernel", "d gh"),
            Array("w_h", "recurrent_kernel", "r gh"),
            Array("b", "bias", "gh"),
        ),
        fixed=RESET_BEFORE,
        negated="z",
    ),
    Row(
        "haiku",
        "VanillaRNN",
        "elman",
        "h",
        (*HAIKU_VANILLA, Array("linear_1/b", "inner", "gh")),
        fixed=(("activation", jax.nn.relu),),
        within=r"(\w+_)?vanilla_rnn(_\d+)?",
    ),
    Row(
        "haiku",
        "VanillaRNN(double_bias=False)",
        "elman",
        "h",
        HAIKU_VANILLA,
        fixed=(("activation", jax.nn.relu),),
        within=r"(\w+_)?vanilla_rnn(_\d+)?",
    ),
    Row("equinox", "LSTMCell", "lstm", "ifgo", EQUINOX, ("use_bias",)),
    Row(
        "equinox",
        "GRUCell",
        "gru",
        "rzn",
        (*EQUINOX, Array("bias_n", "recurrent_bias", "h", when="use_bias")),
        ("use_bias",),
        RESET_AFTER,
    ),
)
