"""Layers and forms of a user's own: what their methods read is part of their value, as what a function reads is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.core.layer import Layer
from jaxrnn.forms import Form, dense
from tests.engine.test_closed_over import B, D, H, T, looped, problem
from tests.laws.test_law_07_compilation import counting
from tests.promotion import default_promotion

GAIN = 1.0


@pytest.fixture(autouse=True)
def _layers_of_a_user() -> Iterator[None]:
    with default_promotion():
        yield


class Around(Layer):
    """What all layers here share: the parameters and the carry of one cell."""

    cell: Any
    output_size = property(lambda self: self.cell.output_size)
    parts = property(lambda self: (self.cell,))

    def declare(self, inputs: int) -> Any:
        return self.cell.declare(inputs)

    def input_size(self, params: Any) -> int:
        return self.cell.input_size(params)

    def carry_shapes(self, batch: Any) -> Any:
        return self.cell.carry_shapes(batch)

    def initial_carry(self, batch: Any, params: Any = None, dtype: Any = None) -> Any:
        return self.cell.initial_carry(batch, params, dtype)

    def pack(self, carry: Any, argument: str = "carry") -> Any:
        return self.cell.pack(carry, argument)

    def gained(self, ys: Any) -> Any:
        return ys

    def apply(self, run: Any, call: Any, reverse: bool) -> Any:
        carry, ys = run(self.cell, call, reverse)
        return carry, self.gained(ys)

    def one_step(self, params: Any, carry: Any, x: Any, rng: Any, step: Any, per_step: Any) -> Any:
        carry, y = self.cell.one_step(params, carry, x, rng, step, per_step)
        return carry, self.gained(y)


@dataclass(frozen=True)
class ByGlobal(Around):
    cell: Any

    def gained(self, ys: Any) -> Any:
        return GAIN * ys


@dataclass(frozen=True)
class ByHelper(Around):
    cell: Any

    def gained(self, ys: Any) -> Any:
        return by_helper(ys)


def by_helper(ys: Any) -> Any:
    return GAIN * ys


class ByAttribute(Around):
    """No dataclass: equal to itself alone, whatever it holds."""

    def __init__(self, cell: Any) -> None:
        self.cell, self.gain = cell, 1.0

    def gained(self, ys: Any) -> Any:
        return self.gain * ys


class Inherited(ByAttribute):
    pass


@dataclass(frozen=True)
class ByClass(Around):
    """Equal to all others around the same cell, whatever the class has."""

    cell: Any
    gain = 1.0

    def gained(self, ys: Any) -> Any:
        return self.gain * ys


class OnTheFly(Around):
    """Makes the cell that it runs when it runs."""

    def __init__(self, cell: Any) -> None:
        self.cell, self.gain = cell, 1.0

    def apply(self, run: Any, call: Any, reverse: bool) -> Any:
        gain = self.gain
        return run(jaxrnn.elman(H, activation=lambda v: jnp.tanh(gain * v)), call, reverse)

    def one_step(self, *arguments: Any) -> Any:
        raise NotImplementedError


class Activated(Around):
    """Holds a cell, whose activation reads an attribute."""

    def __init__(self, cell: Any) -> None:
        self.slope = Slope()
        self.cell = jaxrnn.elman(H, activation=self.slope)


class Slope:
    gain = 1.0

    def __call__(self, v: Any) -> Any:
        return jnp.tanh(self.gain * v)


OF_KIND = {
    "global": ByGlobal,
    "helper": ByHelper,
    "class": ByClass,
    "attribute": ByAttribute,
    "inherited": Inherited,
    "on the fly": OnTheFly,
    "a cell's": Activated,
}
KINDS = tuple(OF_KIND)


def changing(kind: str) -> tuple[Layer, Callable[[Any], None], bool]:
    """A layer, what changes its gain, and whether that is inside of tanh."""

    def rebind(gain: Any) -> None:
        global GAIN
        GAIN = gain

    cell = jaxrnn.elman(H, activation=jnp.tanh)
    layer: Any = OF_KIND[kind](cell)
    inside = kind in ("on the fly", "a cell's")
    if kind in ("global", "helper"):
        rebind(1.0)
        return layer, rebind, inside
    changes: Any = {"class": ByClass, "a cell's": getattr(layer, "slope", None)}.get(kind, layer)
    changes.gain = 1.0
    return layer, partial(setattr, changes, "gain"), inside


def outputs(gain: Any, inside: bool, params: Any, xs: Any) -> Any:
    return looped(lambda v: jnp.tanh(gain * v), params, xs) if inside else gain * looped(jnp.tanh, params, xs)


@pytest.mark.parametrize("within", ["alone", "in a stack"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_has_effect(kind: str, within: str) -> None:
    layer, change, inside = changing(kind)
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    run, given = layer, params
    if within == "in a stack":
        run, given = jaxrnn.stack([layer]), {"0": params}
        given = dict(zip(run.declare(D), [params], strict=True))
    for gain in (1.0, 0.5, 1.0):
        change(gain)
        want = outputs(gain, inside, params, xs)
        np.testing.assert_allclose(jaxrnn.scan(run, given, xs)[1], want, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(jaxrnn.scan_truncated(run, given, xs, k1=T)[1], want, rtol=2e-5, atol=1e-6)
        if kind != "on the fly":
            carry = run.initial_carry((B,))
            np.testing.assert_allclose(run.step(given, carry, xs[0])[1], want[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["auto", "scheduled", "reference"])
def test_what_methods_read_is_differentiated_and_not_kept(kind: str, backend: str) -> None:
    layer, change, inside = changing(kind)
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))

    def ours(gain: Any) -> Any:
        change(gain)
        try:
            return (jaxrnn.scan(layer, params, xs, backend=backend)[1] ** 2).sum()
        finally:
            change(1.0)

    def theirs(gain: Any) -> Any:
        return (outputs(gain, inside, params, xs) ** 2).sum()

    with jax.checking_leaks():
        for gain in (1.0, 0.5):
            np.testing.assert_allclose(ours(gain), theirs(gain), rtol=1e-5)
            np.testing.assert_allclose(jax.grad(ours)(gain), jax.grad(theirs)(gain), rtol=1e-4)
            np.testing.assert_allclose(jax.jit(jax.grad(ours))(gain), jax.grad(theirs)(gain), rtol=1e-4)


def test_equal_reads_share_a_program() -> None:
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    for kind in KINDS:
        layer, _, _ = changing(kind)
        jaxrnn.scan(layer, params, xs)
        with counting() as done:
            jaxrnn.scan(layer, params, xs)
        assert not done, kind


# ---------------------------------------------------------------- forms


@dataclass(frozen=True)
class ByGlobalForm(Form):
    """A dense kernel times a number that a module has."""

    def weights(self, inputs: int, gates: int | None, units: int, init: Any, argument: str) -> Any:
        return dense.weights(inputs, gates, units, init, argument)

    def inputs_of(self, shapes: Any) -> int:
        return dense.inputs_of(shapes)

    def product(self, arrays: Any, h: Any) -> Any:
        return GAIN * dense.product(arrays, h)


class ByAttributeForm(ByGlobalForm):
    """Equal to all others of its class, whatever its class holds."""

    gain = 1.0

    def product(self, arrays: Any, h: Any) -> Any:
        return self.gain * dense.product(arrays, h)


@pytest.mark.parametrize("side", ["input", "recurrent"])
@pytest.mark.parametrize("kind", ["global", "class"])
def test_a_form_is_what_its_methods_read(kind: str, side: str) -> None:
    form = ByGlobalForm() if kind == "global" else ByAttributeForm()

    def change(gain: Any) -> None:
        global GAIN
        GAIN = gain if kind == "global" else 1.0
        ByAttributeForm.gain = gain

    change(1.0)
    cell = jaxrnn.elman(H, activation=jnp.tanh, **{side: form})
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    name = "kernel" if side == "input" else "recurrent_kernel"

    def theirs(gain: Any) -> Any:
        return looped(jnp.tanh, params | {name: gain * params[name]}, xs)

    def ours(gain: Any) -> Any:
        change(gain)
        try:
            return (jaxrnn.scan(cell, params, xs)[1] ** 2).sum()
        finally:
            change(1.0)

    carry = cell.initial_carry((B,))
    for gain in (1.0, 0.5, 1.0):
        change(gain)
        np.testing.assert_allclose(jaxrnn.scan(cell, params, xs)[1], theirs(gain), rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(cell.step(params, carry, xs[0])[1], theirs(gain)[0], rtol=2e-5, atol=1e-6)
    with jax.checking_leaks():
        for gain in (1.0, 0.5):
            want = jax.grad(lambda gain: (theirs(gain) ** 2).sum())(gain)
            np.testing.assert_allclose(jax.grad(ours)(gain), want, rtol=1e-4)
            np.testing.assert_allclose(jax.jit(jax.grad(ours))(gain), want, rtol=1e-4)
