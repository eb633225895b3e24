"""A layer, or a model around one, as a graph of ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.checks import check_array, check_flag, check_size
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.files import write_bytes
from jaxrnn.base.typing import Params
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.interop.files import path_of
from jaxrnn.interop.graphs.plan import Asked
from jaxrnn.interop.graphs.runtimes import RUNTIMES
from jaxrnn.interop.graphs.whole import export


def to_onnx(
    layer: Layer,
    params: Params,
    target: str | Path | None = None,
    *,
    lengths: bool = False,
    carry: bool = False,
    steps: int | None = None,
    batch: int | None = None,
    runtime: str | None = None,
    symbols: bool = False,
    embedding: Any = None,
    head: Mapping[str, Any] | None = None,
) -> Any:
    """A layer, or a model around one, as one graph of ONNX that gives the numbers of `jaxrnn.scan`.

    Each layer of a stack is ONNX's LSTM, GRU or RNN where that is what it is; any other, such as a cell that ONNX
    lacks, one of `jaxrnn.quantize` or a `residual` one, is a loop over its own equations (ONNX's Scan), whose
    `doc_string` says why. Such a loop is for programs that run it; `load` doesn't read it back.

    Inputs: `X` [T, B, D]; `sequence_lens` int32 [B] and `initial_h_0` [directions, B, H] (`initial_c_0`, and so on for
    each layer and state) where asked for. Outputs: `Y` [T, B, features], zero after a row's end, and the final states
    `Y_h_0`. A row of length 0 keeps its states.

    Args:
        layer: a Layer whose cells read nothing but inputs and states.
        params: its parameters.
        target: a path that ends in .onnx; None returns the model.
        lengths: an input for the length of each row; else all rows are as long as `X`.
        carry: inputs for initial states; else rows start from the layer's own.
        steps: T, where it is the same in every call; None for any.
        batch: B, likewise.
        runtime: "onnxruntime", "openvino" or "tract", where the model is to run there: layers that it would compute
            otherwise than ONNX defines are loops. None takes ONNX at its word.
        symbols: `X` is int64 [T, B]; the layer reads one-hot vectors.
        embedding: [V, D], the vectors of V symbols, which `X` are then. An array, or a Flax Variable with one.
        head: a readout of all outputs, {"kernel": [H, O], "bias": [O]} or without bias; of the same.

    Returns:
        Without `target` an `onnx.ModelProto`, with it None.

    Raises:
        ValueError: a layer is of operations that ONNX lacks; an argument does not fit. TypeError: one is of the wrong
            type. WriteError, an OSError: the file cannot be written.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.stack([jaxrnn.gru(4), jaxrnn.residual(jaxrnn.mgu(4))])
    >>> model = jaxrnn.interop.to_onnx(layer, layer.init(jax.random.key(0), inputs=3), lengths=True, batch=1)
    >>> [each.name for each in model.graph.input], [n.op_type for n in model.graph.node if n.name]
    (['X', 'sequence_lens'], ['GRU', 'Scan'])
    """
    path = None if target is None else path_of(target, "target")
    if path is not None and not path.name.endswith(".onnx"):
        fail("target", "a path that ends in .onnx", target)
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    check_params(layer, params)
    for name, flag in (("lengths", lengths), ("carry", carry), ("symbols", symbols)):
        check_flag(flag, name)
    steps = steps if steps is None else check_size(steps, "steps")
    batch = batch if batch is None else check_size(batch, "batch")
    if runtime is not None and not isinstance(runtime, str):
        fail("runtime", f"None, or one of {tuple(RUNTIMES)}", runtime, kind=TypeError)
    if runtime is not None and runtime not in RUNTIMES:
        fail("runtime", f"None, or one of {tuple(RUNTIMES)}", runtime, nearest(runtime, RUNTIMES))
    if embedding is not None:
        embedding = check_array(_array_in(embedding), "embedding")
        if symbols or embedding.ndim != 2 or embedding.shape[1] != layer.input_size(params):
            expected = f"an array [V, {layer.input_size(params)}], and `symbols` left out beside it"
            fail("embedding", expected, embedding)
    if isinstance(head, Mapping):
        head = {name: _array_in(value) for name, value in head.items()}
    if head is not None:
        _check_head(head, layer.output_size)
    given = Asked(lengths, carry, steps, batch, runtime, symbols or embedding is not None, embedding, head)
    model = export(layer, params, given)
    if path is None:
        return model
    if model.ByteSize() >= 2**31:  # protobuf ends there
        fail("params", "of less than two GiB for one ONNX file", Said(f"{model.ByteSize()} bytes"))
    return write_bytes(path, model.SerializeToString())


def _array_in(value: Any) -> Any:
    """The array that a Flax Variable says it holds, such as `embedding` of an `nnx.Embed`; anything else as it is."""
    return value.__jax_array__() if hasattr(value, "__jax_array__") else value


def _check_head(head: Any, features: int) -> None:
    """{"kernel": [H, O]}, with {"bias": [O]} or without."""
    expected = f"{{'kernel': [{features}, O]}}, with 'bias': [O] or without"
    if not isinstance(head, Mapping) or not {"kernel"} <= head.keys() <= {"kernel", "bias"}:
        fail("head", expected, head, kind=TypeError)
    for name, array in head.items():
        check_array(array, f"head[{name!r}]")
    kernel = head["kernel"]
    if kernel.ndim != 2 or kernel.shape[0] != features:
        fail("head['kernel']", f"of shape [{features}, O]", kernel)
    if "bias" in head and jnp.shape(head["bias"]) != kernel.shape[1:]:
        fail("head['bias']", f"of shape {list(kernel.shape[1:])}", head["bias"])
