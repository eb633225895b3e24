"""TorchScript's archives: the tensors of their modules, by name. Nothing of what is in them runs.

An archive's `data.pkl` says how torch would make its objects. Here its instructions are followed on plain values: what
is no tensor, container or module with attributes stays a name, and nothing is called. The checksums of the archive are
compared where a member is read.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.files.rules import archive_of, check_declared
from jaxrnn.interop.source import Entry, Source, check_once
from jaxrnn.interop.untold import nonlinearity

MOST_PICKLED = 64 * 2**20  # bytes of instructions
DEEPEST = 100  # modules within modules
MOST_ATTRIBUTES = 1_000_000
STORAGES: dict[str, Any] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": jnp.dtype(jnp.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class Name(NamedTuple):
    """A class or a function that a pickle names."""

    module: str
    name: str


class Stored(NamedTuple):
    """Numbers of a member: their dtype, the member, and how many there are."""

    dtype: Any
    member: str
    length: int


class Tensor(NamedTuple):
    """A view of what is stored."""

    stored: Stored
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class Made:
    """Anything that torch would make: its attributes, if it is a module."""

    of: Any
    state: Any = field(default_factory=dict)


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The tensors of a module and of those in it, by the paths of their attributes."""
    with archive_of(path) as archive:
        members = {m.filename.partition("/")[2]: m for m in archive.infolist()}
        if "data.pkl" not in members:
            fail(path.name, "an archive of TorchScript, with data.pkl", Said(f"one with {sorted(members)[:12]}"))
        if members["data.pkl"].file_size > MOST_PICKLED:
            fail("data.pkl", f"of at most {MOST_PICKLED} bytes", Said(f"{members['data.pkl'].file_size}"))
        whole = _followed(archive.read(members["data.pkl"]), path.name)
        tensors = list(itertools.islice(_tensors(whole, "", 0), MOST_ATTRIBUTES + 1))
        if len(tensors) > MOST_ATTRIBUTES:
            fail(path.name, f"a module of at most {MOST_ATTRIBUTES} attributes", Said("more"))
        tensors = [(name, tensor) for name, tensor in tensors if isinstance(tensor, Tensor)]
        check_once((name for name, _ in tensors), path.name, "name")
        entries = tuple(_entry(archive, members, name, tensor) for name, tensor in tensors)
        yield Source(entries, defaults=nonlinearity)


def _tensors(made: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every attribute of modules within modules: one may be in several, and so more often than it is stored."""
    if isinstance(made, Made) and isinstance(made.state, dict) and depth < DEEPEST:
        for name, value in made.state.items():
            here = f"{path}.{name}" if path else str(name)
            yield here, value
            yield from _tensors(value, here, depth + 1)


def _entry(archive: zipfile.ZipFile, members: dict[str, Any], name: str, tensor: Tensor) -> Entry:
    stored = tensor.stored
    member = members.get(f"data/{stored.member}")
    if member is None:
        fail(name, "stored in the archive", Said(f"no member data/{stored.member}"))
    if member.compress_type != zipfile.ZIP_STORED:
        fail(member.filename, "stored without packing, as torch does", Said("packed"))
    size = stored.dtype.itemsize
    check_declared(stored.length * size, member.file_size, name, packed=False)
    check_declared(math.prod(tensor.shape) * size, stored.length * size, name, packed=False)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) and last >= stored.length:
        fail(name, f"within the {stored.length} numbers that are stored", Said(f"one that ends at {last}"))

    def read() -> Any:
        numbers = np.frombuffer(archive.read(member), stored.dtype, stored.length)[tensor.offset :]
        steps = [step * size for step in tensor.strides]
        return np.lib.stride_tricks.as_strided(numbers, tensor.shape, steps, writeable=False)

    return Entry(
        name,
        tensor.shape,
        np.dtype(stored.dtype).newbyteorder("=") if stored.dtype.isbuiltin == 1 else stored.dtype,
        read,
    )


# ---------------------------------------------------------------- the instructions of a pickle, on plain values

MARK = object()
PLAIN = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"),
)


def _followed(pickled: bytes, where: str) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def marked() -> list[Any]:
        at = max(i for i, value in enumerate(stack) if value is MARK)
        found = stack[at + 1 :]
        del stack[at:]
        return found

    for operation, argument, _ in pickletools.genops(pickled):
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name if name in PLAIN:
                stack.append(PLAIN[name])
            case name if name in VALUES:
                stack.append(argument)
            case "GLOBAL":
                stack.append(Name(*str(argument).split(" ", 1)))
            case "STACK_GLOBAL":
                named, module = stack.pop(), stack.pop()
                stack.append(Name(str(module), str(named)))
            case "MARK":
                stack.append(MARK)
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                value = stack.pop()
                _as(list, stack[-1], where).append(value)
            case "APPENDS":
                values = marked()
                _as(list, stack[-1], where).extend(values)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _put(_as(dict, stack[-1], where), key, value, where)
            case "SETITEMS":
                values = marked()
                for key, value in zip(values[::2], values[1::2], strict=True):
                    _put(_as(dict, stack[-1], where), key, value, where)
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[int(argument or 0)])
            case "BINPUT" | "LONG_BINPUT":
                memo[int(argument or 0)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPERSID":
                stack.append(_stored(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(_made(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                _as(Made, stack[-1], where).state = state
            case other:
                fail(where, "pickled as TorchScript does", Said(f"the instruction {other}"))
    return fail(where, "pickled whole", Said("no end"))


def _as(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        fail(where, "pickled as TorchScript does", Said(f"a {type(value).__name__} in place of a {kind.__name__}"))
    return value


def _put(into: dict[Any, Any], key: Any, value: Any, where: str) -> None:
    if not isinstance(key, str | int | float | bool | tuple | None):
        fail(where, "pickled as TorchScript does", Said("a key of another kind"))
    into[key] = value


def _stored(told: Any) -> Any:
    """('storage', its class, the member's name, a device, how many)."""
    if isinstance(told, tuple) and len(told) == 5 and told[0] == "storage" and isinstance(told[1], Name):
        dtype = STORAGES.get(told[1].name)
        if dtype is not None and isinstance(told[2], str) and type(told[4]) is int and told[4] >= 0:
            return Stored(dtype, told[2], told[4])
    return Made(None)


def _made(function: Any, arguments: Any) -> Any:
    """A tensor, what a parameter is made of, or something that only torch could make."""
    if function == Name("torch._utils", "_rebuild_tensor_v2") and isinstance(arguments, tuple) and len(arguments) >= 4:
        stored, offset, shape, strides = arguments[:4]
        numbers = all(isinstance(a, tuple) and all(type(n) is int and n >= 0 for n in a) for a in (shape, strides))
        if (
            isinstance(stored, Stored)
            and numbers
            and len(shape) == len(strides)
            and type(offset) is int
            and offset >= 0
        ):
            return Tensor(stored, offset, shape, strides)
    if function == Name("torch._utils", "_rebuild_parameter") and isinstance(arguments, tuple) and arguments:
        return arguments[0]
    return Made(function)
