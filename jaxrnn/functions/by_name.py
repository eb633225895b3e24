"""Rules for the parameters of a tree, by name or by whole path: what regularizers and constraints are given by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxrnn.base.checks import is_array
from jaxrnn.base.errors import fail, nearest

Path = tuple[str | int, ...]
Rules = Mapping[Any, Callable[[Any], Any]]  # "recurrent_kernel", or ("encoder", "layer_0", "recurrent_kernel")


def check_rules(rules: Any, argument: str) -> None:
    """A dict of functions by parameter name or path."""
    if not isinstance(rules, Mapping):
        fail(argument, "a dict of functions by parameter name or path", rules, kind=TypeError)
    for key, rule in rules.items():
        if not isinstance(key, str | tuple) or not all(isinstance(part, str | int) for part in key):
            fail(argument, "keyed by names, or paths that are tuples of them", key, kind=TypeError)
        if not callable(rule):
            fail(f"{argument}[{key!r}]", "a function of one array", rule, kind=TypeError)


def rules_of_leaves(tree: Any, rules: Rules, argument: str) -> list[tuple[Any, Callable[[Any], Any] | None]]:
    """Every leaf beside its rule: that of its whole path, else of its name, else None. A rule without a leaf raises."""
    found = jax.tree.leaves_with_path(tree)
    if not found:
        fail("params", "a tree of arrays by name", tree)
    for keys, leaf in found:
        if not keys or not is_array(leaf):
            fail(f"params{jax.tree_util.keystr(keys)}", "an array, with a name", leaf, kind=TypeError)
    leaves = [(path_of(keys), leaf) for keys, leaf in found]
    known = {name for path, _ in leaves for name in (path, str(path[-1]))}
    for key in rules:
        if key not in known:
            paths = [".".join(map(str, path)) for path, _ in leaves]
            words = [str(path[-1]) for path, _ in leaves]
            fail(argument, f"keyed by parameters out of {paths}", key, nearest(str(key), words))
    return [(leaf, rules.get(path, rules.get(str(path[-1])))) for path, leaf in leaves]


def path_of(keys: Any) -> Path:
    """Names of a path; the array inside a Flax Variable has the Variable's."""
    names = [next(getattr(k, a) for a in ("key", "name", "idx") if hasattr(k, a)) for k in keys]
    variable = names and isinstance(keys[-1], jax.tree_util.GetAttrKey) and names[-1] == "value"
    return tuple(names[:-1] if variable else names)
