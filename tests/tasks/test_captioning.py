"""Captioning against NumPy: losses, captions, where it looked; the scores by hand; and the pictures and their files."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sacrebleu.metrics import CHRF

from jaxrnn.decode import Attend
from jaxrnn.tasks import Captioning
from jaxrnn.tasks.captioning.captioned_pictures import DataOptions, captioned_pictures, read_picture
from jaxrnn.tasks.captioning.captioner import SHIFT, ZOOM, moved
from jaxrnn.tasks.captioning.captioning import ModelOptions
from jaxrnn.tasks.shared.caption_scores import consensus, nearest, scores
from jaxrnn.tasks.shared.described import Described, Descriptions
from jaxrnn.tasks.shared.describer import DRAWN
from jaxrnn.tasks.shared.writing import BEAM, LENGTH_PENALTY
from jaxrnn.train import END, START, UNKNOWN, Experiment, LoopOptions, OptimizerOptions
from tests import oracle
from tests.tasks.resuming import run_in_two_pieces

M, E, H, LONGEST = 4, 6, 5, 7
PHOTOGRAPHS = Path(__file__).parents[2].parent / "shared/data/image_captioning/flickr8k_first1000.zip"
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 220)}
KINDS = ("none", "soft")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one colour, wide or tall, with two or three captions each."""
    folder, draw = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    lines, names = ["image,caption"], list(COLOURS)
    for n in range(60):
        colour, size = names[n % 3], (90, 70) if n % 2 else (30, 80)
        Image.new("RGB", size, tuple(draw.integers(-20, 20, 3) + COLOURS[colour])).save(folder / f"{n}.png")
        lines += [f"{n}.png,A {colour} page .", f'{n}.png,"{colour}, all over"'] + [f"{n}.png,nothing"] * (n % 2)
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder


def make(folder: Path, attention: str = "soft", **options: Any) -> Captioning:
    model = {"channels": M, "embedding": E, "hidden": H, "dropout": 0.0} | options
    data = DataOptions(set="flickr8k", path=str(folder), at_least=1, batch=4, longest=LONGEST)
    return Captioning(ModelOptions(attention=attention, **model), data)


def weights(task: Captioning) -> Any:
    """Parameters that are no zeros and no symmetries."""
    shapes, draw = jax.eval_shape(task.init, jax.random.key(0)), np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.6), shapes)


# ---------------------------------------------------------------- the model in NumPy


def dense(p: Any, x: Any) -> Any:
    return x @ p["kernel"] + p["bias"]


def convolved(layer: Any, xs: Any) -> Any:
    """Every second place of a 3 x 3 correlation, each feature normalised over the map, rectified."""
    size = len(xs) // 2
    padded = np.pad(xs, ((0, 1), (0, 1), (0, 0)))
    ys = np.zeros((size, size, layer["kernel"].shape[-1]))
    for row in range(3):
        for column in range(3):
            ys += padded[row : row + 2 * size : 2, column : column + 2 * size : 2] @ layer["kernel"][row, column]
    ys = (ys - ys.mean((0, 1))) / np.sqrt(ys.var((0, 1)) + 1e-5)
    return np.maximum(ys * layer["scale"] + layer["bias"], 0)


class Writer:
    """A picture, seen; `next` gives the log-probabilities of the word that follows those so far."""

    def __init__(self, task: Captioning, p: Any, picture: Any) -> None:
        self.p = p = jax.tree.map(np.asarray, p)
        xs = 1 - np.asarray(picture, float) / 255
        for n in range(3):
            xs = convolved(p["encoder"][f"layer_{n}"], xs)
        assert xs.shape == (8, 8, M)
        self.memory, self.attends = xs.reshape(64, M), task.model.attention == "soft"
        mean, bridge = self.memory.mean(0), p["bridge"]
        if self.attends:
            self.carry = tuple(np.tanh(dense(bridge[name], mean)) for name in ("c", "h"))
        else:
            self.carry, _ = oracle.lstm(p["decoder"], (np.zeros(H), np.zeros(H)), dense(bridge, mean))

    def shares(self) -> Any:
        q = self.p["decoder"]["attention"]
        keys = self.carry[1] @ q["query_kernel"] + self.memory @ q["memory_kernel"] + q["bias"]
        found = np.exp(np.tanh(keys) @ q["score_kernel"])
        return found / found.sum()

    def next(self, word: int) -> Any:
        p, x = self.p, self.p["words"]["embedding"][word]
        context = self.shares() @ self.memory if self.attends else np.zeros(0)
        cell = p["decoder"]["cell"] if self.attends else p["decoder"]
        self.carry, y = oracle.lstm(cell, self.carry, np.concatenate([x, context]))
        features = np.tanh(dense(p["readout"], np.concatenate([y, context, x])))
        logits = features @ p["words"]["embedding"].T + p["words"]["bias"]
        return logits - np.log(np.exp(logits).sum())


def writable(logs: Any, task: Captioning) -> Any:
    """<unk> and <s> cannot be written: their share goes to the words, in proportion, and none to END."""
    shares, end = np.exp(logs), task.words.number(END)
    known = np.setdiff1d(np.arange(len(logs)), [task.words.number(UNKNOWN), task.words.number(START), end])
    found = np.zeros(len(logs))
    found[end], found[known] = shares[end], shares[known] / shares[known].sum() * (1 - shares[end])
    with np.errstate(divide="ignore"):
        return np.log(found)


def loss_of(task: Captioning, p: Any, picture: Any, words: Any, barred: bool = False, smoothing: float = 0.0) -> float:
    """Where `barred`, only what can be written counts."""
    writer, word, total = Writer(task, p, picture), task.words.number(START), 0.0
    for following in words:
        logs = writer.next(word)
        total -= (writable(logs, task) if barred else (1 - smoothing) * logs + smoothing * logs.mean())[following]
        word = following
    return total


@pytest.mark.parametrize(("attention", "smoothing"), [("none", 0.0), ("soft", 0.0), ("soft", 0.3)])
def test_loss_equals_numpy_on_ragged_captions(photographs: Path, attention: str, smoothing: float) -> None:
    task = make(photographs, attention, label_smoothing=smoothing)
    p, (lengths, collate) = weights(task), task.descriptions.pairs("training")
    batch = collate(np.array([0, 1, -1, int(lengths.argmin())]))
    assert batch.lengths[2] == 0
    assert len(set(batch.lengths)) == 3
    total = sum(
        loss_of(task, p, picture, words[:length], smoothing=smoothing)
        for picture, words, length in zip(*batch, strict=True)
        if length
    )
    step = jax.jit(jax.value_and_grad(lambda p, batch: task.loss(p, (), batch, None)[0]))
    loss, gradient = step(p, batch)
    assert task.count(batch) == batch.lengths.sum()
    np.testing.assert_allclose(loss, total / batch.lengths.sum(), rtol=1e-10)
    # What is written in the padding, or shown where there is no caption, changes nothing.
    batch.words[np.arange(batch.words.shape[1]) >= batch.lengths[:, None]] = 1
    batch.views[2] = np.random.default_rng(0).integers(0, 256, batch.views[2].shape)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), step(p, batch), (loss, gradient))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("attention", KINDS)
def test_captions_equal_numpy(photographs: Path, attention: str) -> None:
    task = make(photographs, attention)
    p, pictures = weights(task), [example.view for example in task.descriptions.examples["test"]]
    p["words"]["bias"] = p["words"]["bias"].at[jnp.array([0, 1])].set(9.0)  # <unk> and <s> would be likeliest
    narrow, wide = task.captions(p, pictures, 1), task.captions(p, pictures, 3)
    assert len(pictures) % 4  # the last batch isn't full
    for picture, found, other in zip(pictures, narrow, wide, strict=True):
        writer, word, expected = Writer(task, p, picture), task.words.number(START), []
        while len(expected) < LONGEST:
            word = int(writable(writer.next(word), task).argmax())
            if task.words.tokens[word] == END:
                break
            expected.append(task.words.tokens[word])
        assert found == expected
        merits = []
        for words in (found, other):
            ended = [] if len(words) == LONGEST else [END]
            total = loss_of(task, p, picture, task.words.encode([*words, *ended]), barred=True)
            merits.append(-total / ((5 + len(words)) / 6) ** LENGTH_PENALTY)
        assert merits[1] >= merits[0] - 1e-9


@pytest.mark.slow
def test_drawn_captions_have_the_shares_of_the_model(photographs: Path) -> None:
    task = make(photographs)
    p, views = weights(task), [example.view for example in task.descriptions.examples["test"]][:5]
    drawn = task.drawn(p, views, 2000)
    assert [len(some) for some in drawn] == [2000] * 5  # the second batch isn't full
    for view, some in zip(views, drawn, strict=True):
        shares = np.exp(writable(Writer(task, p, view).next(task.words.number(START)), task))
        first = Counter(caption[0] if caption else END for caption in some)
        found = np.array([first[token] for token in task.words.tokens]) / 2000
        assert (abs(found - shares) <= 4.5 * np.sqrt(shares * (1 - shares) / 2000)).all()
    assert task.drawn(p, views, 3) == task.drawn(p, views, 3)
    assert task.drawn(p, views, 3, seed=1) != task.drawn(p, views, 3)


def test_consensus_is_most_like_all_that_were_drawn() -> None:
    chrf, draw = CHRF(), np.random.default_rng(0)
    for _ in range(20):
        some = [tuple(draw.choice(["red", "heart", "hearts", "face"], draw.integers(0, 4))) for _ in range(9)]
        merits = [np.mean([chrf.sentence_score(" ".join(a), [" ".join(b)]).score for b in some]) for a in some]
        found = consensus(some)
        assert merits[some.index(tuple(found))] >= max(merits) - 1e-9
    assert consensus([()]) == []


def test_look_is_where_the_decoder_looked(photographs: Path) -> None:
    task = make(photographs)
    p, picture = weights(task), np.random.default_rng(2).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    said, shares = task.look(p, picture)
    assert said == [*task.captions(p, [picture], 1)[0], END]
    writer, word = Writer(task, p, picture), task.words.number(START)
    for found, following in zip(shares, task.words.encode(said), strict=True):
        np.testing.assert_allclose(found, writer.shares().reshape(8, 8), rtol=1e-10)
        writer.next(word)
        word = following
    with pytest.raises(ValueError, match=r"`model\.attention` must be 'soft', got"):
        make(photographs, "none").look(p, picture)


def test_one_picture_with_one_word(photographs: Path) -> None:
    task = make(photographs)
    assert isinstance(task.network.decoder, Attend)
    p, (_, collate) = weights(task), task.descriptions.pairs("training")
    pictures, words, _ = collate(np.array([7]))
    batch = Described(pictures, words[:, :1], np.array([1], np.int32))
    np.testing.assert_allclose(
        task.loss(p, (), batch, None)[0], loss_of(task, p, pictures[0], words[0, :1]), rtol=1e-10
    )


def test_evaluate_sums_over_all_captions(photographs: Path) -> None:
    task = make(photographs, "none", label_smoothing=0.3)  # of training alone
    p = weights(task)
    for split in task.splits:
        examples = task.descriptions.examples[split]
        pairs = [(e.view, task.words.encode([*c, END])) for e in examples for c in e.captions]
        found = task.evaluate(p, jax.device_put, split)
        expected = sum(loss_of(task, p, *pair) for pair in pairs) / sum(len(words) for _, words in pairs)
        np.testing.assert_allclose(found["loss"], expected, rtol=1e-10)
        np.testing.assert_allclose(found["perplexity"], np.exp(expected), rtol=1e-10)
    references = [e.captions for e in examples]
    views = [e.view for e in examples]
    ours = scores(task.captions(p, views), references)
    ours |= {f"beam_{name}": value for name, value in scores(task.captions(p, views, BEAM), references).items()}
    agreed = [consensus(some) for some in task.drawn(p, views, DRAWN)]
    ours |= {f"consensus_{name}": value for name, value in scores(agreed, references).items()}
    # All pictures of a colour are nearest to one another, and the first caption of each is right.
    np.testing.assert_allclose([found["nearest_BLEU2"], found["nearest_chrF"]], 100)
    assert {name: found[name] for name in ours} == ours
    assert found.keys() == {"loss", "perplexity", "nearest_BLEU2", "nearest_chrF", *ours}


def test_a_blind_model_sees_no_picture(photographs: Path) -> None:
    task = make(photographs, blind=True)
    p, (_, collate) = weights(task), task.descriptions.pairs("training")
    batch = collate(np.array([3, 9]))
    white = batch._replace(views=np.full_like(batch.views, 255))
    assert task.loss(p, (), batch, None)[0] == task.loss(p, (), white, None)[0] != 0
    seeing = make(photographs)
    assert seeing.loss(p, (), batch, None)[0] != task.loss(p, (), batch, None)[0]
    np.testing.assert_allclose(seeing.loss(p, (), white, None)[0], task.loss(p, (), batch, None)[0], rtol=1e-12)


def test_dropout_and_movement_come_with_the_key_alone(photographs: Path) -> None:
    task = make(photographs, dropout=0.5)
    p, batch = weights(task), next(task.batches())
    loss = jax.jit(lambda key: task.loss(p, (), batch, key)[0])
    keyed = [loss(jax.random.key(n)).item() for n in (1, 1, 2)]
    assert keyed[0] == keyed[1] != keyed[2]
    np.testing.assert_allclose(task.loss(p, (), batch, None)[0], make(photographs).loss(p, (), batch, None)[0])


def test_moved_pictures_equal_bilinear_interpolation() -> None:
    pictures, key = np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jax.random.key(3)
    shift_key, zoom_key = jax.random.split(key)
    shifts = np.asarray(jax.random.uniform(shift_key, (2, 2), jnp.float64, -SHIFT, SHIFT))
    zooms = np.asarray(jax.random.uniform(zoom_key, (2, 1), jnp.float64, 1 - ZOOM, 1 + ZOOM))
    found = np.asarray(moved(key, jnp.asarray(pictures)))
    for picture, shift, (zoom,), ours in zip(pictures, shifts, zooms, found, strict=True):
        for row, column in ((20, 33), (31, 31), (40, 12)):
            # The middles of pixels are at 0.5, 1.5, ...; what is at p goes to zoom (p - 32) + 32 + shift.
            y, x = (np.array([row, column]) + 0.5 - 32 - shift) / zoom + 32 - 0.5
            top, left = math.floor(y), math.floor(x)
            corners = picture[top : top + 2, left : left + 2]
            expected = np.einsum("i,j,ijc->c", [1 - (y - top), y - top], [1 - (x - left), x - left], corners)
            np.testing.assert_allclose(ours[row, column], expected, rtol=1e-9)


# ---------------------------------------------------------------- the figures


def hits(ours: Counter[Any], right: list[Counter[Any]]) -> int:
    """Matches, each n-gram as often as some reference has it."""
    return sum(min(count, max(r[gram] for r in right)) for gram, count in ours.items())


def grams(sequence: Any, order: int) -> Counter[Any]:
    return Counter(tuple(sequence[i : i + order]) for i in range(len(sequence) - order + 1))


def test_scores_by_hand() -> None:
    found = [s.split() for s in ("a red dog runs", "two cats on a mat", "sun")]
    references = [
        [tuple(s.split()) for s in right]
        for right in (["the red dog runs fast", "a dog is running there"], ["two cats on the mat"], ["sun", "a sun"])
    ]
    counted = [[0, 0], [0, 0]]
    for ours, right in zip(found, references, strict=True):
        for order in (1, 2):
            counted[order - 1][0] += hits(grams(ours, order), [grams(r, order) for r in right])
            counted[order - 1][1] += sum(grams(ours, order).values())
    length = sum(map(len, found))
    closest = sum(
        min((abs(len(r) - len(o)), len(r)) for r in right)[1] for o, right in zip(found, references, strict=True)
    )
    logs = sum(math.log(hit / tries) / 2 for hit, tries in counted)
    expected = 100 * min(1.0, math.exp(1 - closest / length)) * math.exp(logs)
    np.testing.assert_allclose(scores(found, references)["BLEU2"], expected, rtol=1e-10)


def test_chrf_by_hand() -> None:
    """Popović 2015: F with beta 2 of mean precision and recall of n-grams of characters, spaces not counted."""
    found, references = [["sleeping", "face"], ["cat"]], [[("sleepy", "face")], [("black", "cat")]]
    precisions, recalls = [], []
    for order in range(1, 7):
        both = ours = theirs = 0
        for said, (right,) in zip(found, references, strict=True):
            a, b = grams("".join(said), order), grams("".join(right), order)
            both, ours, theirs = both + sum((a & b).values()), ours + sum(a.values()), theirs + sum(b.values())
        precisions.append(both / ours)
        recalls.append(both / theirs)
    precision, recall = np.mean(precisions), np.mean(recalls)
    expected = 100 * 5 * precision * recall / (4 * precision + recall)
    np.testing.assert_allclose(scores(found, references)["chrF"], expected, rtol=1e-10)


def test_the_nearest_picture_by_exhaustive_search() -> None:
    draw = np.random.default_rng(0)
    ours, theirs = (draw.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8) for count in (5, 9))

    def coarse(picture: Any) -> Any:
        return np.array(
            [[picture[i : i + 4, j : j + 4].mean((0, 1)) for j in range(0, 64, 4)] for i in range(0, 64, 4)]
        )

    expected = [np.argmin([((coarse(a) - coarse(b)) ** 2).sum() for b in theirs]) for a in ours]
    task = Captioning(ModelOptions(), DataOptions())
    assert nearest(task.coarse(ours), task.coarse(theirs)).tolist() == expected


# ---------------------------------------------------------------- the pictures


@cache
def emoji() -> Descriptions:
    return captioned_pictures(DataOptions())


def test_the_emoji_of_the_package() -> None:
    examples = emoji().examples
    assert {split: len(found) for split, found in examples.items()} == {
        "training": 1323,
        "validation": 148,
        "test": 165,
    }
    named = {" ".join(e.captions[0]): e.view for found in examples.values() for e in found}
    for name, colour in (
        ("red square", (221, 46, 68)),
        ("blue circle", (85, 172, 238)),
        ("black large square", (49, 55, 61)),
    ):
        np.testing.assert_allclose(named[name][32, 32], colour, atol=8)  # of Twemoji
    assert named["blue circle"][0, 0].tolist() == [255, 255, 255]
    assert not [name for name in named if "skin tone" in name or name == "flag france"]
    assert len(emoji().vocabulary) == 358
    assert emoji().vocabulary.tokens[:3] == (UNKNOWN, START, END)


def test_variants_of_an_emoji_are_in_one_split() -> None:
    text = (Path(__file__).parents[2] / "jaxrnn/tasks/data/emoji/captions.json").read_text(encoding="utf-8")
    entries = json.loads(text)
    by_name = {entry["caption"]: entry for entry in entries}
    for kind in ("farmer", "firefighter", "running", "vampire", "in tuxedo"):
        assert (
            len({by_name[f"{who} {kind}"]["base"] for who in ("man", "woman", "person") if f"{who} {kind}" in by_name})
            == 1
        )
    for start, base in (("family", "1F46A"), ("kiss", "1F48F"), ("couple with heart", "1F491")):
        assert {e["base"] for e in entries if e["caption"].partition(":")[0] == start} == {base}
    pictures = [{example.view.tobytes() for example in found} for found in emoji().examples.values()]
    assert not any(one & other for one, other in combinations(pictures, 2))  # what is tested was not trained on


def test_every_training_caption_once_an_epoch_and_from_any_position(photographs: Path) -> None:
    task = make(photographs)
    batches = task.batches()
    epoch = [next(batches) for _ in range(batches.batches)]
    count = sum(len(e.captions) for e in task.descriptions.examples["training"])
    assert sum(int((batch.lengths > 0).sum()) for batch in epoch) == count
    for batch in epoch:
        for picture, words, length in zip(*batch, strict=True):
            if length:
                caption = task.words.decode(words[: length - 1])
                colour = next((c for c in caption if c in COLOURS), None)
                assert colour is None or np.abs(picture[9, 9] - np.array(COLOURS[colour])).max() <= 20
    again = task.batches()
    again.set_state({"epoch": 0, "batch": 5})
    jax.tree.map(np.testing.assert_array_equal, next(again), epoch[5])


def test_pictures_of_any_size_and_kind(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (130, 65), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 65, 65))  # the left half
    for picture, name in ((clear, "a.png"), (clear.quantize(), "b.png"), (clear.resize((20, 10), 0), "c.webp")):
        picture.save(tmp_path / name, **({"lossless": True} if name == "c.webp" else {}))
        found = read_picture(tmp_path / name)
        assert (found.shape, found.dtype) == ((64, 64, 3), np.uint8)
        assert (found[:, :20] == (255, 0, 0)).all()
        assert (found[:, -20:] == 255).all()
    Image.new("L", (640, 480), 7).save(tmp_path / "d.jpg")
    np.testing.assert_allclose(read_picture(tmp_path / "d.jpg"), 7, atol=2)
    turned = Image.Exif()
    turned[0x0112] = 3  # held upside down
    half = Image.new("RGB", (64, 64), "white")
    half.paste((0, 0, 0), (0, 0, 64, 32))
    half.save(tmp_path / "e.png", exif=turned)
    assert (read_picture(tmp_path / "e.png")[:30] == 255).all()


def test_caption_of_a_file(photographs: Path, tmp_path: Path) -> None:
    task = make(photographs)
    p = weights(task)
    picture = task.descriptions.examples["test"][0].view
    Image.fromarray(picture).save(tmp_path / "x.png")
    for width in (1, 3):
        assert task.caption(p, tmp_path / "x.png", width) == " ".join(task.captions(p, [picture], width)[0])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "half.png").write_bytes((tmp_path / "x.png").read_bytes()[:60])
    for name in ("notes.txt", "half.png", "absent.jpg", "."):
        with pytest.raises(ValueError, match=re.escape("`picture` must be a picture, a PNG, JPEG or WebP file, got ")):
            task.caption(p, str(tmp_path / name), 1)
    with pytest.raises(ValueError, match="`beam` must be a positive integer, got 0"):
        task.caption(p, tmp_path / "x.png", 0)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    def examples(path: Path | str) -> Any:
        return captioned_pictures(DataOptions(set="flickr8k", path=str(path))).examples

    with pytest.raises(ValueError, match=r"`data\.path` must be a folder or archive .* got none\. Flickr8k is"):
        examples("")
    (tmp_path / "captions.csv").write_text("image,caption\na.png,one\n")
    with pytest.raises(ValueError, match=r"which has no a\.png\. Flickr8k is"):
        examples(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("captions.csv", "image,caption\n")
    with pytest.raises(ValueError, match=r"a captions\.csv that has lines"):
        examples(tmp_path / "empty.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("captions.csv", "picture,text\na.png,one\n")
    with pytest.raises(ValueError, match="with an image and a caption in each line"):
        examples(tmp_path / "other.zip")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="examples enough for every split"):
        examples(str(tmp_path) + "/")
    with pytest.raises(ValueError, match=r"`data\.path` must be your own file or folder with `data\.set` own"):
        DataOptions(set="own")
    for options in (
        {"attention": "hard"},
        {"hidden": 0},
        {"dropout": 1.0},
        {"label_smoothing": 1.0},
    ):
        with pytest.raises(ValueError, match=f"`model.{next(iter(options))}` must be"):
            ModelOptions(**options)


@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason="Flickr8k is not here")
def test_flickr8k() -> None:
    pictures = captioned_pictures(DataOptions(set="flickr8k", path=str(PHOTOGRAPHS)))
    assert sum(map(len, pictures.examples.values())) == 1000
    assert all(len(example.captions) == 5 for found in pictures.examples.values() for example in found)
    words = [len(caption) for found in pictures.examples.values() for example in found for caption in example.captions]
    assert (sum(words), max(words)) == (55_037, 33)


# ---------------------------------------------------------------- training


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["none", "soft"])
def test_training_learns_stops_and_resumes(attention: str, tmp_path: Path) -> None:
    """On a few emoji: the loss falls, a run in two pieces writes what an unbroken one does, and pictures are left."""
    data = DataOptions(at_least=1, batch=8, longest=4)
    task = Captioning(ModelOptions(attention=attention, channels=8, embedding=16, hidden=16, dropout=0.1), data)
    few = {split: [e for e in found if len(e.captions[0]) < 4][:16] for split, found in emoji().examples.items()}
    task.__dict__["descriptions"] = Descriptions(few, data.at_least, data.longest)
    loop = LoopOptions(steps=16, log_every=4, validate_every=8, checkpoint_every=8)
    experiment = Experiment("captioning", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=2), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=10)
    assert losses[-1] < losses[0] - 0.5
    assert {"test BLEU2", "test nearest_chrF"} <= json.loads((pieces / "result.json").read_text())["figures"].keys()
    assert (pieces / "captions.png").stat().st_size > 10_000
    assert (pieces / "attention.png").exists() == (attention == "soft")
