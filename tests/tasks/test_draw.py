"""DRAW against NumPy: bound, glimpses and gradient; MNIST's bits; pictures painted from nothing."""

from __future__ import annotations

import gzip
import json
import re
import struct
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrnn.decode.glimpse import place
from jaxrnn.tasks import Draw
from jaxrnn.tasks.drawing.draw import DataOptions, ModelOptions, Pictures
from jaxrnn.tasks.drawing.pictures import RED, ZOOM, panel
from jaxrnn.tasks.shared.mnist import binarise, digits, parse, sample
from jaxrnn.tasks.shared.tiles import GAP
from jaxrnn.train import Experiment, LoopOptions, OptimizerOptions
from tests import oracle
from tests.decode.test_glimpse import reference as filters
from tests.tasks.resuming import run_in_two_pieces

H, Z, PIXELS = 5, 3, 28 * 28
SAMPLE = Path(__file__).parents[2] / "jaxrnn/tasks/data/mnist/t10k-images-idx3-ubyte.gz"
MNIST = Path(__file__).parents[2].parent / "shared/data/image_generation"
KINDS = [("lstm", True), ("gru", False), ("elman", True)]


def small(cell="lstm", attention=True, glimpses=3, rows=4, **model):
    options = {"hidden": H, "latent": Z, "read": 2, "write": 3} | model
    return Draw(ModelOptions(glimpses=glimpses, cell=cell, attention=attention, **options), DataOptions(rows=rows))


def random_params(task, seed=0):
    draw = np.random.default_rng(seed)
    params = task.init(jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf + draw.normal(size=leaf.shape) * 0.2), params)


def random_inputs(task, rows, seed=1):
    draw = np.random.default_rng(seed)
    pixels = (draw.random((rows, 28, 28)) < 0.3).astype(float)
    return pixels, draw.normal(size=(task.model.glimpses, rows, Z))


def linear(params, h):
    return h @ params["kernel"] + params["bias"]


def numpy_picture(task, params, pixels, noise):
    """One picture, [28, 28] with noise [T, Z]: reconstruction, kl [T], canvases, places, latent values."""
    m, equations = task.model, getattr(oracle, task.model.cell)
    names = ("c", "h") if m.cell == "lstm" else ("h",)
    encoder, decoder = (tuple(params[part][f"initial_{n}"] for n in names) for part in ("encoder", "decoder"))
    canvas, kl, canvases, places, latent = params["canvas"], [], [], [], []
    for eps in noise:
        missing = pixels - oracle.sigmoid(canvas)
        seen, look, pen = [pixels, missing], None, None
        if m.attention:
            look = linear(params["read_place"], decoder[-1])
            x, y, intensity = filters(look, m.read, 28, 28)
            seen = [intensity * y @ image @ x.T for image in seen]
        inputs = np.concatenate([*map(np.ravel, seen), decoder[-1]])
        encoder, h = equations(params["encoder"], encoder, inputs)
        mean, log_deviation = np.split(linear(params["latent"], h), 2)
        kl.append(sum((mu**2 + np.exp(2 * s) - 1 - 2 * s) / 2 for mu, s in zip(mean, log_deviation, strict=True)))
        latent.append(mean + np.exp(log_deviation) * eps)
        decoder, h = equations(params["decoder"], decoder, latent[-1])
        patch = linear(params["write"], h)
        if m.attention:
            pen = linear(params["write_place"], h)
            x, y, intensity = filters(pen, m.write, 28, 28)
            canvas = canvas + y.T @ patch.reshape(m.write, m.write) @ x / intensity
        else:
            canvas = canvas + patch.reshape(28, 28)
        canvases.append(canvas)
        places.append((look, pen))
    p = oracle.sigmoid(canvas)
    reconstruction = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum()
    return reconstruction, np.array(kl), np.array(canvases), places, np.array(latent)


def as_numpy(params):
    return jax.tree.map(np.asarray, params)


@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_bound_and_glimpses_equal_numpy(cell, attention):
    task = small(cell, attention)
    params = random_params(task)
    pixels, noise = random_inputs(task, rows=2)
    reconstruction, kl = jax.jit(task.network.bound)(params, pixels, noise)
    canvas, glimpses = jax.jit(task.network.copy)(params, pixels, noise)
    latent = []
    for row in range(2):
        expected = numpy_picture(task, as_numpy(params), pixels[row], noise[:, row])
        latent.append(expected[4])
        np.testing.assert_allclose(reconstruction[row], expected[0], rtol=1e-11)
        np.testing.assert_allclose(kl[row], expected[1].sum(), rtol=1e-11)
        np.testing.assert_allclose(glimpses.kl[:, row], expected[1], rtol=1e-11)
        np.testing.assert_allclose(glimpses.canvas[:, row], expected[2], rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(glimpses.canvas[-1, row], canvas[row])
        if attention:
            np.testing.assert_allclose(glimpses.read[:, row], [look for look, _ in expected[3]], rtol=1e-10)
            np.testing.assert_allclose(glimpses.write[:, row], [pen for _, pen in expected[3]], rtol=1e-10)
    assert attention or glimpses.read is glimpses.write is None
    again = task.network.imagine(params, np.stack(latent, 1))  # the decoder alone, told the same
    np.testing.assert_allclose(again.canvas, glimpses.canvas, rtol=1e-10, atol=1e-12)


def test_gradient_equals_finite_differences():
    """Along random directions through all parameters at once."""
    task = small()
    params = random_params(task)
    pixels, noise = random_inputs(task, rows=1)
    gradient = jax.jit(jax.grad(lambda p: sum(part.sum() for part in task.network.bound(p, pixels, noise))))(params)

    def value(direction, step):
        moved = jax.tree.map(lambda leaf, along: np.asarray(leaf) + step * along, params, direction)
        reconstruction, kl, *_ = numpy_picture(task, moved, pixels[0], noise[:, 0])
        return reconstruction + kl.sum()

    draw = np.random.default_rng(5)
    for _ in range(3):
        direction = jax.tree.map(lambda leaf: draw.normal(size=leaf.shape), params)
        expected = (value(direction, 1e-5) - value(direction, -1e-5)) / 2e-5
        found = sum((g * d).sum() for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_one_glimpse_without_attention_is_a_variational_autoencoder():
    """By hand, both networks of one tanh layer; and the KL as a mean over many draws of z."""
    task = small("elman", attention=False, glimpses=1)
    params = random_params(task)
    pixels, noise = random_inputs(task, rows=1)
    p, x = as_numpy(params), pixels.ravel()

    def layer(part, inputs, state):
        return np.tanh(inputs @ part["kernel"][:, 0] + state @ part["recurrent_kernel"][:, 0] + part["bias"][0])

    first = {part: p[part]["initial_h"] for part in ("encoder", "decoder")}
    inputs = np.concatenate([x, x - oracle.sigmoid(p["canvas"].ravel()), first["decoder"]])
    statistics = linear(p["latent"], layer(p["encoder"], inputs, first["encoder"]))
    mean, deviation = statistics[:Z], np.exp(statistics[Z:])
    h = layer(p["decoder"], mean + deviation * noise[0, 0], first["decoder"])
    logits = p["canvas"].ravel() + linear(p["write"], h)
    (reconstruction,), (kl,) = task.network.bound(params, pixels, noise)
    np.testing.assert_allclose(reconstruction, (np.logaddexp(0, logits) - x * logits).sum(), rtol=1e-11)
    z = mean + deviation * np.random.default_rng(2).normal(size=(200_000, Z))
    log_ratio = (z**2 / 2 - ((z - mean) / deviation) ** 2 / 2 - np.log(deviation)).sum(-1)
    assert abs(kl - log_ratio.mean()) < 5 * log_ratio.std() / np.sqrt(len(z))


def test_rows_that_fill_a_batch_up_do_not_count():
    task = small()
    params, key = random_params(task), jax.random.key(3)
    pixels, _ = random_inputs(task, rows=4)
    gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
    valid = np.array([True, False, True, False])
    noise = jax.random.normal(key, (3, 4, Z))
    parts = [numpy_picture(task, as_numpy(params), pixels[n], noise[:, n])[:2] for n in (0, 2)]
    found = [
        gradient(params, (), Pictures((pixels > 0) ^ (flip & ~valid)[:, None, None], valid), key)
        for flip in (False, True)
    ]
    (loss, (_, figures)), _ = found[0]
    np.testing.assert_allclose(figures["reconstruction"], np.mean([r for r, _ in parts]), rtol=1e-11)
    np.testing.assert_allclose(figures["kl"], np.mean([kl.sum() for _, kl in parts]), rtol=1e-11)
    np.testing.assert_allclose(loss, figures["reconstruction"] + figures["kl"], rtol=1e-14)
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_evaluate_equals_numpy_on_every_picture():
    task = small("gru", attention=False, rows=2)
    params, (pixels, _) = random_params(task), random_inputs(task, rows=3)
    task.__dict__["pictures"] = {"test": pixels > 0}
    totals = np.zeros(2)
    for number, rows in enumerate([[0, 1], [2]]):
        noise = jax.random.normal(jax.random.key(number), (3, 2, Z))
        for column, row in enumerate(rows):
            reconstruction, kl, *_ = numpy_picture(task, as_numpy(params), pixels[row], noise[:, column])
            totals += [reconstruction, kl.sum()]
    found = task.evaluate(params, jax.device_put, "test")
    np.testing.assert_allclose([found["reconstruction"], found["kl"]], totals / 3, rtol=1e-11)
    np.testing.assert_allclose(found["loss"], totals.sum() / 3, rtol=1e-11)


def grey_values(file):
    """The idx format, byte by byte."""
    content = gzip.decompress(file.read_bytes())
    assert struct.unpack(">4i", content[:16]) == (2051, 10_000, 28, 28)
    return np.array(list(content[16 : 16 + 100 * PIXELS])).reshape(100, 28, 28)


def test_bits_follow_the_grey_values():
    pictures = sample()
    assert {split: len(bits) for split, bits in pictures.items()} == {"train": 8000, "validation": 1000, "test": 1000}
    grey, bits = grey_values(SAMPLE), pictures["train"][:100]
    assert not bits[grey == 0].any()
    assert bits[grey == 255].all()
    between = (grey > 0) & (grey < 255)
    p = grey[between] / 255
    assert abs((bits[between] - p).sum()) < 5 * np.sqrt((p * (1 - p)).sum())
    np.testing.assert_array_equal(bits, sample()["train"][:100])
    many = np.array([binarise(np.full((1000,), value, np.uint8), seed=value).mean() for value in (1, 100, 254)])
    p = np.array([1, 100, 254]) / 255
    assert (np.abs(many - p) < 5 * np.sqrt(p * (1 - p) / 1000)).all()


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="the whole MNIST is not here")
def test_the_whole_mnist_is_split_as_others_split_it():
    whole = digits(str(MNIST))
    assert {split: bits.shape[0] for split, bits in whole.items()} == {
        "train": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    np.testing.assert_array_equal(whole["test"][:8000], sample()["train"])


def test_every_picture_once_an_epoch_and_the_position_can_be_stored():
    task = small(rows=96)
    batches, again = task.batches(), task.batches()
    epoch = list(islice(batches, 84))
    assert sorted(task.count(batch) for batch in epoch) == [32] + [96] * 83
    seen = np.concatenate([batch.pixels[batch.valid] for batch in epoch])
    assert sorted(map(bytes, np.packbits(seen, -1))) == sorted(map(bytes, np.packbits(task.pictures["train"], -1)))
    again.set_state(batches.get_state())
    jax.tree.map(np.testing.assert_array_equal, next(batches), next(again))


@pytest.mark.slow
def test_training_learns_stops_and_resumes(tmp_path):
    """The bound falls, a run in two pieces writes what an unbroken one does, and pictures are left."""
    task = small(glimpses=4, rows=16, hidden=16)
    task.__dict__["pictures"] = {split: bits[:50] for split, bits in task.pictures.items()}
    loop = LoopOptions(steps=40, log_every=10, validate_every=20, checkpoint_every=20)
    experiment = Experiment("draw", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=5), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=25)
    assert losses[-1] < losses[0] - 20
    figures = json.loads((pieces / "result.json").read_text())["figures"]
    assert figures["test loss"] == figures["test reconstruction"] + figures["test kl"]
    with Image.open(pieces / "samples.png") as sheet:
        assert sheet.size == (10 * (28 * ZOOM + GAP) + GAP,) * 2
    with Image.open(pieces / "drawing.gif") as film:
        assert film.n_frames == 4 + 1


@pytest.mark.parametrize("attention", [True, False])
def test_a_strip_has_a_row_a_picture_and_a_column_a_glimpse(attention, tmp_path):
    task = small(attention=attention)
    params = random_params(task)
    for seed, name in ((0, "a.png"), (0, "b.png"), (1, "c.png")):
        task.draw(params, tmp_path / name, 2, seed)
    pixels = [np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png", "c.png")]
    side = 28 * ZOOM
    assert pixels[0].shape == (2 * (side + GAP) + GAP, 3 * (side + GAP) + GAP, 3)
    assert (pixels[0] == pixels[1]).all()
    assert (pixels[0] != pixels[2]).any()
    assert (pixels[0] == RED).all(-1).any() == attention
    if not attention:
        canvas = task.network.imagine(params, jax.random.normal(jax.random.key(0), (3, 2, Z))).canvas[1, 0]
        at = np.asarray(pixels[0])[GAP : GAP + side : ZOOM, 2 * GAP + side : 2 * (GAP + side) : ZOOM, 0]
        np.testing.assert_allclose(at / 255, oracle.sigmoid(np.asarray(canvas)), atol=1 / 255)


def test_the_box_lies_around_the_filters():
    """Three filters, one pixel apart, around pixel (row 5, column 20), counted from 1."""
    at = place(jnp.array([20 / 14.5 - 1, 5 / 14.5 - 1, -5.0, np.log(2 / 27), 0.0]), 3, (28, 28))
    rows, columns = np.nonzero((np.asarray(panel(np.zeros((28, 28)), at, 3)) == RED).all(-1))
    assert {int(row) // ZOOM + 1 for row in rows} == {4, 5, 6}
    assert {int(column) // ZOOM + 1 for column in columns} == {19, 20, 21}
    far = place(jnp.array([1e9, -1e9, 0.0, 99.0, 0.0]), 3, (28, 28))
    assert panel(np.zeros((28, 28)), far, 3).size == (28 * ZOOM,) * 2


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ModelOptions(glimpses=0), "`model.glimpses` must be 1 or more, got 0"),
        (
            lambda: ModelOptions(cell="transformer"),
            "`model.cell` must be one of elman, lstm_1997, lstm, lstm_peepholes, gru, got",
        ),
        (lambda: DataOptions(rows=0), "`data.rows` must be 1 or more, got 0"),
        (lambda: parse(b"", "file"), "`data.path` must be images of 28 x 28 in the idx format, got another content"),
        (
            lambda: parse(struct.pack(">4i", 2051, 2, 28, 28) + bytes(PIXELS), "file"),
            "got another content in file. Get",
        ),
        (lambda: digits("/nowhere"), "'/nowhere', which does not exist. Get train-images-idx3-ubyte.gz"),
        (lambda: small().draw({}, Path("a.jpg"), 1, 0), "`out` must be a file .gif or .png, got 'a.jpg'"),
        (lambda: small().draw({}, Path("a.gif"), 0, 0), "`count` must be a positive integer, got 0"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
