"""Folders of pictures and films that people have: a file and what is said of it belong together, or are named."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks.captioning.own_pictures import own_pictures
from jaxrnn.tasks.lip_reading import lip_reading
from jaxrnn.tasks.shared.own_clips import own_clips
from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.video_captioning import video_captioning

WHOLE = OwnData(held_out=1)


def picture(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), colour).save(path)
    return path


def film(path: Path, frames: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    some = [Image.new("L", (8, 8), 9 * n) for n in range(frames)]
    some[0].save(path, save_all=True, append_images=some[1:])
    return path


def captions(folder: Path, data: OwnData = WHOLE) -> dict[str, list[tuple[tuple[str, ...], ...]]]:
    return {split: [one.captions for one in some] for split, some in own_pictures(data, str(folder)).items()}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a"], r"got '.*b\.png' without its text\. A folder"),
        (["a", "b", "c"], r"got '.*c\.txt' without its file\."),
        (["a", "b", "B.png"], r"got '.*B\.png\.txt' without its file\."),
        (["a", "b", "labels"], r"got '.*labels\.txt' without its file\."),
    ],
)
def test_a_file_without_a_text_and_a_text_without_a_file_are_named(tmp_path, texts, message):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    for name in texts:
        (tmp_path / f"{name}.txt").write_text("one")
    with pytest.raises(ValueError, match=rf"a file beside each text, {message}"):
        captions(tmp_path)


def test_one_text_for_two_files_is_refused(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("one")
    with pytest.raises(ValueError, match=r"got 'a\.jpg' and 'a\.png' and 'a\.txt'\."):
        captions(tmp_path)


def test_texts_in_capitals_and_letters_stored_in_two_ways_are_found(tmp_path):
    """Names from a Mac have a letter and its mark apart, those of other systems have them as one."""
    for name, text in (("one", "ONE.TXT"), (unicodedata.normalize("NFD", "\u00fcb"), "\u00fcb.txt")):
        picture(tmp_path / f"{name}.png")
        (tmp_path / (text if name != "one" else "one.TXT")).write_text("said")
    (tmp_path / "README.txt").write_text("of no picture")
    assert captions(tmp_path)["test"] == [(("said",),)] * 2
    other = tmp_path / "table"
    picture(other / "img" / unicodedata.normalize("NFD", "\u00e9.png"))
    (other / "c.csv").write_text("image,caption\n\u00e9.png,one\n")
    assert captions(other)["test"] == [(("one",),)]


def test_of_two_files_of_a_name_the_one_in_the_folder_that_is_said(tmp_path):
    for n, folder in enumerate("xy"):
        picture(tmp_path / "img" / folder / "a.png", 99 * n)
    (tmp_path / "c.csv").write_text("image,caption\nx/a.png,dark\ny/a.png,light\n")
    found = own_pictures(WHOLE, str(tmp_path))["test"]
    assert [(int(one.view.max()), one.captions) for one in found] == [(0, (("dark",),)), (99, (("light",),))]


def test_files_that_no_line_names_are_said(tmp_path):
    for name in "abc":
        picture(tmp_path / f"{name}.png")
    (tmp_path / "c.csv").write_text("image,caption\na.png,one\n")
    with pytest.warns(UserWarning, match=r"2 of 3 files are in no table of '.*' and left out, such as '.*b\.png'"):
        assert captions(tmp_path)["test"] == [(("one",),)]


@pytest.mark.parametrize("word", ["held-out", "eval", "1", "trian"])
def test_a_split_of_another_name_is_refused(tmp_path, word):
    """It would be trained on, and whoever wrote it would not know."""
    picture(tmp_path / "a.png")
    (tmp_path / "c.csv").write_text(f"image,caption,Split\na.png,one,train\na.png,two,{word}\n")
    with pytest.raises(ValueError, match=rf"train, valid or test in 'split', or nothing, got line 3 of .*'{word}'"):
        captions(tmp_path)


@pytest.mark.parametrize("names", [("a.png", "a.png"), ("a.png", "img/../a.png"), ("a.png", "link.png")])
@pytest.mark.parametrize("other", ["test", ""])
def test_a_picture_in_two_parts_is_refused(tmp_path, names, other):
    picture(tmp_path / "a.png")
    (tmp_path / "img").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    table = f"image,caption,split\n{names[0]},one,train\n{names[1]},two,{other}\n"
    (tmp_path / "c.csv").write_text(table)
    with pytest.raises(ValueError, match=r"each file in one of .*, line 2 of '.*c\.csv', and for .*, line 3 of"):
        captions(tmp_path)


def test_a_path_that_is_a_picture_has_nothing_said_of_it(tmp_path):
    path = picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"pictures with captions, got '.*a\.png', of which nothing is said"):
        captions(path)


def test_captions_may_have_more_words_than_a_film_has_frames(tmp_path):
    """A word a frame is a rule of reading lips by CTC alone."""
    film(tmp_path / "a.gif")
    (tmp_path / "a.txt").write_text("one two three four five six")
    data = video_captioning.DataOptions(path=str(tmp_path), held_out=1)
    found = video_captioning.VideoCaptioning(video_captioning.ModelOptions(), data).contents("test")
    assert [len(one.captions[0]) for one in found] == [6]
    assert np.shape(own_clips(WHOLE, str(tmp_path), 8, 8)["test"][0].frames) == (4, 8, 8)
    read = lip_reading.LipReading(lip_reading.ModelOptions(), lip_reading.DataOptions(path=str(tmp_path), held_out=1))
    with pytest.raises(ValueError, match=r"clips with a frame for each word, 6 for .*, got 4 in"):
        read.contents("test")
