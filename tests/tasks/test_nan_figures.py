"""A figure that NaN would decide is NaN: no model whose outputs are NaN is right, wrong, or says anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.tasks import PPO, Adding, MemoryPolicy, Reber, Timing
from jaxrnn.tasks.drawing.pictures import panel
from jaxrnn.tasks.language.word_lm import WordLM
from jaxrnn.tasks.memory import adding, reber, timing
from jaxrnn.tasks.memory_policy import memory_policy
from jaxrnn.tasks.ppo.agent import Agent
from jaxrnn.tasks.ppo.ppo import LearningOptions, WorldOptions
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.network import Network
from jaxrnn.tasks.shared.writing import sentences, written
from jaxrnn.train import END, START, UNKNOWN, Vocabulary

pytestmark = pytest.mark.usefixtures("as_users_train")
NETWORK = Network(cell="gru", hidden=4)
TASKS: dict[str, Any] = {
    "reber": Reber(NETWORK, reber.DataOptions(rows=128)),  # 128 x 16 x 7 logits: XLA's max passes over a NaN in them
    "adding": Adding(NETWORK, adding.DataOptions(length=11, rows=4)),
    "timing": Timing(NETWORK, timing.DataOptions()),
    "memory_policy": MemoryPolicy(
        NETWORK, memory_policy.DataOptions(corridor=2, rows=2, length=4), memory_policy.PolicyOptions()
    ),
    "ppo": PPO(Agent(hidden=4), WorldOptions(corridor=2, rows=2, length=4), LearningOptions(seeds=2, epochs=1)),
}


@pytest.fixture
def as_users_train():
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("name", TASKS)
def test_every_figure_is_nan_where_outputs_are(name: str) -> None:
    task = TASKS[name]
    params = task.init(jax.random.key(0))
    batch, carry = next(task.batches()), task.initial_carry(params)
    run = jax.jit(lambda params: task.loss(params, carry, batch, jax.random.key(0)))
    loss, (_, figures) = run(params)
    assert all(map(math.isfinite, [loss.item(), *map(float, figures.values())]))
    loss, (_, figures) = run(jax.tree.map(lambda a: jnp.full_like(a, jnp.nan), params))
    assert figures
    assert all(map(math.isnan, [loss.item(), *map(float, figures.values())]))


def test_one_nan_logit_among_many_is_enough() -> None:
    scores = np.zeros(5000, np.float32)
    assert share(np.array([True, False]), scores) == 0.5
    scores[77] = np.nan
    assert math.isnan(share(np.array([True, True]), scores))
    assert share(np.array([True, True]), np.full(5000, -np.inf, np.float32)) == 1


def test_perplexity_of_nan_is_nan() -> None:
    figures = WordLM.figures
    assert math.isnan(figures(None, math.nan)["perplexity"])
    assert figures(None, 701.0)["perplexity"] == math.inf
    assert figures(None, 1.0)["perplexity"] == math.e


@pytest.mark.parametrize("width", [1, 3])
def test_sentences_of_nan_are_none(width: int) -> None:
    words = Vocabulary((UNKNOWN, START, END, "a", "b"))

    def step(row: Any, word: Any) -> Any:
        logits = jnp.where(jnp.arange(5) == 3, 1.0, 0.0) * jnp.ones((2, 1))
        return row, jnp.where((row == 1)[:, None], jnp.nan, logits) if width == 1 else jnp.where(
            (row == 1)[..., None], jnp.nan, jnp.where(jnp.arange(5) == 3, 1.0, 0.0)
        )

    tokens, lengths = written(step, jnp.arange(2), 2, words, 3, width)
    assert lengths[1] == -1
    assert sentences(words, tokens[:, :1], lengths[:1]) == [["a", "a", "a"]]
    with pytest.raises(FloatingPointError, match="no word can be chosen"):
        sentences(words, tokens, lengths)


def test_a_canvas_with_nan_is_not_shown(tmp_path: Path) -> None:
    assert panel(np.zeros((2, 2))).size == (6, 6)
    with pytest.raises(FloatingPointError, match="nothing can be shown"):
        panel(np.array([[0.0, np.nan]]))
