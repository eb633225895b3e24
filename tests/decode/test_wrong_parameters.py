"""Parameters, carries and memories of decoders that do not fit: each is refused by its own name."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.decode import AttendCarry, Memory, WindowCarry, attend_after, attend_before, bahdanau, luong, window
from tests.refusal import assert_refused

T, B, S, D, M, H = 4, 2, 3, 2, 6, 6
pytestmark = pytest.mark.usefixtures("unchecked")
ATTENTIONS = {"bahdanau": bahdanau(3), "general": luong()}
READERS: dict[str, Any] = {
    "before": attend_before(jaxrnn.gru(H), bahdanau(3)),
    "after": attend_after(jaxrnn.lstm(H), luong("dot"), units=4),
    "feeding": attend_after(jaxrnn.gru(H), luong(), units=4, input_feeding=True),
    "window": window(jaxrnn.gru(H), 2),
}
VALUES = np.ones((B, S, M))


def leaves(params: Any) -> list[str]:
    """How each array is named in an error."""
    return [f"params{jax.tree_util.keystr(path)}" for path, _ in jax.tree.leaves_with_path(params)]


def replaced(params: Any, place: int, change: Any) -> Any:
    arrays, tree = jax.tree.flatten(params)
    return jax.tree.unflatten(tree, [change(a) if n == place else a for n, a in enumerate(arrays)])


CHANGES = {
    "complex": lambda a: a.astype(complex),
    "integers": lambda a: a.astype(int),
    "bools": lambda a: a > 0,
    "a number": lambda a: 1.0,
    "another shape": lambda a: a[..., None],
    "one of all": lambda a: a[:1] if a.shape[0] > 1 else a[..., :1],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ATTENTIONS)
def test_parameters_of_an_attention(name: str, change: str) -> None:
    attention = ATTENTIONS[name]
    params = attention.init(jax.random.key(0), query=H, memory=M)
    memory = attention.memory(params, VALUES)
    for place, named in enumerate(leaves(params)):
        wrong = replaced(params, place, CHANGES[change])
        if change == "one of all" and "kernel" in named and "score" not in named:
            continue  # another number of features, which queries and memories are compared with
        assert_refused(named, lambda wrong=wrong: attention.memory(wrong, VALUES))
        assert_refused(named, lambda wrong=wrong: attention(wrong, np.ones((B, H)), memory))


def test_unknown_and_missing_parameters() -> None:
    attention = bahdanau(3)
    params = attention.init(jax.random.key(0), query=H, memory=M)
    memory = attention.memory(params, VALUES)
    for wrong in (params | {"extra": np.ones(2)}, {"bias": params["bias"]}, [params], None):
        assert_refused("params", lambda wrong=wrong: attention.memory(wrong, VALUES))
        assert_refused("params", lambda wrong=wrong: attention(wrong, np.ones((B, H)), memory))
    assert_refused("params", lambda: luong("dot").memory({"kernel": np.ones((M, M))}, VALUES))


@pytest.mark.parametrize("change", ["complex", "integers", "a number", "another shape"])
@pytest.mark.parametrize("name", READERS)
def test_parameters_of_a_reader(name: str, change: str) -> None:
    reader = READERS[name]
    params = reader.init(jax.random.key(0), inputs=D, memory=M)
    memory = reader.memory(VALUES) if name == "window" else reader.memory(params, VALUES)
    carry = reader.initial_carry(memory if name == "window" else (B,))
    step = jax.tree_util.Partial(reader.step, carry=carry, x=np.ones((B, D)), memory=memory)
    for place, named in enumerate(leaves(params)):
        if named == "params['cell']['kernel']":
            continue  # D is read from it
        assert_refused(named, lambda place=place: step(replaced(params, place, CHANGES[change])))
    assert_refused("params", lambda: step(params | {"extra": np.ones(2)}))
    assert_refused("params", lambda: step({}))
    assert_refused("x", lambda: reader.step(params, carry, np.ones((B, D + 1)), memory))
    assert_refused("xs", lambda: reader.scan(params, np.ones((T, B, D + 1)), carry, memory))


@pytest.mark.parametrize("name", READERS)
def test_carries_and_memories_of_a_reader(name: str) -> None:
    reader = READERS[name]
    params = reader.init(jax.random.key(0), inputs=D, memory=M)
    memory = reader.memory(VALUES) if name == "window" else reader.memory(params, VALUES)
    x, xs = np.ones((B, D)), np.ones((T, B, D))
    wrong: list[tuple[str, Any]] = [("carry", 3.5)]
    if name == "window":
        good = reader.initial_carry(memory)
        wrong += [
            ("carry", tuple(good)),
            ("carry.cell.h", WindowCarry(np.ones((B, 3)), good.position, good.context)),
            ("carry.position", WindowCarry(good.cell, np.ones((B, 3)), good.context)),
            ("carry.context", WindowCarry(good.cell, good.position, np.ones((B, M), int))),
        ]
    else:
        good = reader.initial_carry((B,))
        assert_refused("batch", lambda: reader.initial_carry(B))
        cell = reader.cell.initial_carry((B,))
        assert_refused(f"cell.{cell._fields[0]}", lambda: reader.initial_carry((B + 1,), cell=cell))
    if name in ("before", "feeding"):
        wrong += [
            ("carry", good.cell),
            ("carry.cell.h", AttendCarry(np.ones((B, 3)), good.output)),
            ("carry.output", AttendCarry(good.cell, np.ones((B, 3)))),
            ("carry.output", AttendCarry(good.cell, "h")),
        ]
    for named, carry in wrong:
        assert_refused(named, lambda carry=carry: reader.step(params, carry, x, memory))
        assert_refused(named, lambda carry=carry: reader.scan(params, xs, carry, memory))
    for named, other in (
        ("memory", VALUES),
        ("memory.values", Memory(3, *memory[1:])),
        ("memory.keys", Memory(memory.values, np.ones((B, S + 1, 2)), memory.mask)),
        ("memory.mask", Memory(*memory[:2], np.ones((B, S)))),
    ):
        assert_refused(named, lambda other=other: reader.step(params, good, x, other))


def test_the_first_output_is_of_the_cell() -> None:
    assert_refused("output", lambda: READERS["before"].initial_carry((B,), output=np.ones((B, 3))))
    assert_refused("output", lambda: READERS["before"].initial_carry((B,), output=jnp.ones((B, H), int)))
