"""Wrong calls: each raises our own error, which names the argument, what was expected and what came.

"Our own" is checked at the source: the frame that raises belongs to jaxrnn, not to JAX or NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn

pytestmark = pytest.mark.usefixtures("unchecked")

T, B, D, H = 4, 2, 3, 5
CELL = jaxrnn.lstm(H)
GRU = jaxrnn.gru(H)
KEY = jax.random.key(0)


class State(NamedTuple):
    h: Any


def equations(carry: Any, x: Any, h: Any) -> Any:
    new = jnp.tanh(x.a + h.a)
    return State(new), new


def timed_equations(carry: Any, x: Any, h: Any, *, gain: Any) -> Any:
    new = jnp.tanh(x.a + h.a) * gain
    return State(new), new


own = jaxrnn.gate_cell(gates=("a",), carry=State)(equations)
timed = jaxrnn.gate_cell(gates=("a",), carry=State)(timed_equations)

f32 = partial(np.ones, dtype=np.float32)


def ones(*shape: int, dtype: Any = np.float64) -> Any:
    return np.ones(shape, dtype)


def params_of(cell: Any = CELL, **changed: Any) -> dict[str, Any]:
    """Right parameters, but for the changed ones; None takes one away."""
    params = {name: ones(*p.shape) for name, p in cell.declare(D).items()} | changed
    return {name: a for name, a in params.items() if a is not None}


def carry_of(cell: Any = CELL, **changed: Any) -> Any:
    return cell.initial_carry((B,), params_of(cell))._replace(**changed)


def scan(cell: Any = CELL, params: Any = None, xs: Any = None, carry: Any = None, **options: Any) -> Any:
    params = params_of(cell) if params is None else params
    return jaxrnn.scan(cell, params, ones(T, B, D) if xs is None else xs, carry, **options)


def step(cell: Any = CELL, params: Any = None, x: Any = None, carry: Any = None, **options: Any) -> Any:
    params = params_of(cell) if params is None else params
    return cell.step(params, carry_of(cell) if carry is None else carry, ones(B, D) if x is None else x, **options)


NAN_CARRY_DTYPES = (np.int32, np.bool_, np.complex128)

# argument that the message must name -> calls, by what is wrong
WRONG: dict[str, dict[str, Callable[[], Any]]] = {
    "cell": {
        "none": lambda: scan(None, {}),
        "a string": lambda: scan("lstm", {}),
        "the factory": lambda: scan(jaxrnn.lstm, {}),
        "an integer": lambda: scan(5, {}),
        "scan_carries of none": lambda: jaxrnn.scan_carries(None, {}, ones(T, B, D)),
        "scan_carries of a stack": lambda: jaxrnn.scan_carries(
            jaxrnn.stack([CELL, GRU]), jaxrnn.stack([CELL, GRU]).init(KEY, D), ones(T, B, D)
        ),
        "params in its place": lambda: jaxrnn.scan(params_of(), CELL, ones(T, B, D)),
    },
    "params": {
        "none": lambda: jaxrnn.scan(CELL, None, ones(T, B, D)),
        "a list": lambda: scan(params=[ones(3)]),
        "an array": lambda: scan(params=ones(3)),
        "a string": lambda: scan(params="params"),
        "empty": lambda: scan(params={}),
        "no kernel": lambda: scan(params=params_of(kernel=None)),
        "no recurrent kernel": lambda: scan(params=params_of(recurrent_kernel=None)),
        "no bias": lambda: scan(params=params_of(bias=None)),
        "an extra": lambda: scan(params=params_of(peepholes=ones(3, H))),
        "a mistyped name": lambda: scan(params=params_of(recurrent_kernel=None, recurent_kernel=ones(H, 4, H))),
        "of another cell": lambda: scan(params=params_of(GRU)),
        "of another size": lambda: scan(params=params_of(jaxrnn.lstm(H + 1))),
        "fused to two axes": lambda: scan(params=params_of(kernel=ones(D, 4 * H))),
        "gates last": lambda: scan(params=params_of(kernel=ones(D, H, 4))),
        "recurrent gates first": lambda: scan(params=params_of(recurrent_kernel=ones(4, H, H))),
        "flat bias": lambda: scan(params=params_of(bias=ones(4 * H))),
        "transposed bias": lambda: scan(params=params_of(bias=ones(H, 4))),
        "integers": lambda: scan(params=params_of(kernel=ones(D, 4, H, dtype=np.int32))),
        "integer bias": lambda: scan(params=params_of(bias=ones(4, H, dtype=np.int64))),
        "complex": lambda: scan(params=params_of(kernel=ones(D, 4, H, dtype=np.complex128))),
        "bool": lambda: scan(params=params_of(recurrent_kernel=ones(H, 4, H, dtype=np.bool_))),
        "a list for an array": lambda: scan(params=params_of(bias=ones(4, H).tolist())),
        "a float for an array": lambda: scan(params=params_of(bias=0.0)),
        "none for an array": lambda: scan(params=dict(params_of(), bias=None)),
        "a string for an array": lambda: scan(params=dict(params_of(), bias="zeros")),
        "a string for the kernel": lambda: scan(params=dict(params_of(), kernel="kernel")),
        "none for the kernel": lambda: scan(params=dict(params_of(), kernel=None)),
        "object array": lambda: scan(params=params_of(bias=np.full((4, H), None, object))),
        "string array": lambda: scan(params=params_of(bias=np.full((4, H), "0"))),
        "one gate short": lambda: scan(params=params_of(kernel=ones(D, 3, H))),
        "other keys": lambda: scan(params={1: ones(3), "kernel": ones(D, 4, H)}),
        "an extra key that is no string": lambda: scan(params={**params_of(), 1: ones(3)}),
        "nested": lambda: scan(params={"layer_0": params_of()}),
        "an own cell's, short": lambda: scan(own(H), params_of(own(H), bias=None)),
        "step, none": lambda: CELL.step(None, carry_of(), ones(B, D)),
        "step, no bias": lambda: step(params=params_of(bias=None)),
        "step, an extra": lambda: step(params=params_of(extra=ones(3))),
        "step, transposed": lambda: step(params=params_of(recurrent_kernel=ones(4, H, H))),
        "project, none": lambda: CELL.project(None, ones(B, D)),
        "project, no kernel": lambda: CELL.project({}, ones(B, D)),
        "project, no bias": lambda: CELL.project(params_of(bias=None), ones(B, D)),
        "project, fused": lambda: CELL.project(params_of(kernel=ones(D, 4 * H)), ones(B, D)),
        "initial_carry, learned and missing": lambda: jaxrnn.lstm(H, learn_carry=True).initial_carry((B,)),
        "initial_carry, learned and not there": lambda: jaxrnn.lstm(H, learn_carry=True).initial_carry(
            (B,), params_of()
        ),
        "initial_carry, a list": lambda: CELL.initial_carry((B,), [1]),
        "initial_carry, no kernel": lambda: CELL.initial_carry((B,), {}),
        "initial_carry, of another cell": lambda: CELL.initial_carry((B,), {"kernel": "x"}),
        "initial_carry, learned of a wrong shape": lambda: jaxrnn.gru(H, learn_carry=True).initial_carry(
            (B,), params_of(jaxrnn.gru(H, learn_carry=True), initial_h=ones(H + 1))
        ),
    },
    "xs": {
        "none": lambda: jaxrnn.scan(CELL, params_of(), None),
        "a list": lambda: scan(xs=ones(T, B, D).tolist()),
        "a float": lambda: scan(xs=1.0),
        "a string": lambda: scan(xs="abc"),
        "a tuple of arrays": lambda: scan(xs=(ones(T, B, D),)),
        "a string array": lambda: scan(xs=np.full((T, B, D), "a")),
        "an object array": lambda: scan(xs=np.full((T, B, D), None, object)),
        "bool": lambda: scan(xs=ones(T, B, D, dtype=np.bool_)),
        "complex": lambda: scan(xs=ones(T, B, D, dtype=np.complex128)),
        "eight-bit floats": lambda: scan(xs=jnp.ones((T, B, D), jnp.float8_e5m2)),
        "dates": lambda: scan(xs=np.zeros((T, B, D), "datetime64[s]")),
        "structured": lambda: scan(xs=np.zeros((T, B, D), [("a", "f4")])),
        "keys": lambda: scan(xs=jax.random.split(KEY, (T, B))),
        "one feature too many": lambda: scan(xs=ones(T, B, D + 1)),
        "one feature short": lambda: scan(xs=ones(T, B, D - 1)),
        "features first": lambda: scan(xs=ones(D, T, B)),
        "no features axis": lambda: scan(xs=ones(T)),
        "a scalar": lambda: scan(xs=np.float64(1.0)),
        "zero axes": lambda: scan(xs=jnp.ones(())),
        "integer scalar": lambda: scan(xs=jnp.ones((), int)),
        "symbol too large": lambda: scan(xs=np.full((T, B), D)),
        "symbol negative": lambda: scan(xs=np.full((T, B), -1)),
        "unsigned symbol too large": lambda: scan(xs=np.full((T, B), 200, np.uint8)),
        "integer one-hot": lambda: scan(xs=np.full((T, B, D), 7)),
        "projected, of raw inputs": lambda: scan(xs=ones(T, B, D), projected=True),
        "projected, one gate short": lambda: scan(xs=ones(T, B, 3, H), projected=True),
        "projected, gates last": lambda: scan(xs=ones(T, B, H, 4), projected=True),
        "projected, integers": lambda: scan(xs=ones(T, B, 4, H, dtype=np.int32), projected=True),
        "projected, no time": lambda: scan(xs=ones(4, H), projected=True),
        "project, none": lambda: CELL.project(params_of(), None),
        "project, a list": lambda: CELL.project(params_of(), [[1.0, 2.0, 3.0]]),
        "project, a float": lambda: CELL.project(params_of(), 1.0),
        "project, a feature short": lambda: CELL.project(params_of(), ones(T, B, D - 1)),
        "project, bool": lambda: CELL.project(params_of(), ones(T, B, D, dtype=np.bool_)),
        "project, complex": lambda: CELL.project(params_of(), ones(T, B, D, dtype=np.complex64)),
        "project, a symbol too large": lambda: CELL.project(params_of(), np.full((T, B), D)),
        "project, strings": lambda: CELL.project(params_of(), np.full((T, B, D), "a")),
    },
    "x": {
        "none": lambda: CELL.step(params_of(), carry_of(), None),
        "a list": lambda: step(x=[[1.0] * D] * B),
        "a float": lambda: step(x=1.0),
        "a string": lambda: step(x="abc"),
        "bool": lambda: step(x=ones(B, D, dtype=np.bool_)),
        "complex": lambda: step(x=ones(B, D, dtype=np.complex128)),
        "a feature short": lambda: step(x=ones(B, D - 1)),
        "features first": lambda: step(x=ones(D, B)),
        "symbol too large": lambda: step(x=np.full((B,), D)),
        "symbol negative": lambda: step(x=np.full((B,), -1)),
        "a scalar": lambda: step(x=np.float64(2.0)),
        "object": lambda: step(x=np.full((B, D), None, object)),
        "string array": lambda: step(x=np.full((B, D), "a")),
    },
    "carry": {
        "a string": lambda: scan(carry="zeros"),
        "a bare array for two": lambda: scan(carry=ones(B, H)),
        "one of two": lambda: scan(carry=(ones(B, H),)),
        "three of two": lambda: scan(carry=(ones(B, H),) * 3),
        "a list": lambda: scan(carry=[ones(B, H), ones(B, H)]),
        "a dict": lambda: scan(carry={"c": ones(B, H), "h": ones(B, H)}),
        "of a gru": lambda: scan(carry=carry_of(GRU)),
        "of an lstm for a gru": lambda: scan(GRU, carry=carry_of()),
        "nones": lambda: scan(carry=(None, None)),
        "floats": lambda: scan(carry=(0.0, 0.0)),
        "lists": lambda: scan(carry=([0.0] * H, [0.0] * H)),
        "another batch": lambda: scan(carry=carry_of(h=ones(B + 1, H))),
        "batch of one": lambda: scan(carry=carry_of(c=ones(1, H))),
        "no batch": lambda: scan(carry=carry_of(c=ones(H), h=ones(H))),
        "with time": lambda: scan(carry=carry_of(c=ones(T, B, H))),
        "another size": lambda: scan(carry=carry_of(h=ones(B, H + 1))),
        "transposed": lambda: scan(carry=carry_of(h=ones(H, B))),
        "torch's layer axis": lambda: scan(carry=(ones(1, B, H), ones(1, B, H))),
        "unprojected": lambda: scan(jaxrnn.lstm(H, projection=2), carry=(ones(B, H), ones(B, H))),
        "integers": lambda: scan(carry=(ones(B, H, dtype=np.int32),) * 2),
        "bool": lambda: scan(carry=(ones(B, H, dtype=np.bool_),) * 2),
        "complex": lambda: scan(carry=(ones(B, H, dtype=np.complex128),) * 2),
        "narrower": lambda: scan(carry=(f32((B, H)), f32((B, H)))),
        "half": lambda: scan(carry=(jnp.ones((B, H), jnp.bfloat16),) * 2),
        "mixed": lambda: scan(carry=(ones(B, H), f32((B, H)))),
        "string arrays": lambda: scan(carry=(np.full((B, H), "a"),) * 2),
        "time and batch swapped": lambda: scan(xs=ones(B, T, D), carry=carry_of()),
        "nested": lambda: scan(carry=((ones(B, H), ones(B, H)), ones(B, H))),
        "step, none": lambda: CELL.step(params_of(), None, ones(B, D)),
        "step, another batch": lambda: step(carry=carry_of(h=ones(B + 1, H))),
        "step, a bare array": lambda: step(carry=ones(B, H)),
        "step, integers": lambda: step(carry=(ones(B, H, dtype=np.int32),) * 2),
        "step, narrower": lambda: step(carry=(f32((B, H)),) * 2),
        "step, mixed": lambda: step(carry=(f32((B, H)), ones(B, H))),
        "step, with time": lambda: step(x=ones(T, B, D)),
        "step, a list": lambda: step(carry=[ones(B, H), ones(B, H)]),
        "own, a tuple of two": lambda: scan(own(H), carry=(ones(B, H), ones(B, H))),
    },
    "reset_carry": {
        "alone": lambda: scan(reset_carry=carry_of()),
        "another batch": lambda: scan(resets=ones(T, B, dtype=bool), reset_carry=carry_of(h=ones(B + 1, H))),
        "of a gru": lambda: scan(resets=ones(T, B, dtype=bool), reset_carry=carry_of(GRU)),
        "integers": lambda: scan(resets=ones(T, B, dtype=bool), reset_carry=(ones(B, H, dtype=int),) * 2),
        "a string": lambda: scan(resets=ones(T, B, dtype=bool), reset_carry="zeros"),
        "floats": lambda: scan(segments=ones(T, B, dtype=int), reset_carry=(0.0, 0.0)),
        "no batch": lambda: scan(segments=ones(T, B, dtype=int), reset_carry=(ones(H), ones(H))),
        "wider than the carry": lambda: scan(
            jaxrnn.lstm(H),
            {k: f32(v.shape) for k, v in params_of().items()},
            f32((T, B, D)),
            resets=ones(T, B, dtype=bool),
            reset_carry=carry_of(),
        ),
    },
    "lengths": {
        "too long": lambda: scan(lengths=np.array([T + 1, 1])),
        "negative": lambda: scan(lengths=np.array([-1, 1])),
        "floats": lambda: scan(lengths=np.array([1.0, 2.0])),
        "bool": lambda: scan(lengths=np.array([True, False])),
        "complex": lambda: scan(lengths=np.array([1j, 2])),
        "another batch": lambda: scan(lengths=np.array([1, 2, 3])),
        "one for all": lambda: scan(lengths=np.array([2])),
        "a scalar": lambda: scan(lengths=np.array(2)),
        "an int": lambda: scan(lengths=2),
        "a list": lambda: scan(lengths=[1, 2]),
        "a tuple": lambda: scan(lengths=(1, 2)),
        "a string": lambda: scan(lengths="all"),
        "a mask": lambda: scan(lengths=ones(T, B, dtype=int)),
        "a column": lambda: scan(lengths=np.array([[1], [2]])),
        "two batch axes": lambda: scan(xs=ones(T, B, 2, D), lengths=np.array([1, 2])),
        "no batch axis": lambda: scan(xs=ones(T, D), lengths=np.array([2])),
        "nan": lambda: scan(lengths=np.array([np.nan, 1])),
        "strings": lambda: scan(lengths=np.array(["1", "2"])),
        "objects": lambda: scan(lengths=np.array([None, 2])),
        "of an empty sequence": lambda: scan(xs=ones(0, B, D), lengths=np.array([1, 0])),
        "small integers that are negative": lambda: scan(lengths=np.array([-3, 1], np.int8)),
        "scan_carries": lambda: jaxrnn.scan_carries(CELL, params_of(), ones(T, B, D), lengths=np.array([T + 1, 1])),
        "closed over by jit": lambda: jax.jit(lambda xs: scan(xs=xs, lengths=np.array([T + 1, 1])))(ones(T, B, D)),
    },
    "mask": {
        "one step more": lambda: scan(mask=ones(T + 1, B, dtype=bool)),
        "one step short": lambda: scan(mask=ones(T - 1, B, dtype=bool)),
        "batch first": lambda: scan(mask=ones(B, T, dtype=bool)),
        "another batch": lambda: scan(mask=ones(T, B + 1, dtype=bool)),
        "batch of one": lambda: scan(mask=ones(T, 1, dtype=bool)),
        "time only": lambda: scan(mask=ones(T, dtype=bool)),
        "with features": lambda: scan(mask=ones(T, B, D, dtype=bool)),
        "floats": lambda: scan(mask=ones(T, B)),
        "integers": lambda: scan(mask=ones(T, B, dtype=int)),
        "a list": lambda: scan(mask=[[True] * B] * T),
        "a bool": lambda: scan(mask=True),
        "a string": lambda: scan(mask="causal"),
        "objects": lambda: scan(mask=np.full((T, B), None, object)),
    },
    "resets": {
        "one step more": lambda: scan(resets=ones(T + 1, B, dtype=bool)),
        "batch first": lambda: scan(resets=ones(B, T, dtype=bool)),
        "floats": lambda: scan(resets=ones(T, B)),
        "integers": lambda: scan(resets=ones(T, B, dtype=int)),
        "a bool": lambda: scan(resets=True),
        "a list": lambda: scan(resets=[[True] * B] * T),
        "time only": lambda: scan(resets=ones(T, dtype=bool)),
    },
    "segments": {
        "one step more": lambda: scan(segments=ones(T + 1, B, dtype=int)),
        "batch first": lambda: scan(segments=ones(B, T, dtype=int)),
        "floats": lambda: scan(segments=ones(T, B)),
        "bool": lambda: scan(segments=ones(T, B, dtype=bool)),
        "a list": lambda: scan(segments=[[0] * B] * T),
        "an int": lambda: scan(segments=0),
    },
    "reverse": {
        "a string": lambda: scan(reverse="yes"),
        "an int": lambda: scan(reverse=1),
        "none": lambda: scan(reverse=None),
        "an array": lambda: scan(reverse=jnp.array(True)),
        "scan_carries": lambda: jaxrnn.scan_carries(CELL, params_of(), ones(T, B, D), reverse="no"),
    },
    "projected": {
        "a string": lambda: scan(projected="yes"),
        "an int": lambda: scan(projected=0),
        "of a stack": lambda: jaxrnn.scan(
            jaxrnn.stack([CELL]), jaxrnn.stack([CELL]).init(KEY, D), ones(T, B, D), projected=True
        ),
    },
    "chunk": {
        "zero": lambda: scan(chunk=0),
        "negative": lambda: scan(chunk=-1),
        "a word": lambda: scan(chunk="foo"),
        "a number as a string": lambda: scan(chunk="3"),
        "a float": lambda: scan(chunk=2.0),
        "a bool": lambda: scan(chunk=True),
        "a tuple": lambda: scan(chunk=(1, 2)),
        "an array": lambda: scan(chunk=np.array([1, 2])),
        "a traced number": lambda: jax.jit(lambda n: scan(chunk=n))(2),
        "nan": lambda: scan(chunk=float("nan")),
        "a list": lambda: scan(chunk=[3]),
    },
    "backend": {
        "a typo": lambda: scan(backend="scheduld"),
        "none": lambda: scan(backend=None),
        "an int": lambda: scan(backend=0),
        "another library": lambda: scan(backend="cudnn"),
        "a list": lambda: scan(backend=["reference"]),
        "an array": lambda: scan(backend=np.array([1, 2])),
    },
    "rng": {
        "a seed": lambda: scan(rng=0),
        "a string": lambda: scan(rng="key"),
        "two keys": lambda: scan(rng=jax.random.split(KEY)),
        "floats": lambda: scan(rng=ones(2)),
        "signed": lambda: scan(rng=np.array([0, 1], np.int32)),
        "a raw key of three": lambda: scan(rng=np.array([0, 1, 2], np.uint32)),
        "a numpy generator": lambda: scan(rng=np.random.default_rng(0)),
        "a dict": lambda: scan(rng={"dropout": KEY}),
        "step, a seed": lambda: step(rng=0),
        "step, two keys": lambda: step(rng=jax.random.split(KEY)),
    },
    "key": {
        "a seed": lambda: CELL.init(0, D),
        "none": lambda: CELL.init(None, D),
        "two keys": lambda: CELL.init(jax.random.split(KEY), D),
        "a string": lambda: CELL.init("key", D),
        "floats": lambda: CELL.init(ones(2), D),
        "a dict": lambda: CELL.init({"params": KEY}, D),
    },
    "inputs": {
        "zero": lambda: CELL.init(KEY, 0),
        "negative": lambda: CELL.init(KEY, -3),
        "a float": lambda: CELL.init(KEY, 3.0),
        "a bool": lambda: CELL.init(KEY, True),
        "none": lambda: CELL.init(KEY, None),
        "a shape": lambda: CELL.init(KEY, (T, B, D)),
        "an array": lambda: CELL.init(KEY, ones(T, B, D)),
        "a string": lambda: CELL.init(KEY, "3"),
        "by name": lambda: CELL.init(KEY, inputs=None),
    },
    "batch": {
        "an int": lambda: CELL.initial_carry(2),
        "a list": lambda: CELL.initial_carry([2]),
        "negative": lambda: CELL.initial_carry((-1,)),
        "floats": lambda: CELL.initial_carry((2.0,)),
        "a string": lambda: CELL.initial_carry("2"),
        "none": lambda: CELL.initial_carry(None),
        "bools": lambda: CELL.initial_carry((True,)),
        "nested": lambda: CELL.initial_carry(((2,),)),
        "an array": lambda: CELL.initial_carry(np.array([2])),
    },
    "dtype": {
        "initial_carry, integers": lambda: CELL.initial_carry((B,), dtype=int),
        "initial_carry, a word": lambda: CELL.initial_carry((B,), dtype="flaot32"),
        "initial_carry, a list": lambda: CELL.initial_carry((B,), dtype=[1]),
        "integers": lambda: jaxrnn.lstm(H, dtype=jnp.int32),
        "a word": lambda: jaxrnn.gru(H, dtype="flaot32"),
        "complex": lambda: jaxrnn.elman(H, dtype=complex),
        "a number": lambda: jaxrnn.lstm(H, dtype=32),
        "bool": lambda: jaxrnn.lstm(H, dtype=bool),
        "an array": lambda: jaxrnn.lstm(H, dtype=ones(2)),
        "eight bits": lambda: jaxrnn.lstm(H, dtype=jnp.float8_e4m3fn),
    },
    "param_dtype": {
        "integers": lambda: jaxrnn.lstm(H, param_dtype=int),
        "a word": lambda: jaxrnn.gru(H, param_dtype="half32"),
        "own": lambda: own(H, param_dtype=int),
    },
    "carry_dtype": {
        "integers": lambda: jaxrnn.lstm(H, carry_dtype=int),
        "a list": lambda: jaxrnn.gru(H, carry_dtype=[jnp.float32]),
        "narrower than the products": lambda: scan(
            jaxrnn.lstm(H, carry_dtype=jnp.bfloat16, dtype=jnp.float32), params_of(), ones(T, B, D)
        ),
    },
    "start_step": {
        "a float": lambda: scan(start_step=1.0),
        "a bool": lambda: scan(start_step=True),
        "an array": lambda: scan(start_step=np.array([1, 2])),
        "a string": lambda: scan(start_step="0"),
        "none": lambda: scan(start_step=None),
        "a list": lambda: scan(start_step=[0]),
        "nan": lambda: scan(start_step=float("nan")),
        "negative": lambda: scan(start_step=-1),
        "too large": lambda: scan(start_step=2**31),
        "a complex number": lambda: scan(start_step=1j),
    },
    "step": {
        "a float": lambda: step(step=1.0),
        "a string": lambda: step(step="0"),
        "none": lambda: step(step=None),
        "an array": lambda: step(step=np.array([1, 2])),
        "negative": lambda: step(step=-1),
    },
    "per_step": {
        "a cell that asks for none": lambda: scan(per_step={"gain": ones(T, B, H)}),
        "missing": lambda: scan(timed(H)),
        "empty": lambda: scan(timed(H), per_step={}),
        "a typo": lambda: scan(timed(H), per_step={"gian": ones(T, B, H)}),
        "one too many": lambda: scan(timed(H), per_step={"gain": ones(T, B, H), "other": ones(T, B)}),
        "a list": lambda: scan(timed(H), per_step=[ones(T, B, H)]),
        "an array": lambda: scan(timed(H), per_step=ones(T, B, H)),
        "a string": lambda: scan(timed(H), per_step="gain"),
        "an int": lambda: scan(timed(H), per_step=3),
        "a float in it": lambda: scan(timed(H), per_step={"gain": 1.0}),
        "none in it": lambda: scan(timed(H), per_step={"gain": None}),
        "no time": lambda: scan(timed(H), per_step={"gain": ones(B, H)}),
        "one step more": lambda: scan(timed(H), per_step={"gain": ones(T + 1, B, H)}),
        "batch first": lambda: scan(timed(H), per_step={"gain": ones(B, T, H)}),
        "step, missing": lambda: step(timed(H)),
        "step, a typo": lambda: step(timed(H), per_step={"gian": ones(B, H)}),
        "step, not asked for": lambda: step(per_step={"gain": ones(B, H)}),
        "step, another batch": lambda: step(timed(H), per_step={"gain": ones(B + 1, H)}),
        "step, a float in it": lambda: step(timed(H), per_step={"gain": 1.0}),
        "step, a list": lambda: step(timed(H), per_step=[ones(B, H)]),
        "step, an int": lambda: step(timed(H), per_step=3),
    },
    "size": {
        f"{name}, {what}": partial(factory, value)
        for name, factory in dict(
            lstm=jaxrnn.lstm, gru=jaxrnn.gru, elman=jaxrnn.elman, lstm_1997=jaxrnn.lstm_1997, own=own
        ).items()
        for what, value in {
            "zero": 0,
            "negative": -1,
            "a float": 4.0,
            "a string": "4",
            "none": None,
            "a bool": True,
            "a list": [4],
        }.items()
    },
    "projection": {
        "zero": lambda: jaxrnn.lstm(H, projection=0),
        "a float": lambda: jaxrnn.lstm(H, projection=2.0),
        "a bool": lambda: jaxrnn.lstm(H, projection=True),
        "a string": lambda: jaxrnn.lstm(H, projection="2"),
        "negative": lambda: jaxrnn.lstm(H, projection=-2),
    },
    "cell_clip": {
        "zero": lambda: jaxrnn.lstm(H, cell_clip=0),
        "negative": lambda: jaxrnn.lstm(H, cell_clip=-1.0),
        "a string": lambda: jaxrnn.lstm(H, cell_clip="3"),
        "a bool": lambda: jaxrnn.lstm(H, cell_clip=True),
        "nan": lambda: jaxrnn.lstm(H, cell_clip=float("nan")),
        "a pair": lambda: jaxrnn.lstm(H, cell_clip=(-1, 1)),
        "an array": lambda: jaxrnn.lstm(H, cell_clip=ones(3)),
    },
    "chrono": {
        "too short": lambda: jaxrnn.lstm(H, chrono=1.0),
        "two": lambda: jaxrnn.gru(H, chrono=2),
        "a string": lambda: jaxrnn.lstm(H, chrono="100"),
        "a bool": lambda: jaxrnn.gru(H, chrono=True),
        "nan": lambda: jaxrnn.gru(H, chrono=float("nan")),
        "infinite": lambda: jaxrnn.lstm(H, chrono=float("inf")),
        "no forget gate": lambda: jaxrnn.lstm(H, chrono=10, forget_gate=False),
        "a list": lambda: jaxrnn.gru(H, chrono=[10]),
        "beside bias_init": lambda: jaxrnn.gru(H, chrono=10, bias_init=jax.nn.initializers.zeros),
    },
    "forget_bias": {
        "a string": lambda: jaxrnn.lstm(H, forget_bias="1"),
        "none": lambda: jaxrnn.lstm(H, forget_bias=None),
        "nan": lambda: jaxrnn.lstm(H, forget_bias=float("nan")),
        "an array": lambda: jaxrnn.lstm(H, forget_bias=ones(H)),
        "a bool": lambda: jaxrnn.lstm(H, forget_bias=True),
        "no forget gate": lambda: jaxrnn.lstm(H, forget_bias=2.0, forget_gate=False),
        "with chrono": lambda: jaxrnn.lstm(H, forget_bias=2.0, chrono=10),
    },
    "coupled": {
        "an int": lambda: jaxrnn.lstm(H, coupled=1),
        "no forget gate": lambda: jaxrnn.lstm(H, coupled=True, forget_gate=False),
    },
    "forget_gate": {
        "a string": lambda: jaxrnn.lstm(H, forget_gate="no"),
        "none": lambda: jaxrnn.lstm(H, forget_gate=None),
    },
    "peepholes": {
        "an int": lambda: jaxrnn.lstm(H, peepholes=3),
        "a string": lambda: jaxrnn.lstm(H, peepholes="diagonal"),
    },
    "layer_norm": {
        "a string": lambda: jaxrnn.lstm(H, layer_norm="pre"),
        "none": lambda: jaxrnn.lstm(H, layer_norm=None),
    },
    "truncated_gradient": {
        "an int": lambda: jaxrnn.lstm(H, truncated_gradient=1),
        "1997": lambda: jaxrnn.lstm_1997(H, truncated_gradient="yes"),
    },
    "reset_after": {
        "an int": lambda: jaxrnn.gru(H, reset_after=1),
        "a string": lambda: jaxrnn.gru(H, reset_after="v3"),
    },
    "residual": {"an int": lambda: jaxrnn.elman(H, residual=0), "none": lambda: jaxrnn.elman(H, residual=None)},
    "leak": {
        "zero": lambda: jaxrnn.elman(H, leak=0.0),
        "above one": lambda: jaxrnn.elman(H, leak=1.5),
        "nan": lambda: jaxrnn.elman(H, leak=float("nan")),
        "a string": lambda: jaxrnn.elman(H, leak="slow"),
        "a bool": lambda: jaxrnn.elman(H, leak=True),
        "none": lambda: jaxrnn.elman(H, leak=None),
    },
    "activation": {
        "a name": lambda: jaxrnn.elman(H, activation="tanh"),
        "none": lambda: jaxrnn.lstm(H, activation=None),
        "gru": lambda: jaxrnn.gru(H, activation=1),
    },
    "gate_activation": {
        "a name": lambda: jaxrnn.lstm(H, gate_activation="sigmoid"),
        "gru": lambda: jaxrnn.gru(H, gate_activation=None),
    },
    "output_activation": {"a name": lambda: jaxrnn.lstm(H, output_activation="tanh")},
    "use_bias": {
        "an int": lambda: jaxrnn.lstm(H, use_bias=1),
        "gru": lambda: jaxrnn.gru(H, use_bias="no"),
        "none": lambda: jaxrnn.gru(H, use_bias=None),
    },
    "learn_carry": {"an int": lambda: jaxrnn.lstm(H, learn_carry=1), "none": lambda: jaxrnn.elman(H, learn_carry=None)},
    "carry_init": {
        "alone": lambda: jaxrnn.lstm(H, carry_init=jax.nn.initializers.ones),
        "a string": lambda: jaxrnn.lstm(H, learn_carry=True, carry_init="ones"),
        "a number": lambda: jaxrnn.gru(H, learn_carry=True, carry_init=0.0),
    },
    "kernel_init": {
        "a name": lambda: jaxrnn.lstm(H, kernel_init="glorot"),
        "a number": lambda: jaxrnn.lstm(H, kernel_init=0.1),
        "an unknown gate": lambda: jaxrnn.lstm(H, kernel_init={"q": jax.nn.initializers.zeros}),
        "a name for a gate": lambda: jaxrnn.lstm(H, kernel_init={"i": "zeros"}),
        "a list": lambda: jaxrnn.gru(H, kernel_init=[jax.nn.initializers.zeros] * 3),
    },
    "recurrent_kernel_init": {
        "a name": lambda: jaxrnn.gru(H, recurrent_kernel_init="orthogonal"),
        "an unknown gate": lambda: jaxrnn.gru(H, recurrent_kernel_init={"f": jax.nn.initializers.zeros}),
    },
    "bias_init": {
        "a number": lambda: jaxrnn.elman(H, bias_init=0.0),
        "an unknown gate": lambda: jaxrnn.lstm(H, bias_init={"forget": jax.nn.initializers.ones}),
        "a forget gate where there is none": lambda: jaxrnn.lstm(
            H, coupled=True, bias_init={"f": jax.nn.initializers.ones}
        ),
        "gate_cell, an unknown gate": lambda: jaxrnn.gate_cell(
            gates=("a",), carry=State, bias_init={"b": jax.nn.initializers.ones}
        )(equations)(H),
        "gate_cell, a list": lambda: jaxrnn.gate_cell(gates=("a",), carry=State, bias_init=[1.0])(equations)(H),
        "gate_cell, a number in it": lambda: jaxrnn.gate_cell(gates=("a",), carry=State, bias_init={"a": 1.0})(
            equations
        )(H),
    },
    "gates": {
        "a string": lambda: jaxrnn.gate_cell(gates="ifgo", carry=State)(equations),
        "a list": lambda: jaxrnn.gate_cell(gates=["a"], carry=State)(equations),
        "none": lambda: jaxrnn.gate_cell(gates=None, carry=State)(equations),
        "empty": lambda: jaxrnn.gate_cell(gates=(), carry=State)(equations),
        "twice the same": lambda: jaxrnn.gate_cell(gates=("a", "a"), carry=State)(equations),
        "numbers": lambda: jaxrnn.gate_cell(gates=(1, 2), carry=State)(equations),
        "no identifier": lambda: jaxrnn.gate_cell(gates=("a b",), carry=State)(equations),
        "a keyword": lambda: jaxrnn.gate_cell(gates=("in",), carry=State)(equations),
        "private": lambda: jaxrnn.gate_cell(gates=("_a",), carry=State)(equations),
    },
    "equations": {
        "no function": lambda: jaxrnn.gate_cell(gates=("a",), carry=State)(3),
        "too few arguments": lambda: jaxrnn.gate_cell(gates=("a",), carry=State)(lambda carry, x: None),
        "too many arguments": lambda: jaxrnn.gate_cell(gates=("a",), carry=State)(
            lambda carry, x, recur, theta, more: None
        ),
        "a positional option": lambda: jaxrnn.gate_cell(gates=("a",), carry=State)(lambda carry, x, h, rate=0.5: None),
    },
    "update": {
        "returns an array": lambda: scan(own_returning(lambda new: new)),
        "returns the carry alone": lambda: scan(own_returning(lambda new: State(new))),
        "another carry": lambda: scan(own_returning(lambda new: (ElmanLike(new), new))),
        "a carry of another shape": lambda: scan(own_returning(lambda new: (State(new[..., :1]), new))),
        "none": lambda: scan(own_returning(lambda new: None)),
        "three things": lambda: scan(own_returning(lambda new: (State(new), new, new))),
        "no array as output": lambda: scan(own_returning(lambda new: (State(new), None))),
        "an output of another size": lambda: scan(own_returning(lambda new: (State(new), new[..., :1]))),
        "a carry of integers": lambda: scan(own_returning(lambda new: (State(new.astype(int)), new))),
        "step": lambda: step(own_returning(lambda new: new)),
    },
}

NO_CARRY_CLASS = {
    "none": None,
    "a tuple": tuple,
    "an instance": State(1),
    "a dict": dict,
    "a class without h": NamedTuple("NoH", [("c", Any)]),
    "a string": "State",
}
WRONG["carry"] |= {
    f"gate_cell, {what}": partial(jaxrnn.gate_cell, gates=("a",), carry=kind) for what, kind in NO_CARRY_CLASS.items()
}

UNKNOWN = {
    "lstm": ("peephole", lambda: jaxrnn.lstm(H, peephole=True)),
    "lstm, keras' name": ("units", lambda: jaxrnn.lstm(H, units=3)),
    "gru": ("reset_befor", lambda: jaxrnn.gru(H, reset_befor=True)),
    "elman": ("leaky", lambda: jaxrnn.elman(H, leaky=0.5)),
    "lstm_1997": ("peep", lambda: jaxrnn.lstm_1997(H, peep=True)),
    "lstm_1997, an option of lstm that it sets": ("forget_gate", lambda: jaxrnn.lstm_1997(H, forget_gate=True)),
    "lstm_1997, a forget bias": ("forget_bias", lambda: jaxrnn.lstm_1997(H, forget_bias=1.0)),
    "own": ("rate", lambda: own(H, rate=1)),
    "own, mistyped common": ("use_bais", lambda: own(H, use_bais=True)),
    "scan_carries": (
        "length",
        lambda: jaxrnn.scan_carries(CELL, params_of(), ones(T, B, D), length=ones(B, dtype=int)),
    ),
}


class ElmanLike(NamedTuple):
    h: Any


def own_returning(result: Callable[[Any], Any]) -> Any:
    """A cell whose equations return something wrong."""

    def equations(carry: Any, x: Any, h: Any) -> Any:
        return result(jnp.tanh(x.a + h.a))

    return jaxrnn.gate_cell(gates=("a",), carry=State)(equations)(H)


def raised_by_us(error: BaseException) -> bool:
    """Whether the innermost frame is jaxrnn's."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return frames[-1].startswith("jaxrnn.")


@pytest.mark.parametrize(("argument", "what"), [(a, w) for a, calls in WRONG.items() for w in calls], ids=lambda v: v)
def test_wrong_call_raises_our_error(argument: str, what: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        WRONG[argument][what]()
    message = str(caught.value)
    assert raised_by_us(caught.value), message
    assert re.match(rf"`{argument}\b.*` must be .+, got .+", message, re.DOTALL), message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("what", UNKNOWN)
def test_unknown_argument_is_named(what: str) -> None:
    name, wrong = UNKNOWN[what]
    with pytest.raises(TypeError) as caught:
        wrong()
    assert raised_by_us(caught.value)
    assert repr(name) in str(caught.value)


def test_nearest_name_is_suggested() -> None:
    with pytest.raises(ValueError, match="Did you mean 'recurrent_kernel'"):
        scan(params=params_of(recurent_kernel=ones(H, 4, H)))
    with pytest.raises(ValueError, match="Did you mean 'scheduled'"):
        scan(backend="scheduld")


def test_swapped_time_and_batch_are_caught_by_whatever_knows_the_batch() -> None:
    """Alone, `[B, T, D]` cannot be told from `[T, B, D]`; any other argument gives it away (trap 33)."""
    swapped = ones(B, T, D)
    for given in (dict(carry=carry_of()), dict(lengths=np.array([1, 2])), dict(mask=ones(T, B, dtype=bool))):
        with pytest.raises(ValueError, match=r"^`(carry|lengths|mask)"):
            scan(xs=swapped, **given)
