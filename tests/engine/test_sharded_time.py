"""`scan_sharded`: time over eight devices equals one, in values and all gradients, with one exchange each way."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxrnn
from tests.laws.programs import assert_close

T, B, D, H = 40, 6, 3, 4
CELLS = {f.__name__: f(H) for f in (jaxrnn.min_gru, jaxrnn.lru, jaxrnn.lin_oss, jaxrnn.s5, jaxrnn.qrnn)}
CELLS["s6"] = jaxrnn.s6(D)
RNG = np.random.default_rng(0)
XS = RNG.standard_normal((T, B, D))
MARKS: dict[str, Any] = dict(
    lengths=np.array([40, 0, 17, 33, 5, 22]),
    mask=RNG.random((T, B)) < 0.4,
    resets=RNG.random((T, B)) < 0.1,
    segments=np.cumsum(RNG.random((T, B)) < 0.1, 0) - 2**40,  # ids that no float32 tells apart
)
SOME = {
    "nothing": (),
    "lengths": ("lengths",),
    "resets": ("resets",),
    "masked resets": ("mask", "resets"),
    "masked segments": ("mask", "segments"),
    "everything": tuple(MARKS),
}
TIMED = PartitionSpec("time")


def mesh_of(*shape: int, kind: Any = AxisType.Auto) -> jax.sharding.Mesh:
    return jax.make_mesh(shape, ("time", "data")[: len(shape)], axis_types=(kind,) * len(shape))


def drawn(cell: jaxrnn.Cell) -> tuple[Any, Any, Any]:
    """Parameters, a carry and one to reset to."""
    rng = np.random.default_rng(1)
    carries = [jax.tree.map(lambda a: rng.standard_normal(a.shape), cell.initial_carry((B,))) for _ in range(2)]
    return jax.tree.map(np.asarray, cell.init(jax.random.key(0), D)), *carries


def with_gradients(
    cell: jaxrnn.Cell, run: Callable[..., Any], marks: dict[str, Any], xs: Any = XS, **options: Any
) -> Any:
    """Outputs, and the gradients of parameters, xs, carry and reset_carry."""
    fresh = "resets" in marks or "segments" in marks

    def loss(params: Any, xs: Any, carry: Any, reset_carry: Any, marks: Any) -> Any:
        given = dict(reset_carry=reset_carry) if fresh else {}
        outputs = run(cell, params, xs, carry, **marks, **given, **options)
        return sum(
            (jnp.sin(a) * np.cos(np.arange(a.size)).reshape(a.shape)).sum() for a in jax.tree.leaves(outputs)
        ), outputs

    params, carry, reset_carry = drawn(cell)
    return jax.jit(jax.value_and_grad(loss, (0, 1, 2, 3), has_aux=True))(params, xs, carry, reset_carry, marks)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("given", SOME)
@pytest.mark.parametrize("name", CELLS)
def test_eight_devices_are_one(name: str, given: str, reverse: bool) -> None:
    cell, marks = CELLS[name], {k: MARKS[k] for k in SOME[given]}
    expected = with_gradients(cell, jaxrnn.scan, marks, reverse=reverse)
    with jax.set_mesh(mesh_of(8)):
        assert_close(with_gradients(cell, jaxrnn.scan_sharded, marks, reverse=reverse), expected)


@pytest.mark.parametrize("seed", range(20))
def test_any_marks_on_parts_of_one_step_and_more(seed: int) -> None:
    """Parts without a step that counts, flags on padding between parts, both ways."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([8, 16, 24]))
    marks = dict(mask=rng.random((n, B)) < rng.choice([0.1, 0.5]), resets=rng.random((n, B)) < 0.2)
    marks |= dict(segments=rng.integers(0, 2, (n, B))) if seed % 2 else {}
    cell, reverse = CELLS["min_gru"], bool(seed // 2 % 2)
    expected = with_gradients(cell, jaxrnn.scan, marks, XS[:n], reverse=reverse)
    with jax.set_mesh(mesh_of(8)):
        assert_close(with_gradients(cell, jaxrnn.scan_sharded, marks, XS[:n], reverse=reverse), expected)


@pytest.mark.parametrize("kind", ["shard_map", "rows too", "explicit"])
@pytest.mark.parametrize("backend", ["one_pass", "chunked", "associative"])
def test_inside_shard_map_over_rows_too_and_on_explicit_axes(backend: str, kind: str) -> None:
    cell, marks = CELLS["lru"], {k: MARKS[k] for k in ("lengths", "mask", "resets")}
    expected = with_gradients(cell, jaxrnn.scan, marks)
    mesh = {"shard_map": mesh_of(8), "rows too": mesh_of(4, 2), "explicit": mesh_of(8, kind=AxisType.Explicit)}[kind]
    rows = "data" if kind == "rows too" else None

    def run(cell: Any, params: Any, xs: Any, carry: Any, reset_carry: Any, **marks: Any) -> Any:
        def part(params: Any, xs: Any, carry: Any, reset_carry: Any, marks: Any) -> Any:
            given = dict(marks, reset_carry=reset_carry, backend=backend)
            return jaxrnn.scan_sharded(cell, params, xs, carry, **given)

        timed, row = PartitionSpec("time", rows), PartitionSpec(rows)
        there = {name: row if name == "lengths" else timed for name in marks}
        split = jax.shard_map(part, in_specs=(PartitionSpec(), timed, row, row, there), out_specs=(row, timed))
        return split(params, xs, carry, reset_carry, marks)

    with jax.set_mesh(mesh):
        if kind == "explicit":
            actual = with_gradients(cell, jaxrnn.scan_sharded, marks, backend=backend)
        else:
            actual = with_gradients(cell, run, marks)
    assert_close(actual, expected)


def exchanges(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """The collectives of the compiled program."""
    text = jax.jit(function).lower(*arguments).compile().as_text()
    kinds = "all-reduce|all-gather|all-to-all|collective-permute|collective-broadcast|reduce-scatter"
    return re.findall(rf" ((?:{kinds})(?:-start)?)\(", text)


@pytest.mark.parametrize("given", ["nothing", "everything"])
def test_one_exchange_forward_and_one_more_for_the_gradient(given: str) -> None:
    """Counted in the compiled program; of the inputs, since gradients of parameters are summed over devices as ever."""
    cell = CELLS["min_gru"]
    params, carry, _ = drawn(cell)
    with jax.set_mesh(mesh := mesh_of(8)):
        lay = lambda a, *spec: jax.device_put(a, NamedSharding(mesh, PartitionSpec(*spec)))  # noqa: E731
        marks = {k: lay(MARKS[k], *(() if k == "lengths" else ("time",))) for k in SOME[given]}
        xs = lay(XS, "time")
        run = lambda xs: jaxrnn.scan_sharded(cell, params, xs, carry, **marks)  # noqa: E731
        assert exchanges(run, xs) == ["all-reduce"]
        both = jax.grad(lambda xs: sum((a**2).sum() for a in jax.tree.leaves(run(xs))))
        assert exchanges(both, xs) == ["all-reduce"] * 2


def test_a_reset_forgets_nan_of_earlier_parts_and_padding_is_free() -> None:
    cell = CELLS["lru"]
    params, carry, _ = drawn(cell)
    resets = np.zeros((T, B), bool)
    resets[17] = True
    sick = XS.copy()
    sick[11] = np.nan
    lengths = np.full(B, 33)
    sick[33:] = np.inf
    with jax.set_mesh(mesh_of(8)):
        run = lambda xs: jaxrnn.scan_sharded(cell, params, xs, carry, resets=resets, lengths=lengths)  # noqa: E731
        clean, got = run(XS), run(sick)
    assert np.isnan(got[1][11:17]).all()
    np.testing.assert_array_equal(got[1][17:], clean[1][17:])
    assert_close(got[0], clean[0])


def test_noise_and_second_derivatives_are_those_of_one_device() -> None:
    """`start_step` counts on over the parts, so that nothing else is drawn; forward over reverse."""
    cell = jaxrnn.recurrent_dropout(jaxrnn.lstm(H), 0.5)
    with jax.set_mesh(mesh_of(8)), pytest.raises(ValueError, match="`cell` must be one that is linear in the state"):
        jaxrnn.scan_sharded(cell, cell.init(jax.random.key(0), D), XS)
    cell = CELLS["lru"]
    params, carry, _ = drawn(cell)

    def seconds(run: Callable[..., Any]) -> Any:
        loss = lambda p, x, c: sum(jnp.sin(a).sum() for a in jax.tree.leaves(run(cell, p, x, c)))  # noqa: E731
        point = params, XS, carry
        return jax.jit(lambda *at: jax.jvp(jax.grad(loss, (0, 1, 2)), at, jax.tree.map(jnp.ones_like, at)))(*point)

    expected = seconds(jaxrnn.scan)
    with jax.set_mesh(mesh_of(8)):
        assert_close(seconds(jaxrnn.scan_sharded), expected)


def test_what_does_not_fit_is_refused() -> None:
    cell = CELLS["min_gru"]
    params = drawn(cell)[0]
    with pytest.raises(ValueError, match=r"`axis` must be an axis of the mesh that is set, one of \(\), got 'time'"):
        jaxrnn.scan_sharded(cell, params, XS)
    with jax.set_mesh(mesh_of(8)):
        with pytest.raises(
            ValueError, match=r"`xs` must be of a number of steps that the 8 devices .* got T = 39. Pad xs"
        ):
            jaxrnn.scan_sharded(cell, params, XS[:39])
        with pytest.raises(ValueError, match=r"'tim'\. Did you mean 'time'"):
            jaxrnn.scan_sharded(cell, params, XS, axis="tim")
        with pytest.raises(ValueError, match="'native', which declines: runs step after step"):
            jaxrnn.scan_sharded(cell, params, XS, backend="native")
        with pytest.raises(ValueError, match="`lengths` must be between 0 and T = 40"):
            jaxrnn.scan_sharded(cell, params, XS, lengths=np.full(B, 41))
