"""Copying and sequential digits: sequences by their rules, losses against NumPy, equal numbers of parameters."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.tasks.long_sequences.copying import Copying, DataOptions, draw
from jaxrnn.tasks.long_sequences.digits import of_splits, parse_labels
from jaxrnn.tasks.long_sequences.network import CELLS, Network
from jaxrnn.tasks.long_sequences.sequential_digits import DataOptions as DigitOptions
from jaxrnn.tasks.long_sequences.sequential_digits import Pictures, SequentialDigits
from jaxrnn.tasks.shared.mnist import sample
from tests.tasks.reading import spread

SMALL = Network("min_gru", layers=2, parameters=700)


def by_hand(params, xs):
    """The network of min_gru blocks on one row [T, D], in NumPy."""
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    linear = lambda p, h: h @ p["kernel"] + p["bias"]  # noqa: E731

    def norm(p, h):
        h = h - h.mean(-1, keepdims=True)
        return h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["bias"]

    hs = linear(params["encoder"], np.asarray(xs, np.float64))
    for block in params["blocks"]:
        state, ys = np.zeros(hs.shape[-1]), []
        for x in norm(block["norm"], hs):
            z, n = np.einsum("d,dgh->gh", x, block["rnn"]["kernel"]) + block["rnn"]["bias"]
            gate = 1 / (1 + np.exp(-z))
            state = (1 - gate) * state + gate * n
            ys.append(0.5 * state * (1 + np.tanh(np.sqrt(2 / np.pi) * (state + 0.044715 * state**3))))
        hs = hs + linear(block["mix"], np.array(ys))
    return linear(params["readout"], norm(params["norm"], hs))


@pytest.mark.parametrize("selective", [False, True])
def test_every_sequence_follows_the_rules(selective):
    data = DataOptions(selective=selective, symbols=4, count=3, length=12)
    batch = draw(np.random.default_rng(1), 3000, data)
    places, before = set(), set()
    for inputs, steps, target in zip(batch.inputs, batch.lengths, batch.targets, strict=True):
        read, rest = inputs[: steps - 3], inputs[steps - 3 :]
        assert rest[:3].tolist() == [5, 5, 5]
        assert not rest[3:].any()
        found = np.flatnonzero(read)
        np.testing.assert_array_equal(read[found] - 1, target)
        if not selective:
            assert found.tolist() == [0, 1, 2]
        places.add(tuple(found))
        before.add(steps - 3)
    assert before == set(range(3, 13))
    assert set(batch.targets.reshape(-1)) == set(range(4))
    assert len(places) > 190 if selective else len(places) == 1  # of 12 over 3, 220
    np.testing.assert_array_equal(draw(np.random.default_rng(1), 9, data, length=30).lengths, 33)


def test_copying_equals_numpy_whatever_is_in_the_padding():
    task = Copying(SMALL, DataOptions(symbols=3, count=2, length=7, rows=5))
    params, batch = spread(task.init(jax.random.key(0))), next(task.batches())
    inside = np.arange(9) < batch.lengths[:, None]
    batch = batch._replace(inputs=np.where(inside, batch.inputs, 4))
    (loss, (carry, figures)), grads = jax.value_and_grad(task.loss, has_aux=True)(params, (), batch, None)
    losses, right = [], []
    for inputs, steps, target in zip(batch.inputs, batch.lengths, batch.targets, strict=True):
        logits = by_hand(params, np.eye(5)[inputs[:steps]])[-2:]
        losses += [np.log(np.exp(row).sum()) - row[symbol] for row, symbol in zip(logits, target, strict=True)]
        right += (logits.argmax(-1) == target).tolist()
    np.testing.assert_allclose(loss, np.mean(losses), 1e-10)
    assert (carry, figures["accuracy"]) == ((), np.mean(right))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


def test_copying_is_judged_at_other_lengths():
    task = Copying(SMALL, DataOptions(symbols=3, count=2, length=8))
    params = spread(task.init(jax.random.key(1)))
    found = task.evaluate(params, jax.device_put, "test")
    assert set(found) == {"loss", "accuracy", *(f"accuracy_{n}" for n in (2, 4, 8, 16, 32, 64))}
    batch = draw(np.random.default_rng((2, 0)), 256, task.data, length=16)
    answers = [by_hand(params, np.eye(5)[row])[-2:].argmax(-1) for row in batch.inputs]
    np.testing.assert_allclose(found["accuracy_16"], np.mean(np.array(answers) == batch.targets), 1e-12)
    assert found["accuracy"] == found["accuracy_8"]
    assert set(task.evaluate(params, jax.device_put)) == {"loss", "accuracy"}


@pytest.mark.parametrize(("steps", "shape"), [("rows", (28, 28)), ("pixels", (784, 1))])
def test_digits_equal_numpy(steps, shape):
    task = SequentialDigits(SMALL if steps == "pixels" else Network("min_gru", 1, 900), DigitOptions(steps=steps))
    params = spread(task.init(jax.random.key(0)))
    digits = task.digits["test"]
    batch = Pictures(digits.grey[:4], digits.labels[:4], np.array([True, True, False, True]))
    loss, (_, figures) = task.loss(params, (), batch, None)
    logits = np.array([by_hand(params, grey.reshape(shape) / 255)[-1] for grey in batch.grey])[batch.valid]
    labels = batch.labels[batch.valid]
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(3), labels]
    np.testing.assert_allclose(loss, losses.mean(), 1e-9)
    np.testing.assert_allclose(figures["accuracy"], (logits.argmax(1) == labels).mean())


def test_digits_are_those_that_ship():
    splits = of_splits("sample", "")
    assert [len(splits[name].labels) for name in ("train", "validation", "test")] == [8000, 1000, 1000]
    labels = np.concatenate([part.labels for part in splits.values()])
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # MNIST's test set
    for name, pictures in sample().items():  # white where they are whitest
        assert (splits[name].grey[pictures] > 0).all()
    with pytest.raises(ValueError, match="must be 3 labels from 0 to 9"):
        parse_labels(b"\0\0\x08\x01\0\0\0\x03\x01\x02", "labels", 3)
    with pytest.raises(ValueError, match=re.escape("train-images-idx3-ubyte")):
        of_splits("mnist", "/nowhere")


@pytest.mark.parametrize("name", CELLS)
def test_networks_have_as_many_parameters_as_they_may(name):
    def count(network, units):
        made = jax.eval_shape(lambda key: network._of_size(key, 10, 8, units), jax.random.key(0))
        return sum(leaf.size for leaf in jax.tree.leaves(made))

    network = Network(name, parameters=20_000)
    units = network.units(10, 8)
    assert count(network, units) <= 20_000 < count(network, units + 1)
    assert count(network, units) > 18_500


def test_a_network_reads_each_row_by_itself():
    network = Network("s6", parameters=3000)
    params = network.init(jax.random.key(0), 3, 2)
    xs = jnp.asarray(np.random.default_rng(0).standard_normal((6, 2, 3)))
    whole, alone = network(params, xs, np.array([6, 4])), network(params, xs[:4, 1:])
    np.testing.assert_allclose(whole[:4, 1:], alone, 1e-10, 1e-10)
    lstm = Network("lstm", parameters=3000, chrono=30.0).layer(200).init(jax.random.key(0), 3)["bias"]
    assert (1 / (1 - jax.nn.sigmoid(lstm[1]))).max() > 20
    assert jaxrnn.explain(network.layer(8)).cells[0][1] == "s6"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network("lstn"), "`model.cell` must be one of lstm, gru"),
        (lambda: Network(layers=0), "`model.layers` must be 1 or more"),
        (lambda: Network("lru", chrono=30.0), "`model.chrono` must be 0 for all but lstm, gru"),
        (lambda: Network(parameters=3).units(2, 2), "`model.parameters` must be"),
        (lambda: DataOptions(symbols=1), "`data.symbols` must be 2 to 26"),
        (lambda: DataOptions(count=5, length=4), "`data.length` must be 5 or more"),
        (lambda: DigitOptions(steps="columns"), "`data.steps` must be rows or pixels"),
        (lambda: DigitOptions(path="mnist"), "`data.path` must be empty unless"),
    ],
)
def test_bad_options_are_named(make, message, unchecked):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
