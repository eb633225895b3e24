"""Pictures are opened as what is promised, whatever their names say, and no further than a stated size."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks.captioning.captioned_pictures import read_picture
from jaxrnn.tasks.captioning.own_pictures import own_pictures
from jaxrnn.tasks.drawing.own_drawings import grey_of
from jaxrnn.tasks.shared.clips import HEIGHT, WIDTH, read_clip
from jaxrnn.tasks.shared.own_clips import own_clips, read_film
from jaxrnn.tasks.shared.own_splits import OwnData


def packed(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["TIFF", "BMP", "ICO", "PPM", "TGA", "PCX", "GIF"])
def test_other_formats_are_refused_by_name(tmp_path: Path, format: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(packed(Image.new("RGB", (32, 32)), format))
    with pytest.raises(
        ValueError, match=r"`picture` must be a picture, a PNG, JPEG or WebP file, got '.*picture\.png'"
    ):
        read_picture(path)
    path.write_bytes(packed(Image.new("RGB", (WIDTH, HEIGHT)), "BMP"))
    with pytest.raises(ValueError, match=r"`clip` must be a film, a GIF file, or a mosaic of frames, got"):
        read_clip(path)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_what_is_promised_is_read_under_any_name(tmp_path: Path, format: str) -> None:
    path = tmp_path / "picture.dat"
    path.write_bytes(packed(Image.new("RGB", (64, 64), (255, 0, 0)), format))
    assert (np.abs(read_picture(path).astype(int) - [255, 0, 0]) <= 2).all()


def test_a_picture_that_would_fill_the_memory() -> None:
    """10 KB that ask for 81 megapixels."""
    small = packed(Image.new("1", (9000, 9000)), "PNG")
    assert len(small) < 20_000
    with pytest.raises(ValueError, match=r"`picture` must be of 40,000,000 pixels or fewer, got .*: 9000 x 9000\."):
        read_picture(io.BytesIO(small))


def test_a_film_is_measured_before_it_is_unpacked() -> None:
    with pytest.raises(ValueError, match=r"`clip` must be frames of 48 x 32 .*, got 4000 x 4000 in"):
        read_clip(io.BytesIO(packed(Image.new("L", (4000, 4000)), "GIF")))
    frames = [Image.new("L", (WIDTH, HEIGHT), n % 256) for n in range(3)]
    film = packed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_clip(io.BytesIO(film)).shape == (3, HEIGHT, WIDTH)


def test_too_many_frames(monkeypatch: Any) -> None:
    monkeypatch.setattr("jaxrnn.tasks.shared.clips.MOST_FRAMES", 2)
    frames = [Image.new("L", (WIDTH, HEIGHT), 80 * n) for n in range(3)]
    film = packed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"`clip` must be 2 frames or fewer, got more in one of a data set\."):
        read_clip(io.BytesIO(film))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
def test_a_damaged_file_is_one_error(format: str) -> None:
    """Whatever a flipped byte does to Pillow: our error, or a picture."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = packed(picture, format, **({} if format == "GIF" else {"exif": exif}))
    for place in range(0, min(len(whole), 400)):
        content = bytearray(whole)
        content[place] ^= 0x5A
        said = error_of(read_clip if format == "GIF" else read_picture, bytes(content))
        assert said is None or said.startswith(("`picture` must be", "`clip` must be"))


def error_of(read: Any, content: bytes) -> str | None:
    try:
        read(io.BytesIO(content))
    except ValueError as error:
        return str(error)
    return None


RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))  # grey from left to right


@pytest.mark.parametrize("read", [read_picture, grey_of, partial(read_film, height=64, width=64)])
def test_sixteen_bits_of_grey_are_scaled_not_cut_off(tmp_path: Path, read: Any) -> None:
    """Pillow's own conversion makes whatever is above 255 of 65,535 white."""
    eight, sixteen = tmp_path / "eight.png", tmp_path / "sixteen.png"
    eight.write_bytes(packed(Image.fromarray(RAMP), "PNG"))
    sixteen.write_bytes(packed(Image.fromarray(RAMP.astype(np.uint16) * 257), "PNG"))
    with Image.open(sixteen) as file:
        assert file.mode.startswith("I")
    np.testing.assert_array_equal(read(sixteen), read(eight))


def test_a_film_that_is_transparent_lies_on_white(tmp_path: Path) -> None:
    """Black ink that its alpha alone draws, as a picture of the same has it."""
    path = tmp_path / "film.png"
    path.write_bytes(packed(Image.merge("LA", [Image.new("L", (64, 64)), Image.fromarray(RAMP)]), "PNG"))
    (frame,) = read_film(path, 64, 64)
    assert np.abs(frame.astype(int) - (255 - RAMP.astype(int))).max() <= 1
    np.testing.assert_array_equal(frame, read_picture(path)[..., 0])


def test_a_damaged_picture_is_named_with_the_line_that_names_it(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(packed(Image.fromarray(RAMP), "PNG"))
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "t.csv").write_text("image,caption\na.png,one\nb.png,two\nc.png,three\n")
    for own in (own_pictures, partial(own_clips, height=32, width=48)):
        with pytest.raises(ValueError, match=r"line 3 of '.*t\.csv': .*b\.png', which is none of .* save it as PNG"):
            own(OwnData(), str(tmp_path))
    (tmp_path / "b.png").write_bytes(packed(Image.fromarray(RAMP), "PNG")[:-40])
    for own in (own_pictures, partial(own_clips, height=32, width=48)):
        with pytest.raises(ValueError, match=r"line 3 of '.*t\.csv': .*b\.png', which is cut off or damaged\. "):
            own(OwnData(), str(tmp_path))
