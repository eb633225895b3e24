"""Files of pictures and films, opened so that each thing that may be wrong with them is one error."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from jaxrnn.errors import Said, fail

Source = str | Path | io.BytesIO
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def name_of(source: Source) -> str:
    """For a message; what came out of an archive has none."""
    return "one of a data set" if isinstance(source, io.BytesIO) else repr(str(source))


@contextmanager
def opened(source: Source, argument: str, expected: str) -> Iterator[Image.Image]:
    """A picture or film of any format that Pillow reads; to decode it is for the block.

    Raises:
        ValueError: If it is none, is damaged, or would unpack to hundreds of megabytes; it names the argument.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as file:
                yield file
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        fail(argument, expected, Said(f"{name_of(source)} ({error})"))
