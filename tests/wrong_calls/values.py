"""What is put in place of an argument: values of every type, drawn anew from each seed."""

from __future__ import annotations

import fractions
import random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _nothing() -> None:
    """A function without arguments: whoever calls it with one gets Python's error."""


class Stranger:
    """An object of no type that anything knows."""


def wrong_values(seed: int) -> list[Any]:
    """Some fifty values, none of which fits everywhere and most of which fit nowhere."""
    draw = random.Random(seed)
    shape = tuple(draw.randint(2, 7) for _ in range(draw.randint(1, 4)))
    array = np.asarray([draw.uniform(-9, 9) for _ in range(np.prod(shape))]).reshape(shape)
    word = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz_", k=draw.randint(1, 9)))
    digits = str(draw.randint(0, 999))
    return [
        None,
        True,
        False,
        0,
        draw.randint(1, 9),
        -draw.randint(1, 9),
        2 ** draw.randint(63, 200),
        -(2 ** draw.randint(63, 200)),
        10**5000,  # Python does not print it
        0.0,
        draw.uniform(0, 1),
        draw.uniform(1, 9),
        -draw.uniform(0, 9),
        float("nan"),
        float("inf"),
        -float("inf"),
        complex(0, draw.uniform(1, 9)),
        fractions.Fraction(draw.randint(1, 9), 10),
        digits,
        "",
        word,
        np.str_(word),
        digits.encode(),
        [],
        {},
        (),
        set(),
        [draw.randint(1, 9)],
        (draw.randint(1, 9),),
        {word: draw.randint(1, 9)},
        [word],
        range(draw.randint(1, 9)),
        object(),
        Stranger(),
        Stranger,
        _nothing,
        ...,
        np.int64(draw.randint(1, 9)),
        np.int8(-draw.randint(1, 9)),
        np.float32(draw.uniform(0, 1)),
        np.float64("nan"),
        np.bool_(draw.random() < 0.5),
        np.array(draw.randint(1, 9)),
        np.array([], np.float32),
        array,
        array.astype(np.float32),
        array.astype(">f4"),
        array.astype(np.int32),
        array > 0,
        array.astype(complex),
        array.astype(object),
        array.astype(str),
        np.ma.masked_array(array, array > 0),
        jnp.asarray(array, jnp.float32),
        jax.ShapeDtypeStruct(shape, jnp.float32),
        jax.random.key(draw.randint(0, 9)),
        jax.random.split(jax.random.key(0), draw.randint(2, 4)),
        np.dtype(draw.choice(["int32", "float32", "complex64", "S3"])),
    ]
