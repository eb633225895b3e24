"""Which class of a library an object is made from, told by names: the library need not be imported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jaxrnn.base.errors import Said, fail


def is_a(source: Any, package: str, name: str) -> bool:
    """Whether an object is of a class with this name in this package."""
    return any(_from(c, package) and c.__name__ == name for c in type(source).__mro__)


def base_of(source: Any, package: str, names: Collection[str], runs: Collection[str], hint: str) -> str | None:
    """The name of the library's class that an object is made from, None for another one.

    A method out of `runs` that the object or its class overrides is refused: then other equations run.
    """
    classes = type(source).__mro__
    for i, base in enumerate(classes):
        if base.__name__ in names and _from(base, package):
            own = next((n for n in runs if n in vars(source) or any(n in vars(c) for c in classes[:i])), None)
            if own is not None:
                what = f"{type(source).__name__}, which overrides {own!r} and is another layer"
                fail("source", f"a {base.__name__} that runs as {package}'s own", Said(what), hint)
            return base.__name__
    return None


def scripted(source: Any, package: str, names: Collection[str]) -> str | None:
    """The name of the library's class that a module of TorchScript was made from, as its qualified name tells."""
    if not is_a(source, "torch.jit", "ScriptModule"):
        return None
    whole = source._c._type().qualified_name()
    return source.original_name if whole.startswith(f"__torch__.{package}.") and source.original_name in names else None


def _from(kind: type, package: str) -> bool:
    return f"{kind.__module__}.".startswith(f"{package}.")
