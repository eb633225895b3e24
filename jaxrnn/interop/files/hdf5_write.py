"""Writing Keras's weights: the layout that `model.load_weights` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrnn.interop.keras_layers import VARIABLES


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Named arrays; the variables of a Keras cell by number, as Keras 3 stores them."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            *head, last = name.split("/")
            if last in VARIABLES and "cell" in head:
                file["/".join(("layers", *head, "vars", str(VARIABLES.index(last))))] = value
            else:
                file[name] = value
