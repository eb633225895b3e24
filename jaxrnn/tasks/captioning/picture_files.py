"""Files of pictures as the captioner sees them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from jaxrnn.tasks.shared.image_files import Source, on_white, opened

SIZE = 64  # of a picture, in pixels
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_picture(source: Source) -> np.ndarray:
    """A PNG, JPEG or WebP of any shape, on white where it is transparent, as uint8 [64, 64, 3].

    Raises:
        ValueError: If it is none, or has more than 40 million pixels.
    """
    with opened(source, "picture", "a picture, a PNG, JPEG or WebP file", ("PNG", "JPEG", "WEBP")) as file:
        picture = on_white(file)
    return np.array(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
