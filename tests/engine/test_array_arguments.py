"""Arrays that JAX does not take as they are: every array argument of every public entry names itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn

T, B, D = 5, 2, 3
CELL = jaxrnn.zoneout(jaxrnn.lstm(4), c=0.1)
LAYERS = {
    "cell": CELL,
    "stack": jaxrnn.stack([jaxrnn.lstm(4), jaxrnn.residual(jaxrnn.gru(4))]),
    "bidirectional": jaxrnn.bidirectional(jaxrnn.gru(4)),
    "highway": jaxrnn.highway(jaxrnn.gru(D)),
}
WRONG: dict[str, Callable[[Any], Any]] = {
    "bytes the other way round": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "masked": lambda a: np.ma.array(a, mask=np.zeros(a.shape, bool)),
    "objects": lambda a: a.astype(object),
    "records": lambda a: np.zeros(a.shape, [("a", "f4")]),
    "text": lambda a: np.full(a.shape, "a"),
    "dates": lambda a: np.zeros(a.shape, "M8[s]"),
    "lists": lambda a: a.tolist(),
}
MARKS = {
    "lengths": np.array([5, 2]),
    "mask": np.ones((T, B), bool),
    "resets": np.ones((T, B), bool),
    "segments": np.ones((T, B), int),
}
pytestmark = pytest.mark.usefixtures("unchecked")


def refused(argument: str, call: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert str(error.value).startswith(f"`{argument}"), error.value


def spoilt(tree: Any, wrong: Callable[[Any], Any]) -> Any:
    """The tree with its first array spoilt."""
    leaves, form = jax.tree.flatten(jax.tree.map(np.asarray, tree))
    return jax.tree.unflatten(form, [wrong(leaves[0]), *leaves[1:]])


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", LAYERS)
def test_every_array_argument(name: str, wrong: str) -> None:
    layer, spoil = LAYERS[name], WRONG[wrong]
    params, carry, xs = layer.init(jax.random.key(0), D), layer.initial_carry((B,)), np.ones((T, B, D))

    def scan(**given: Any) -> Any:
        args = {"params": params, "xs": xs, "carry": carry} | given
        return jaxrnn.scan(layer, args.pop("params"), args.pop("xs"), args.pop("carry"), **args)

    def step(**given: Any) -> Any:
        args = {"params": params, "carry": carry, "x": xs[0]} | given
        return layer.step(*args.values())

    for argument, value in (MARKS | {"xs": xs}).items():
        if value.dtype != bool or wrong != "bytes the other way round":  # a bool has one byte
            refused(argument, lambda a=argument, v=value: scan(**{a: spoil(v)}))
    refused("params[", lambda: scan(params=spoilt(params, spoil)))
    refused("params[", lambda: layer.initial_carry((B,), spoilt(params, spoil)))
    refused("carry", lambda: scan(carry=spoilt(carry, spoil)))
    refused("reset_carry", lambda: scan(reset_carry=spoilt(carry, spoil), resets=MARKS["resets"]))
    if layer.stepless is None:
        refused("x", lambda: step(x=spoil(xs[0])))
        refused("params[", lambda: step(params=spoilt(params, spoil)))
        refused("carry", lambda: step(carry=spoilt(carry, spoil)))
    if name == "cell":
        refused("xs", lambda: layer.project(params, spoil(xs)))
        refused("per_step['zoneout_c']", lambda: scan(per_step={"zoneout_c": spoil(np.ones((T, B, 4)))}))
        refused(
            "params['recurrent_kernel']",
            lambda: jaxrnn.weight_drop(
                params | {"recurrent_kernel": spoil(np.ones((4, 4, 4)))}, jax.random.key(0), 0.5
            ),
        )


def test_what_to_do_with_them() -> None:
    params = CELL.init(jax.random.key(0), D)
    with pytest.raises(TypeError, match=r"machine's order of bytes, got [<>]f8\[5,2,3\]. Convert it"):
        jaxrnn.scan(CELL, params, WRONG["bytes the other way round"](np.ones((T, B, D))))
    with pytest.raises(TypeError, match=r"got a masked array of NumPy. Its mask would be lost"):
        jaxrnn.scan(CELL, params, WRONG["masked"](np.ones((T, B, D))))


@pytest.mark.parametrize("name", ["cell", "stack", "highway"])
def test_other_arguments_of_a_step(name: str) -> None:
    """A composed layer's are checked as a cell's are."""
    layer = LAYERS[name]
    params, carry, x = layer.init(jax.random.key(0), D), layer.initial_carry((B,)), np.ones((B, D))
    for rng in (0, "key", np.zeros(3), np.ma.zeros(2, np.uint32), jax.random.split(jax.random.key(0))):
        refused("rng", lambda rng=rng: layer.step(params, carry, x, rng=rng))
    for step in (1.5, "0", True, -1, 2**31, np.array([1]), np.ma.array(3)):
        refused("step", lambda step=step: layer.step(params, carry, x, step=step))
    for wrong in (params | {"extra": 1}, None, {}):
        refused("params", lambda wrong=wrong: layer.step(wrong, carry, x))
    refused("carry", lambda: layer.step(params, None, x))
    refused("x", lambda: layer.step(params, carry, np.ones((B, D + 1))))
    refused("per_step", lambda: layer.step(params, carry, x, per_step={"gain": x}))
    for batch in (None, 3, [2], (2.0,), (-1,), (True,)):
        refused("batch", lambda batch=batch: layer.initial_carry(batch))
    refused("params", lambda: layer.initial_carry((B,), params | {"extra": 1}))
    refused("dtype", lambda: layer.initial_carry((B,), params, "int8"))


def test_a_stack_passes_on_what_its_cells_ask_for() -> None:
    """A mask of noise reaches a step of a stack, as it reaches a scan."""
    layer = jaxrnn.stack([CELL, jaxrnn.residual(jaxrnn.gru(4))])
    params, carry, x = layer.init(jax.random.key(0), D), layer.initial_carry((B,)), np.ones((B, D))
    given = {"zoneout_c": np.array([[True, False] * 2, [False] * 4])}
    after, y = layer.step(params, carry, x, per_step=given)
    timed = {name: a[None] for name, a in given.items()}
    expected, ys = jaxrnn.scan(layer, params, x[None], carry, per_step=timed)
    for a, b in zip(jax.tree.leaves((after, y)), jax.tree.leaves((expected, ys[0])), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    assert not np.any(after[0].c[0, ::2])
    assert np.all(after[0].c[0, 1::2] != 0)
    refused(
        "per_step['zoneout_c']", lambda: layer.step(params, carry, x, per_step={"zoneout_c": np.ones((B, 5), bool)})
    )


MERGES = {
    "fewer steps": lambda f, b: f[::2] + b[::2],
    "rows and steps exchanged": lambda f, b: jnp.moveaxis(f + b, 0, 1),
    "a pair": lambda f, b: (f, b),
    "a number": lambda f, b: 3.0,
    "bools": lambda f, b: f > b,
    "integers": lambda f, b: f.astype(int),
    "no features": lambda f, b: f.sum(-1),
}


@pytest.mark.parametrize("merge", MERGES)
def test_a_merge_of_other_axes(merge: str) -> None:
    layer = jaxrnn.bidirectional(jaxrnn.gru(4), merge=MERGES[merge])
    params = layer.init(jax.random.key(0), D)
    refused("merge", lambda: jaxrnn.scan(layer, params, np.ones((T, B, D))))
    refused("merge", lambda: layer.output_size)


@pytest.mark.parametrize(
    "kernel", [np.ones((4, 4, 4), int), np.ones((4, 4, 4), complex), None], ids=["int", "complex", "none"]
)
def test_weight_drop_of_what_is_no_kernel(kernel: Any) -> None:
    params = CELL.init(jax.random.key(0), D) | {"recurrent_kernel": kernel}
    refused("params['recurrent_kernel']", lambda: jaxrnn.weight_drop(params, jax.random.key(0), 0.5))
