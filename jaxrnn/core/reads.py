"""A walk through all that a function reads: its code, closure, defaults, globals, and whatever these hold."""

from __future__ import annotations

import dis
import hashlib
import sys
import types
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np

MOST = 2000  # things that are looked at; a function that reads more counts as open
SMALL = 2**20  # bytes of a NumPy array, which can change: a larger one counts as open
KNOWN = frozenset(
    {"abc", "builtins", "functools", "inspect", "itertools", "jax", "jaxlib", "math", "numpy", "operator", "typing"}
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
OWNERS = (type, types.ModuleType)  # of these a function reads attributes
JITTED: Any = type(jax.jit(lambda: None))


@dataclass(frozen=True)
class _Same:
    """Equal by identity, and kept alive, so that no other thing takes its place in memory."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class Walk:
    """A walk through all that a function reads."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.seen: dict[int, tuple[int, Any]] = {}  # by identity: a number, and the thing, which is kept alive
        self.changes = self.arrays = self.open = False

    def of(self, value: Any) -> Walk:
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
            case property():
                return [value.fget]
            case staticmethod() | classmethod():
                return [value.__func__]
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
        if library_of(function.__globals__.get("__name__")) in LIBRARIES:
            return inner
        self.changes |= bool(cells)
        names, attributes = _read_by(function.__code__)
        found = [function.__globals__[name] for name in names if name in function.__globals__]
        values = [value for value in found if not isinstance(value, OWNERS)]
        self.changes |= any(not isinstance(v, types.FunctionType) and not _from_library(v) for v in values)
        for owner in (value for value in (*cells, *found) if isinstance(value, OWNERS)):
            values += self._attributes(owner, attributes)
        return inner + values

    def _attributes(self, owner: Any, names: tuple[str, ...]) -> list[Any]:
        """What a user's module or class holds under these names; methods are not changed, but overridden."""
        of = owner.__name__ if isinstance(owner, types.ModuleType) else owner.__module__
        if library_of(of) in LIBRARIES:
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
        if frozen and library_of(type(value).__module__) in LIBRARIES:  # what it has worked out since is not its value
            return [part for f in fields(value) if f.compare for part in (f.name, getattr(value, f.name))]
        state: list[Any] = []
        for name in (n for c in type(value).__mro__ for n in _slots(c) if hasattr(value, n)):
            state += [name, getattr(value, name)]
        for name, inner in getattr(value, "__dict__", {}).items():
            state += [name, inner] if not name.startswith("__") else []
        own = [c for c in type(value).__mro__ if library_of(c.__module__) not in LIBRARIES]
        for name, inner in (item for c in own for item in vars(c).items()):
            state += [name, inner] if not name.startswith("__") or name == "__call__" else []
            frozen &= name.startswith("__") or not _may_be_set(value, name, inner)
        if not state:
            self.found.append(_Same(value))
        self.changes |= (bool(own) and not frozen) or library_of(type(value).__module__) == "flax"
        return state


def _is_named_in_a_library(value: Any) -> bool:
    """Whether it is what a library's module has under its name, as `jax.nn.relu` is, or a method there: no change."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or library_of(module) not in LIBRARIES:
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _may_be_set(value: Any, name: str, inner: Any) -> bool:
    """Whether a frozen object reads this of its class: no method, no default of a field, nothing that `abc` keeps."""
    return not hasattr(type(inner), "__get__") and name not in getattr(value, "__dict__", ()) and name != "_abc_impl"


def _from_library(value: Any) -> bool:
    return callable(value) and library_of(getattr(value, "__module__", None)) in LIBRARIES


def is_own(kind: type) -> bool:
    """Whether a user wrote a class, or one that it derives from."""
    return any(library_of(c.__module__) not in LIBRARIES for c in kind.__mro__)


def library_of(module: str | None) -> str:
    """The first part of a module's name."""
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
