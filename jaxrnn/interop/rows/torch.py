"""PyTorch's cells and layers."""

from __future__ import annotations

from jaxrnn.interop.rows.row import RESET_AFTER, TANH_RELU, Array, Row

TORCH = (
    Array("weight_ih", "kernel", "gh d"),
    Array("weight_hh", "recurrent_kernel", "gh r"),
    Array("bias_ih", "bias", "gh", when="use_bias"),
    Array("bias_hh", "inner", "gh", when="use_bias"),
)
TORCH_PROJECTION = Array("weight_hr", "projection", "p h", when="projection")

ROWS = (
    Row("torch", "LSTM", "lstm", "ifgo", (*TORCH, TORCH_PROJECTION), ("use_bias", "projection"), named_by_layer=True),
    Row("torch", "GRU", "gru", "rzn", TORCH, ("use_bias",), RESET_AFTER, named_by_layer=True),
    Row("torch", "RNN", "elman", "h", TORCH, ("use_bias", "activation"), functions=TANH_RELU, named_by_layer=True),
    Row("torch", "LSTMCell", "lstm", "ifgo", TORCH, ("use_bias",)),
    Row("torch", "GRUCell", "gru", "rzn", TORCH, ("use_bias",), RESET_AFTER),
    Row("torch", "RNNCell", "elman", "h", TORCH, ("use_bias", "activation"), functions=TANH_RELU),
)
