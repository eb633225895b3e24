"""The embedded Reber grammar: strings parsed by a regular expression, loss and figures against NumPy."""

from __future__ import annotations

import re
from itertools import product

import jax
import numpy as np
import pytest

from jaxrnn.tasks.memory.reber import SYMBOLS, DataOptions, Reber, draw, reber
from jaxrnn.tasks.shared.network import Network
from tests.tasks.reading import read_row, spread

# Reber's grammar as an expression, written from its picture: the way out of its middle, and the two ways there.
OUT = "(?:XT*VP)*(?:S|XT*VV)"
GRAMMAR = rf"B(?:TS*X{OUT}|PT*V(?:V|P{OUT}))E"
EMBEDDED = re.compile(rf"B(?:T{GRAMMAR}T|P{GRAMMAR}P)E")


def strings(count=3000, seed=0):
    rng = np.random.default_rng(seed)
    return [reber(rng) for _ in range(count)]


def test_every_string_is_of_the_grammar():
    found = strings()
    assert all(EMBEDDED.fullmatch(string) for string, _ in found)
    assert max(len(string) for string, _ in found) > 25
    branches = [string[1] for string, _ in found]
    assert abs(branches.count("T") / len(found) - 0.5) < 4 * np.sqrt(0.25 / len(found))


def test_every_short_string_of_the_grammar_is_drawn():
    """All words of up to eleven symbols, by exhaustive search."""
    inner = [w for n in (3, 4, 5) for w in map("".join, product("TPSXV", repeat=n)) if re.fullmatch(GRAMMAR, f"B{w}E")]
    assert len(inner) == 9
    everything = {f"B{branch}B{word}E{branch}E" for word in inner for branch in "TP"}
    drawn = {string for string, _ in strings()}
    assert everything == {string for string in drawn if len(string) <= 11}


def test_allowed_symbols_are_those_with_which_the_string_can_go_on():
    """Each symbol in turn in the place of the true one: allowed where some string of the grammar begins so."""
    found = strings(4000, seed=1)
    beginnings = {string[:n] for string, _ in found for n in range(len(string) + 1)}
    for string, choices in found[:200]:
        assert len(choices) == len(string)
        for place in range(min(len(string), 9)):  # longer beginnings are too rare to have been seen with every symbol
            assert set(choices[place]) == {s for s in SYMBOLS if string[:place] + s in beginnings}


def test_batches_hold_the_strings():
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    batch = draw(rng, 9)
    for row in range(9):
        string, choices = reber(again)
        steps = batch.lengths[row]
        assert "".join(SYMBOLS[s] for s in batch.inputs[row, :steps]) == string[:-1]
        assert "".join(SYMBOLS[s] for s in batch.targets[row, :steps]) == string[1:]
        for place in range(steps):
            assert {SYMBOLS[s] for s in np.flatnonzero(batch.allowed[row, place])} == set(choices[place + 1])
    assert batch.inputs.shape[1] % 16 == 0


TASK = Reber(Network("lstm", hidden=5), DataOptions(rows=9))


def expected(params, batches):
    """Loss and figures, a row and a step at a time."""
    losses, whole, last = [], [], []
    for batch in batches:
        for inputs, targets, allowed, steps in zip(*batch, strict=True):
            logits = read_row(TASK.model, params, np.eye(7)[inputs[:steps]])
            rights = []
            for logit, target, may in zip(logits, targets, allowed, strict=False):
                losses.append(np.log(np.exp(logit).sum()) - logit[target])
                rights.append(all(logit[a] > logit[b] for a in np.flatnonzero(may) for b in np.flatnonzero(~may)))
            whole.append(all(rights))
            last.append(rights[-2])
    return {"loss": np.mean(losses), "strings": np.mean(whole), "long_range": np.mean(last)}


def test_loss_and_figures_equal_numpy_whatever_is_in_the_padding():
    params, batch = spread(TASK.init(jax.random.key(0))), next(TASK.batches())
    answer = expected(params, [batch])
    outside = np.arange(batch.inputs.shape[1]) >= batch.lengths[:, None]
    dirty = batch._replace(inputs=np.where(outside, 6, batch.inputs), targets=np.where(outside, 3, batch.targets))
    for version in (batch, dirty):
        loss, (carry, figures) = TASK.loss(params, (), version, None)
        np.testing.assert_allclose(loss, answer["loss"], rtol=1e-10)
        assert carry == ()
        assert {name: float(figure) for name, figure in figures.items()} == pytest.approx(
            {name: answer[name] for name in ("strings", "long_range")}
        )


def test_a_network_without_memory_fails_at_the_long_range():
    """It says T after every E that might be followed by one, and is right in the strings that have a T there."""
    task = Reber(Network("elman", hidden=7), DataOptions(rows=64))
    params = jax.tree.map(np.zeros_like, jax.device_get(task.init(jax.random.key(0))))
    params["rnn"]["kernel"][:, 0] = 20 * np.eye(7)  # no recurrent weights: the outputs are the symbol read
    params["readout"]["kernel"][SYMBOLS.index("E"), SYMBOLS.index("T")] = 1.0
    branches = ""
    for n in range(4):
        rng = np.random.default_rng((2, n))
        branches += "".join(reber(rng)[0][-2] for _ in range(256))
    found = task.evaluate(params, jax.device_put, "test")
    assert (found["long_range"], found["strings"]) == (branches.count("T") / 1024, 0)


def test_evaluate_equals_numpy():
    params = spread(TASK.init(jax.random.key(3)))
    batches = [draw(np.random.default_rng((1, n)), 256) for n in range(4)]
    found = TASK.evaluate(params, jax.device_put)
    answers = [expected(params, [batch]) for batch in batches]  # batches of equally many strings count equally
    for name in ("loss", "strings", "long_range"):
        np.testing.assert_allclose(found[name], np.mean([answer[name] for answer in answers]), rtol=1e-10)
