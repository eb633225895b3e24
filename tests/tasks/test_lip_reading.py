"""Lip reading against NumPy: features, CTC by counting every path, attention, word error; and the clips."""

from __future__ import annotations

import itertools
import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks import LipReading
from jaxrnn.tasks.lip_reading.clip_changes import SHIFT, changed, standardised
from jaxrnn.tasks.lip_reading.lip_reading import LONGEST, ModelOptions, word_error
from jaxrnn.tasks.lip_reading.pictures import alignment_figure
from jaxrnn.tasks.shared.clips import Clips, DataOptions, Spoken, SpokenClips, read_clip
from jaxrnn.tasks.shared.writing import LENGTH_PENALTY
from jaxrnn.train import END, START, Experiment, LoopOptions, OptimizerOptions
from jaxrnn.train.plots import save_figure
from tests import oracle
from tests.tasks.resuming import run_in_two_pieces

P, F, H, E, T = 2, 3, 4, 3, 5  # patch, features, hidden, embedding, frames
GRID = Path(__file__).parents[2].parent / "shared/data/video_to_text/grid_s1_mouth_32x48.zip"
SENTENCES = [("set", "red"), ("lay", "set", "set"), ("red",), ("lay", "red"), ("set", "lay", "red"), ("lay",)]
DECODERS = ("ctc", "attention")


def make(decoder: str = "ctc", **options: Any) -> LipReading:
    """A small model; a few clips of noisy squares with sentences of three words."""
    model = {"patch": P, "features": F, "hidden": H, "embedding": E, "layers": 2, "dropout": 0.0} | options
    task, draw = LipReading(ModelOptions(decoder=decoder, **model), DataOptions(batch=4)), np.random.default_rng(0)
    squares = draw.integers(0, 256, (len(SENTENCES), T, 8, 12)).astype(np.uint8)
    frames = squares.repeat(4, 2).repeat(4, 3) // 2 + draw.integers(0, 99, (len(SENTENCES), T, 32, 48)).astype(np.uint8)
    clips = Clips([f"clip{n}" for n in range(len(SENTENCES))], frames, SENTENCES)
    task.clips.__dict__["splits"] = dict.fromkeys(("training", "validation", "test"), clips)
    return task


def weights(task: LipReading) -> Any:
    """Parameters that are no zeros and no symmetries, and let all features through."""
    shapes, draw = jax.eval_shape(task.init, jax.random.key(0)), np.random.default_rng(1)
    p = jax.tree.map(lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.5), shapes)
    return p | {"norm": {"scale": jnp.array([0.8, -1.1, 1.2]), "bias": jnp.array([0.5, 0.3, 0.4])}}


# ---------------------------------------------------------------- the model in NumPy


def dense(p: Any, x: Any) -> Any:
    return x @ p["kernel"] + p["bias"]


def features(p: Any, frame: Any, before: Any) -> Any:
    """Of one frame: patches of 4 x 4 with those to the right and below, then blocks of 2 x 2 of these, then all."""
    both = np.stack([frame, frame - before], -1)
    patches = np.zeros((9, 13, 32))  # one row and column beyond the edge
    for y, x in np.ndindex(8, 12):
        patches[y, x] = both[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].ravel()
    seen = np.zeros((8, 12, P))
    for y, x in np.ndindex(8, 12):
        around = np.concatenate([patches[y, x], patches[y, x + 1], patches[y + 1, x], patches[y + 1, x + 1]])
        seen[y, x] = np.maximum(dense(p["patches"], around), 0)
    blocks = [seen[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel() for y in range(4) for x in range(6)]
    whole = dense(p["frame"], np.concatenate([np.maximum(dense(p["blocks"], b), 0) for b in blocks]))
    whole = (whole - whole.mean()) / np.sqrt(whole.var() + 1e-5)
    return np.maximum(whole * p["norm"]["scale"] + p["norm"]["bias"], 0)


def read(p: Any, frames: Any) -> Any:
    """Outputs [T, 2 H] of the GRUs over one clip of grey values."""
    clip = frames.astype(float) - frames.mean(0)
    clip = clip / np.sqrt((clip**2).mean() + 1)
    xs = [features(p, frame, clip[max(t - 1, 0)]) for t, frame in enumerate(clip)]
    for layer in ("layer_0", "layer_1"):
        outputs = []
        for way, order in (("forward", xs), ("backward", xs[::-1])):
            carry, ys = (np.zeros(H),), []
            for x in order:
                carry, y = oracle.gru(p["encoder"][layer][way], carry, x)
                ys.append(y)
            outputs.append(ys if way == "forward" else ys[::-1])
        xs = [np.concatenate(pair) for pair in zip(*outputs, strict=True)]
    return np.array(xs)


def said_by(path: Any, blank: int) -> tuple[int, ...]:
    """Graves's B: repeats are one, then blanks are none."""
    return tuple(word for word, _ in itertools.groupby(path) if word != blank)


def softmax(logits: Any) -> Any:
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def ctc_loss(chances: Any, sentence: tuple[int, ...], blank: int) -> float:
    """-log of the summed probability of every path [T] that says the sentence, one after the other."""
    total = 0.0
    for path in itertools.product(range(chances.shape[1]), repeat=len(chances)):
        if said_by(path, blank) == sentence:
            total += math.prod(chances[t, word] for t, word in enumerate(path))
    return -math.log(total)


class Writer:
    """A clip, read; `next` gives the log-probabilities of the word that follows those so far."""

    def __init__(self, p: Any, hs: Any) -> None:
        self.p, self.memory, self.h = p, hs, np.zeros(H)

    def shares(self) -> Any:
        q = self.p["decoder"]["attention"]
        keys = np.tanh(self.h @ q["query_kernel"] + self.memory @ q["memory_kernel"] + q["bias"])
        return softmax(keys @ q["score_kernel"])

    def next(self, word: int) -> Any:
        x, context = self.p["embedding"][word], self.shares() @ self.memory
        (self.h,), y = oracle.gru(self.p["decoder"]["cell"], (self.h,), np.concatenate([x, context]))
        return np.log(softmax(dense(self.p["readout"], np.concatenate([y, context, x]))))


def attention_loss(task: LipReading, p: Any, hs: Any, words: Any) -> float:
    writer, word, total = Writer(p, hs), task.words.number(START), 0.0
    for following in words:
        total -= writer.next(word)[following]
        word = following
    return total


def losses(task: LipReading, p: Any, batch: Spoken) -> tuple[float, float]:
    """CTC's and the attending decoder's, summed over the clips of a batch."""
    p = jax.tree.map(np.asarray, p)
    spoken = attended = 0.0
    for frames, words, length in zip(*batch, strict=True):
        if length:
            hs, words = read(p, frames), words[:length].tolist()
            chances = softmax(dense(p["words"], hs))
            without = tuple(word for word in words if word != task.words.number(END))
            spoken += ctc_loss(chances, without, task.words.number(START))
            attended += attention_loss(task, p, hs, words) if task.attends else 0.0
    return spoken, attended


@pytest.mark.parametrize("decoder", DECODERS)
def test_loss_equals_numpy_on_ragged_sentences(decoder: str) -> None:
    task = make(decoder)
    p, (_, collate) = weights(task), task.clips.pairs("training", task.attends)
    batch = collate(np.array([0, 1, -1, 2]))  # the second says one word twice in a row
    assert batch.lengths.tolist() == [2 + task.attends, 3 + task.attends, 0, 1 + task.attends]
    spoken, attended = losses(task, p, batch)
    step = jax.jit(jax.value_and_grad(lambda p, batch: task.loss(p, (), batch, None)[0]))
    loss, gradient = step(p, batch)
    assert task.count(batch) == 3
    np.testing.assert_allclose(loss, (attended if task.attends else spoken) / 3, rtol=1e-9)
    # What is written in the padding, or shown where there is no clip, changes nothing.
    batch.words[np.arange(batch.words.shape[1]) >= batch.lengths[:, None]] = 4
    batch.frames[2] = np.random.default_rng(0).integers(0, 256, batch.frames[2].shape)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14), step(p, batch), (loss, gradient)
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_ctc_has_its_share_of_the_loss_while_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.tasks.lip_reading.lip_reading.changed", lambda rng, clips, mirror: clips)
    task = make("attention", ctc=0.25)
    p, batch = weights(task), next(task.batches())
    spoken, attended = losses(task, p, batch)
    found = task.loss(p, (), batch, jax.random.key(0))[0]
    np.testing.assert_allclose(found, (0.75 * attended + 0.25 * spoken) / task.count(batch), rtol=1e-9)


def test_sentences_equal_numpy() -> None:
    frames = make().clips.splits["test"].frames
    for decoder in DECODERS:
        task = make(decoder)
        p = weights(task)
        p["words"] = {"kernel": 9 * p["words"]["kernel"], "bias": jnp.zeros(len(task.words))}  # many different words
        if task.attends:
            p["readout"]["bias"] = jnp.zeros(len(task.words))
            p["decoder"]["attention"] = {name: 4 * leaf for name, leaf in p["decoder"]["attention"].items()}
        plain = jax.tree.map(np.asarray, p)
        narrow, wide = task._sentences(p, frames), task._sentences(p, frames, 3)
        assert len(set(map(tuple, narrow))) > 2
        for clip, found, other in zip(frames, narrow, wide, strict=True):
            hs = read(plain, clip)
            if not task.attends:
                path = dense(plain["words"], hs).argmax(-1).tolist()
                assert found == other == task.words.decode(said_by(path, task.words.number(START)))
                continue
            writer, word, expected = Writer(plain, hs), task.words.number(START), []
            while len(expected) < LONGEST:
                word = int(writer.next(word).argmax())
                if task.words.tokens[word] == END:
                    break
                expected.append(task.words.tokens[word])
            assert found == expected
            merits = []
            for words in (found, other):
                ended = task.words.encode([*words, *([] if len(words) == LONGEST else [END])]).tolist()
                merits.append(-attention_loss(task, plain, hs, ended) / ((5 + len(words)) / 6) ** LENGTH_PENALTY)
            assert merits[1] >= merits[0] - 1e-9


def test_align_is_when_it_was_said() -> None:
    for decoder in DECODERS:
        task = make(decoder)
        p, clip = weights(task), make().clips.splits["test"].frames[3]
        plain = jax.tree.map(np.asarray, p)
        hs, (said, found) = read(plain, clip), task.align(p, clip)
        if task.attends:
            writer, word, expected = Writer(plain, hs), task.words.number(START), []
            for following in task.words.encode(said):
                expected.append(writer.shares())
                writer.next(word)
                word = following
            assert said[-1] == END
        else:
            expected = softmax(dense(plain["words"], hs))[:, task.words.encode(said)].T
        np.testing.assert_allclose(found, np.array(expected).reshape(-1, T), rtol=1e-9)


def test_alignments_are_drawn_where_nothing_was_said_too(tmp_path: Path) -> None:
    clip = np.zeros((T, 32, 48), np.uint8)
    looks = [(clip, ["set", "red"], np.eye(2, T)), (clip, [], np.zeros((0, T)))]
    figure = alignment_figure(looks, [("set", "red"), ("lay",)])
    _, above, _, below = figure.axes
    assert [label.get_text() for label in above.get_yticklabels()] == ["set", "red"]
    np.testing.assert_array_equal(above.images[0].get_array(), np.eye(2, T))
    assert not below.images
    assert below.get_xlim() == (-0.5, T - 0.5)
    save_figure(figure, tmp_path / "alignment.png")


@pytest.mark.parametrize("decoder", DECODERS)
def test_evaluate_sums_over_all_clips(decoder: str) -> None:
    task = make(decoder)
    p, (lengths, collate) = weights(task), task.clips.pairs("test", task.attends)
    spoken, attended = losses(task, p, collate(np.arange(len(lengths))))
    found = task.evaluate(p, jax.device_put, "test")  # six clips in batches of four
    np.testing.assert_allclose(found["loss"], (attended if task.attends else spoken) / len(lengths), rtol=1e-9)
    said = task._sentences(p, task.clips.splits["test"].frames)
    wrong = sum(distance(ours, theirs) for ours, theirs in zip(said, SENTENCES, strict=True))
    np.testing.assert_allclose(found["word_error"], 100 * wrong / sum(map(len, SENTENCES)), rtol=1e-12)
    assert found.keys() == {"loss", "word_error"} | ({"word_error_beam"} if task.attends else set())


def distance(ours: Any, theirs: Any) -> int:
    """Levenshtein's, word by word."""
    if not ours or not theirs:
        return len(ours) + len(theirs)
    return min(
        distance(ours[1:], theirs) + 1,
        distance(ours, theirs[1:]) + 1,
        distance(ours[1:], theirs[1:]) + (ours[0] != theirs[0]),
    )


def test_word_error_by_hand() -> None:
    wanted = [["bin", "blue", "at", "f", "two", "now"], ["set", "red"], ["lay"]]
    found = [["bin", "blue", "f", "five", "now"], ["set", "red", "soon"], []]
    assert [distance(a, b) for a, b in zip(found, wanted, strict=True)] == [2, 1, 1]
    np.testing.assert_allclose(word_error(found, wanted), 100 * 4 / 9, rtol=1e-12)


# ---------------------------------------------------------------- what training does to clips


def test_clips_are_moved_and_hurried_but_not_mixed() -> None:
    """Pixels that hold their own place and time, so that it can be read off where each came from."""
    frames, rows = 40, 16
    t, y, x = np.meshgrid(np.arange(frames), np.arange(32), np.arange(48), indexing="ij")
    clips = jnp.asarray(np.broadcast_to((t * 32 + y) * 48.0 + x + 1, (rows, frames, 32, 48)))
    found = np.asarray(jax.jit(changed, static_argnums=2)(jax.random.key(0), clips, False))
    shifts, turns = set(), []
    for clip in found:
        inner = clip[:, SHIFT:-SHIFT, SHIFT:-SHIFT]
        light = (inner[0, 0, 1] - inner[0, 0, 0]).item()
        assert 0.7 <= light <= 1.3
        codes = np.round(inner / light - 1).astype(int)
        np.testing.assert_allclose(inner / light - 1, codes, atol=1e-6)
        whens, downs, rights = codes // (32 * 48), codes // 48 % 32, codes % 48
        assert (whens == whens[:, :1, :1]).all()
        dy, dx = downs[0, 0, 0] - SHIFT, rights[0, 0, 0] - SHIFT
        assert (downs == downs[0, 0, 0] + np.arange(32 - 2 * SHIFT)[:, None]).all()
        assert (rights == rights[0, 0, 0] + np.arange(48 - 2 * SHIFT)).all()
        assert max(abs(dy), abs(dx)) <= SHIFT
        shifts.add((int(dy), int(dx)))
        steps = np.diff(whens[:, 0, 0])
        assert steps.min() >= 0
        assert steps.max() <= 2
        assert 0.8 <= steps[10:30].mean() <= 1.2
        turns.append(whens[frames // 2, 0, 0] - frames // 2)
    assert len(shifts) > 8
    assert len(set(turns)) > 3
    assert np.abs(turns).max() <= 5


def test_clips_are_mirrored_half_of_the_time_where_they_may_be() -> None:
    clips = jnp.asarray(np.broadcast_to(np.arange(48.0), (64, 1, 32, 48)))
    for mirror in (True, False):
        found = np.asarray(changed(jax.random.key(1), clips, mirror))
        mirrored = (found[:, 0, 9, 9] > found[:, 0, 9, 20]).sum()
        assert 20 <= mirrored <= 44 if mirror else mirrored == 0


def test_a_black_clip_is_finite() -> None:
    assert not np.asarray(standardised(jnp.zeros((1, 2, 32, 48)))).any()


def test_dropout_and_changes_come_with_the_key_alone() -> None:
    task = make(dropout=0.5)
    p, batch = weights(task), next(task.batches())
    loss = jax.jit(lambda key: task.loss(p, (), batch, key)[0])
    keyed = [loss(jax.random.key(n)).item() for n in (1, 1, 2)]
    assert keyed[0] == keyed[1] != keyed[2]
    np.testing.assert_allclose(task.loss(p, (), batch, None)[0], make().loss(p, (), batch, None)[0])


# ---------------------------------------------------------------- the clips


def mosaic(frames: Any) -> Image.Image:
    """75 frames in 15 rows of 5."""
    picture = np.zeros((480, 240), np.uint8)
    for n, frame in enumerate(frames):
        picture[32 * (n // 5) : 32 * (n // 5) + 32, 48 * (n % 5) : 48 * (n % 5) + 48] = frame
    return Image.fromarray(picture)


def test_clips_of_a_file(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (75, 32, 48)).astype(np.uint8)
    mosaic(frames).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_clip(tmp_path / "a.png"), frames)
    images = [Image.fromarray(frame // 2 * 2) for frame in frames[:7]]
    images[0].save(tmp_path / "b.gif", save_all=True, append_images=images[1:], duration=40, loop=0)
    np.testing.assert_allclose(read_clip(tmp_path / "b.gif"), frames[:7] // 2 * 2, atol=1)
    task = make()
    p = weights(task)
    expected = " ".join(task._sentences(p, read_clip(tmp_path / "b.gif")[None])[0])
    assert task.caption(p, tmp_path / "b.gif", 3) == expected
    Image.new("L", (50, 40)).save(tmp_path / "c.png")
    (tmp_path / "d.gif").write_text("no film")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    Image.new("1", (8_000, 6_000)).save(tmp_path / "wide.png")
    wrong = {
        "c.png": "50 x 40 in",
        "d.gif": "d.gif",
        "absent.gif": "absent.gif",
        "bomb.png": "bomb.png': Image size (200000000 pixels)",
        "large.png": "large.png': Image size (100000000 pixels)",
        "wide.png": "wide.png': 8000 x 6000",
    }
    for name, problem in wrong.items():
        with pytest.raises(ValueError, match=rf"`clip` must be .*{re.escape(problem)}"):
            task.caption(p, tmp_path / name, 1)
    with pytest.raises(ValueError, match="`beam` must be a positive integer, got 0"):
        task.caption(p, tmp_path / "b.gif", 0)


def test_grid_is_split_by_the_names_in_the_package(tmp_path: Path) -> None:
    held = (Path(__file__).parents[2] / "jaxrnn/tasks/data/grid/held_out.txt").read_text().split()
    assert len(set(held)) == 199
    draw = np.random.default_rng(0)
    names = [*held[:3], *(f"x{n}" for n in range(40))]
    clips = {name: draw.integers(0, 256, (75, 32, 48)).astype(np.uint8) for name in names}
    for name, frames in clips.items():
        mosaic(frames).save(tmp_path / f"{name}.jpg", quality=100)
    spoken = {name: {"text": f"set {name} now", "frames": 75} for name in names}
    (tmp_path / "transcripts.json").write_text(json.dumps(spoken))
    splits = SpokenClips(DataOptions(set="grid", path=str(tmp_path))).splits
    assert splits["test"].names == sorted(held[:3])
    assert sorted(splits["training"].names + splits["validation"].names) == sorted(names[3:])
    for split in splits.values():
        assert split.sentences == [("set", name, "now") for name in split.names]
        for name, frames in zip(split.names, split.frames, strict=True):
            np.testing.assert_allclose(frames.astype(int), clips[name].astype(int), atol=6)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    def splits(path: Path | str) -> Any:
        return SpokenClips(DataOptions(set="grid", path=str(path))).splits

    with pytest.raises(ValueError, match=r"with the file transcripts\.json, got none\. GRID is at"):
        splits("")
    with pytest.raises(ValueError, match=r"`data\.set` must be 'digits' or 'grid' or 'own', got 'lips'"):
        DataOptions(set="lips")
    with pytest.raises(ValueError, match=r"which has no transcripts\.json\. GRID is at"):
        splits(tmp_path)
    for number, content in enumerate(("{", "[]", '{"a": {}}', '{"a": 3}')):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/transcripts.json").write_text(content)
        with pytest.raises(ValueError, match=r"a transcripts\.json that gives each clip's text"):
            splits(tmp_path / f"{number}")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("transcripts.json", '{"a": {"text": "set red"}}')
    with pytest.raises(ValueError, match=r"which has no a\.jpg"):
        splits(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("transcripts.json", '{"a": {"text": "set red"}}')
        archive.writestr("a.jpg", "no picture")
    with pytest.raises(ValueError, match="`clip` must be a film"):
        splits(tmp_path / "c.zip")
    for options in ({"decoder": "rnn"}, {"ctc": 1.0}, {"hidden": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=f"`model.{next(iter(options))}` must be"):
            ModelOptions(**options)
    for wrong in ({"batch": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=f"`data.{next(iter(wrong))}` must be"):
            DataOptions(**wrong)


@pytest.mark.skipif(not GRID.exists(), reason="GRID is not here")
def test_grid() -> None:
    clips = SpokenClips(DataOptions(set="grid", path=str(GRID)))
    assert {split: len(found.names) for split, found in clips.splits.items()} == {
        "training": 765,
        "validation": 35,
        "test": 199,
    }
    assert len(clips.vocabulary) == 51 + 3
    assert {found.frames.shape[1:] for found in clips.splits.values()} == {(75, 32, 48)}
    assert {len(sentence) for found in clips.splits.values() for sentence in found.sentences} == {6}


# ---------------------------------------------------------------- training


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_training_learns_stops_and_resumes(decoder: str, tmp_path: Path) -> None:
    """On moving digits: the loss falls, a run in two pieces writes what an unbroken one does, and pictures are left."""
    model = ModelOptions(decoder=decoder, patch=4, features=16, hidden=16, embedding=8, dropout=0.1)
    task = LipReading(model, DataOptions(batch=8))
    task.clips.__dict__["splits"] = {
        split: Clips(*(part[:16] for part in clips)) for split, clips in SpokenClips(DataOptions()).splits.items()
    }
    loop = LoopOptions(steps=16, log_every=4, validate_every=8, checkpoint_every=8)
    experiment = Experiment("lip_reading", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=2), loop)
    pieces, found = run_in_two_pieces(experiment, tmp_path, looks=10)
    assert found[-1] < 0.8 * found[0]
    assert "test word_error" in json.loads((pieces / "result.json").read_text())["figures"]
    assert (pieces / "alignment.png").stat().st_size > 10_000
    assert len(read_clip(pieces / "clip.gif")) == 24
