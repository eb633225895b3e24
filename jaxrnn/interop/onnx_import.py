"""ONNX's LSTM, GRU and RNN nodes, of a model or a file of one."""

from __future__ import annotations

import os
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.interop.files.formats import check_there
from jaxrnn.interop.files.onnx_file import model_of
from jaxrnn.interop.files.opening import one_error, path_of
from jaxrnn.interop.onnx_graph import Node, nodes_of
from jaxrnn.interop.subclasses import is_a


def read_onnx(model: Any) -> list[Node]:
    """Every recurrent node of an ONNX model, in the order of the graph; those of graphs within it by path.

    Args:
        model: an `onnx.ModelProto`, or the path of one, with weights as initializers or Constant nodes, or computed
            from them by operators that only arrange, cut, join or convert. Weights in other files are read where they
            are of the model's own folder.

    Returns:
        A list of `Node(name, layer, params, carry, lengths, batch_major, inputs, outputs)`. A node in one direction is
        a cell (in `jaxrnn.reverse` for "reverse"), one in both a `jaxrnn.bidirectional`.

    Raises:
        ValueError: the model has none, or a node has an attribute, an activation or a shape that does not fit, or the
            file is damaged. TypeError: it is no model. FileNotFoundError: there is no such file.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> model = jaxrnn.interop.save(cell, cell.init(jax.random.key(0), inputs=3), "onnx")
    >>> [(node.name, node.layer == cell) for node in jaxrnn.interop.read_onnx(model)]
    [('layer_0', True)]
    """
    if isinstance(model, (str, os.PathLike)):
        path = path_of(model, "model")
        check_there(path, "model")
        with one_error(path):
            return nodes_of(model_of(path), path.parent)
    if not is_a(model, "onnx", "ModelProto"):
        fail("model", "an onnx.ModelProto, or the path of one", model, kind=TypeError)
    return nodes_of(model)
