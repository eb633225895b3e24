"""What a function reads besides its arguments, as part of its value.

A layer is static: programs, tables and findings are cached by its value. A function in it (an activation, a user's
equations, a merge) is equal to itself alone, whatever it reads: a number in a closure, a global, an attribute of an
object. `still` puts a snapshot of all that beside the function, so that a layer is equal to another only while both
would compute the same. What belongs to an open trace has no value yet: such a layer is `open`, and nothing keeps it.
"""

from __future__ import annotations

import dis
import hashlib
import sys
import types
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np

from jaxrnn.core.layer import Layer, Parameter

MOST = 2000  # things that are looked at; a function that reads more counts as open
SMALL = 2**20  # bytes of a NumPy array, which can change: a larger one counts as open
KNOWN = frozenset(
    {"builtins", "functools", "inspect", "itertools", "jax", "jaxlib", "math", "numpy", "operator", "typing"}
)
LIBRARIES = KNOWN | {"chex", "collections", "dataclasses", "flax", "jaxrnn", "jaxtyping", "optax"}  # keep their globals
ATOMS = (
    type(None),
    bool,
    int,
    str,
    bytes,
    type,
    type(...),
    np.dtype,
    types.BuiltinFunctionType,
    types.CodeType,
    types.ModuleType,
)
JITTED: Any = type(jax.jit(lambda: None))


@dataclass(frozen=True)
class Snapshot:
    """A function beside what it reads; equal to another while both read the same."""

    function: Callable[..., Any] = field(compare=False)
    reads: Hashable
    arrays: bool = field(compare=False)  # whether there are arrays among it
    open: bool = field(compare=False)  # whether it belongs to a trace, or cannot be told: equal to nothing else then

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)


def still(layer: Any) -> Any:
    """The layer with a snapshot in place of each function whose result may change; itself where there is none."""
    return layer if _is_unchanging(layer) else _rebuilt(layer)


def snapshots(layer: Any) -> Iterator[Snapshot]:
    """All snapshots in a layer."""
    if isinstance(layer, Snapshot):
        yield layer
    for part in _inside(layer):
        yield from snapshots(part)


def is_open(layer: Any) -> bool:
    """Whether a function in the layer reads what belongs to an open trace."""
    return not _is_unchanging(layer) and any(s.open for s in snapshots(layer))


def holds_arrays(layer: Any) -> bool:
    """Whether a function in the layer reads arrays, of an open trace or not."""
    return not _is_unchanging(layer) and any(s.arrays or s.open for s in snapshots(layer))


class _Changes(Exception):
    """A layer holds a snapshot, or a function whose result may change. An exception, since `lru_cache` keeps none."""


def _is_unchanging(layer: Any) -> bool:
    """Whether nothing in the layer may change; looked at once, since every call asks."""
    try:
        _unchanging(layer)
    except _Changes:
        return False
    return True


@lru_cache(maxsize=4096)
def _unchanging(layer: Any) -> None:
    """Nothing, or `_Changes`."""
    if any(True for _ in snapshots(layer)) or any(_Walk().of(f).changes for f in _functions(layer)):
        raise _Changes


def _inside(value: Any) -> Iterator[Any]:
    """The parts of a layer, of what it is made of, or of a tuple; no initialisers, as nothing caches what they do."""
    if isinstance(value, tuple):
        yield from value
    elif _is_made_of_parts(value):
        yield from (getattr(value, f.name) for f in fields(value) if f.compare)


def _functions(value: Any) -> Iterator[Any]:
    if _is_function(value):
        yield value
    for part in _inside(value):
        yield from _functions(part)


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, (type, Snapshot)) and not _is_made_of_parts(value)


def _is_made_of_parts(value: Any) -> bool:
    """A layer, or a dataclass of ours within one; a user's that can be called is a function."""
    if not is_dataclass(value) or isinstance(value, (type, Parameter, Snapshot)):
        return False
    return isinstance(value, Layer) or _library(type(value).__module__) == "jaxrnn"


def _rebuilt(value: Any) -> Any:
    if _is_function(value):
        return _snapshot(value)
    if isinstance(value, tuple):
        new = tuple(map(_rebuilt, value))
        return new if type(value) is tuple else type(value)(*new)  # a named one takes its fields apart
    if not _is_made_of_parts(value):
        return value
    parts = {f.name: getattr(value, f.name) for f in fields(value) if f.init and f.compare}
    changed = {name: new for name, old in parts.items() if (new := _rebuilt(old)) is not old}
    return replace(value, **changed) if changed else value


def _snapshot(function: Any) -> Any:
    walk = _Walk().of(function)
    if not walk.changes:
        return function
    return Snapshot(function, object() if walk.open else tuple(walk.found), walk.arrays, walk.open)


@dataclass(frozen=True)
class _Same:
    """Equal by identity, and kept alive, so that no other thing takes its place in memory."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class _Walk:
    """A walk through all that a function reads."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.seen: dict[int, tuple[int, Any]] = {}  # by identity: a number, and the thing, which is kept alive
        self.changes = self.arrays = self.open = False

    def of(self, value: Any) -> _Walk:
        todo: list[Any] = [value]
        while todo and not self.open:
            value = todo.pop()
            if isinstance(value, ATOMS):
                self.found.append((type(value), value))
            elif callable(value) and _is_named_in_a_library(value):
                self.found.append(_Same(value))
            elif isinstance(value, (float, complex)):
                self.found.append(repr(value))  # of NaN and of -0.0 too
            elif id(value) in self.seen:
                self.found.append(self.seen[id(value)][0])
            else:
                self.seen[id(value)] = len(self.seen), value
                self.found.append(type(value))
                todo += self._read(value)
                self.open |= len(self.seen) > MOST
        self.changes |= self.open
        return self

    def _read(self, value: Any) -> list[Any]:
        match value:
            case jax.core.Tracer():
                self.open = True
            case jax.Array():
                self.arrays = self.changes = True
                self.found.append(_Same(value))
            case np.generic():
                self.found.append((value.dtype, value.tobytes()))
            case np.ndarray():
                self.arrays = self.changes = True
                self.open |= value.dtype.hasobject or value.nbytes > SMALL
                self.found.append((value.dtype, value.shape, hashlib.sha256(value.tobytes()).digest()))
            case types.FunctionType():
                return self._function(value)
            case types.MethodType():
                return [value.__func__, value.__self__]
            case partial():
                return [value.func, *value.args, *value.keywords, *value.keywords.values()]
            case tuple():
                return list(value)
            case list() | set() | frozenset():
                self.changes |= not isinstance(value, frozenset)
                return list(value)
            case dict():
                self.changes = True
                return [*value, *value.values()]
            case _:
                return self._object(value)
        return []

    def _function(self, function: types.FunctionType) -> list[Any]:
        cells = [c.cell_contents for c in function.__closure__ or () if c != types.CellType()]  # unless it is empty
        inner = [function.__code__, function.__defaults__, *(function.__kwdefaults__ or {}).values(), *cells]
        if _library(function.__globals__.get("__name__")) in LIBRARIES:
            return inner
        self.changes |= bool(cells)
        names, attributes = _read_by(function.__code__)
        for value in (*cells, *(function.__globals__.get(name, ...) for name in names)):
            if isinstance(value, (type, types.ModuleType)):
                inner += self._attributes(value, attributes)
            elif value is not ... and not any(value is c for c in cells):
                inner.append(value)
                self.changes |= not isinstance(value, types.FunctionType) and not _from_library(value)
        return inner

    def _attributes(self, owner: Any, names: tuple[str, ...]) -> list[Any]:
        """What a user's module or class holds under these names; methods are not changed, but overridden."""
        of = owner.__name__ if isinstance(owner, types.ModuleType) else owner.__module__
        if _library(of) in LIBRARIES:
            return []
        found = [getattr(owner, n) for n in names if hasattr(owner, n)]
        found = [a for a in found if isinstance(owner, types.ModuleType) or not hasattr(type(a), "__get__")]
        self.changes |= bool(found)
        return found

    def _object(self, value: Any) -> list[Any]:
        """An object of some class; what has no attributes in Python is known by identity."""
        if isinstance(value, JITTED) and hasattr(value, "__wrapped__"):  # a copy of one has lost it
            return [value.__wrapped__]
        frozen = is_dataclass(value) and value.__dataclass_params__.frozen  # type: ignore[union-attr]
        if frozen and _library(type(value).__module__) in LIBRARIES:  # what it has worked out since is not its value
            return [part for f in fields(value) if f.compare for part in (f.name, getattr(value, f.name))]
        state: list[Any] = []
        for name in (n for c in type(value).__mro__ for n in _slots(c) if hasattr(value, n)):
            state += [name, getattr(value, name)]
        for name, inner in getattr(value, "__dict__", {}).items():
            state += [name, inner] if not name.startswith("__") else []
        own = [c for c in type(value).__mro__ if _library(c.__module__) not in LIBRARIES]
        for name, inner in (item for c in own for item in vars(c).items()):
            state += [name, inner] if not name.startswith("__") or name == "__call__" else []
        if not state:
            self.found.append(_Same(value))
        self.changes |= (bool(own) and not frozen) or _library(type(value).__module__) == "flax"
        return state


def _is_named_in_a_library(value: Any) -> bool:
    """Whether it is what a library's module has under its name, as `jax.nn.relu` is, or a method there: no change."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or _library(module) not in LIBRARIES:
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _from_library(value: Any) -> bool:
    return callable(value) and _library(getattr(value, "__module__", None)) in LIBRARIES


def _library(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _slots(owner: type) -> tuple[str, ...]:
    slots = owner.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


@lru_cache(maxsize=4096)
def _read_by(code: types.CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The globals that code reads, functions within it included, and the attributes that it reads of anything."""
    names: dict[str, None] = {}
    attributes: dict[str, None] = {}
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "LOAD_GLOBAL":
                names[instruction.argval] = None
            elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                attributes[instruction.argval] = None
    return tuple(names), tuple(attributes)
