"""Worlds against NumPy, learning against plain loops, and what acts against what learns and what is exported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxrnn
from jaxrnn.tasks import TASKS
from jaxrnn.tasks.ppo import exported, pictures, rollout
from jaxrnn.tasks.ppo.actions import Choice, Normal
from jaxrnn.tasks.ppo.agent import LAYERS, Agent
from jaxrnn.tasks.ppo.ppo import PPO, LearningOptions, WorldOptions
from jaxrnn.tasks.ppo.worlds import Cart, CartPole, Outcome, Pendulum, Swing, TMaze
from jaxrnn.train import find_config, read_experiment
from tests.tasks.reading import spread
from tests.tasks.resuming import run_in_two_pieces
from tests.tasks.their_ppo import Copied, Early, TheirAgent

SMALL = WorldOptions(corridor=3, rows=4, length=11)
LEARNING = LearningOptions(seeds=2, epochs=2, minibatches=2)


@pytest.fixture
def as_users_train() -> Iterator[None]:
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


trained = pytest.mark.usefixtures("as_users_train")


def make(agent: Agent = Agent(hidden=8), world: WorldOptions = SMALL, kind: Any = PPO) -> Any:
    return kind(agent, world, LEARNING)


def walked(task: PPO) -> tuple[Any, Any]:
    """Parameters that make a difference, and the carry of a first rollout, before any update."""
    params = spread(jax.jit(task.init)(jax.random.key(0)))
    _, (carry, _) = jax.jit(task.loss)(params, task.initial_carry(params), next(task.batches()), None)
    return params, carry._replace(part=jnp.zeros_like(carry.part))


# ---------------------------------------------------------------- worlds


def cart_step(x: float, v: float, a: float, w: float, action: int) -> tuple[float, ...]:
    """Gymnasium's CartPole-v1, by its variables: masspole 0.1, masscart 1, half the pole's length 0.5."""
    force = 10.0 if action == 1 else -10.0
    temp = (force + 0.1 * 0.5 * w**2 * math.sin(a)) / 1.1
    turn = (9.8 * math.sin(a) - math.cos(a) * temp) / (0.5 * (4.0 / 3.0 - 0.1 * math.cos(a) ** 2 / 1.1))
    thrust = temp - 0.1 * 0.5 * turn * math.cos(a) / 1.1
    return x + 0.02 * v, v + 0.02 * thrust, a + 0.02 * w, w + 0.02 * turn


def swing_step(a: float, w: float, action: float) -> tuple[float, float, float]:
    """Gymnasium's Pendulum-v1 (g = 10, m = l = 1): the angle, its velocity, and the cost of the step."""
    u = min(max(2 * action, -2.0), 2.0)
    cost = (((a + math.pi) % (2 * math.pi)) - math.pi) ** 2 + 0.1 * w**2 + 0.001 * u**2
    w = min(max(w + (3 * 10 / 2 * math.sin(a) + 3.0 * u) * 0.05, -8.0), 8.0)
    return a + w * 0.05, w, cost


def test_carts_roll_and_poles_fall_as_gymnasium_has_it() -> None:
    rng, world = np.random.default_rng(0), CartPole(masked=True)
    state = np.array([0.02, -0.03, 0.01, 0.04])
    ended = False
    for _ in range(200):
        action = int(rng.integers(2))
        seen = world.observe(Cart(*map(jnp.asarray, state)))
        np.testing.assert_allclose(seen, [state[0] / 2.4, state[2] / math.radians(12)], rtol=1e-12)
        assert CartPole(masked=False).observe(Cart(*map(jnp.asarray, state))).tolist()[2:] == [state[1], state[3]]
        after, outcome = world.step(Cart(*map(jnp.asarray, state)), jnp.asarray(action))
        state = np.array(cart_step(*state, action))
        np.testing.assert_allclose(after, state, rtol=1e-12)
        ended = abs(state[0]) > 2.4 or abs(state[2]) > math.radians(12)
        assert (outcome.reward, outcome.terminated) == (1.0, ended)
        if ended:
            break
    assert ended
    starts = np.array([world.reset(key) for key in jax.random.split(jax.random.key(0), 200)])
    assert 0.045 < np.abs(starts).max() <= 0.05


def test_pendulums_swing_as_gymnasium_has_it() -> None:
    rng, world = np.random.default_rng(1), Pendulum(masked=True)
    angle, turning = 3.0, 0.5
    fastest = 0.0
    for t in range(300):
        action = rng.normal() if t < 100 else 3.0 * np.sign(turning)
        state = Swing(jnp.asarray(angle), jnp.asarray(turning))
        np.testing.assert_allclose(world.observe(state), [math.cos(angle), math.sin(angle)], rtol=1e-12)
        np.testing.assert_allclose(Pendulum(masked=False).observe(state)[2], turning / 8, rtol=1e-12)
        after, outcome = world.step(state, jnp.asarray([action]))
        angle, turning, cost = swing_step(angle, turning, action)
        np.testing.assert_allclose(after, [angle, turning], rtol=1e-11)
        np.testing.assert_allclose(outcome.reward, -cost, rtol=1e-10)
        assert not outcome.terminated
        fastest = max(fastest, abs(turning))
    assert fastest == 8.0


def test_time_limits_end_episodes_and_say_so() -> None:
    """A pendulum of 200 steps: the world has not ended it, the next step is a first one, and it starts elsewhere."""
    world = Pendulum(masked=True)
    walk = rollout.set_out(world, jnp.zeros((3, 1)), jax.random.key(0), 3)._replace(age=jnp.array([0, 199, 198]))
    moved, (outcome, ended, after) = rollout.step(
        world, walk._replace(total=jnp.ones(3)), jnp.zeros((3, 1)), jnp.zeros(3), jax.random.key(1)
    )
    assert ended.tolist() == [False, True, False]
    assert moved.fresh.tolist() == ended.tolist()
    assert not outcome.terminated.any()
    assert moved.age.tolist() == [1, 0, 199]
    expected = [swing_step(float(walk.state.angle[n]), float(walk.state.turning[n]), 0.0) for n in range(3)]
    np.testing.assert_allclose(after[:, 0], [math.cos(angle) for angle, _, _ in expected], rtol=1e-9)
    np.testing.assert_allclose(moved.state.angle[0], expected[0][0], rtol=1e-9)
    assert abs(float(moved.state.angle[1]) - expected[1][0]) > 1e-3
    np.testing.assert_allclose(moved.last, [0, 1 - expected[1][2], 0], rtol=1e-9)
    np.testing.assert_allclose(moved.total, [1 - expected[0][2], 0, 1 - expected[2][2]], rtol=1e-9)


# ---------------------------------------------------------------- learning


def test_advantages_against_a_loop() -> None:
    """Where the world ends an episode nothing follows; where time does, the value of what came after counts."""
    rng, T, B = np.random.default_rng(2), 12, 5
    reward, value, after = rng.normal(size=(3, T, B))
    ended = rng.random((T, B)) < 0.3
    terminated = ended & (rng.random((T, B)) < 0.5)
    assert (ended & ~terminated).any()
    expected = np.zeros((T, B))
    for b in range(B):
        for t in range(T):  # the definition: a sum over what is ahead
            weight = 1.0
            for s in range(t, T):
                expected[t, b] += weight * (reward[s, b] + 0.9 * (0 if terminated[s, b] else after[s, b]) - value[s, b])
                weight *= 0.9 * 0.7
                if ended[s, b]:
                    break
    got = rollout.advantages(*map(jnp.asarray, (reward, value, after, terminated, ended)), 0.9, 0.7)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_distributions() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4, 3))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    choice = Choice(jnp.asarray(logits))
    actions = np.array([0, 2, 1, 1])
    np.testing.assert_allclose(choice.log_probability(jnp.asarray(actions)), np.log(p[np.arange(4), actions]))
    np.testing.assert_allclose(choice.entropy(), -(p * np.log(p)).sum(-1))
    np.testing.assert_array_equal(choice.likeliest(), logits.argmax(-1))
    mean, deviation = rng.normal(size=(4, 2)), np.exp(rng.normal(size=(4, 2)))
    normal = Normal(jnp.asarray(mean), jnp.log(deviation))
    x = rng.normal(size=(4, 2))
    density = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(normal.log_probability(jnp.asarray(x)), np.log(density).sum(-1))
    np.testing.assert_allclose(normal.entropy(), (np.log(deviation) + (1 + np.log(2 * np.pi)) / 2).sum(-1))
    drawn = jax.vmap(normal.draw)(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=5 * deviation.max() / np.sqrt(4000))
    np.testing.assert_allclose(drawn.std(0), deviation, rtol=0.1)


AGENTS = [(cell, flax, name) for cell, flax, name in (
    ("gru", "linen", "t_maze"), ("gru", "nnx", "cart_pole"), ("lstm", "linen", "pendulum"), ("lstm", "nnx", "t_maze"),
    ("heads", "nnx", "pendulum"), ("min_gru", "linen", "cart_pole"), ("elman", "nnx", "t_maze"),
)]  # fmt: skip


@pytest.mark.slow
@trained
@pytest.mark.parametrize(("cell", "flax", "name"), AGENTS)
def test_what_learns_is_what_acted(cell: Any, flax: Any, name: Any) -> None:
    """Every ratio is one before an update; after a second rollout too, which goes on where the first one stopped."""
    task = make(Agent(cell=cell, hidden=8, flax=flax), replace(SMALL, name=name, length=40))
    params = spread(jax.jit(task.init)(jax.random.key(0)))
    carry, loss, ended = task.initial_carry(params), jax.jit(task.loss), False
    for part in range(2 * LEARNING.epochs * LEARNING.minibatches):
        _, (carry, figures) = loss(params, carry, next(task.batches()), None)
        assert figures["off_one"] < 2e-5
        assert abs(figures["kl"]) < 1e-6
        assert carry.part.tolist() == [(part + 1) % 4] * 2
        ended |= bool(carry.steps.ended.any())
    assert ended or name == "pendulum"  # which lasts 200 steps


@pytest.mark.slow
@trained
def test_the_known_mistake_is_seen_at_once() -> None:
    """Resets one step early: ratios are not one before any update."""
    task = make(kind=Early, world=replace(SMALL, length=40))
    params = spread(jax.jit(task.init)(jax.random.key(0)))
    _, (carry, figures) = jax.jit(task.loss)(params, task.initial_carry(params), next(task.batches()), None)
    assert carry.steps.ended[:-1].any()
    assert figures["off_one"] > 0.01


@pytest.mark.slow
@trained
def test_the_replay_law_holds() -> None:
    task = make(Agent(cell="lstm", hidden=8))
    params = spread(jax.tree.map(lambda a: a[0], jax.jit(task.init)(jax.random.key(0))))
    act = partial(task.model.act, task.world.made, params)
    carry = jax.tree.map(lambda a: a + 0.3, task.model.initial_carry(4))
    xs = jax.random.normal(jax.random.key(1), (9, 4, 3))

    def step(carry: Any, x: Any, start: Any) -> Any:
        carry, said, value = act(carry, x[None], start[None])
        return carry, (said.logits[0], value[0])

    def replay(carry: Any, xs: Any, dones: Any, first: Any) -> Any:
        carry, said, value = act(carry, xs, task.starts(dones, first))
        return carry, (said.logits, value)

    jaxrnn.testing.check_replay(jax.jit(step), jax.jit(replay), carry, xs, jax.random.key(2))


@trained
def test_without_memory_only_the_present_counts() -> None:
    task = make(Agent(hidden=8, memory=False))
    params = spread(jax.tree.map(lambda a: a[0], jax.jit(task.init)(jax.random.key(0))))
    seen = jnp.asarray(np.random.default_rng(2).normal(size=(5, 4, 3)))
    act = jax.jit(partial(task.model.act, task.world.made))
    _, whole, _ = act(params, task.model.initial_carry(4), seen, jnp.zeros((5, 4), bool))
    for t in range(5):
        _, alone, _ = act(params, task.model.initial_carry(4) + 0.5, seen[t][None], jnp.zeros((1, 4), bool))
        np.testing.assert_allclose(alone.logits[0], whole.logits[t], rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@trained
def test_loss_equals_numpy_and_seeds_share_nothing() -> None:
    task = make()
    params, carry = walked(task)
    off = jax.tree.map(lambda a: a * 1.05, params)  # ratios other than one, some of them beyond the clip
    losses, figures = jax.jit(jax.vmap(task._loss))(off, carry)
    gradient = jax.jit(
        jax.grad(lambda p: task.loss(p, carry._replace(part=carry.part + 1), next(task.batches()), None)[0])
    )
    gradients, options = gradient(off), task.ppo
    for seed in range(2):
        own, kept = jax.tree.map(lambda a: a[seed], (off, carry))  # noqa: B023
        memory, first, steps, advantage, target = jax.device_get(task._part(kept))
        starts = np.concatenate([first[None], steps.ended[:-1]])
        _, said, value = task.model.act(task.world.made, own, jnp.asarray(memory), steps.seen, jnp.asarray(starts))
        p = np.exp(said.logits) / np.exp(said.logits).sum(-1, keepdims=True)
        chosen = np.take_along_axis(p, steps.action[..., None], -1)[..., 0]
        ratio = chosen / np.exp(steps.log_probability)
        gain = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage).mean()
        error, entropy = ((value - target) ** 2).mean() / 2, -(p * np.log(p)).sum(-1).mean()
        np.testing.assert_allclose(losses[seed], 0.5 * error - gain - 0.01 * entropy, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(figures["kl"][seed], (ratio - 1 - np.log(ratio)).mean(), rtol=2e-3, atol=1e-7)
        # The gradient that is differentiated without any clip, scaled: of this seed alone.
        loose = replace(task, ppo=replace(options, clip_norm=1e9))
        alone = jax.grad(lambda p: loose._loss(p, kept._replace(part=kept.part + 1))[0])(own)  # noqa: B023
        norm = math.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(alone)))
        assert norm > 0.5
        for got, expected in zip(jax.tree.leaves(gradients), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(got[seed], expected * 0.5 / norm, rtol=1e-3, atol=2e-6)


@pytest.mark.slow
@trained
def test_values_of_what_came_after_are_those_of_the_memory_then() -> None:
    """Advantages of a rollout from its own steps, by a policy that walks it again."""
    task = make(world=replace(SMALL, length=30))
    params, carry = walked(task)
    own, kept = jax.tree.map(lambda a: a[0], (params, carry))
    act, steps = partial(task.model.act, task.world.made, own), kept.steps
    _, _, values = act(kept.setting_out, steps.seen, task.starts(steps.ended, kept.first))
    np.testing.assert_allclose(values, steps.value, rtol=1e-4, atol=1e-5)
    seen = jax.vmap(task.world.made.observe)(kept.walk.state)
    _, _, last = act(kept.walk.memory, seen[None], kept.walk.fresh[None])
    after = np.concatenate([values[1:], last])  # no time limit within 30 steps: what ended was ended by the world
    assert not (steps.ended & ~steps.terminated).any()
    assert steps.ended.any()
    found = rollout.advantages(steps.reward, values, jnp.asarray(after), steps.terminated, steps.ended, 0.98, 0.95)
    np.testing.assert_allclose(kept.target, found + values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(kept.advantage, (found - found.mean()) / (found.std() + 1e-8), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@trained
def test_each_epoch_goes_through_every_row_once() -> None:
    task = make(world=replace(SMALL, rows=8))
    _, carry = walked(task)
    own = jax.tree.map(lambda a: a[0], carry)
    marked = own._replace(first=jnp.arange(8))
    orders = [[task._part(marked._replace(part=jnp.int32(2 * e + m)))[1].tolist() for m in range(2)] for e in range(2)]
    assert [sorted(a + b) for a, b in orders] == [list(range(8))] * 2
    assert orders[0] != orders[1]


@trained
@pytest.mark.slow
def test_the_copied_layer_learns_alike() -> None:
    """The trainer around the copied ScannedRNN, from the same parameters: same loss, same gradients."""
    theirs, ours = make(TheirAgent(hidden=8), kind=Copied), make()
    params = jax.jit(theirs.init)(jax.random.key(0))
    one = [jax.tree.map(lambda a: a[n], params) for n in range(2)]  # noqa: B023
    converted = jax.tree.map(lambda *a: jnp.stack(a), *map(jaxrnn.interop.scanned, one))
    _, carry = walked(ours)
    losses = [jax.jit(jax.vmap(task._loss))(p, carry)[0] for task, p in ((theirs, params), (ours, converted))]
    np.testing.assert_allclose(*losses, rtol=1e-6)


# ---------------------------------------------------------------- what is shown and handed on


@pytest.mark.slow
@trained
@pytest.mark.parametrize("name", ["cart_pole", "pendulum"])
@pytest.mark.parametrize("greedy", [False, True])
def test_returns_are_those_of_the_actions(name: Any, greedy: bool) -> None:
    """An episode in each of three worlds, walked again in NumPy."""
    task = make(world=replace(SMALL, name=name))
    own = spread(jax.tree.map(lambda a: a[0], jax.jit(task.init)(jax.random.key(0))))
    world = task.world.made
    play = jax.jit(partial(rollout.episodes, world, partial(task.model.act, world, own), rows=3, greedy=greedy))
    totals, (states, actions, inside) = jax.device_get(play(task.model.initial_carry(3), jax.random.key(5)))
    for n in range(3):
        total, length = 0.0, 0
        for t in range(world.limit):
            state = [float(leaf[t, n]) for leaf in states]
            length += 1
            if name == "cart_pole":
                after, total = list(cart_step(*state, actions[t, n])), total + 1
                if abs(after[0]) > 2.4 or abs(after[2]) > math.radians(12):
                    break
            else:
                *after, cost = swing_step(*state, float(actions[t, n, 0]))
                total -= cost
            if t + 1 < world.limit:
                np.testing.assert_allclose([leaf[t + 1, n] for leaf in states], after, rtol=1e-5, atol=1e-5)
        assert inside[:, n].sum() == length
        np.testing.assert_allclose(totals[n], total, rtol=1e-4)


class Maze:
    """One T-maze in plain Python: what a program without JAX would drive a policy through."""

    def __init__(self, up: bool, corridor: int) -> None:
        self.up, self.corridor, self.place = up, corridor, 0

    def seen(self) -> list[float]:
        sign = [0.0, 1.0, 1.0] if self.up else [1.0, 1.0, 0.0]
        return sign if not self.place else [0.0, 1.0, 0.0] if self.place == self.corridor else [1.0, 0.0, 1.0]

    def move(self, action: int) -> bool:
        if self.place == self.corridor and action in (0, 2):
            return True
        self.place = min(max(self.place + {1: 1, 3: -1}.get(action, 0), 0), self.corridor)
        return False


@trained
@pytest.mark.slow
def test_a_policy_is_driven_from_numpy() -> None:
    """As StableHLO and as ONNX, through mazes in plain Python: the agent's own actions, episode by episode."""
    onnxruntime = pytest.importorskip("onnxruntime")
    task = make(Agent(cell="gru", hidden=8))
    own = jax.tree.map(lambda a: a[0], jax.jit(task.init)(jax.random.key(0)))
    own["policy"]["kernel"] = own["policy"]["kernel"] * 300
    world = task.world.made
    policy = jax.export.deserialize(bytearray(exported.as_stablehlo(task.model, world, own)))
    session = onnxruntime.InferenceSession(exported.as_onnx(task.model, world, own))
    mazes = [Maze(n % 2 == 0, 3) for n in range(5)]
    memory = theirs = np.zeros((5, 8), np.float32)
    carry, start, met = task.model.initial_carry(5), np.ones(5, bool), set()
    for t in range(25):
        seen = np.array([maze.seen() for maze in mazes], np.float32)
        action, said, memory = map(np.asarray, policy.call(seen, start, memory))
        given = {"seen": seen, "start": start, "memory_0": theirs}
        their_action, their_said, theirs = session.run(None, given)
        carry, expected, _ = task.model.act(world, own, carry, jnp.asarray(seen)[None], jnp.asarray(start)[None])
        np.testing.assert_array_equal(action, expected.likeliest()[0])
        np.testing.assert_array_equal(their_action, action)
        for got in (said, their_said):
            np.testing.assert_allclose(got, expected.logits[0], rtol=1e-4, atol=1e-4)
        if t % 7 == 6:
            action = np.array([0, 1, 2, 3, 0])  # somebody else's hand, so that episodes end
        met |= set(action.tolist())
        start = np.array([maze.move(a) for maze, a in zip(mazes, action.tolist(), strict=True)])
        mazes = [Maze(n % 2 == 1, 3) if over else m for n, (m, over) in enumerate(zip(mazes, start, strict=True))]
    assert met == {0, 1, 2, 3}


@trained
@pytest.mark.slow
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("name", ["cart_pole", "pendulum"])
def test_every_agent_is_exported(cell: Any, name: Any, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(4)
    agent, world = Agent(cell=cell, hidden=8, flax="nnx"), replace(SMALL, name=name).made
    own = jax.tree.map(lambda a: a + 0.1, agent.init(jax.random.key(0), world))
    files = exported.export_policy(agent, world, own, tmp_path)
    step, memory = exported.step_of(agent, world, own)
    seen, start = rng.normal(size=(3, world.observations)).astype(np.float32), np.array([True, False, False])
    memory = [rng.normal(size=(3, *a.shape[1:])).astype(np.float32) for a in memory]
    expected = step(jnp.asarray(seen), jnp.asarray(start), *map(jnp.asarray, memory))
    program = exported.program_of(agent, world, own)
    policy = jax.export.deserialize(bytearray((tmp_path / files[0]).read_bytes()))
    session = onnxruntime.InferenceSession(str(tmp_path / files[1]))
    assert [given.name for given in session.get_inputs()] == [*program.arguments]
    assert [given.name for given in session.get_outputs()] == [*program.results]
    assert policy.platforms == ("cpu", "cuda", "tpu")
    found = [policy.call(seen, start, *memory)]
    given = {"seen": seen, "start": start} | {f"memory_{n}": a for n, a in enumerate(memory)}
    found.append(session.run(None, given))
    for got in found:
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@trained
@pytest.mark.slow
@pytest.mark.parametrize("name", ["t_maze", "cart_pole", "pendulum"])
def test_what_a_run_shows(name: Any, tmp_path: Path) -> None:
    task = make(world=replace(SMALL, name=name))
    params = jax.jit(task.init)(jax.random.key(0))
    figures = task.evaluate(params, jax.device_put)
    line = {"step": 4} | {f"validation_{k}": v for k, v in figures.items()}
    (tmp_path / "metrics.jsonl").write_text(str(line).replace("'", '"') + "\n")
    text = task.show(params, tmp_path, 0)
    assert figures["return"] == pytest.approx((figures["seed 0"] + figures["seed 1"]) / 2, rel=1e-5)
    assert figures["spread"] == pytest.approx(abs(figures["seed 0"] - figures["seed 1"]) / 2, rel=1e-3, abs=1e-4)
    assert "policy.stablehlo, policy.onnx" in text
    with Image.open(tmp_path / "episode.gif") as film, Image.open(tmp_path / "returns.png") as curves:
        assert film.n_frames > 3  # type: ignore[attr-defined]
        assert np.asarray(curves.convert("L")).std() > 5


class Walker(NamedTuple):
    """Where a user's agent is."""

    place: jax.Array


@dataclass(frozen=True)
class Line:
    """A user's world, of which nothing here knows a drawing: a place on a line, and a number that is never there."""

    actions: ClassVar[int] = 2
    continuous: ClassVar[bool] = False
    scale: ClassVar[float] = 1.0
    observations: ClassVar[int] = 3
    limit: ClassVar[int] = 9

    def reset(self, key: Any) -> Walker:
        return Walker(jax.random.uniform(key))

    def observe(self, state: Walker) -> jax.Array:
        return jnp.stack([state.place, -state.place, jnp.zeros(())])

    def step(self, state: Walker, action: jax.Array) -> tuple[Walker, Outcome]:
        after = Walker(state.place + 0.5)
        return after, Outcome(jnp.ones(()), after.place > 3)


class LineOptions(WorldOptions):
    made = Line()  # type: ignore[assignment]


@trained
@pytest.mark.slow
def test_a_world_without_a_drawing_is_shown_by_what_is_seen(tmp_path: Path) -> None:
    task = make(world=LineOptions(rows=4, length=11))
    params = jax.jit(task.init)(jax.random.key(0))
    text = task.show(params, tmp_path, 0)
    assert "(episode.gif, what was seen: Line has no drawing)" in text
    with Image.open(tmp_path / "episode.gif") as film:
        assert 5 < film.n_frames < 8  # type: ignore[attr-defined]
        film.seek(film.n_frames - 1)  # type: ignore[attr-defined]
        last = np.asarray(film.convert("RGB"), int)
    # The largest number of all, up; the same, down; and none.
    blue, orange = (np.abs(last - colour).sum(-1) < 60 for colour in (pictures.COOL, pictures.WARM))
    third = (pictures.WIDTH - 40) // 3
    for bars, at in ((blue, 0), (orange, 1)):
        assert bars[:, 20 + third * at : 20 + third * (at + 1)].sum() == bars.sum() > 1000
    assert abs(int(blue.sum()) - int(orange.sum())) < 200


def test_numbers_that_are_none_have_no_bar(tmp_path: Path) -> None:
    states = Walker(jnp.array([1.0, jnp.nan, jnp.inf, 0.0]))
    pictures.film(Line(), states, np.zeros(4, int), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_run_in_two_pieces_is_one_run(tmp_path: Path) -> None:
    """Stopped in the middle of a rollout's epochs."""
    sizes = ("world.corridor", 2), ("world.rows", 2), ("world.length", 6), ("ppo.seeds", 8), ("ppo.epochs", 2)
    loop = ("loop.steps", 10), ("loop.log_every", 1), ("loop.validate_every", 5), ("model.hidden", 4)
    experiment = read_experiment(find_config("ppo"), [f"--{key}={value}" for key, value in (*sizes, *loop)], TASKS)
    folder, losses = run_in_two_pieces(experiment, tmp_path, 6)
    assert len(losses) == 10
    assert (folder / "policy.stablehlo").stat().st_size > 1000


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        (lambda: Agent(cell="heads", hidden=6), "`model.hidden` must be a multiple of 4"),
        (lambda: Agent(cell="lstn"), "`model.cell` must be one of gru"),  # type: ignore[arg-type]
        (lambda: WorldOptions(name="maze"), "`world.name` must be one of t_maze"),  # type: ignore[arg-type]
        (lambda: WorldOptions(corridor=0), "`world.corridor` must be 1 or more steps"),
        (lambda: LearningOptions(clip=0.0), "`ppo.clip` must be a positive number"),
        (lambda: LearningOptions(trace=1.5), "`ppo.trace` must be a number in"),
        (lambda: LearningOptions(seeds=0), "`ppo.seeds` must be 1 or more"),
        (lambda: make(world=replace(SMALL, rows=3)), "`ppo.minibatches` must be a divisor of world.rows, 3"),
    ],
)  # fmt: skip
def test_bad_options_are_named(fails: Any, message: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=message):
        fails()


def test_a_maze_is_entered_by_chance() -> None:
    signs = [bool(TMaze(4).reset(key).up) for key in jax.random.split(jax.random.key(0), 40)]
    assert 8 < sum(signs) < 32
