"""Named tuples in exported programs: `jax.export` writes those that it has a name for, and refuses others."""

from __future__ import annotations

from itertools import count
from typing import Any

from jax import export

_names: dict[str, Any] = {}


def serialized(kind: Any) -> Any:
    """Register a named tuple with `jax.export`, once; also a decorator.

    Its name is `module.Class`. Of two classes of one name, as of a notebook's cell that is run again, the second is
    `module.Class#2`. A process without jaxrnn that loads a program registers a named tuple of its own under that name.
    """
    if not any(kind is known for known in _names.values()):
        plain = f"{kind.__module__}.{kind.__qualname__}"
        name = next(n for i in count(1) if (n := plain if i == 1 else f"{plain}#{i}") not in _names)
        _names[name] = kind
        try:
            export.register_namedtuple_serialization(kind, serialized_name=name)
        except ValueError as error:
            if "registration for type" not in str(error):  # else its owner has named it already
                raise
    return kind
