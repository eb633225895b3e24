"""What a function reads besides its arguments: values of an open trace, arrays, numbers that change; and its own rules.

The reference is a loop of the equations in plain JAX, written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests.laws.test_law_07_compilation import counting
from tests.promotion import default_promotion

BACKENDS = ("native", "scheduled", "reference")
T, B, D, H = 4, 3, 2, 4


@pytest.fixture(autouse=True)
def _functions_of_a_user() -> Iterator[None]:
    with default_promotion():
        yield


class State(NamedTuple):
    h: jax.Array
    z: jax.Array


def problem(cell: jaxrnn.Cell) -> tuple[Any, Any]:
    draw = np.random.default_rng(3)
    params = jax.tree.map(lambda a: jnp.asarray(draw.normal(size=a.shape)), cell.init(jax.random.key(0), D))
    return params, jnp.asarray(draw.normal(size=(T, B, D)))


def looped(activation: Callable[[Any], Any], params: Any, xs: Any, lengths: Any = None) -> Any:
    """The outputs of an Elman network."""
    h, ys = jnp.zeros((B, H)), []
    for t in range(T):
        new = activation((xs[t] @ params["kernel"][:, 0] + h @ params["recurrent_kernel"][:, 0]) + params["bias"][0])
        valid = jnp.ones((B, 1), bool) if lengths is None else (t < lengths)[:, None]
        h = jnp.where(valid, new, h)
        ys.append(jnp.where(valid, new, 0))
    return jnp.stack(ys)


def elman(activation: Callable[[Any], Any], params: Any, xs: Any, backend: str, **arguments: Any) -> Any:
    return jaxrnn.scan(jaxrnn.elman(H, activation=activation), params, xs, backend=backend, **arguments)[1]


# What is read, and a function of it and of the gate.
READS = {
    "a number": (jnp.float64(0.7), lambda a, v: jnp.tanh(a * v)),
    "a number, twice, in a branch": (jnp.float64(0.3), lambda a, v: jnp.where(v > a, v, a**2 * v)),
    "one number for each unit": (jnp.linspace(0.2, 1.0, H), lambda a, v: jnp.sin(a * v)),
    "a tree": ({"slope": jnp.float64(0.5), "shift": jnp.ones(H)}, lambda a, v: jnp.tanh(a["slope"] * v) + a["shift"]),
    "two for each unit": (jnp.linspace(0.1, 0.8, 2 * H).reshape(2, H), lambda a, v: a[0] * jnp.tanh(v) + a[1]),
    "a matrix, which mixes units": (jnp.eye(H) * 0.3, lambda a, v: jnp.tanh(v @ a)),
    "more than can be handed to rows": (jnp.full((40, H), 0.01), lambda a, v: jnp.tanh(v + a.sum(0))),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("backend", ["auto", "scheduled", "reference"])
def test_what_an_activation_reads_is_differentiated(name: str, backend: str) -> None:
    value, function = READS[name]
    params, xs = problem(jaxrnn.elman(H))
    value = jax.tree.map(lambda a: jnp.asarray(a, float), value)
    lengths = jnp.array([4, 0, 3])

    def ours(value: Any, params: Any) -> Any:
        return (elman(lambda v: function(value, v), params, xs, backend, lengths=lengths) ** 2).sum()

    def theirs(value: Any, params: Any) -> Any:
        return (looped(lambda v: function(value, v), params, xs, lengths) ** 2).sum()

    if backend == "scheduled" and name.startswith("more"):
        with pytest.raises(ValueError, match="declines: they read more than 16 numbers for each unit"):
            ours(value, params)
        return
    move = jax.tree.map(jnp.ones_like, value)

    def everything(f: Callable[..., Any]) -> Any:
        """Value, gradients, a tangent, and the tangent of a gradient, by one program."""
        along = lambda g: jax.jvp(lambda v: g(v, params), (value,), (move,))  # noqa: E731
        return jax.jit(lambda: (along(f), jax.grad(f, (0, 1))(value, params), along(jax.grad(f))))()

    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), everything(ours), everything(theirs))


@pytest.mark.parametrize("name", [n for n in READS if n.startswith(("a number", "one number", "a tree", "two"))])
def test_compiled_loops_run_what_reads_numbers(name: str) -> None:
    value, function = READS[name]
    params, xs = problem(jaxrnn.elman(H))
    ours = lambda v: (elman(lambda x: function(v, x), params, xs, "native") ** 2).sum()  # noqa: E731
    theirs = lambda v: (looped(lambda x: function(v, x), params, xs) ** 2).sum()  # noqa: E731
    value = jax.tree.map(lambda a: jnp.asarray(a, float), value)
    got, want = jax.jit(jax.grad(ours))(value), jax.jit(jax.grad(theirs))(value)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), got, want)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_outside_jit_and_under_vmap(backend: str) -> None:
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    ours = lambda a: (elman(lambda v: jnp.tanh(a * v), params, xs, backend) ** 2).sum()  # noqa: E731
    theirs = lambda a: (looped(lambda v: jnp.tanh(a * v), params, xs) ** 2).sum()  # noqa: E731
    several = jnp.array([0.5, 1.0, 2.0], jnp.float32)
    np.testing.assert_allclose(jax.grad(ours)(several[1]), jax.grad(theirs)(several[1]), rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(ours)(several), jax.vmap(theirs)(several), rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(jax.grad(ours))(several), jax.vmap(jax.grad(theirs))(several), rtol=1e-4)


def test_equations_and_their_products_may_read_too() -> None:
    """In the long form, with two products, a reset gate, and noise around it."""
    gain = jnp.float64(0.8)

    def equations(gain: Any) -> Any:
        def cell(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
            r = jax.nn.sigmoid(gain * x.a + recur(carry.h).a)
            h = jnp.tanh(recur(r * carry.h).b + x.b + theta["u"] * carry.z)
            return State(h, gain * carry.z + h), h

        units = {"u": jaxrnn.Parameter(("H",), jax.nn.initializers.ones)}
        return jaxrnn.gate_cell(gates=("a", "b"), carry=State, parameters=units)(cell)(H)

    xs = jax.random.normal(jax.random.key(1), (T, B, D))
    params = equations(gain).init(jax.random.key(0), D)

    def loss(gain: Any, backend: str) -> Any:
        layer = jaxrnn.zoneout(equations(gain), h=0.3)
        return (jaxrnn.scan(layer, params, xs, rng=jax.random.key(2), backend=backend)[1] ** 2).sum()

    def looped(gain: Any) -> Any:
        layer = jaxrnn.zoneout(equations(gain), h=0.3)
        carry, total = layer.initial_carry((B,)), 0.0
        for t in range(T):
            carry, y = layer.step(params, carry, xs[t], rng=jax.random.key(2), step=t)
            total += (y**2).sum()
        return total

    want = jax.grad(looped)(gain)
    assert want != 0
    for backend in BACKENDS:
        np.testing.assert_allclose(jax.grad(loss)(gain, backend), want, rtol=1e-5)
        np.testing.assert_allclose(jax.jit(jax.grad(loss), static_argnums=1)(gain, backend), want, rtol=1e-5)


def test_a_merge_may_read_too() -> None:
    params = jaxrnn.bidirectional(jaxrnn.gru(H)).init(jax.random.key(0), D)
    xs = jnp.ones((T, B, D))

    def loss(a: Any) -> Any:
        layer = jaxrnn.bidirectional(jaxrnn.gru(H), merge=lambda f, b: a * f + b)
        return jaxrnn.scan(layer, params, xs)[1].sum()

    forward = jaxrnn.scan(jaxrnn.gru(H), params["forward"], xs)[1].sum()
    for gradient in (jax.grad(loss), jax.jit(jax.grad(loss))):
        np.testing.assert_allclose(gradient(2.0), forward, rtol=1e-5)


@pytest.mark.parametrize("run", ["scan", "scan_truncated", "step"])
def test_nothing_is_kept_of_a_trace_that_has_ended(run: str) -> None:
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))

    class Slope:
        """One object in all traces: equal to itself, whatever it holds."""

        def __call__(self, v: Any) -> Any:
            return jnp.tanh(self.a * v)

    slope = Slope()
    cell = jaxrnn.elman(H, activation=slope)

    def loss(a: Any) -> Any:
        slope.a = a
        try:
            if run == "scan":
                return jaxrnn.scan(cell, params, xs)[1].sum()
            if run == "scan_truncated":
                return jaxrnn.scan_truncated(cell, params, xs, k1=T)[1].sum()
            return cell.step(params, cell.initial_carry((B,)), xs[0])[1].sum()
        finally:
            del slope.a

    def want(a: Any) -> Any:
        ys = looped(lambda v: jnp.tanh(a * v), params, xs)
        return ys[0].sum() if run == "step" else ys.sum()

    with jax.checking_leaks():
        for a in (1.0, 0.5):
            np.testing.assert_allclose(jax.jit(jax.grad(loss))(a), jax.grad(want)(a), rtol=1e-4)
            np.testing.assert_allclose(jax.jit(loss)(a), want(a), rtol=1e-5)


SCALE = 1.0


def by_a_global(v: Any) -> Any:
    return jnp.tanh(SCALE * v)


class ByAttribute:
    scale = 1.0

    def __call__(self, v: Any) -> Any:
        return jnp.tanh(self.scale * v)


@dataclass(frozen=True)
class Frozen:
    scale = 1.0  # no field

    def __call__(self, v: Any) -> Any:
        return jnp.tanh(self.scale * v)


class Held:
    scale = 1.0


def by_a_class(v: Any) -> Any:
    return jnp.tanh(Held.scale * v)


class ByRule:
    """Only the derivative reads the attribute."""

    scale = 1.0

    def __call__(self, v: Any) -> Any:
        spike = jax.custom_jvp(lambda v: v)
        spike.defjvps(lambda dv, y, v: self.scale * dv)
        return spike(v)


def changeable() -> dict[str, tuple[Callable[[Any], Any], Callable[[float], None]]]:
    """Functions, and how what they read is changed."""
    by_attribute, by_rule, cell, items = ByAttribute(), ByRule(), [1.0], {"scale": np.ones(H)}

    def rebind(value: float) -> None:
        global SCALE
        SCALE = value

    return {
        "global": (by_a_global, rebind),
        "attribute": (by_attribute, lambda a: setattr(by_attribute, "scale", a)),
        "attribute of a class": (ByAttribute(), lambda a: setattr(ByAttribute, "scale", a)),
        "attribute of a frozen class": (Frozen(), lambda a: setattr(Frozen, "scale", a)),
        "class": (by_a_class, lambda a: setattr(Held, "scale", a)),
        "bound method": (by_attribute.__call__, lambda a: setattr(by_attribute, "scale", a)),
        "list": (lambda v: jnp.tanh(cell[0] * v), lambda a: cell.__setitem__(0, a)),
        "NumPy array": (lambda v: jnp.tanh(items["scale"] * v), lambda a: items["scale"].fill(a)),
        "through a library": (jax.jit(jax.vmap(by_a_global)), rebind),
        "rule": (by_rule, lambda a: setattr(by_rule, "scale", a)),
        "partial": (partial(lambda c, v: jnp.tanh(c[0] * v), cell), lambda a: cell.__setitem__(0, a)),
    }


@pytest.mark.parametrize("name", changeable())
@pytest.mark.parametrize("backend", ["auto", "scheduled", "reference"])
def test_what_changed_has_effect(name: str, backend: str) -> None:
    function, change = changeable()[name]
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    cell = jaxrnn.elman(H, activation=function)
    for scale in (1.0, 0.5, 1.0):
        change(scale)
        jax.clear_caches() if name == "through a library" else None  # of the user's own `jit`
        act = (lambda v: v) if name == "rule" else (lambda v, a=scale: jnp.tanh(a * v))
        want = looped(act, params, xs)
        np.testing.assert_allclose(jaxrnn.scan(cell, params, xs, backend=backend)[1], want, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(cell.step(params, cell.initial_carry((B,)), xs[0])[1], want[0], rtol=2e-5, atol=1e-6)
        if name == "rule":
            g = jax.grad(lambda x: jaxrnn.scan(cell, params, x, backend=backend)[1][0].sum())(xs)[0]
            np.testing.assert_allclose(g, np.tile(scale * params["kernel"][:, 0].sum(1), (B, 1)), rtol=1e-5)


def test_equal_reads_share_a_program() -> None:
    """A function that reads numbers compiles once, as one that reads nothing does."""
    params, xs = jax.tree.map(jnp.float32, problem(jaxrnn.elman(H)))
    gains = jnp.ones(H)
    for function in (by_a_global, ByAttribute(), lambda v: v * gains):
        cell = jaxrnn.elman(H, activation=function)
        jaxrnn.scan(cell, params, xs)
        with counting() as done:
            jaxrnn.scan(cell, params, xs)
        assert not done, function


# ---------------------------------------------------------------- derivatives of their own


@jax.custom_jvp
def spike(v: Any) -> Any:
    return (v > 0).astype(v.dtype)


@spike.defjvp
def _surrogate(primals: Any, tangents: Any) -> Any:
    (v,), (dv,) = primals, tangents
    return spike(v), dv / (1 + jnp.abs(v)) ** 2


RULES = {
    "surrogate": spike,
    "softplus": jax.nn.softplus,
    "logaddexp": lambda v: jnp.logaddexp(v, 0.0 * v),
    "within jit and where": jax.jit(lambda v: jnp.where(v > 0.1, spike(v), 0.5 * v)),
    "within checkpoint": jax.checkpoint(lambda v: spike(v) * v),
    "within vmap": lambda v: jax.vmap(spike)(v) + 0.1 * v,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", RULES)
def test_second_derivatives_are_those_of_a_functions_own_rule(name: str, backend: str) -> None:
    params, xs = problem(jaxrnn.elman(H))
    xs = xs * 0 if name in ("softplus", "logaddexp") else xs  # at exact ties their rule is no limit of others
    ours = lambda b: (elman(RULES[name], params | {"bias": b}, xs, backend) ** 2).sum()  # noqa: E731
    theirs = lambda b: (looped(RULES[name], params | {"bias": b}, xs) ** 2).sum()  # noqa: E731
    bias = params["bias"] * (name not in ("softplus", "logaddexp"))
    move = jnp.linspace(0.5, 1.0, H)[None]
    second = lambda f: jax.jit(lambda b: jax.jvp(jax.grad(f), (b,), (move,))[1])(bias)  # noqa: E731
    np.testing.assert_allclose(second(ours), second(theirs), rtol=1e-9, atol=1e-12)


def test_a_scan_of_steps_keeps_rules_too() -> None:
    cell = jaxrnn.elman(H, activation=spike)
    params, xs = problem(cell)

    def ours(bias: Any) -> Any:
        step = partial(cell.step, params | {"bias": bias})
        return (jax.lax.scan(step, cell.initial_carry((B,), params), xs)[1] ** 2).sum()

    theirs = lambda b: (looped(spike, params | {"bias": b}, xs) ** 2).sum()  # noqa: E731
    second = lambda f: jax.jit(lambda b: jax.jvp(jax.grad(f), (b,), (b,))[1])(params["bias"])  # noqa: E731
    np.testing.assert_allclose(second(ours), second(theirs), rtol=1e-9)


def test_explain_tells_what_is_read() -> None:
    gains, many = jnp.ones(H), jnp.ones((40, H))
    assert jaxrnn.explain(jaxrnn.elman(H, activation=lambda v: gains * v)).cells[0][2] == "native"
    told = jaxrnn.explain(jaxrnn.elman(H, activation=lambda v: many.sum(0) * v))
    assert told.cells[0][2] == "reference"
    assert "declines: they read more than 16 numbers for each unit" in str(told)
