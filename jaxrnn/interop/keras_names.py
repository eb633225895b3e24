"""What Keras's recurrent layers, their options and their variables are called."""

from __future__ import annotations

KINDS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "elman"}
CUDNN = {"CuDNNLSTM": "lstm", "CuDNNGRU": "gru"}  # Keras 2's, with the only options that cuDNN has
CONVOLUTIONS = {f"ConvLSTM{n}D": "lstm" for n in (1, 2, 3)} | {"ConvLSTMCell": "lstm"}
RECURRENT = {*KINDS, *CUDNN, *CONVOLUTIONS, "RNN", "Bidirectional"} - {"ConvLSTMCell"}
LIVE = {*RECURRENT, *CONVOLUTIONS, "StackedRNNCells", *(f"{kind}Cell" for kind in KINDS)}
CONVOLUTION = (("strides", "strides", 1), ("dilation", "dilation_rate", 1), ("padding", "padding", "valid"))
ASKED = ("units", "filters", "kernel_size", *(k for _, k, _ in CONVOLUTION))  # of a live cell, where it has them
ASKED += ("use_bias", "activation", "recurrent_activation", "reset_after")
VARIABLES = ("kernel", "recurrent_kernel", "bias")  # vars/0, vars/1, vars/2 of a cell
