"""Files of pictures and films, opened so that each thing that may be wrong with them is one error."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxrnn.base.errors import Said, fail, name_here

Source = str | Path | io.BytesIO
MOST_PIXELS = 40_000_000  # a camera's; a few bytes can ask for many more
ANEW = "Fetch it anew, or open it in a viewer and save it as PNG."
DAMAGED = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
)
TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def name_of(source: Source) -> str:
    """For a message; what came out of an archive has none."""
    return "one of a data set" if isinstance(source, io.BytesIO) else repr(str(source))


@contextmanager
def opened(source: Source, argument: str, expected: str, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """A picture or film of one of some formats, whatever its name; to decode it is for the block.

    Pillow knows formats for which it starts other programs: those asked for are the only ones that are tried.

    Raises:
        ValueError: If it is none, is damaged, or has more than 40 million pixels; it names the argument.
    """
    fewer = f"of {MOST_PIXELS:,} pixels or fewer"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which is not read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=formats) as file:
                if file.width * file.height > MOST_PIXELS:
                    fail(argument, fewer, Said(f"{name_of(source)}: {file.width} x {file.height}"))
                yield file
    except TOO_LARGE as error:  # beyond what Pillow opens: "Image size (... pixels) exceeds limit"
        size = str(error).partition(" exceeds")[0]
        fail(argument, fewer, Said(f"{name_of(source)}: {size}"))
    except DAMAGED as error:
        if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
            fail(argument, expected, Said(f"{name_of(source)} ({error.strerror})"))  # not there, or not to be read
        if str(error).startswith(f"`{name_here(argument)}` must be "):
            raise
        none = isinstance(error, UnidentifiedImageError)
        why = f"which is none of {', '.join(formats)} by its first bytes" if none else "which is cut off or damaged"
        fail(argument, expected, Said(f"{name_of(source)}, {why}"), ANEW)


def on_white(picture: Image.Image) -> Image.Image:
    """A picture or a frame as it is to be seen: upright, on white where it is transparent, eight bits a colour."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):  # sixteen bits of grey, which Pillow would cut off at 255
        return Image.fromarray(((np.asarray(upright).astype(np.int64) + 128) // 257).astype(np.uint8)).convert("RGB")
    layer = upright.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    ground.alpha_composite(layer)
    return ground.convert("RGB")
