"""Linear recurrences by themselves: every algorithm against a loop; exact resets, rounding, second derivatives."""

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
from jaxrnn.core.linear import STATES, composed, identity, outer, times, turned
from jaxrnn.engine.recurrence import algorithms, primitives
from jaxrnn.engine.recurrence.backends import ASSOCIATIVE, CHUNKED
from jaxrnn.kernels.native import library
from jaxrnn.kernels.native.recurrence import ONE_PASS
from tests.laws.programs import assert_close, assert_same_bits

PLAIN = primitives.make("plain_recurrence", algorithms.plain, algorithms.swept_plain)
RUNS = {"one_pass": ONE_PASS, "plain": PLAIN, "chunked": CHUNKED, "associative": ASSOCIATIVE}
KINDS = {"real": 1, "complex": 2, "block": 4}
SIZES = [(1, (3,)), (2, (1,)), (37, (2, 7)), (64, (5000,)), (129, (8, 33))]


class Drawn(NamedTuple):
    a: Any
    b: Any
    start: Any
    ct: Any


def draw(entries: int, T: int, units: tuple[int, ...], resets: float = 0.1) -> Drawn:
    rng = np.random.default_rng([entries, T, *units])
    forgets = rng.random((T, *units)) < resets
    a = tuple(np.where(forgets, 0.0, 0.6 * rng.standard_normal((T, *units))) for _ in range(entries))
    of_states = lambda *shape: tuple(rng.standard_normal((*shape, *units)) for _ in range(STATES[entries]))  # noqa: E731
    return Drawn(a, of_states(T), of_states(), of_states(T))


def loop(a: Any, b: Any, start: Any, reverse: bool) -> Any:
    """Plain autodiff of `lax.scan`, written out."""

    def body(h: Any, at: Any) -> Any:
        a, b = at
        match a:
            case (a,):
                h = (a * h[0] + b[0],)
            case (re, im):
                h = (re * h[0] - im * h[1] + b[0], re * h[1] + im * h[0] + b[1])
            case (p, q, r, s):
                h = (p * h[0] + q * h[1] + b[0], r * h[0] + s * h[1] + b[1])
        return h, h

    return jax.lax.scan(body, start, (a, b), reverse=reverse)[1]


def with_gradient(run: Callable[..., Any], reverse: bool) -> Any:
    def both(a: Any, b: Any, start: Any, ct: Any) -> Any:
        h, pull = jax.vjp(partial(run, reverse=reverse), a, b, start)
        return h, pull(ct)

    return jax.jit(both)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RUNS)
def test_values_and_gradients_are_the_loops(name: str, kind: str, reverse: bool) -> None:
    for T, units in SIZES:
        drawn = draw(KINDS[kind], T, units)
        assert_close(with_gradient(RUNS[name], reverse)(*drawn), with_gradient(loop, reverse)(*drawn), what=f"{T}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RUNS)
def test_derivatives_of_second_order_are_the_loops(name: str, kind: str) -> None:
    """Forward over reverse, reverse over reverse, reverse over forward."""
    drawn, moved = (draw(KINDS[kind], 5, (3,), 0.2 * k) for k in range(2))

    def seconds(run: Any) -> Any:
        def loss(*arguments: Any) -> Any:
            return sum(jnp.sum(jnp.sin(h)) for h in run(*arguments, reverse=True))

        point, way = tuple(drawn[:3]), tuple(moved[:3])
        slope = jax.grad(loss, (0, 1, 2))
        along = lambda *at: jax.jvp(loss, at, way)[1]  # noqa: E731
        twice = lambda *at: sum((g**2).sum() for g in jax.tree.leaves(slope(*at)))  # noqa: E731
        return jax.jvp(slope, point, way), jax.grad(along, (0, 1, 2))(*point), jax.grad(twice, (0, 1, 2))(*point)

    assert_close(seconds(RUNS[name]), seconds(loop))


@pytest.mark.parametrize("name", RUNS)
def test_vmap_maps_rows(name: str) -> None:
    """Also where only some operands are mapped, and on another axis."""
    drawn = draw(2, 9, (4,))
    b = tuple(np.stack([x, 2 * x, -x], -1) for x in drawn.b)

    def run(a: Any, b: Any, start: Any) -> Any:
        return RUNS[name](a, b, start, False)

    out = jax.vmap(run, (None, -1, None))(drawn.a, b, drawn.start)
    alone = [run(drawn.a, tuple(x[..., k] for x in b), drawn.start) for k in range(3)]
    assert_close(out, jax.tree.map(lambda *h: np.stack(h), *alone))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RUNS)
def test_zero_forgets_nan_and_one_changes_no_bit(name: str, kind: str, reverse: bool) -> None:
    entries, T = KINDS[kind], 12
    drawn = draw(entries, T, (5,), 0)
    order = slice(None, None, -1) if reverse else slice(None)
    a, b, start = jax.tree.map(np.copy, tuple(drawn[:3]))
    for part in a:
        part[order][6] = 0
    clean = RUNS[name](a, b, start, reverse)
    for part in b:
        part[order][2] = np.nan
    sick = RUNS[name](a, b, start, reverse)
    after = lambda h: jax.tree.map(lambda x: np.asarray(x)[order][6:], h)  # noqa: E731
    assert_same_bits(after(sick), after(clean))
    still = tuple(np.asarray(x) for x in identity(entries, np.ones((T, 5))))
    zero = tuple(np.full((T, 5), -0.0) for _ in start)
    held = RUNS[name](still, zero, start, reverse)
    assert_same_bits(held, jax.tree.map(lambda s: np.broadcast_to(s, (T, 5)).copy(), start))


def bound(T: int, memory: float) -> float:
    """Of the largest state, in float32: a step rounds twice to four times, and an error lives as long as the state."""
    return 8 * float(np.finfo(np.float32).eps) * min(T, memory)


@pytest.mark.parametrize("size", [0.9, 0.999])
@pytest.mark.parametrize("name", ["one_pass", "plain", "chunked"])
def test_float32_is_within_the_roundings_of_a_memory(name: str, size: float) -> None:
    T, rng = 4096, np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 16)
    a = tuple(np.broadcast_to(np.float32(size * f(angle)), (T, 16)).astype(np.float64) for f in (np.cos, np.sin))
    b, ct = (tuple(np.float32(rng.standard_normal((T, 16))).astype(np.float64) for _ in range(2)) for _ in range(2))
    start = tuple(np.zeros(16) for _ in range(2))
    exact = with_gradient(PLAIN, False)(a, b, start, ct)
    single = with_gradient(RUNS[name], False)(*jax.tree.map(np.float32, (a, b, start, ct)))
    for e, s in zip(jax.tree.leaves(exact[0]), jax.tree.leaves(single[0]), strict=True):
        assert np.abs(e - np.float64(s)).max() <= bound(T, 1 / (1 - size)) * np.abs(e).max()


def test_one_pass_runs_natively_and_its_program_is_small() -> None:
    """Trap 62: a fast path that is silently dead. Nothing is kept but a and the states."""
    assert library.missing() is None
    sizes = {}
    for T in (128, 65_536):
        array = jax.ShapeDtypeStruct((T, 2, 8), jnp.float32)
        state = jax.ShapeDtypeStruct((2, 8), jnp.float32)
        compiled = with_gradient(ONE_PASS, False).lower((array,), (array,), (state,), (array,)).compile()
        text = compiled.as_text()
        assert text.count('custom_call_target="jaxrnn_recurrence"') == 2
        sizes[T] = len(re.findall(r"^\s+(?:ROOT )?%?\S+ = ", text, re.MULTILINE))
        assert compiled.memory_analysis().temp_size_in_bytes < 4 * T * 16
    assert sizes[128] == sizes[65_536]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_done_unit_by_unit_is_linear_algebra(kind: str) -> None:
    rng, entries = np.random.default_rng(3), KINDS[kind]
    a, c = (tuple(rng.standard_normal((2, entries)).T) for _ in range(2))
    h, g = (tuple(rng.standard_normal((2, STATES[entries])).T) for _ in range(2))
    assert_close(times(composed(a, c), h), times(a, times(c, h)))
    dot = lambda p, q: sum(x * y for x, y in zip(p, q, strict=True))  # noqa: E731
    assert_close(dot(g, times(a, h)), dot(times(turned(a), g), h))
    assert_close(dot(outer(g, h, entries), c), dot(g, times(c, h)))
    assert_close(times(identity(entries, h[0]), h), h)


def test_explain_says_what_runs_a_linear_cell() -> None:
    text = str(jaxrnn.explain(jaxrnn.rg_lru(4), steps=100))
    assert "cell: rg_lru runs on 'one_pass'" in text
    assert text.endswith("rg_lru, 100 steps at once: a and b of all, one recurrence, which keeps a and the states")
    long = str(jaxrnn.explain(jaxrnn.rg_lru(64), steps=1000, batch=32))
    assert "1000 steps in 20 blocks of 50, each at once, of which the carry and what came of products are kept" in long
    whole = str(jaxrnn.explain(jaxrnn.min_gru(4)))
    assert "cell: min_gru runs on 'native'" in whole
    assert "'one_pass': leaves what multiplies inputs alone to 'native'" in whole
    assert "'one_pass': not asked for" in str(jaxrnn.explain(jaxrnn.min_gru(4), backend="native"))
    many = str(jaxrnn.explain(jaxrnn.s6(512), steps=16384, batch=1))
    assert "in 256 blocks of 64, each at once, of which the carry, 8192 numbers a row, and" in many
    wrapped = str(jaxrnn.explain(jaxrnn.zoneout(jaxrnn.min_gru(4), h=0.1)))
    assert "'one_pass': declines: runs a linear recurrence as it is declared, without wrappers around it" in wrapped
    assert "'chunked': declines: runs what is declared as linear in the state" in str(jaxrnn.explain(jaxrnn.gru(4)))
    cell = jaxrnn.gru(3)
    with pytest.raises(ValueError, match="'associative', which declines: runs what is declared as linear"):
        jaxrnn.scan(cell, cell.init(jax.random.key(0), 2), np.zeros((3, 1, 2)), backend="associative")


@pytest.mark.parametrize("backend", ["one_pass", "chunked", "associative"])
def test_what_depends_on_no_step_is_computed_once(backend: str) -> None:
    """Of an LRU the cosines and sines: for each row and unit, not for each step; with lengths too."""
    cell, T = jaxrnn.lru(4), 31
    params = cell.init(jax.random.key(0), 3)

    def loss(params: Any, xs: Any) -> Any:
        return (jaxrnn.scan(cell, params, xs, lengths=np.array([T, 5]), backend=backend)[1] ** 2).sum()

    text = str(jax.make_jaxpr(jax.grad(loss))(params, jnp.ones((T, 2, 3))))
    shapes = re.findall(r":f\d+\[([\d,]*)\] = (?:cos|sin) ", text)
    assert {"2,4"} == {*shapes}
