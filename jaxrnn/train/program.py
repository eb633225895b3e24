"""A trained model as a pure function of arrays, for programs that know nothing of the task: `jaxrnn export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Program(NamedTuple):
    """What a trained model computes, its parameters closed over.

    A size is a number, or a name where it is free: the same name is the same size in all arguments. The function is
    traced once for all sizes, so that it may ask for no name's value.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.train import Program
    >>> def mean(values, lengths):
    ...     counts = jnp.arange(values.shape[1]) < lengths[:, None]
    ...     return (jnp.where(counts, values, 0).sum(1) / lengths,)
    >>> program = Program(mean, {"values": (("B", "T"), "float32"), "lengths": (("B",), "int32")}, ("means",))
    >>> list(program.arguments), program.results
    (['values', 'lengths'], ('means',))
    """

    function: Callable[..., tuple[Any, ...]]  # of the arguments, by position; an array for each of the results
    arguments: Mapping[str, tuple[tuple[int | str, ...], str]]  # by name, in order: its shape, and its dtype's name
    results: tuple[str, ...]  # names of what comes out
    note: str = ""  # how a person's input becomes the arguments, and what the results say
    onnx: Callable[[], Any] | None = None  # makes its ONNX model, where that is not written from the function
