"""What people type into the search box, and the page that answers it: other libraries' names, other people's words.

A page is found by the words that stand in it. These need not: they go into the search's index alone.
"""

from __future__ import annotations

from typing import Any

PAGES = {
    "guides/first_model_nnx": (
        "quickstart, getting started, tutorial, first model, save a model, load a checkpoint, text classification"
    ),
    "guides/first_model_linen": "linen tutorial, first model in linen, flax linen example",
    "guides/ragged": (
        "variable length sequences, padding mask, sequence lengths, pad sequences, packing, PackedSequence, "
        "pack_padded_sequence, hidden state reset, ragged tensors, masking, last output of each row"
    ),
    "guides/episodes": "reset hidden state, episode boundaries, done flags, RL resets, reinforcement learning resets",
    "guides/streaming": (
        "stateful rnn, keep hidden state, streaming inference, online inference, step by step, real time, truncated "
        "backpropagation, TBPTT, save hidden state, pass initial state, set initial state, long sequences out of "
        "memory"
    ),
    "guides/own_cell": "custom cell, custom rnn cell, own cell, write a cell, new cell, RNNCell, user defined cell",
    "guides/forms": "block diagonal, low rank kernel, sparse recurrent kernel, diagonal kernel, weight sharing",
    "guides/composing": (
        "stacked layers, multi-layer, number of layers, num_layers, dropout between layers, residual connections, "
        "layer normalization, layer norm, bidirectional layer, variational dropout, zoneout"
    ),
    "guides/optimizers": (
        "learning rate schedule, learning rate decay, warmup, weight decay, gradient clipping, clip gradients, "
        "exploding gradients, muon, adamw, freeze parameters, parameter groups, optax"
    ),
    "guides/mixed_precision": (
        "half precision, fp16, bf16, float16, bfloat16, mixed precision, quantization, int8, loss scaling"
    ),
    "guides/several_devices": (
        "multiple gpus, multi gpu, multi-host, distributed training, data parallel, model parallel, sharding, fsdp, "
        "slurm, kubernetes, tpu pod, pmap, pjit"
    ),
    "guides/own_data": (
        "custom dataset, own dataset, load csv, data loader, DataLoader, train on my data, fine-tune, callbacks, "
        "logging, wandb, tensorboard, resume training, training loop"
    ),
    "guides/serving": (
        "deploy, deployment, inference server, export a model, export to onnx, stablehlo, predict, production"
    ),
    "guides/interop": (
        "load pytorch weights, convert weights, import weights, pretrained weights, safetensors, keras h5 file, load "
        "onnx, convert checkpoint"
    ),
    "guides/interchange": (
        "export onnx, to onnx, onnxruntime, openvino, tensorrt, export weights, state_dict, save as pytorch"
    ),
    "guides/coming_from_torch": (
        "pytorch, pytorch to jax, torch.nn.LSTM, nn.LSTM, batch_first, port from pytorch, migrate from pytorch"
    ),
    "guides/coming_from_keras": "keras, tensorflow, return_sequences, return_state, keras lstm layer, port from keras",
    "guides/coming_from_flax": "flax.nnx.RNN, OptimizedLSTMCell, flax lstm, flax rnn, nn.scan, LSTMCell",
    "guides/coming_from_haiku": "haiku, hk.LSTM, dynamic_unroll, dm-haiku",
    "guides/coming_from_equinox": "equinox, eqx.nn.LSTMCell, eqx",
    "guides/agents": (
        "reinforcement learning, recurrent ppo, PureJaxRL, ScannedRNN, R2D2, DQN, replay buffer, burn in, pomdp"
    ),
    "guides/applications": (
        "time series forecasting, machine translation, ctc, named entity recognition, language model, seq2seq, "
        "sequence to sequence, image captioning, handwriting, sentiment, pretrained models"
    ),
    "guides/dynamics": (
        "vanishing gradients, lyapunov exponent, fixed points, chaos, interpretability, hidden state analysis, "
        "visualize gates, eigenvalues, memory length"
    ),
    "guides/engine": "how it works, gradient checkpointing, remat, memory usage, backward pass, xla, pallas kernel",
    "guides/parallel_time": (
        "parallel scan, associative scan, associative_scan, newton, deer, long sequences, state space model"
    ),
    "guides/benchmark": "benchmark, performance comparison, faster than",
    "guides/reproducibility": "random seed, determinism, deterministic, reproducible, rng",
    "guides/upgrading": "breaking changes, migration, changelog, release notes, new version",
    "faq": (
        "slow compilation, recompilation, jit is slow, number of threads, gpu support, tpu support, nan loss, out of "
        "memory, which backend, mlstm, xlstm"
    ),
    "api/jaxrnn.decode": (
        "attention, attention mechanism, beam search, sampling, top-k, nucleus sampling, temperature, mixture density "
        "network"
    ),
    "api/jaxrnn.train": "checkpoints, checkpoint resume, training loop options",
    "api/jaxrnn.functions.initializers": (
        "weight initialization, orthogonal initializer, forget gate bias, chrono initialization"
    ),
    "cells/index": (
        "which cell, list of cells, choose a cell, mamba, s4, griffin, xlstm cell, minGRU, IndRNN, number of parameters"
    ),
    "notebooks": "examples, example notebooks, jupyter",
    "contributing": "install from source, run tests, development setup",
}


def setup(app: Any) -> None:
    """When a page has been read."""
    app.connect("doctree-read", add)


def phrases(page: str) -> list[str]:
    """What a page is looked for by."""
    return PAGES[page].split(", ") if page in PAGES else []


def add(app: Any, doctree: Any) -> None:
    """Its phrases, which come first where one is typed, and their words, which count as words of the page."""
    from docutils import nodes  # here: the tests look at the phrases without Sphinx
    from sphinx import addnodes

    if not (found := phrases(app.env.docname)):
        return
    doctree += addnodes.index(entries=[("single", phrase, "", "main", None) for phrase in found])
    words = sorted({word for phrase in found for word in words_of(phrase)})
    doctree += nodes.meta(name="keywords", content=",".join(words))


def words_of(phrase: str) -> list[str]:
    """As Sphinx's search takes a text apart."""
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in phrase).lower().split()
