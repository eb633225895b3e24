"""Video captioning against NumPy: losses and captions; moving digits against MNIST's own files; MSR-VTT's files."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.tasks import VideoCaptioning
from jaxrnn.tasks.shared.caption_scores import consensus, scores
from jaxrnn.tasks.shared.described import SPLITS, Descriptions, Example, split_of
from jaxrnn.tasks.shared.describer import DRAWN
from jaxrnn.tasks.shared.moving_digits import DIGITS, moving_digits
from jaxrnn.tasks.shared.writing import BEAM, LENGTH_PENALTY
from jaxrnn.tasks.video_captioning import captioned_videos
from jaxrnn.tasks.video_captioning.captioned_videos import FEATURES, WHERE, DataOptions, picture
from jaxrnn.tasks.video_captioning.video_captioning import ModelOptions
from jaxrnn.train import END, START, Experiment, LoopOptions, OptimizerOptions
from tests import oracle
from tests.tasks.resuming import run_in_two_pieces
from tests.tasks.test_captioning import dense, writable

F, P, E, H, LONGEST = 7, 4, 3, 5, 6
MNIST = Path(__file__).parents[2] / "jaxrnn/tasks/data/mnist"
VTT = Path(__file__).parents[2].parent / "shared/data/video_to_text"
SAID = ["a man sings", "a dog runs and runs", "dog", "a man and a dog run over a hill", "the dog sings"]
DARK = 75  # noise of moving digits, of a standard deviation of 12, is below


def make(frames: int = 5, batch: int = 4, **options: Any) -> VideoCaptioning:
    """A small model; videos of noise with two captions, of which some are too long to train on whole."""
    model = ModelOptions(**{"projected": P, "embedding": E, "hidden": H, "dropout": 0.0} | options)
    task, draw = VideoCaptioning(model, DataOptions(batch=batch, longest=LONGEST)), np.random.default_rng(0)
    examples: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for split, count in zip(SPLITS, (9, 4, 5), strict=True):
        for n in range(count):
            said = (SAID[n % 5], SAID[(n + 1) % 5] + " here" * (split != "training"))  # a word that training lacks
            view = 3 * draw.normal(size=(frames, F)).astype(np.float32)
            examples[split].append(Example(view, tuple(tuple(caption.split()) for caption in said)))
    task.__dict__["descriptions"] = Descriptions(examples, task.data.at_least, LONGEST)
    return task


def weights(task: VideoCaptioning) -> Any:
    """Parameters that are no zeros and no symmetries."""
    shapes, draw = jax.eval_shape(task.init, jax.random.key(0)), np.random.default_rng(3)
    return jax.tree.map(lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.9), shapes)


class Writer:
    """A video, seen; `next` gives the log-probabilities of the word that follows those so far."""

    def __init__(self, p: Any, video: Any) -> None:
        self.p = jax.tree.map(np.asarray, p)
        self.first = self.second = (np.zeros(H), np.zeros(H))
        for frame in np.asarray(video, float):
            self.read(dense(self.p["frames"], frame), np.zeros(E))

    def read(self, below: Any, above: Any) -> Any:
        self.first, a = oracle.lstm(self.p["first"], self.first, below)
        self.second, b = oracle.lstm(self.p["second"], self.second, np.concatenate([a, above]))
        return b

    def next(self, word: int) -> Any:
        words = self.p["words"]
        x = words["embedding"][word]
        b = self.read(np.zeros(P), x)
        logits = words["embedding"] @ np.tanh(dense(self.p["readout"], np.concatenate([b, x]))) + words["bias"]
        return logits - np.log(np.exp(logits).sum())


def loss_of(task: VideoCaptioning, p: Any, video: Any, words: Any, barred: bool = False) -> float:
    """Where `barred`, only what can be written counts."""
    writer, total = Writer(p, video), 0.0
    for word, following in zip([task.words.number(START), *words], words, strict=False):
        logs = writer.next(word)
        total -= (writable(logs, task) if barred else logs)[following]
    return total


@pytest.mark.parametrize("frames", [5, 1])
def test_loss_equals_numpy_on_ragged_captions(frames: int) -> None:
    task = make(frames)
    p, (lengths, collate) = weights(task), task.descriptions.pairs("training")
    batch = collate(np.array([0, 1, -1, int(lengths.argmin()), int(lengths.argmax())]))
    assert (batch.lengths.tolist(), task.count(batch)) == ([4, 6, 0, 2, LONGEST + 1], 19)  # END counted, the last cut
    expected = sum(loss_of(task, p, video, words[:count]) for video, words, count in zip(*batch, strict=True)) / 19
    step = jax.jit(jax.value_and_grad(lambda p, batch: task.loss(p, (), batch, None)[0]))
    loss, gradient = step(p, batch)
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    # What is written in the padding, or shown where there is no caption, changes nothing.
    batch.words[np.arange(batch.words.shape[1]) >= batch.lengths[:, None]] = 1
    batch.views[2] = 1e6 * np.random.default_rng(0).normal(size=batch.views[2].shape)
    jax.tree.map(lambda *both: np.testing.assert_allclose(*both, rtol=1e-10), step(p, batch), (loss, gradient))
    assert all(np.isfinite(leaf).all() and np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("frames", [5, 1])
def test_captions_equal_numpy(frames: int) -> None:
    task = make(frames)
    p, videos = weights(task), task.descriptions.views("test")
    p["words"]["bias"] = p["words"]["bias"].at[:3].set(9.0)  # of <unk>, <s> and END: else none would end
    narrow, wide = task.captions(p, videos, 1), task.captions(p, videos, 3)
    assert len(set(map(len, narrow))) > 1
    for video, *both in zip(videos, narrow, wide, strict=True):  # five, in batches of four
        writer, word, merits = Writer(p, video), task.words.number(START), []
        for following in task.words.encode([*both[0], END])[:LONGEST]:
            assert following == writable(writer.next(word), task).argmax()
            word = following
        for said in both:
            loss = loss_of(task, p, video, task.words.encode([*said, END])[:LONGEST], barred=True)
            merits.append(-loss / ((5 + len(said)) / 6) ** LENGTH_PENALTY)
        assert merits[1] >= merits[0] - 1e-9


def test_evaluate_sums_over_all_captions() -> None:
    task = make()
    p, trained = weights(task), task.descriptions.examples["training"]
    for split in task.splits:
        examples = task.descriptions.examples[split]
        pairs = [(e.view, task.words.encode([*c, END])) for e in examples for c in e.captions]
        assert max(len(words) for _, words in pairs) > LONGEST + 1  # none is cut
        found = task.evaluate(p, jax.device_put, split)
        loss = sum(loss_of(task, p, *pair) for pair in pairs) / sum(len(words) for _, words in pairs)
        np.testing.assert_allclose([found["loss"], found["perplexity"]], [loss, np.exp(loss)], rtol=1e-10)
    ways = [[e.view.mean(0, float) - other.view.mean(0, float) for other in trained] for e in examples]
    theirs = [trained[n].captions[0] for n in (np.array(ways) ** 2).sum(2).argmin(1)]
    right = [e.captions for e in examples]
    views = [e.view for e in examples]
    expected = scores(task.captions(p, views, 1), right)
    expected |= {f"beam_{name}": value for name, value in scores(task.captions(p, views, BEAM), right).items()}
    agreed = [consensus(some) for some in task.drawn(p, views, DRAWN)]
    expected |= {f"consensus_{name}": value for name, value in scores(agreed, right).items()}
    expected |= {f"nearest_{name}": value for name, value in scores(theirs, right).items()}
    assert found == expected | {name: found[name] for name in ("loss", "perplexity")}


def test_a_blind_model_sees_a_dark_screen_and_dropout_comes_with_the_key_alone() -> None:
    blind, noisy = make(blind=True), make(dropout=0.5)
    p, batch = weights(blind), blind.descriptions.pairs("training")[1](np.array([3]))
    words = batch.words[0, : batch.lengths[0]]
    for task, video in ((blind, np.zeros((5, F))), (noisy, batch.views[0])):
        total = task.loss(p, (), batch, None)[0] * len(words)
        np.testing.assert_allclose(total, loss_of(task, p, video, words), rtol=1e-10)
    keyed = [noisy.loss(p, (), batch, jax.random.key(n))[0] for n in (1, 1, 2)]
    assert keyed[0] == keyed[1] != keyed[2]


def matched(frame: Any, digits: Any) -> tuple[int, Any]:
    """Which of digits [N, 20 * 20] is most like some place of a frame, and what else is seen at that place."""
    (top, left), (bottom, right) = (edge(np.argwhere(frame > DARK), 0) for edge in (np.min, np.max))
    tops, lefts = range(max(bottom - 19, 0), min(top, 12) + 1), range(max(right - 19, 0), min(left, 28) + 1)
    ours = np.array([frame[y : y + 20, x : x + 20].ravel() for y in tops for x in lefts], float)
    distances = (ours**2).sum(1)[:, None] + (digits**2).sum(1)[None] - 2 * ours @ digits.T
    place, digit = np.unravel_index(distances.argmin(), distances.shape)
    return int(digit), ours[place] - digits[digit]


def test_moving_digits_do_what_their_sentences_say() -> None:
    files = (MNIST / f"t10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
    images, labels = (gzip.decompress(file.read_bytes()) for file in files)
    assert np.frombuffer(images[:16] + labels[:8], ">i4").tolist() == [0x803, 10_000, 28, 28, 0x801, 10_000]
    pictures = np.frombuffer(images[16:], np.uint8).reshape(-1, 28, 28)
    small = pictures[:, 4:24, 4:24].astype(float)
    for split, first, last in (("training", 0, 8000), ("validation", 8000, 9000), ("test", 9000, 10_000)):
        (names, clips, sentences), again = (moving_digits(split, 21, 32, 48) for _ in range(2))
        np.testing.assert_array_equal(clips, again[1])
        assert (names, sentences) == again[::2]
        assert (clips.shape, clips.dtype, len(set(names))) == ((21, 24, 32, 48), np.uint8, 21)
        assert set(map(len, sentences)) == {3, 7, 11}  # one move, two, or three
        for clip, words in zip(clips, sentences, strict=True):
            lit, seen = (clip > DARK).any((1, 2)), []
            for start in [t for t in range(int(lit.argmax()), 24, 8) if lit[t]]:
                move = clip[start : start + 8][lit[start : start + 8]]
                assert len(move) >= 6
                found, rest = matched(move[0], small.reshape(-1, 20 * 20))
                assert first <= found < last  # the splits share no picture
                assert np.abs(rest).max() < DARK  # nothing but noise, and no grey value went round
                # Where the middle of what is bright goes, and that it does not go aside.
                down, right = np.argwhere(move[-1] > DARK).mean(0) - np.argwhere(move[0] > DARK).mean(0)
                *_, (aside, _), (most, way) = sorted(
                    [(-down, "up"), (down, "down"), (-right, "left"), (right, "right")]
                )
                assert 3 < most < 12
                assert aside < 0.5
                seen += [*["then"] * bool(seen), DIGITS[labels[8 + found]], "moves", way]
            assert tuple(seen) == words


def test_one_frame_of_some_is_watched_and_in_training_any_of_them() -> None:
    task, videos = make(every=3), np.arange(4 * 11 * 7.0).reshape(4, 11, 7)
    p = weights(task)
    np.testing.assert_array_equal(task.view(p, videos), videos[:, [1, 4, 7]])  # two frames are left over
    found = np.array([task.view(p, videos, jax.random.key(n)) for n in range(30)])
    places = np.round((found[..., 0] - videos[:, 0, 0][:, None]) / 7).astype(int)
    np.testing.assert_array_equal(np.sort(np.unique(places[:, :, 0])), [0, 1, 2])
    for place, view in zip(places, found, strict=True):
        assert ((place // 3) == [0, 1, 2]).all()
        np.testing.assert_array_equal(view, np.stack([video[row] for video, row in zip(videos, place, strict=True)]))
    with pytest.raises(ValueError, match=r"`model\.every` must be at most the 2 frames of a video, got 3"):
        task.view(p, videos[:, :2])


def test_noise_is_one_for_all_frames_of_a_video() -> None:
    task, videos = make(noise=0.5), np.zeros((400, 3, 7))
    p = weights(task)
    found = np.asarray(task.view(p, videos, jax.random.key(0)))
    np.testing.assert_array_equal(found[:, :1].repeat(3, 1), found)
    error = 5 * 0.5 / np.sqrt(found[:, 0].size)
    assert abs(found.mean()) < error
    assert abs(found.std() - 0.5) < error / np.sqrt(2)
    assert not np.asarray(task.view(p, videos)).any()


def test_features_of_digits_are_means_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioned_videos, "COUNTS", counts := (6, 2, 3))
    monkeypatch.setattr(captioned_videos, "_digits", captioned_videos._digits.__wrapped__)
    examples = captioned_videos.captioned_videos(DataOptions()).examples
    for split, count in zip(SPLITS, counts, strict=True):
        _, clips, sentences = moving_digits(split, count, 32, 48)
        assert [e.captions for e in examples[split]] == [(words,) for words in sentences]
        view, expected = examples[split][-1].view, np.zeros((24, 96))
        for t, y, x, i, j in np.ndindex(24, 8, 12, 4, 4):
            expected[t, 12 * y + x] += clips[-1, t, 4 * y + i, 4 * x + j] / 255 / 16
        np.testing.assert_allclose(view, expected, rtol=1e-7)
        for n, y, x in np.ndindex(8, 8, 12):  # to look at: every third frame, side by side
            assert picture(view)[y, 12 * n + x] == view[3 * n, 12 * y + x]
    assert picture(np.arange(6.0).reshape(2, 3)).tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    def refused(problem: str, content: bytes = b"", hint: str = WHERE, **arrays: Any) -> None:
        (tmp_path / FEATURES).write_bytes(content)
        if arrays:
            np.savez(tmp_path / FEATURES, **arrays)
        with pytest.raises(ValueError, match=rf"`data\.path` must be .*{problem}.*{re.escape(hint)}"):
            captioned_videos.captioned_videos(DataOptions(set="msrvtt", path=str(tmp_path)))

    with pytest.raises(ValueError, match=rf"`data\.path` must be .*which has no {FEATURES}\. {re.escape(WHERE)}"):
        captioned_videos.captioned_videos(DataOptions(set="msrvtt", path=str(tmp_path)))
    features, said = np.zeros((4, 2, 3)), np.array(["a"] * 4)
    refused("video_id", features=features, caption=said)
    refused("Object arrays", features=features, caption=said.astype(object), video_id=said)
    for content in (b"", b"no arrays", b"PK\3\4 and nothing more"):
        refused("one that cannot be read", content)
    for views, captions, names in ((features[0], said, said), (features, said[1:], said), (features, said, said[1:])):
        refused(re.escape(str([*views.shape])), features=views, caption=captions, video_id=names)
    for wrong in (features[:, :0], features[..., :0], features.astype(str), features.astype(int)):
        refused(re.escape(f"{wrong.dtype}{[*wrong.shape]}"), features=wrong, caption=said, video_id=said)
    refused("S1", features=features, caption=said.astype("S"), video_id=said)
    refused("NaN or infinity among them", features=np.where(features == 0, np.nan, 0), caption=said, video_id=said)
    refused("none for", hint="", features=features, caption=said, video_id=said)
    for option, value in (
        ("every", 0),
        ("noise", -1.0),
        ("projected", 0),
        ("embedding", 0),
        ("hidden", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
    ):
        with pytest.raises(ValueError, match=f"`model.{option}` must be .*, got {value}"):
            ModelOptions(**{option: value})
    with pytest.raises(ValueError, match=rf"must be a folder or archive with the file {FEATURES}, got none"):
        captioned_videos.captioned_videos(DataOptions(set="msrvtt"))
    with pytest.raises(ValueError, match=r"`data\.path` must be your own file or folder with `data\.set` own"):
        DataOptions(set="own")
    for option in ("at_least", "batch", "longest"):
        with pytest.raises(ValueError, match=f"`data.{option}` must be 1 or more, got 0"):
            DataOptions(**{option: 0})


def test_features_of_a_file(tmp_path: Path) -> None:
    features, said = np.random.default_rng(0).normal(size=(60, 2, 3)), [f"A man, {n} dogs!" for n in range(60)]
    np.savez(tmp_path / FEATURES, features=features, caption=said, video_id=[f"video{n}" for n in range(60)])
    examples = captioned_videos.captioned_videos(DataOptions(set="msrvtt", path=str(tmp_path))).examples
    trained = np.concatenate([features[n] for n in range(60) if split_of(f"video{n}") == "training"])
    standard = (features - trained.mean(0)) / trained.std(0)
    for split in SPLITS:
        rows = [n for n in range(60) if split_of(f"video{n}") == split]
        assert [e.captions for e in examples[split]] == [(("a", "man", str(n), "dogs"),) for n in rows]
        np.testing.assert_allclose([e.view for e in examples[split]], standard[rows], rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(not (VTT / FEATURES).exists(), reason="MSR-VTT's features are not here")
def test_msrvtt() -> None:
    examples = captioned_videos.captioned_videos(DataOptions(set="msrvtt", path=str(VTT))).examples
    assert [example.view.shape for found in examples.values() for example in found] == [(50, 128)] * 1000


@pytest.mark.slow
def test_training_learns_stops_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss falls, a run in two pieces writes what an unbroken one does, and says what it sees of test videos."""
    task = make(batch=8, dropout=0.1, embedding=8, hidden=16)
    made = task.descriptions  # for the task that a run makes of its record too
    monkeypatch.setattr(VideoCaptioning, "descriptions", property(lambda _: made))
    loop = LoopOptions(steps=16, log_every=4, validate_every=8, checkpoint_every=8)
    experiment = Experiment("video_captioning", 0, task, OptimizerOptions(learning_rate=5e-2, warmup=2), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=10)
    assert losses[-1] < losses[0] - 0.5
    assert {"test BLEU2", "test nearest_chrF"} <= json.loads((pieces / "result.json").read_text())["figures"].keys()
    assert (pieces / "captions.png").stat().st_size > 10_000
