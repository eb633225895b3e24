"""torch's .pt, .pth and .ckpt, only ever with `weights_only=True`: tensors, and no pickled code.

The members of an archive carry checksums, which torch does not compare; they are compared here before it reads. Files
from before torch 1.6 are no archives and have none.
"""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.rules import archive_of, check_declared
from jaxrnn.interop.source import FileError, Source, from_mapping

ADVICE = (
    "Where you trust the file: module = torch.load({path!r}, weights_only=False); "
    "torch.save(module.state_dict(), 'weights.pt')"
)


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The tensors of a saved state dict, or of a checkpoint that holds one below `prefix`."""
    import torch

    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if packed:
        with archive_of(path) as archive:
            _check_archive(archive, path.name)
    room = path.stat().st_size

    def bounded(storage: Any, location: str) -> Any:
        nonlocal room
        check_declared(storage.nbytes(), room, path.name, packed=False)
        room -= storage.nbytes()
        return storage

    try:  # mapped, a storage is a piece of the file and can be no larger
        state = torch.load(path, map_location=bounded, weights_only=True, mmap=packed)
    except Exception as error:
        raise FileError(f"{path.name} cannot be read: {_reason(error, path)}") from error
    if not isinstance(state, Mapping):
        fail(path.name, "a state dict, as torch.save(model.state_dict(), path) writes it", Said(type(state).__name__))
    _check_tensors(state, path.name)
    yield from_mapping(state, path.name)


def _check_archive(archive: zipfile.ZipFile, name: str) -> None:
    """No member packed, none damaged."""
    members = archive.infolist()
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            fail(member.filename, "stored without packing, as torch does", Said("packed"))
    if (damaged := archive.testzip()) is not None:
        hint = "torch writes none that fit after `torch.serialization.set_crc32_options(False)`."
        fail(name, "an archive whose checksums fit", Said(f"another one in {damaged!r}"), hint)


def _check_tensors(tree: Any, name: str) -> None:
    """No tensor is larger than what is stored for it: its strides could repeat one number without end."""
    if isinstance(tree, Mapping):
        for value in tree.values():
            _check_tensors(value, name)
    elif hasattr(tree, "untyped_storage") and str(tree.layout) == "torch.strided" and not tree.is_meta:
        declared = tree.numel() * tree.element_size()
        check_declared(declared, tree.untyped_storage().nbytes(), f"a tensor of {name}", packed=False)


def _reason(error: Exception, path: Path) -> str:
    """In our words: torch advises to run what is in the file."""
    if isinstance(error, FileError | ImportError) or type(error).__name__ != "UnpicklingError":
        first = next(iter(str(error).splitlines()), "")
        return f"{type(error).__name__}: {first[:200]}"
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is not None:
        return f"it holds objects of {named[1]}, whose making would run code. {ADVICE.format(path=str(path))}"
    return "what torch pickled in it is damaged, or more than tensors"


def content(arrays: Mapping[str, Any]) -> bytes:
    """The file of a state dict."""
    import torch

    buffer = io.BytesIO()
    torch.save({name: _tensor(torch, np.asarray(a)) for name, a in arrays.items()}, buffer)
    return buffer.getvalue()


def _tensor(torch: Any, array: Any) -> Any:
    """A tensor with the bits of an array; bfloat16 is not known to NumPy, on whose dtypes torch relies."""
    if array.dtype == jnp.bfloat16:
        return torch.tensor(array.view(np.int16)).view(torch.bfloat16)
    return torch.tensor(array)
