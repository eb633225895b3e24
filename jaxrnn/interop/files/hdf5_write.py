"""Writing Keras's weights: the layout that `model.load_weights` reads."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.interop.keras_names import VARIABLES


def content(arrays: Mapping[str, Any]) -> bytes:
    """The file of named arrays, made in memory: HDF5 does not survive a disk that fills up under it. The variables of a
    Keras cell go by number, as Keras 3 stores them, and bfloat16 is bytes with a mark, as in Keras."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in arrays.items():
            *head, last = name.split("/")
            if last in VARIABLES and "cell" in head:
                name = "/".join(("layers", *head, "vars", str(VARIABLES.index(last))))
            data = file.create_dataset(name, data=np.asarray(value))
            if value.dtype == jnp.bfloat16:
                data.attrs["dtype"] = "bfloat16"
    return buffer.getvalue()
