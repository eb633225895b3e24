"""TensorFlow's checkpoints, a `.index` beside `.data` files, read by an installed TensorFlow: variables by name.

Its reader compares a checksum of each array. What an optimizer keeps for a variable stands below the variable's name
and is no part of a model.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.rules import check_declared
from jaxrnn.interop.source import Entry, Source, refused

OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # what TensorFlow 2 adds to the path of a variable
SLOT = "/.OPTIMIZER_SLOT/"


def stem_of(path: Path) -> Path | None:
    """What the files of a checkpoint begin with; None where there is none here."""
    name = path.name.removesuffix(".index")
    stem = path.with_name(name.partition(".data-")[0])
    return stem if name and path.with_name(f"{stem.name}.index").is_file() else None


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The variables of a checkpoint."""
    import tensorflow as tf

    stem = stem_of(path)
    if stem is None:
        fail("source", "a checkpoint of TensorFlow, whose .index is there", str(path))
    beside = tuple(part for part in stem.parent.iterdir() if part.name.startswith(f"{stem.name}.data-"))
    stored = sum(part.stat().st_size for part in beside)
    checkpoint = tf.train.load_checkpoint(str(stem))
    shapes, dtypes = checkpoint.get_variable_to_shape_map(), checkpoint.get_variable_to_dtype_map()
    names = [name for name in shapes if SLOT not in name and not _is_slot(name, shapes)]
    entries = tuple(_entry(checkpoint, name, shapes[name], dtypes[name], stored) for name in sorted(names))
    yield Source(entries, beside=beside)


def _is_slot(name: str, known: Any) -> bool:
    """Whether it is kept for another variable: moments of an optimizer, moving averages."""
    return name.rpartition("/")[0] in known


def _entry(checkpoint: Any, name: str, shape: Any, dtype: Any, stored: int) -> Entry:
    plain = name.removesuffix(OBJECT)
    kind: Any = dtype.as_numpy_dtype
    if not isinstance(kind, type) or np.dtype(kind).hasobject or any(n < 0 for n in shape):
        return refused(plain, "an array of numbers", Said(f"{dtype.name}{list(shape)}"))
    check_declared(math.prod(shape) * np.dtype(kind).itemsize, stored, plain, packed=False)
    return Entry(plain, tuple(shape), np.dtype(kind), partial(checkpoint.get_tensor, name))
