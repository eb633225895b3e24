"""What a function reads besides its arguments, as part of its value.

A layer is static: programs, tables and findings are cached by its value. A function in it (an activation, a user's
equations, a merge) is equal to itself alone, whatever it reads: a number in a closure, a global, an attribute of an
object. `still` puts a snapshot of all that beside the function, so that a layer is equal to another only while both
would compute the same. What belongs to an open trace has no value yet: such a layer is `open`, and nothing keeps it.

A layer or a form of a user's own is such a function too, by its methods. It has to stay what it is, so that snapshots
of these, `methods`, go beside the whole layer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

from jaxrnn.core.layer import Layer
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.reads import Walk, is_own, library_of
from jaxrnn.forms.form import Form


@dataclass(frozen=True)
class Snapshot:
    """A function, or what has methods, beside what it reads; equal to another while both read the same."""

    function: Any = field(compare=False)
    reads: Hashable
    arrays: bool = field(compare=False)  # whether there are arrays among it
    open: bool = field(compare=False)  # whether it belongs to a trace, or cannot be told: equal to nothing else then

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    @property
    def __name__(self) -> str:
        """The function's own, for messages."""
        return getattr(self.function, "__name__", type(self.function).__name__)


def still(layer: Any) -> Any:
    """The layer with a snapshot in place of each function whose result may change; itself where there is none."""
    return layer if _is_unchanging(layer) else _rebuilt(layer)


def methods(layer: Any) -> tuple[Snapshot, ...]:
    """Snapshots of what a user wrote in the layer, where it may change; a program is kept for these and the layer."""
    if _is_unchanging(layer):
        return ()
    return tuple(s for part in _written(layer) if isinstance(s := _snapshot(part), Snapshot))


def snapshots(layer: Any) -> Iterator[Snapshot]:
    """All snapshots in a layer."""
    if isinstance(layer, Snapshot):
        yield layer
    for part in _inside(layer):
        yield from snapshots(part)


def is_open(layer: Any) -> bool:
    """Whether a function in the layer reads what belongs to an open trace."""
    return not _is_unchanging(layer) and any(s.open for s in (*snapshots(layer), *methods(layer)))


def holds_arrays(layer: Any) -> bool:
    """Whether a function in the layer reads arrays, of an open trace or not."""
    return not _is_unchanging(layer) and any(s.arrays or s.open for s in (*snapshots(layer), *methods(layer)))


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
    read = (*_functions(layer), *_written(layer))
    if any(True for _ in snapshots(layer)) or any(Walk().of(f).changes for f in read):
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


def _written(value: Any) -> Iterator[Any]:
    """The layers and forms of a user's own. A walk through one goes through all that it holds."""
    if isinstance(value, Parameter):
        yield from _written(value.form)
    elif is_own(type(value)) and (isinstance(value, Form) or _runs_itself(value)):
        yield value
    else:
        for part in _inside(value):
            yield from _written(part)


def _runs_itself(value: Any) -> bool:
    """Whether a layer says what it does; a cell is its fields, whatever class it is of."""
    return isinstance(value, Layer) and hasattr(value, "apply")


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, (type, Snapshot)) and not _is_made_of_parts(value)


def _is_made_of_parts(value: Any) -> bool:
    """A layer, or a dataclass of ours within one; a user's that can be called is a function."""
    if not is_dataclass(value) or isinstance(value, (type, Parameter, Snapshot)):
        return False
    return isinstance(value, Layer) or library_of(type(value).__module__) == "jaxrnn"


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


def _snapshot(read: Any) -> Any:
    walk = Walk().of(read)
    if not walk.changes:
        return read
    return Snapshot(read, object() if walk.open else tuple(walk.found), walk.arrays, walk.open)
