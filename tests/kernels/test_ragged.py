"""Rows that begin late or end early run natively as long as they last: the same bits, whatever the others do."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import arrays, calls, library
from tests.laws.programs import assert_close, assert_same_bits, to_numpy

T, D, H = 12, 5, 64
CELLS = {
    "lstm": jaxrnn.lstm(H),
    "gru, reset before": jaxrnn.gru(H, reset_after=False),
    "projection": jaxrnn.lstm(H, projection=7, peepholes=True),
    "zoneout": jaxrnn.zoneout(jaxrnn.elman(H), h=0.3),
}
LAYERS = CELLS | {
    "both directions": jaxrnn.bidirectional(jaxrnn.lstm(9)),
    "a stack": jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(9)), jaxrnn.lstm(H)]),
}


def masks(B: int) -> dict[str, Any]:
    """`[T, B]`, the valid steps at the front, at the back, in the middle with holes; all; none."""
    rng, steps = np.random.default_rng(B), np.arange(T)[:, None]
    front = steps < rng.integers(0, T + 1, B)
    back = steps >= rng.integers(0, T + 1, B)
    holes = (steps >= rng.integers(0, 5, B)) & (steps < rng.integers(5, T + 1, B)) & (rng.random((T, B)) < 0.7)
    return {"front": front, "back": back, "holes": holes, "all": np.ones((T, B), bool), "none": np.zeros((T, B), bool)}


def drawn(layer: Any, B: int, dtype: Any = np.float64, T: int = T) -> tuple[Any, ...]:
    """Parameters, inputs, a carry, and cotangents of final carry and outputs."""
    rng = np.random.default_rng(7)
    draw = lambda a: (rng.standard_normal(a.shape) / math.sqrt(max(1, a.shape[0]))).astype(dtype)  # noqa: E731
    params = jax.tree.map(draw, layer.init(jax.random.key(0), inputs=D))
    carry = jax.tree.map(draw, layer.initial_carry((B,), params, dtype))
    xs, ys = (draw(np.empty((T, B, n))) for n in (D, layer.output_size))
    return params, xs, carry, (jax.tree.map(draw, carry), ys)


def program(layer: Any, backend: str = "native", **options: Any) -> Any:
    """(parameters, inputs, carry, cotangents, marks) -> (outputs, gradients); marks are what `scan` knows them by."""

    def run(params: Any, xs: Any, carry: Any, cotangents: Any, marks: Any) -> Any:
        scan = partial(jaxrnn.scan, layer, backend=backend, **options, **marks)
        outputs, pull = jax.vjp(scan, params, xs, carry)
        return outputs, pull(cotangents)

    compiled = jax.jit(run)
    return lambda *arguments: to_numpy(compiled(*arguments))


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", CELLS)
def test_a_row_among_others_is_the_row_alone(name: str, reverse: bool) -> None:
    """To the bit, cut off at its length: final carry, outputs, gradients of inputs and carry."""
    cell, lengths = CELLS[name], np.array([3, 12, 0, 7, 1, 12, 5])
    params, xs, carry, (final, ys) = drawn(cell, len(lengths), np.float32)
    found = program(cell, reverse=reverse)(params, xs, carry, (final, ys), {"lengths": lengths})
    for b, n in enumerate(lengths):
        one = lambda a, b=b: a[b : b + 1]  # noqa: E731
        short = (xs[:n, b : b + 1], jax.tree.map(one, carry), (jax.tree.map(one, final), ys[:n, b : b + 1]))
        (last, out), (_, dxs, dcarry) = program(cell, reverse=reverse)(params, *short, {})
        (lasts, outs), (_, all_dxs, dcarries) = found
        assert_same_bits(jax.tree.map(one, (lasts, dcarries)), (last, dcarry), f"row {b}")
        assert_same_bits((outs[:n, b : b + 1], all_dxs[:n, b : b + 1]), (out, dxs), f"row {b}")
        assert not outs[n:, b].any()
        assert not all_dxs[n:, b].any()


@pytest.mark.parametrize("B", [1, 9, 33])
@pytest.mark.parametrize("name", LAYERS)
def test_every_mask(name: str, B: int) -> None:
    """Outputs and all gradients are the reference's; what is multiplied again, kept, or cut into blocks."""
    layer = LAYERS[name]
    given, segments = drawn(layer, B), np.repeat(np.arange(T)[:, None] // 4, B, 1)
    extra = {"resets": np.random.default_rng(B).random((T, B)) < 0.1, "segments": segments}
    key = {"rng": jax.random.key(3)} if name == "zoneout" else {}
    truth = program(layer, "reference", **key)
    ours = {chunk: program(layer, chunk=chunk, **key) for chunk in (None, 5, T)}
    for kind, mask in masks(B).items():
        for chunk, run in ours.items():
            marks = {"mask": mask} | (extra if chunk is None else {})
            assert_close(run(*given, marks), truth(*given, marks), 1e-10, f"{kind}, {chunk}")


@pytest.mark.parametrize("name", LAYERS)
def test_however_many_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits; but kernels' gradients are sums over the rows of a thread first."""
    layer, B = LAYERS[name], 33
    given, found = drawn(layer, B, np.float32), []
    for threads in (1, 2, 5):
        monkeypatch.setattr(library, "threads", lambda threads=threads: threads)
        run = program(layer)
        found.append([run(*given, {"mask": mask}) for mask in masks(B).values()])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            (outputs, (params, dxs, dcarry)), (outputs_2, (params_2, dxs_2, dcarry_2)) = one, two
            assert_same_bits((outputs_2, dxs_2, dcarry_2), (outputs, dxs, dcarry))
            assert_close(params_2, params, 1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", LAYERS)
def test_padding_changes_no_bit_of_rows_in_groups(name: str, value: float) -> None:
    layer, B = LAYERS[name], 33
    params, xs, carry, (final, ys) = drawn(layer, B, np.float32)
    run = program(layer)
    for kind, mask in masks(B).items():
        dirty = [np.where(mask[..., None], a, np.float32(value)) for a in (xs, ys)]
        clean = run(params, xs, carry, (final, ys), {"mask": mask})
        assert_same_bits(run(params, dirty[0], carry, (final, dirty[1]), {"mask": mask}), clean, kind)


def test_rows_that_are_left_out_are_multiplied_by_nothing() -> None:
    """NaN in the carry of a row without valid steps reaches no kernel's gradient, as zero times NaN would."""
    cell = jaxrnn.lstm(H)
    params, xs, carry, cotangents = drawn(cell, 9, np.float32)
    sick = jax.tree.map(lambda a: np.where(np.arange(9)[:, None] == 4, np.float32(np.nan), a), carry)
    lengths = np.where(np.arange(9) == 4, 0, T)
    _, (gradients, dxs, _) = program(cell)(params, xs, sick, cotangents, {"lengths": lengths})
    assert all(np.isfinite(a).all() for a in (*gradients.values(), dxs))


def test_carries_at_every_step() -> None:
    """Of rows before their first valid step and after their last too, and their cotangents."""
    cell, B = jaxrnn.gru(H), 9
    params, xs, carry, (_, ys) = drawn(cell, B)
    for mask in masks(B).values():

        def loss(params: Any, carry: Any, backend: str, mask: Any = mask) -> Any:
            carries, out = jaxrnn.scan_carries(cell, params, xs, carry, mask=mask, backend=backend)
            return (out * ys).sum() + (carries.h**2 * ys).sum(), carries

        run = jax.value_and_grad(loss, (0, 1), has_aux=True)
        assert_close(run(params, carry, "native"), run(params, carry, "reference"), 1e-10)


def test_vmap() -> None:
    """The mapped axis joins rows, each with a length of its own."""
    cell, lengths = jaxrnn.lstm(H), np.array([[3, 12], [0, 7], [1, 5]])
    params, xs, *_ = drawn(cell, 6)
    xs = xs.reshape(T, 3, 2, D)

    def loss(params: Any, xs: Any, lengths: Any, backend: str) -> Any:
        return (jaxrnn.scan(cell, params, xs, lengths=lengths, backend=backend)[1] ** 2).sum()

    def run(backend: str) -> Any:
        return jax.jit(jax.vmap(jax.grad(partial(loss, backend=backend), 1), (None, 1, 0)))(params, xs, lengths)

    assert_close(run("native"), run("reference"), 1e-10)


def test_the_output_is_the_state_before_the_next_valid_step() -> None:
    """So it is not kept a second time, lengths or not."""
    cell = jaxrnn.lstm(H)
    params, xs, _, (_, ys) = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, drawn(cell, 8, np.float32, 100)))

    def loss(params: Any, xs: Any, ys: Any, lengths: Any) -> Any:
        return (jaxrnn.scan(cell, params, xs, lengths=lengths)[1] * ys).sum()

    lengths = jax.ShapeDtypeStruct((8,), np.int32)
    plain, masked = (
        jax.jit(jax.grad(loss)).lower(params, xs, ys, n).compile().memory_analysis().temp_size_in_bytes
        for n in (None, lengths)
    )
    whole = 4 * ys.size
    assert masked - plain < whole + 4 * xs.size + 2**16  # the inputs and the outputs' cotangent with zeros in padding


@pytest.mark.parametrize("marks", ["none", "lengths", "resets"])
def test_rows_in_pieces(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more rows than a thread takes at once, some go from the first step to the last before others begin."""
    T, B, cell, rng = 9, 23, jaxrnn.lstm(H, peepholes=True), np.random.default_rng(8)
    params = {n: rng.standard_normal(p.shape) / 8 for n, p in cell.declare(3).items()}
    xs, w = rng.standard_normal((T, B, 3)), rng.standard_normal((T, B, H))
    given = {"lengths": {"lengths": rng.integers(0, T + 1, B)}, "resets": {"resets": rng.random((T, B)) < 0.3}}
    options = given.get(marks, {})

    def loss(params: Any, xs: Any, backend: str) -> Any:
        final, ys = jaxrnn.scan(cell, params, xs, backend=backend, **options)
        return (ys * w).sum() + sum((a * a).sum() for a in final), ys

    run = lambda backend: jax.jit(jax.value_and_grad(lambda *a: loss(*a, backend), (0, 1), has_aux=True))(params, xs)  # noqa: E731
    monkeypatch.setattr(library, "threads", lambda: 2)
    expected, cuts = run("reference"), list[Any]()
    monkeypatch.setattr(calls, "sizes", lambda *call: cuts.append(arrays.sizes(*call)) or cuts[-1])
    for rows, pieces in ((2, 6), (4, 3), (12, 1)):
        monkeypatch.setattr(arrays, "ROWS_AT_ONCE", rows)
        assert_close(run("native"), expected, 1e-12)
        assert {(c.groups, c.pieces) for c in cuts} == {(2, pieces)}
        cuts.clear()
