"""Attention and decoders that attend, against NumPy loops in float64 and torch's gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.decode import AttendCarry, Memory, attend_after, attend_before, bahdanau, luong
from tests import oracle
from tests.refusal import assert_refused

T, B, S, D, M, H, A = 4, 3, 5, 2, 6, 6, 7
LENGTHS = np.array([5, 0, 2])  # of the memory
STEPS = np.array([2, 4, 0])  # of the decoder
ATTENTIONS = {"bahdanau": bahdanau(A), "general": luong(), "dot": luong("dot")}


def drawn(shapes: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda s: rng.normal(size=s.shape) * 0.7, shapes)


def attention_params(attention: Any, query: int = H, memory: int = M) -> Any:
    return drawn(jax.eval_shape(lambda: attention.init(jax.random.key(0), query=query, memory=memory)))


def values(seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=(B, S, M))


def attend(p: Any, q: Any, m: Any) -> tuple[Any, Any]:
    """One query and the valid positions of one memory `[S, M]`."""
    if len(m) == 0:
        return np.zeros(M), np.zeros(0)
    if "score_kernel" in p:
        scores = np.array(
            [p["score_kernel"] @ np.tanh(q @ p["query_kernel"] + s @ p["memory_kernel"] + p["bias"]) for s in m]
        )
    else:
        scores = np.array([q @ (s @ p["kernel"] if "kernel" in p else s) for s in m])
    weights = np.exp(scores) / np.exp(scores).sum()
    return weights @ m, weights


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_equals_numpy_and_padding_reaches_nothing(name: str) -> None:
    attention, m = ATTENTIONS[name], values()
    p = attention_params(attention)
    queries = np.random.default_rng(2).normal(size=(T, B, H))

    @jax.jit
    def run(p: Any, queries: Any, m: Any) -> Any:
        memory = attention.memory(p, m, lengths=LENGTHS)
        return attention(p, queries, memory), attention(p, queries[0], memory)

    (contexts, weights), (context, weight) = run(p, queries, m)
    np.testing.assert_allclose(context, contexts[0], atol=1e-14)
    np.testing.assert_allclose(weight, weights[0], atol=1e-14)
    for t in range(T):
        for b in range(B):
            expected, where = attend(p, queries[t, b], m[b, : LENGTHS[b]])
            np.testing.assert_allclose(contexts[t, b], expected, atol=1e-12)
            np.testing.assert_allclose(weights[t, b, : LENGTHS[b]], where, atol=1e-12)
            assert (weights[t, b, LENGTHS[b] :] == 0).all()

    def loss(p: Any, queries: Any, m: Any) -> Any:
        (contexts, weights), _ = run(p, queries, m)
        return (contexts**2).sum() + (weights**3).sum()

    gradient = jax.grad(loss, (0, 1, 2))
    place = np.arange(S) < LENGTHS[:, None]
    dirty = np.where(place[..., None], m, [np.nan, np.inf, -np.inf, 1e300, np.nan, 0])
    for clean, found in zip(
        jax.tree.leaves((run(p, queries, m), gradient(p, queries, m))),
        jax.tree.leaves((run(p, queries, dirty), gradient(p, queries, dirty))),
        strict=True,
    ):
        np.testing.assert_array_equal(clean, found)
        assert np.isfinite(found).all()
    assert (gradient(p, queries, m)[2][~place] == 0).all()


def test_masks_lengths_and_any_batch_axes() -> None:
    attention, m = luong(), values().reshape(B, 1, S, M)
    p, q = attention_params(attention), np.random.default_rng(3).normal(size=(B, 1, H))
    mask = (np.arange(S) < LENGTHS[:, None]).reshape(B, 1, S)
    by_mask = attention(p, q, attention.memory(p, m, mask=mask))
    by_lengths = attention(p, q, attention.memory(p, m, lengths=LENGTHS.reshape(B, 1)))
    jax.tree.map(np.testing.assert_array_equal, by_mask, by_lengths)
    holes = attention.memory(p, m, mask=np.roll(mask, 1, -1))
    np.testing.assert_allclose(attention(p, q, holes)[0][2, 0], attend(p, q[2, 0], m[2, 0, 1:3])[0], atol=1e-12)
    alone = attention(p, q[0, 0], attention.memory(p, m[0, 0]))
    np.testing.assert_allclose(alone[0], attend(p, q[0, 0], m[0, 0])[0], atol=1e-12)
    for empty in (np.zeros((0, S, M)), np.zeros((B, 0, M))):
        context, _ = attention(p, np.ones((len(empty), H)), attention.memory(p, empty))
        assert context.shape == (len(empty), M)
        assert (np.asarray(context) == 0).all()


def test_large_scores_do_not_overflow() -> None:
    attention = luong("dot")
    m = np.eye(3)[None] * 1e4
    context, weights = attention(
        {}, np.array([[1e4, -1e4, 0.0]]), attention.memory({}, m, mask=np.array([[0, 1, 1]], bool))
    )
    np.testing.assert_array_equal(weights, [[0, 0, 1]])
    np.testing.assert_array_equal(context, [[0, 0, 1e4]])


def test_torch_has_the_same_gradients() -> None:
    torch = pytest.importorskip("torch")
    attention, m, q = bahdanau(A), values(), np.random.default_rng(2).normal(size=(B, H))
    p = attention_params(attention)
    rows = np.array([5, 1, 2])

    def loss(p: Any, q: Any, m: Any) -> Any:
        context, weights = attention(p, q, attention.memory(p, m, lengths=rows))
        return (context**2).sum() + (weights**3).sum()

    found = jax.grad(loss, (0, 1, 2))(p, q, m)
    tp, tq, tm = jax.tree.map(lambda a: torch.tensor(a, requires_grad=True), (p, q, m))
    keys = tm @ tp["memory_kernel"]
    scores = torch.tanh((tq @ tp["query_kernel"])[:, None] + keys + tp["bias"]) @ tp["score_kernel"]
    hidden = torch.arange(S)[None] >= torch.tensor(rows)[:, None]
    weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), -1)
    context = (weights[..., None] * tm).sum(1)
    ((context**2).sum() + (weights**3).sum()).backward()
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves((tp, tq, tm)), strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), atol=1e-12)


def test_half_precision_memories() -> None:
    attention = luong()
    p = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), attention_params(attention))
    memory = attention.memory(p, jnp.asarray(values(), jnp.bfloat16), lengths=LENGTHS)
    context, weights = attention(p, jnp.ones((B, H), jnp.bfloat16), memory)
    assert (context.dtype, weights.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(weights.sum(-1), LENGTHS > 0, atol=1e-6)


# ---------------------------------------------------------------- decoders

DECODERS = {
    "before": attend_before(jaxrnn.gru(H), bahdanau(A)),
    "before stack": attend_before(jaxrnn.stack([jaxrnn.lstm(4), jaxrnn.gru(H)]), luong()),
    "after": attend_after(jaxrnn.gru(H), luong("dot"), units=3),
    "after stack": attend_after(jaxrnn.stack([jaxrnn.gru(4), jaxrnn.lstm(H)]), bahdanau(A)),
    "feeding": attend_after(jaxrnn.gru(H), luong(), units=3, input_feeding=True),
    "feeding stack": attend_after(jaxrnn.stack([jaxrnn.lstm(4), jaxrnn.gru(H)]), luong(), input_feeding=True),
}


def problem(decoder: Any) -> tuple[Any, Any, Any, Any]:
    """Parameters, inputs, carry, values; nothing is zero."""
    params = drawn(jax.eval_shape(lambda: decoder.init(jax.random.key(0), inputs=D, memory=M)))
    carry = drawn(jax.eval_shape(lambda: decoder.initial_carry((B,))), seed=5)
    return params, np.random.default_rng(6).normal(size=(T, B, D)), carry, values()


def cell_step(decoder: Any, p: Any, carry: Any, x: Any) -> tuple[Any, Any]:
    """One row, one step, by the oracle."""
    layers = decoder.cell.layers if isinstance(carry, tuple) and not hasattr(carry, "_fields") else None
    if layers is None:
        after, y = oracle.gru(p, tuple(carry), x)
        return type(carry)(*after), y
    new = []
    for n, part in enumerate(carry):
        after, x = (oracle.lstm if len(part) == 2 else oracle.gru)(p[f"layer_{n}"], tuple(part), x)
        new.append(type(part)(*after))
    return tuple(new), x


def by_hand(name: str, params: Any, xs: Any, carry: Any, m: Any) -> tuple[Any, Any, Any, Any]:
    """The equations of both papers, row by row; returns outputs, contexts, weights, final carry."""
    decoder = DECODERS[name]
    outputs = np.zeros((T, B, H if name.startswith("before") or decoder.units == H else 3))
    contexts, weights, finals = np.zeros((T, B, M)), np.zeros((T, B, S)), []
    for b in range(B):
        state = jax.tree.map(lambda a, b=b: a[b], carry)
        valid = m[b, : LENGTHS[b]]
        for t in range(STEPS[b]):
            x = xs[t, b]
            if name.startswith("before"):
                context, weight = attend(params["attention"], state.output, valid)
                cell, y = cell_step(decoder, params["cell"], state.cell, np.concatenate([x, context]))
                state = AttendCarry(cell, y)
            else:
                fed = name.startswith("feeding")
                cell, seen = (state.cell, np.concatenate([x, state.output])) if fed else (state, x)
                cell, h = cell_step(decoder, params["cell"], cell, seen)
                context, weight = attend(params["attention"], h, valid)
                y = np.tanh(np.concatenate([context, h]) @ params["combine_kernel"])
                state = AttendCarry(cell, y) if fed else cell
            outputs[t, b], contexts[t, b], weights[t, b, : LENGTHS[b]] = y, context, weight
        finals.append(state)
    return outputs, contexts, weights, jax.tree.map(lambda *a: np.stack(a), *finals)


@pytest.mark.parametrize("name", DECODERS)
def test_scan_equals_numpy_and_steps_and_padding_reaches_nothing(name: str) -> None:
    decoder = DECODERS[name]
    params, xs, carry, m = problem(decoder)

    @jax.jit
    def run(params: Any, xs: Any, carry: Any, m: Any) -> Any:
        memory = decoder.memory(params, m, lengths=LENGTHS)
        return decoder.scan(params, xs, carry, memory, lengths=STEPS)

    outputs, contexts, weights, final = by_hand(name, params, xs, carry, m)
    after, found = run(params, xs, carry, m)
    for ours, theirs in zip(found, (outputs, contexts, weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for ours, theirs in zip(jax.tree.leaves(after), jax.tree.leaves(final), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

    @jax.jit
    def by_steps(params: Any, xs: Any, carry: Any, m: Any) -> Any:
        memory, outputs = decoder.memory(params, m, lengths=LENGTHS), []
        for x in xs:
            carry, y = decoder.step(params, carry, x, memory)
            outputs.append(y.output)
        return jnp.stack(outputs)

    def loss(run: Any, params: Any, xs: Any, carry: Any, m: Any) -> Any:
        found = run(params, xs, carry, m)
        ys = found if run is by_steps else found[1].output
        return jnp.where((np.arange(T)[:, None] < STEPS)[..., None], ys**2, 0).sum()

    gradients = [
        jax.jit(jax.grad(loss, (1, 2, 3, 4)), static_argnums=0)(r, params, xs, carry, m) for r in (run, by_steps)
    ]
    for ours, theirs in zip(*map(jax.tree.leaves, gradients), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-11)

    m = np.where((np.arange(S) < LENGTHS[:, None])[..., None], m, np.nan)
    xs = np.where((np.arange(T)[:, None] < STEPS)[..., None], xs, np.nan)
    dirty = jax.jit(jax.grad(loss, (1, 2, 3, 4)), static_argnums=0)(run, params, xs, carry, m)
    jax.tree.map(np.testing.assert_array_equal, dirty, gradients[0])
    jax.tree.map(np.testing.assert_array_equal, run(params, xs, carry, m), (after, found))


def test_noise_is_that_of_the_steps() -> None:
    decoder = attend_before(jaxrnn.stack([jaxrnn.gru(4), jaxrnn.gru(H)], dropout=0.5), luong())
    params, xs, carry, m = problem(decoder)
    memory, key = decoder.memory(params, m), jax.random.key(1)
    _, whole = decoder.scan(params, xs, carry, memory, rng=key)
    middle, first = decoder.scan(params, xs[:3], carry, memory, rng=key)
    _, second = decoder.step(params, middle, xs[3], memory, rng=key, step=3)
    np.testing.assert_allclose(whole.output, np.concatenate([first.output, second.output[None]]), atol=1e-14)
    assert np.abs(whole.output - decoder.scan(params, xs, carry, memory)[1].output).max() > 1e-3


def test_initial_carries() -> None:
    before = DECODERS["before"].initial_carry((B,), cell=(jnp.ones((B, H)),), output=jnp.ones((B, H)))
    assert isinstance(before.cell, jaxrnn.GRUCarry)
    assert (before.output == 1).all()
    assert DECODERS["feeding"].initial_carry((2,)).output.shape == (2, 3)
    assert isinstance(DECODERS["after"].initial_carry((2,)), jaxrnn.GRUCarry)


def test_decoders_are_values() -> None:
    assert attend_before(jaxrnn.gru(4), bahdanau(3)) == attend_before(jaxrnn.gru(4), bahdanau(3))
    assert len({luong(), luong("general"), luong("dot"), bahdanau(3), bahdanau(4)}) == 4


MEMORY = luong().memory({"kernel": np.ones((M, H))}, values())
PARAMS = {
    name: drawn(jax.eval_shape(lambda d=decoder: d.init(jax.random.key(0), inputs=D, memory=M)))
    for name, decoder in DECODERS.items()
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("units", lambda: bahdanau(0)),
        ("score", lambda: luong("concat")),
        ("query", lambda: luong("dot").init(jax.random.key(0), query=3, memory=4)),
        ("key", lambda: luong().init(0, query=3, memory=4)),
        ("memory", lambda: bahdanau(3).init(jax.random.key(0), query=3, memory=0)),
        ("params", lambda: luong().memory({}, values())),
        ("params['kernel']", lambda: luong().memory({"kernel": np.ones(3)}, values())),
        ("values", lambda: luong().memory({"kernel": np.ones((3, 4))}, values())),
        ("values", lambda: luong("dot").memory({}, np.ones(3))),
        ("values", lambda: luong("dot").memory({}, np.ones((2, 3), int))),
        ("lengths", lambda: luong("dot").memory({}, values(), lengths=np.array([9, 0, 0]))),
        ("lengths", lambda: luong("dot").memory({}, values(), lengths=np.array([1, 0]))),
        ("mask", lambda: luong("dot").memory({}, values(), mask=np.ones((B, S)))),
        ("mask", lambda: luong("dot").memory({}, values(), mask=np.ones((B, S), bool), lengths=LENGTHS)),
        ("memory", lambda: luong("dot")({}, np.ones((B, M)), values())),
        ("query", lambda: luong("dot")({}, np.ones((B, 4)), Memory(*MEMORY))),
        ("query", lambda: luong("dot")({}, np.ones((2, M)), MEMORY)),
        ("cell", lambda: attend_before(3, luong())),
        ("attention", lambda: attend_after(jaxrnn.gru(3), "dot")),
        ("units", lambda: attend_after(jaxrnn.gru(3), luong(), units=0)),
        ("input_feeding", lambda: attend_after(jaxrnn.gru(3), luong(), input_feeding=1)),
        ("memory", lambda: DECODERS["before"].scan(PARAMS["before"], np.ones((T, B, D)), (), values())),
        ("xs", lambda: DECODERS["before"].scan(PARAMS["before"], np.ones((T, 2, D)), (), MEMORY)),
        ("xs", lambda: DECODERS["before"].scan(PARAMS["before"], np.ones((T, B), int), (), MEMORY)),
        (
            "lengths",
            lambda: DECODERS["before"].scan(
                PARAMS["before"], np.ones((T, B, D)), (), MEMORY, lengths=np.array([9, 1, 1])
            ),
        ),
        (
            "start_step",
            lambda: DECODERS["before"].scan(PARAMS["before"], np.ones((T, B, D)), (), MEMORY, start_step=-1),
        ),
        (
            "x",
            lambda: DECODERS["before"].step(
                PARAMS["before"], AttendCarry((), np.ones((B, H))), np.ones((2, D)), MEMORY
            ),
        ),
        ("x", lambda: DECODERS["after"].step(PARAMS["after"], (), np.ones((B,), int), MEMORY)),
        ("memory", lambda: DECODERS["after"].step(PARAMS["after"], (), np.ones((B, D)), None)),
        ("carry", lambda: DECODERS["before"].step(PARAMS["before"], (), np.ones((B, D)), MEMORY)),
        ("carry", lambda: DECODERS["feeding"].step(PARAMS["feeding"], (), np.ones((B, D)), MEMORY)),
        ("params", lambda: DECODERS["before"].scan({}, np.ones((T, B, D)), AttendCarry((), np.ones((B, H))), MEMORY)),
    ],
)
def test_wrong_calls(named: str, call: Any) -> None:
    assert_refused(named, call)
