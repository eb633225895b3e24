"""A user's own files in each application: what is read of them, how they are split, and what is said of a wrong one."""

# ruff: noqa: RUF001 (letters of other alphabets are what this is about)

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks import (
    Babi,
    Captioning,
    CharLM,
    Draw,
    FramePrediction,
    Handwriting,
    LipReading,
    Translation,
    VideoCaptioning,
    WordLM,
)
from jaxrnn.tasks.captioning import captioning
from jaxrnn.tasks.drawing import draw
from jaxrnn.tasks.frame_prediction import frame_prediction
from jaxrnn.tasks.handwriting import handwriting
from jaxrnn.tasks.language import char_lm, word_lm
from jaxrnn.tasks.lip_reading import lip_reading
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.question_answering import babi
from jaxrnn.tasks.shared.own_splits import OwnData, named_split, parted
from jaxrnn.tasks.translation import translation
from jaxrnn.tasks.video_captioning import video_captioning
from jaxrnn.train.run_files import digest

GREEK = "".join(f"Γειά σου, κόσμε {n}!\r\nΤο ποτάμι κυλά.\r\n" for n in range(200))


def texts(folder: Path, **files: str) -> str:
    for name, text in files.items():
        path = folder / name.replace("_in_", "/").replace("__", ".")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode())
    return str(folder)


def characters(path: str, **options) -> CharLM:
    return CharLM(char_lm.ModelOptions(1, 4), char_lm.DataOptions(path=path, streams=4, length=8, **options))


def words(path: str, **options) -> WordLM:
    data = word_lm.DataOptions(path=path, streams=4, length=8, **options)
    return WordLM(word_lm.ModelOptions(1, 4, 4), word_lm.RegularizationOptions(), data)


def test_a_text_in_any_alphabet_is_cut_between_lines_and_loses_nothing(tmp_path):
    path = texts(tmp_path, text__txt="\ufeff" + GREEK)
    for own in (characters(f"{path}/text.txt"), characters(path)):
        parts = [own.contents(split) for split in ("training", "validation", "test")]
        assert sorted("".join(parts)) == sorted(GREEK.replace("\r", ""))
        assert all(part.endswith("\n") for part in parts)
        assert [len(part) * 10 // len(GREEK) for part in parts] == [7, 0, 0]  # a carriage return a line is gone
        assert own.data.set == "own"
    assert characters(path, split_seed=1).contents("test") != characters(path).contents("test")
    assert digest(characters(path).contents("test")) == digest(characters(path).contents("test"))


def test_files_that_name_their_parts(tmp_path):
    path = texts(tmp_path, train__txt="a b\n" * 50, val__txt="c d\n" * 9, test__txt="e f\n" * 8, __DS_Store="\0")
    own = words(path)
    assert [Counter(own.contents(split)).keys() for split in ("training", *own.splits)] == [
        {"a", "b", "</s>"},
        {"c", "d", "</s>"},
        {"e", "f", "</s>"},
    ]


def test_a_character_vocabulary_has_a_cap_and_a_least_count(tmp_path):
    text = "".join(c * n for c, n in (("α", 300), ("β", 200), ("γ", 100), ("δ", 1)))
    path = texts(tmp_path, train__txt=text, test__txt="αβγδε" * 9, valid__txt="αβ" * 9)
    own = characters(path)
    assert own.vocabulary == "αβγ\ufffd"
    assert own.numbers("αδε").tolist() == [own.vocabulary.index(c) for c in "α\ufffd\ufffd"]
    assert set(characters(path, at_least=1).vocabulary) == {*"αβγδ\ufffd\n"}
    assert set(words(path, most=4).vocabulary.tokens) <= {"<unk>", "</s>", text, "αβ" * 9}
    params = own.init(jax.random.key(0))
    drawn = "".join(own.sample(params, "α", 200, 1.0, 0))
    assert "\ufffd" not in drawn
    assert math.isfinite(own.evaluate(params, jax.device_put, "test")["loss"])


def test_a_text_of_another_encoding_or_none_is_named_with_its_line(tmp_path):
    for name, content, message in (
        ("a.txt", b"een\nm\xe9\n", r"'.*a\.txt' in UTF-8, got the byte 0xe9 in its line 2\. Save it as UTF-8"),
        ("b.txt", "ab".encode("utf-16"), r"'.*b\.txt' in UTF-8, got UTF-16"),
        ("c.txt", b"a\n\nb\0", r"got line 3 of '.*c\.txt': a zero byte"),
        ("d.txt", b"", "a text long enough for every part, got 0 characters"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
            characters(str(tmp_path / name)).contents("training")
    (tmp_path / "odd").mkdir()
    with pytest.raises(ValueError, match="a folder without a file"):
        characters(str(tmp_path / "odd")).contents("training")
    (tmp_path / "odd/a.pdf").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a folder with \.pdf \(1\)"):
        characters(str(tmp_path / "odd")).contents("training")


def test_a_link_to_nothing_is_named(tmp_path):
    """Left out, a part would be missing without a word."""
    texts(tmp_path, a__txt=GREEK)
    (tmp_path / "train.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(ValueError, match=r"got '.*train\.txt', a link to '.*gone\.txt'"):
        characters(str(tmp_path)).contents("training")


def test_a_scored_file_is_all_of_it_and_by_the_runs_vocabulary(tmp_path):
    trained = characters(texts(tmp_path / "a", text__txt=GREEK))
    trained = dataclasses.replace(trained, learned=json.dumps(trained.learn()))
    other = tmp_path / "other.txt"
    other.write_text("κόσμε ω\n" * 30)
    task, splits = scored_on(trained, str(other))
    assert (task.contents("test"), splits) == (other.read_text(), ("test",))
    assert task.vocabulary == trained.vocabulary


def test_splits_are_drawn_by_fraction_and_seed_and_keep_groups_together():
    items = [(f"source {n // 3}", n) for n in range(300)]
    found = parted(items, lambda one: None, OwnData(held_out=0.2), "here", "pairs", lambda one: one[0])
    assert [len(found[split]) for split in ("training", "validation", "test")] == [180, 60, 60]
    assert sorted(one for part in found.values() for one in part) == sorted(items)
    groups = [{source for source, _ in part} for part in found.values()]
    assert not groups[0] & groups[1]
    assert not groups[2] & (groups[0] | groups[1])
    other = parted(items, lambda one: None, OwnData(held_out=0.2, split_seed=1), "here", "pairs", lambda one: one[0])
    assert other["test"] != found["test"]
    with pytest.raises(ValueError, match="3 or more pairs, one for each part, got 2 in here"):
        parted(items[:6], lambda one: None, OwnData(), "here", "pairs", lambda one: one[0])
    for share in (0.0, 0.5, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"`data\.held_out` must be a share"):
            OwnData(held_out=share)
    assert [named_split(n) for n in ("x.dev.en", "my/Test/a.png", "contest.txt", "training_1.csv")] == [
        "validation",
        "test",
        None,
        "training",
    ]


PAIRS = [(f"Το σπίτι {n}.", f"The house {n}!") for n in range(40)]


@pytest.mark.parametrize("kind", ["tsv", "two files", "csv"])
def test_sentence_pairs_in_three_shapes_are_the_same(tmp_path, kind):
    if kind == "tsv":
        texts(tmp_path, pairs__tsv="EL\tEN\n" + "".join(f"{a}\t{b}\tCC-BY\n\n" for a, b in PAIRS))
    elif kind == "csv":
        with (tmp_path / "pairs.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("en", "el"), *((b, a) for a, b in PAIRS)])
    else:
        texts(tmp_path, c__el="".join(f"{a}\n" for a, _ in PAIRS), c__en="".join(f"{b}\n" for _, b in PAIRS))
    data = translation.DataOptions(path=str(tmp_path), source="el", target="en", held_out=0.25)
    own = Translation(translation.ModelOptions(), data)
    found = {split: own.text.sentences(split) for split in ("training", *own.splits)}
    assert [len(source) for source, _ in found.values()] == [20, 10, 10]
    pairs = {
        (" ".join(s), " ".join(t)) for source, target in found.values() for s, t in zip(source, target, strict=True)
    }
    assert pairs == {(f"το σπίτι {n} .", f"the house {n} !") for n in range(40)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"p__tsv": "a\tb\n\nno tab\n"}, r"got line 3 of '.*p\.tsv': 'no tab'"),
        ({"p__tsv": "a\t\n"}, r"got line 1 of '.*p\.tsv'"),
        ({"c__en": "a\n\nb\n", "c__de": "a\nb\nc\n"}, r"got line 2 of '.*c\.en': a blank line, where c\.de has one"),
        ({"c__en": "a\n", "c__fr": "a\n"}, r"c\.en beside the same in de, got it alone"),
        ({"p__csv": "en,de\na,b\nc\n"}, r"2 cells, as its header has \(en, de\), got line 3 of '.*p\.csv': 1"),
        ({"p__jsonl": '{"en": "a", "de": "b"}\n{"en": "a"\n'}, r"a JSON object a line, got line 2 of '.*p\.jsonl'"),
        ({"p__tsv": "1\ta\tb\n2\tc\td\n"}, r"whose first of three columns are numbers\. `cut -f2,3 p\.tsv`"),
        ({"p__jsonl": '{"en": "a"}\n'}, r"a column de or target or .* got line 1 of '.*p\.jsonl': the columns en"),
    ],
)
def test_pairs_that_are_none_are_named_with_file_and_line(tmp_path, files, message):
    own = Translation(translation.ModelOptions(), translation.DataOptions(path=texts(tmp_path, **files)))
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        own.contents("training")


def test_stories_are_read_and_their_questions_stay_together(tmp_path):
    story = "1 Ο Νίκος πήγε στο {0}.\n2 Πού είναι ο Νίκος;\t{0}\t1\n3 Πού είναι;\t{0}\t1\n"
    path = texts(tmp_path, s__txt="\n".join(story.format(f"σπίτι{n}") for n in range(20)))
    own = Babi(babi.ModelOptions(), babi.DataOptions(path=path))
    assert {split: len(own.contents(split)) for split in ("training", *own.splits)} == {
        "training": 32,
        "validation": 4,
        "test": 4,
    }
    (first, second) = own.contents("test")[:2]
    assert first.answer == second.answer
    assert first.question == ("πού", "είναι", "ο", "νίκος")
    texts(tmp_path / "bad", b__txt="1 a b.\n2 c?\td\n\nno number\n")
    with pytest.raises(ValueError, match=r"line 4 of '.*b\.txt': 'no number'"):
        Babi(babi.ModelOptions(), babi.DataOptions(path=str(tmp_path / "bad"))).contents("test")


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for n in range(count):
        Image.new("RGB", (30, 20), (n, 0, 0)).save(folder / f"{n}.png")


def test_pictures_with_captions_by_csv_and_by_json_lines(tmp_path):
    pictures(tmp_path / "img", 20)
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("image", "caption"), *((f"{n % 20}.png", f'Ένα "κόκκινο", {n}') for n in range(40))]
        )
    own = Captioning(captioning.ModelOptions(), captioning.DataOptions(path=str(tmp_path)))
    examples = [e for split in ("training", *own.splits) for e in own.contents(split)]
    assert len(examples) == 20
    assert {tuple(e.captions) for e in examples} == {
        (("ένα", "κόκκινο", str(n)), ("ένα", "κόκκινο", str(n + 20))) for n in range(20)
    }
    (tmp_path / "captions.csv").unlink()
    kinds = ["train", "dev", "test", "train"]
    lines = [{"file_name": f"img/{n}.png", "captions": ["a", "b"], "split": kinds[n % 4]} for n in range(20)]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = captioning.DataOptions(path=str(tmp_path), split_seed=1)
    read = Captioning(captioning.ModelOptions(), data).contents
    assert [len(read(split)) for split in ("training", "validation", "test")] == [10, 5, 5]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,caption\n0.png,one\n1.png\n", r"2 cells, .* got line 3 of '.*c\.csv'"),
        ("image,caption\nno.png,one\n", r"got line 2 of '.*c\.csv': 'no\.png', which is not there"),
        ("image,caption\n0.png,\n", r"what is said of it in 'caption', got line 2 of '.*c\.csv': nothing"),
        ("image,caption\n0.png,?!\n", r"a text with words, got line 2"),
        ("what,else\n0.png,a\n", r"a column image or .*, got line 2 of '.*c\.csv': the columns what, else"),
        ('image,caption\n0.png,"a\n', r"got line 2 of '.*c\.csv': unexpected end"),
        ("", r"which has no line"),
    ],
)
def test_captions_that_are_none_are_named_with_file_and_line(tmp_path, table, message):
    pictures(tmp_path / "p", 3)
    (tmp_path / "p/c.csv").write_text(table)
    own = Captioning(captioning.ModelOptions(), captioning.DataOptions(path=str(tmp_path / "p")))
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        own.contents("training")


def test_clips_of_any_length_rest_at_their_last_frame(tmp_path):
    for n in range(12):
        frames = [Image.new("L", (64, 64), 10 * t + 9) for t in range(2 + n % 3)]
        frames[0].save(tmp_path / f"{n}.gif", save_all=True, append_images=frames[1:])
        (tmp_path / f"{n}.txt").write_text("Καλή μέρα")
    own = LipReading(lip_reading.ModelOptions(), lip_reading.DataOptions(path=str(tmp_path)))
    clips = own.contents("training")
    assert clips.frames.shape == (10, 4, 32, 48)
    number = [int(Path(name).stem) for name in clips.names].index(0)
    assert clips.frames[number, :, 16, 24].tolist() == [9, 19, 19, 19]
    assert set(clips.sentences) == {("καλή", "μέρα")}
    films = VideoCaptioning(video_captioning.ModelOptions(), video_captioning.DataOptions(path=str(tmp_path)))
    assert films.contents("training")[0].view.shape == (4, 96)
    (tmp_path / "0.txt").write_text("one two three four")
    (tmp_path / "moved").mkdir()
    for path in [*tmp_path.glob("*.*")]:
        path.rename(tmp_path / "moved" / path.name)
    with pytest.raises(ValueError, match=r"a frame for each word, 4 for 'one two three four', got 2 in '.*0\.gif'"):
        LipReading(lip_reading.ModelOptions(), lip_reading.DataOptions(path=str(tmp_path / "moved"))).contents("test")


def test_strokes_as_points_and_as_quick_draw_has_them(tmp_path):
    points = [[[0, 0], [2, 1]], [[5, 5], [5, 9], [4, 9]]]
    quick = [[*map(list, zip(*stroke, strict=True))] for stroke in points]
    found = []
    for name, line in (("s", {"strokes": points, "text": "για"}), ("q", {"drawing": quick, "word": "cat"})):
        path = tmp_path / f"{name}.jsonl"
        path.write_text((json.dumps(line) + "\n") * 10)
        data = handwriting.DataOptions(path=str(path))
        found.append(Handwriting(handwriting.ModelOptions(), data).contents("test").points[0])
    expected = [[0, 0, 0], [2, 1, 1], [3, 4, 0], [0, 4, 0], [-1, 0, 1]]
    np.testing.assert_array_equal(found, [expected] * 2)
    with pytest.raises(
        ValueError, match=r'with a "text" each, .* got 10 of 10 drawings without one in .*, the first in line 1 of'
    ):
        Handwriting(handwriting.ModelOptions(text=True), data).batches()
    for n, wrong in enumerate(
        ('{"strokes": [[1, 2]]}', '{"strokes": 3}', '{"strokes": [[[1, NaN], [2, 3]]]}', "[]", "{}")
    ):
        path = tmp_path / f"bad{n}.jsonl"
        path.write_text(f"{json.dumps({'strokes': points})}\n{wrong}\n")
        with pytest.raises(ValueError, match=rf"got line 2 of '.*bad{n}\.jsonl'"):
            Handwriting(handwriting.ModelOptions(), handwriting.DataOptions(path=str(path))).contents("test")


def test_pictures_to_draw_are_light_on_dark_whatever_they_were(tmp_path):
    for n in range(10):
        ink = Image.new("L", (40, 20), 255 if n % 2 else 0)
        ink.paste(0 if n % 2 else 255, (15, 5, 25, 15))
        ink.save(tmp_path / f"{n}.png")
    own = Draw(draw.ModelOptions(), draw.DataOptions(path=str(tmp_path)))
    found = np.concatenate([own.contents(split) for split in ("training", *own.splits)])
    assert found.shape == (10, 28, 28)
    assert found[:, 14, 14].all()
    assert not found[:, :5].any()
    assert not found[:, 14, :3].any()
    (tmp_path / "0.png").write_bytes(b"\x89PNG")
    (tmp_path / "damaged").mkdir()
    for path in [*tmp_path.glob("*.png")]:
        path.rename(tmp_path / "damaged" / path.name)
    with pytest.raises(ValueError, match=r"got '.*0\.png'"):
        Draw(draw.ModelOptions(), draw.DataOptions(path=str(tmp_path / "damaged"))).contents("test")


def frame_task(path: str, **options) -> FramePrediction:
    model = frame_prediction.ModelOptions(cell="dense", hidden=3, layers=1)
    return FramePrediction(model, frame_prediction.DataOptions(path=path, rows=3, **options))


def test_films_are_cut_into_pieces_and_those_of_one_film_stay_together(tmp_path):
    """A GIF and arrays of two kinds, of which number, frame and place are in the greys."""
    rng = np.random.default_rng(0)
    for n in range(7):
        grey = np.full((45, 64, 48), 5 * n, np.uint8)
        grey[:, 20:44, 12:36] = np.arange(45)[:, None, None] * 5
        np.savez(tmp_path / f"{n}.npz", frames=grey if n % 2 else grey / 255)
    frames = [Image.new("L", (64, 64), 2 * t) for t in range(20)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:], disposal=1)
    task = frame_task(str(tmp_path))
    pieces = task.own
    assert task.data.set == "own"
    assert sum(len(some) for some in pieces.values()) == 7 * 2 + 1
    for some in pieces.values():
        assert (some.dtype, some.shape[1:]) == (np.uint8, (20, 32, 32))
    arrays = np.concatenate([some[some[:, 0, 16, 16] != some[:, 0, 0, 16]] for some in pieces.values()])
    assert np.isin(arrays[:, :, 16, 16] // 5, [*range(40)]).all()
    assert {tuple(np.diff(film[:, 16, 16].astype(int))) for film in arrays} == {(5,) * 19}
    owners = [{*some[some[:, 0, 0, 16] > 0][:, 0, 0, 16].tolist()} for some in pieces.values()]
    assert sum(map(len, owners)) == len(set().union(*owners))  # both pieces of a film are in one part
    batch = next(task.batches())
    assert batch.frames.dtype == np.float32
    assert 0 <= batch.frames.min() < batch.frames.max() <= 1
    params = task.init(jax.random.key(0))
    found = task.evaluate(params, jax.device_put, "test")
    learned = dataclasses.replace(task, learned=json.dumps(task.learn()))
    assert learned.evaluate(params, jax.device_put, "test") == found
    task.draw(params, tmp_path / "drawn.png", 9, 0)
    other = tmp_path / "other"
    other.mkdir()
    np.savez(other / "one.npz", frames=rng.integers(0, 256, (21, 32, 32), np.uint8))
    scored, splits = scored_on(learned, str(other))
    assert splits == ("test",)
    assert scored.evaluate(params, jax.device_put, "test")["copy"] != found["copy"]
    np.testing.assert_array_equal(scored._turned, learned._turned)  # a copy knows the training films alone


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dict(frames=np.zeros((19, 8, 8), np.uint8)), "films of 20 frames or more, got 19 in '.*one.npz'"),
        (dict(frames=np.zeros((20, 8), np.uint8)), r"got uint8\[20, 8\] in '.*one.npz'"),
        (dict(frames=np.zeros((20, 8, 8), int)), r"got int64\[20, 8, 8\] in"),
        (dict(frames=np.full((20, 8, 8), np.nan)), "numbers from 0 to 1, got others in"),
        (dict(frames=np.full((20, 8, 8), 2.0)), "numbers from 0 to 1, got others in"),
        (dict(films=np.zeros(2)), "an .npz with 'frames', got '.*one.npz'"),
        (dict(frames=np.array([object()])), "an .npz with 'frames', got '.*one.npz'"),
        (b"PK\x03\x04 cut off", "an .npz with 'frames', got '.*one.npz'"),
        (b"PK of another kind", "an .npz with 'frames', got '.*one.npz'"),
    ],
)
def test_a_film_that_is_none_is_named(tmp_path, content, message):
    path = tmp_path / "one.npz"
    path.write_bytes(content) if isinstance(content, bytes) else np.savez(path, **content)
    with pytest.raises(ValueError, match=message):
        frame_task(str(tmp_path)).own  # noqa: B018
