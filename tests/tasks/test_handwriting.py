"""Handwriting against NumPy: the data, losses with and without a text, drawing, pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Handwriting
from jaxrnn.tasks.handwriting import pen
from jaxrnn.tasks.handwriting.handwriting import DataOptions, ModelOptions
from jaxrnn.train import EMPTY
from tests import oracle

H, K, W = 5, 3, 2
FREE = Handwriting(ModelOptions(hidden=H, layers=2, components=K), DataOptions("kanji", rows=3, multiple=4))
REAL = Path(__file__).parents[2].parent / "shared/data/handwriting"


def write_lines(folder: Path, **changed: Any) -> str:
    """Nine lines in the form of IAM's, of 2 to 10 points."""
    rng = np.random.default_rng(0)
    lengths = np.arange(2, 11)
    count = lengths.sum()
    arrays = {
        "dx": rng.integers(-9, 10, count).astype(np.int16),
        "dy": rng.integers(-9, 10, count).astype(np.int16),
        "end_of_stroke": rng.random(count) < 0.3,
        "offset": np.cumsum([0, *lengths]).astype(np.int32),
        "split": np.array(["train", "valid1", "none", "valid2", "test", "valid1", "train", "train", "train"]),
        "text": np.array(["ab", "ba c", "zzz", "", "b", "a#b", "abc", "a a", "cab"]),
    }
    np.savez(folder / "iam_ondb_lines.npz", **arrays | changed)
    return str(folder)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Handwriting:
    path = write_lines(tmp_path_factory.mktemp("lines"))
    model = ModelOptions(text=True, hidden=H, layers=2, components=K, window=W)
    return Handwriting(model, DataOptions("iam", path, rows=3, multiple=4))


@cache
def params(task: Handwriting) -> Any:
    return jax.tree.map(lambda leaf: leaf * 1.3, task.init(jax.random.key(0)))


def log_density(out: Any, point: Any) -> Any:
    e, logits, mx, my, sx, sy, r = np.split(out, np.cumsum([1, K, K, K, K, K]))
    sx, sy, r = np.exp(sx), np.exp(sy), np.tanh(r)
    zx, zy = (point[0] - mx) / sx, (point[1] - my) / sy
    z = (zx**2 + zy**2 - 2 * r * zx * zy) / (2 * (1 - r**2))
    place = (np.exp(logits) / np.exp(logits).sum() * np.exp(-z) / (2 * np.pi * sx * sy * np.sqrt(1 - r**2))).sum()
    p = 1 / (1 + np.exp(-e[0]))
    return np.log(place) + np.log(p if point[2] else 1 - p)


def line_loss(p: Any, points: Any, text: Any, characters: int) -> float:
    """One line in NumPy, float64."""
    letters, w = np.eye(characters)[text], np.zeros(characters)
    carries, kappa, total = [(np.zeros(H), np.zeros(H)) for _ in range(2)], np.zeros(W), 0.0
    for x, target in zip(points[:-1].astype(float), points[1:].astype(float), strict=True):
        first = p["layer_0"].get("cell", p["layer_0"])
        carries[0], h1 = oracle.lstm(first, carries[0], np.concatenate([x, w]), peepholes=True)
        if characters:
            hats = [h1 @ p["layer_0"]["window"]["kernel"][:, n] + p["layer_0"]["window"]["bias"][n] for n in range(3)]
            a, b, d = np.exp(hats)
            kappa = kappa + d
            w = sum(((a * np.exp(-b * (kappa - u) ** 2)).sum() * c for u, c in enumerate(letters, 1)), 0 * w)
        carries[1], h2 = oracle.lstm(p["layer_1"], carries[1], np.concatenate([x, h1, w]), peepholes=True)
        out = np.concatenate([h1, h2]) @ p["readout"]["kernel"] + p["readout"]["bias"]
        total -= log_density(out, target)
    return total


def expected_losses(task: Handwriting, split: str, rows: Any) -> list[float]:
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params(task))
    d = task.drawings
    texts = d.encoded[split] if task.model.text else [[]] * 10_000
    return [line_loss(p, d.lines[split].points[n], texts[n], len(d.vocabulary)) for n in rows]


def test_embedded_drawings_are_normalised_by_the_training_points() -> None:
    lines = FREE.drawings.lines
    assert [len(lines[split].points) for split in ("training", *FREE.splits)] == [5898, 400, 400]
    points = np.concatenate(lines["training"].points).astype(np.float64)
    np.testing.assert_allclose(points[:, :2].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(points[:, :2].std(0), 1, rtol=1e-5)
    assert set(np.unique(points[:, 2])) == {0.0, 1.0}
    raw = FREE.drawings.to_file_units(lines["validation"].points[7])
    np.testing.assert_allclose(raw, np.round(raw), atol=1e-4)
    assert (np.abs(raw[0]) < 1e-4).all()
    assert raw[-1, 2] == 1


def test_words_that_ship_are_written_twice_and_in_one_split() -> None:
    task = Handwriting(ModelOptions(text=True), DataOptions())
    words = {split: lines.texts for split, lines in task.drawings.lines.items()}
    assert {split: len(texts) for split, texts in words.items()} == {"training": 3400, "validation": 300, "test": 300}
    assert len({*words["training"], *words["validation"], *words["test"]}) == 2000
    assert all(texts.count(text) == 2 for texts in words.values() for text in texts[:50])
    assert "".join(sorted(task.drawings.vocabulary.tokens)) == "abcdefghijklmnopqrstuvwxyz"
    assert task.headline == "test nats_per_sequence"
    assert task.drawings.batch("training", np.arange(3)).text.shape == (3, 16)  # a word is padded to less than a line


def test_drawings_of_omniglot_as_sketch_rnn_has_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays, parts = {}, {}
    for name, lengths in (("train", [3, 1, 4]), ("valid", [2]), ("test", [5])):
        points = rng.integers(-9, 10, (sum(lengths), 3)).astype(np.int16)
        points[:, 2] = rng.random(len(points)) < 0.3
        arrays |= {name: points, f"{name}_offset": np.cumsum([0, *lengths]).astype(np.int32)}
        parts[name] = [p for p in np.split(points, np.cumsum(lengths)[:-1]) if len(p) > 1]
    np.savez(tmp_path / "omniglot_stroke3_flat.npz", **arrays)
    task = Handwriting(ModelOptions(), DataOptions("omniglot", str(tmp_path)))
    assert task.splits == ("validation", "test")
    for split, name in zip(("training", *task.splits), parts, strict=True):
        found = task.contents(split)
        assert found.texts == [""] * len(parts[name])
        for drawing, expected in zip(found.points, parts[name], strict=True):
            np.testing.assert_array_equal(drawing, expected)


def test_lines_of_a_file_go_to_the_splits_of_the_paper(reader: Handwriting) -> None:
    lines = reader.drawings.lines
    assert lines["training"].texts == ["ab", "", "b", "abc", "a a", "cab"]
    assert lines["validation"].texts == ["ba c", "a#b"]
    assert [len(points) for points in lines["validation"].points] == [3, 7]
    decoded = [reader.drawings.vocabulary.decode(text) for text in reader.drawings.encoded["validation"]]
    assert decoded == [list("ba c"), list("ab")]


@pytest.mark.parametrize("text", [False, True])
def test_losses_equal_numpy(text: bool, reader: Handwriting) -> None:
    task, rows = (reader if text else FREE), np.array([3, 0, EMPTY])
    batch = task.drawings.batch("training", rows)
    loss, (_, figures) = task.loss(params(task), (), batch, None)
    total, count = sum(expected_losses(task, "training", rows[:2])), task.count(batch)
    assert count == sum(len(task.drawings.lines["training"].points[n]) - 1 for n in rows[:2])
    np.testing.assert_allclose(loss, total / count, rtol=1e-9)
    np.testing.assert_allclose(figures["loss"], total / 2, rtol=1e-9)


def test_evaluate_equals_numpy(reader: Handwriting) -> None:
    expected = expected_losses(reader, "validation", range(2))
    with pytest.warns(UserWarning, match=r"1 of 7 characters of the validation texts .* learned none of '#'"):
        found = reader.evaluate(params(reader), jax.device_put)
    np.testing.assert_allclose(found["loss"], np.mean(expected), rtol=1e-9)
    np.testing.assert_allclose(found["nats_per_point"], sum(expected) / 8, rtol=1e-9)


def test_garbage_in_padding_reaches_nothing(reader: Handwriting) -> None:
    batch = reader.drawings.batch("training", np.array([1, 4, EMPTY]))
    beyond = np.arange(batch.points.shape[1]) >= batch.lengths[:, None]
    dirty = batch._replace(
        points=np.where(beyond[..., None], np.float32(np.nan), batch.points),
        text=np.where(np.arange(16) >= batch.text_lengths[:, None], 2, batch.text).astype(np.int32),
    )
    step = jax.jit(jax.value_and_grad(lambda p, b: reader.loss(p, (), b, None)[0]))
    jax.tree.map(np.testing.assert_array_equal, step(params(reader), batch), step(params(reader), dirty))


def test_drawings_end_with_their_text(reader: Handwriting) -> None:
    """By the weights of the window themselves, and never beyond the limit."""
    found, weights, reached = reader.draw(params(reader), ["ab", "c", "cab ba"], bias=0.5, seed=3)
    again, _, _ = reader.draw(params(reader), ["ab", "c", "cab ba"], bias=0.5, seed=3)
    for drawing, weight, end, same, text in zip(found, weights, reached, again, ("ab", "c", "cab ba"), strict=True):
        assert len(drawing) == len(weight) == len(same) <= 60 * len(text) + 100
        assert end or len(drawing) == 60 * len(text) + 100
        assert (weight[:, len(text) :] == 0).all()
        np.testing.assert_array_equal(drawing, same)
        assert np.isfinite(drawing).all()


def test_a_window_that_runs_reaches_the_end_and_one_that_stands_does_not(reader: Handwriting) -> None:
    for move, expected in ((0.0, True), (-50.0, False)):
        p = jax.tree.map(lambda leaf: leaf, params(reader))
        p["layer_0"]["window"] = {
            "kernel": np.zeros((H, 3, W)),
            "bias": np.stack([np.zeros(W), np.zeros(W), np.full(W, move)]),
        }
        found, _, reached = reader.draw(p, ["abc"], like=0)
        assert reached.tolist() == [expected]
        # One position a point: the training line's first has been read, so that the sixth drawn stands at the seventh
        # position, one past "ab abc".
        assert len(found[0]) == (6 if expected else 280)


def test_free_drawings_have_lengths_of_the_training_set() -> None:
    found, _, reached = FREE.draw(params(FREE), [""] * 3, seed=1)
    known = set(FREE.drawings.lengths("training"))
    assert all(len(drawing) in known for drawing in found)
    assert not reached.any()


def test_pictures(tmp_path: Path) -> None:
    drawing = np.array([[0, 0, 0], [5, 0, 0], [0, 5, 1], [9, 9, 1], [1, 1, 0.0]])
    assert [s.tolist() for s in pen.strokes(drawing)] == [[[0, 0], [5, 0], [5, 5]], [[14, 14]], [[15, 15]]]
    root = ElementTree.fromstring(pen.to_svg([drawing, drawing[:1]], columns=2, animated=True))
    paths = [node for node in root.iter() if node.tag.endswith("path")]
    starts = [float(path[0].get("begin", "")[:-1]) for path in paths]
    assert starts == [0, 3, 4, 0]
    assert FREE.write(params(FREE), "", tmp_path / "a.svg", 0.0, 0).startswith(
        f"{len(FREE.draw(params(FREE), [''])[0][0])} "
    )
    for name, magic in (("a.svg", b"<svg"), ("a.gif", b"GIF89a"), ("a.png", b"\x89PNG")):
        pen.save_drawing(drawing, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)


def test_wrong_calls(reader: Handwriting, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"`data\.set` must be 'hershey' or 'iam' .*drawings have no text, got 'kanji'"
    ):
        Handwriting(ModelOptions(text=True), DataOptions("kanji")).init(jax.random.key(0))
    for options in ({"hidden": 0}, {"layers": 0}, {"window": 0}, {"components": 0}):
        with pytest.raises(ValueError, match="must be 1 or more"):
            ModelOptions(**options)
    with pytest.raises(ValueError, match=r"`text` must be of characters that the model has seen.*'é'"):
        reader.write(params(reader), "é", tmp_path / "a.svg")
    with pytest.raises(ValueError, match="`text` must be one character or more"):
        reader.write(params(reader), "", tmp_path / "a.svg")
    with pytest.raises(ValueError, match="`text` must be empty"):
        FREE.write(params(FREE), "a", tmp_path / "a.svg")
    with pytest.raises(ValueError, match="`out` must be a file"):
        FREE.write(params(FREE), "", tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="`bias` must be"):
        FREE.write(params(FREE), "", tmp_path / "a.svg", bias=-1.0)
    path = write_lines(tmp_path, split=np.array(["train"] * 9))
    with pytest.raises(ValueError, match="validation lines are none"):
        Handwriting(ModelOptions(), DataOptions("iam", path)).batches()


def test_training_drawings_are_cut_and_others_are_not(tmp_path: Path) -> None:
    path = write_lines(tmp_path)
    whole, cut = (Handwriting(ModelOptions(text=True), DataOptions("iam", path, longest=n)).drawings for n in (0, 5))
    assert whole.lengths("training").tolist() == [2, 5, 6, 8, 9, 10]
    assert cut.lengths("training").tolist() == [2, 5, 5, 5, 5, 5]
    assert cut.lengths("validation").tolist() == whole.lengths("validation").tolist() == [3, 7]
    long, short = (drawings.batch("training", np.array([5, 0])) for drawings in (whole, cut))
    np.testing.assert_array_equal(short.points[0, :5], long.points[0, :5])
    assert not short.points[0, 5:].any()
    np.testing.assert_array_equal(short.text, long.text)
    with pytest.raises(ValueError, match=r"`data\.longest` must be 0, or 2 or more points, got 1"):
        DataOptions(longest=1)


@pytest.mark.skipif(not REAL.exists(), reason="the IAM database may not be shipped")
@pytest.mark.slow
def test_the_database_has_the_counts_of_the_paper() -> None:
    lines = Handwriting(ModelOptions(), DataOptions("iam", str(REAL))).drawings.lines
    assert [len(lines[split].points) for split in ("training", "validation")] == [10_741, 1_438]


@pytest.mark.skipif(not REAL.exists(), reason="Omniglot comes from no published package, and does not ship")
@pytest.mark.slow
def test_the_drawings_of_omniglot() -> None:
    lines = Handwriting(ModelOptions(), DataOptions("omniglot", str(REAL))).drawings.lines
    assert [len(found.points) for found in lines.values()] == [30_000, 1_000, 1_000]
