"""The T-maze against a walker in plain Python, the loss against NumPy, and that no episode knows of another."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.tasks.memory_policy.memory_policy import Chance, DataOptions, MemoryPolicy, PolicyOptions, discounted
from jaxrnn.tasks.shared import t_maze
from jaxrnn.tasks.shared.network import Network
from tests.tasks.reading import read_row, spread


class Walker:
    """One agent in one maze, from the paper's text."""

    def __init__(self, sign, length):
        self.sign, self.length, self.place = sign, length, 0

    def sees(self):
        if self.place == 0:
            return [0, 1, 1] if self.sign == "up" else [1, 1, 0]
        return [0, 1, 0] if self.place == self.length else [1, 0, 1]

    def go(self, way):
        """Reward, whether the episode ends, whether well."""
        if self.place == self.length and way in ("up", "down"):
            return (4.0, True, True) if way == self.sign else (-0.1, True, False)
        target = self.place + {"right": 1, "left": -1}.get(way, 0)
        if way in ("up", "down") or not 0 <= target <= self.length:
            return -0.1, False, False
        self.place = target
        return 0.0, False, False


WAYS = ["up", "right", "down", "left"]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_mazes_follow_the_rules(length):
    rng, rows = np.random.default_rng(length), 40
    signs = rng.integers(0, 2, rows) == 1
    maze = t_maze.enter(jnp.asarray(signs))
    walkers = [Walker("up" if sign else "down", length) for sign in signs]
    turned = 0
    for _ in range(60):
        np.testing.assert_array_equal(t_maze.observe(maze, length), [walker.sees() for walker in walkers])
        actions = rng.choice(4, rows, p=[0.15, 0.5, 0.15, 0.2]).astype(np.int32)
        maze, outcome = t_maze.move(maze, jnp.asarray(actions), length)
        expected = [walker.go(WAYS[action]) for walker, action in zip(walkers, actions, strict=True)]
        for found, answer in zip(outcome, zip(*expected, strict=True), strict=True):
            np.testing.assert_array_equal(found, answer)
        assert np.asarray(maze.position).tolist() == [walker.place for walker in walkers]
        turned += int(outcome.ended.sum())
    assert turned > 50


TASK = MemoryPolicy(Network("gru", hidden=5), DataOptions(corridor=2, rows=8, length=23), PolicyOptions(entropy=0.3))


def start(task=TASK):
    params = spread(task.init(jax.random.key(0)))
    return params, task.initial_carry(params), next(task.batches())


def test_rollouts_go_on_where_the_last_one_stopped():
    """Two rollouts are one walk of walkers in plain Python, who see, act, are paid and enter new mazes alike."""
    params, walk, batch = start()
    first = jax.device_get(walk)
    pieces = []
    for _ in range(2):
        walk, steps = TASK.rollout(params, walk, batch)
        pieces.append(jax.device_get(steps))
    steps = jax.tree.map(lambda *parts: np.concatenate(parts), *pieces)
    for row in range(8):
        walker, fresh = Walker("up" if first.maze.up[row] else "down", 2), True
        for time in range(46):
            if fresh and time:  # the new sign is seen at once
                walker = Walker("up" if steps.observations[time, row].tolist() == [0, 1, 1] else "down", 2)
            assert steps.observations[time, row].tolist() == walker.sees()
            assert steps.resets[time, row] == fresh
            reward, fresh, right = walker.go(WAYS[steps.actions[time, row]])
            assert [leaf[time, row] for leaf in steps.outcome] == [reward, fresh, right]
    assert steps.outcome.ended.sum() > 20
    assert 0 < steps.outcome.right.sum() < steps.outcome.ended.sum()


def test_signs_and_actions_are_drawn_anew_with_every_key_and_alike_with_one():
    params, walk, batch = start()
    _, one = TASK.rollout(params, walk, batch)
    _, same = TASK.rollout(params, walk, batch)
    _, other = TASK.rollout(params, walk, Chance(batch.keys[::-1]))
    np.testing.assert_array_equal(one.actions, same.actions)
    assert (one.actions != other.actions).any()
    signs = one.observations[one.resets]
    assert 0.2 < (signs[:, 0] == 1).mean() < 0.8


def test_actions_follow_the_policy():
    """How often each action comes first in 4000 mazes, against NumPy's softmax."""
    task = MemoryPolicy(TASK.model, DataOptions(corridor=2, rows=4000, length=1), PolicyOptions())
    params, walk, batch = start(task)
    _, steps = task.rollout(params, walk, batch)
    for sign, rows in ((True, slice(0, None, 2)), (False, slice(1, None, 2))):
        logits = read_row(task.model, params, [[0, 1, 1] if sign else [1, 1, 0]])[0, :4]
        expected = np.exp(logits) / np.exp(logits).sum()
        found = np.bincount(np.asarray(steps.actions)[0, rows], minlength=4) / 2000
        assert np.abs(found - expected).max() < 4 * np.sqrt(0.25 / 2000)


@pytest.mark.parametrize("memory", [True, False])
def test_loss_equals_numpy(memory):
    task = MemoryPolicy(TASK.model, TASK.data, PolicyOptions(memory=memory, discount=0.9, entropy=0.3))
    params, walk, batch = start(task)
    after, steps = jax.device_get(task.rollout(params, walk, batch))
    ahead = np.asarray(t_maze.observe(after.maze, 2))
    terms = []
    for row in range(8):
        seen = np.concatenate([steps.observations[:, row], ahead[None, row]])
        fresh = [*np.flatnonzero(steps.resets[:, row]), *([23] if after.fresh[row] else [])]
        outputs = read_row(task.model, params, seen, fresh if memory else range(24))
        future = outputs[23, 4]
        for time in reversed(range(23)):
            future = steps.outcome.reward[time, row] + 0.9 * future * (not steps.outcome.ended[time, row])
            p = np.exp(outputs[time, :4]) / np.exp(outputs[time, :4]).sum()
            advantage = future - outputs[time, 4]
            actor = -np.log(p[steps.actions[time, row]]) * advantage
            terms.append(actor + advantage**2 / 2 + 0.3 * (p * np.log(p)).sum())
    loss, (carry, figures) = task.loss(params, walk, batch, None)
    np.testing.assert_allclose(loss, np.mean(terms), rtol=1e-10)
    jax.tree.map(np.testing.assert_array_equal, carry, after)
    assert figures["reward"] == pytest.approx(steps.outcome.reward.mean())
    assert figures["success"] == pytest.approx(steps.outcome.right.sum() / steps.outcome.ended.sum())


def test_the_gradient_is_that_of_the_policy_and_reaches_no_return():
    """Against the gradient of a loss in which returns and advantages are constants."""
    params, walk, batch = start()
    after, steps = TASK.rollout(params, walk, batch)
    _, _, bootstrap = TASK.act(params, after.memory, t_maze.observe(after.maze, 2)[None], after.fresh[None])
    returns = discounted(steps.outcome.reward, steps.outcome.ended, bootstrap[0], TASK.policy.discount)
    _, _, values = TASK.act(params, walk.memory, steps.observations, steps.resets)
    constants = np.asarray(returns), np.asarray(returns - values)

    def loss(params):
        _, log_pi, values = TASK.act(params, walk.memory, steps.observations, steps.resets)
        chosen = (log_pi * jax.nn.one_hot(steps.actions, 4)).sum(-1)
        entropy = -(jnp.exp(log_pi) * log_pi).sum(-1)
        return jnp.mean(-chosen * constants[1] + (constants[0] - values) ** 2 / 2 - 0.3 * entropy)

    found = jax.jit(jax.grad(lambda p: TASK.loss(p, walk, batch, None)[0]))(params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(jax.jit(jax.grad(loss))(params)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_an_episode_is_the_same_bit_by_bit_whatever_came_before_it(cell):
    """Episodes in the middle of rows: other observations before them, another carry, even NaN. And with the reset
    withheld, the difference is seen."""
    task = MemoryPolicy(Network(cell, hidden=5), TASK.data, PolicyOptions())
    params, walk, _ = start(task)
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(9, 8, 3))
    resets = np.zeros((9, 8), bool)
    begins = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    resets[begins, np.arange(8)] = True
    inside = np.arange(9)[:, None] >= begins
    other = np.where(inside[..., None], seen, rng.normal(size=seen.shape))
    act = jax.jit(task.act)
    _, log_pi, values = act(params, walk.memory, seen, resets)
    for version, memory in (
        (other, jax.tree.map(lambda leaf: leaf + 0.7, walk.memory)),
        (np.where(inside[..., None], seen, np.nan), walk.memory),
    ):
        after = act(params, memory, version, resets)[1:]
        np.testing.assert_array_equal(np.asarray(after[0])[inside], np.asarray(log_pi)[inside])
        np.testing.assert_array_equal(np.asarray(after[1])[inside], np.asarray(values)[inside])
    leaked = act(params, walk.memory, other, np.zeros_like(resets))[1]
    plain = act(params, walk.memory, seen, np.zeros_like(resets))[1]
    assert (np.abs(np.asarray(leaked - plain))[inside].max(-1) > 1e-6).all()


def test_no_gradient_crosses_into_the_episode_before():
    params, walk, _ = start()
    seen = jnp.asarray(np.random.default_rng(1).normal(size=(6, 8, 3)))
    resets = jnp.broadcast_to(jnp.arange(6)[:, None] == 3, (6, 8))
    gradient = jax.grad(lambda seen: TASK.act(params, walk.memory, seen, resets)[2][3:].sum())(seen)
    assert (gradient[:3] == 0).all()
    assert (jnp.abs(gradient[3:]).max((1, 2)) > 1e-6).all()


def test_without_memory_only_the_present_counts():
    task = MemoryPolicy(TASK.model, TASK.data, PolicyOptions(memory=False))
    params, walk, _ = start(task)
    seen = jnp.asarray(np.random.default_rng(2).normal(size=(5, 8, 3)))
    _, log_pi, _ = task.act(params, walk.memory, seen, jnp.zeros((5, 8), bool))
    for time in range(5):
        fresh, _ = jaxrnn.gru(5).step(params["rnn"], jaxrnn.gru(5).initial_carry((8,)), seen[time])
        outputs = np.asarray(fresh.h) @ np.asarray(params["readout"]["kernel"]) + np.asarray(params["readout"]["bias"])
        p = np.exp(outputs[:, :4])
        np.testing.assert_allclose(np.exp(log_pi[time]), p / p.sum(-1, keepdims=True), rtol=1e-10)


def test_evaluate_counts_turns():
    """A policy that always goes right, then up, is right where the sign says up."""
    task = MemoryPolicy(Network("elman", hidden=3), DataOptions(corridor=3, rows=8, length=12), PolicyOptions())
    params = jax.tree.map(np.zeros_like, jax.device_get(task.init(jax.random.key(0))))
    params["rnn"]["kernel"][:, 0] = 20 * np.eye(3)
    readout = params["readout"]["kernel"]  # corridor (1, 0, 1), junction (0, 1, 0), signs (0, 1, 1) and (1, 1, 0)
    readout[0, t_maze.RIGHT] = readout[2, t_maze.RIGHT] = 60.0
    readout[1, t_maze.UP] = 30.0
    found = task.evaluate(params, jax.device_put, "test")
    assert 0.35 < found["success"] < 0.65  # of 240 turns
    assert found["loss"] == -found["reward"]
    right = found["success"]
    np.testing.assert_allclose(found["reward"], (4.0 * right - 0.1 * (1 - right)) / 4, rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataOptions(corridor=0), "`data.corridor` must be 1 or more steps, got 0"),
        (lambda: PolicyOptions(discount=1.1), "`policy.discount` must be a number in"),
        (lambda: PolicyOptions(entropy=-1.0), "`policy.entropy` must be 0 or more"),
    ],
)
def test_bad_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
