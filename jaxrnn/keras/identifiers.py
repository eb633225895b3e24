"""What Keras's arguments may be: a name, a configuration, a class, or the thing itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxrnn.base.dtypes import FLOATS, check_dtype
from jaxrnn.base.errors import fail, nearest

SEED = "None or an integer of 64 bits"
POLICIES = {f"mixed_{name}": name for name in ("bfloat16", "float16")}


def get(identifier: Any, known: Mapping[str, Any], argument: str) -> Any:
    """What an identifier stands for; None for None.

    Args:
        identifier: a name out of `known`; Keras's `{"class_name": ..., "config": {...}}`; a class; or a function.
        known: classes by name.
        argument: for the message.

    Raises:
        TypeError, ValueError: it is none of these, or the configuration does not fit the class.

    >>> from jaxrnn.functions.regularizers import REGULARIZERS
    >>> get({"class_name": "L2", "config": {"l2": 0.5}}, REGULARIZERS, "kernel_regularizer")
    L2(l2=0.5)
    """
    config: Mapping[str, Any] = {}
    made = identifier
    if isinstance(made, Mapping):
        made, config = _parts(made, argument)
    if isinstance(made, str):
        if made not in known:
            fail(argument, f"a function, or a name out of {sorted(known)}", made, nearest(made, known))
        made = known[made]
        return _configured(made, config, argument)
    function = made() if isinstance(made, type) else made
    if function is not None and not callable(function):
        fail(argument, f"a function, or a name out of {sorted(known)}", made, kind=TypeError)
    return function


def check_seed(seed: Any) -> int | None:
    """None, or an integer that `jax.random.key` takes."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        fail("seed", SEED, seed, kind=TypeError)
    if not -(2**63) <= seed < 2**63:
        fail("seed", SEED, seed)
    return int(seed)


def get_dtypes(dtype: Any) -> tuple[Any, Any]:
    """Keras's policy as (dtype of products, dtype of parameters); None for JAX's own."""
    if isinstance(dtype, str) and dtype in POLICIES:
        return check_dtype(POLICIES[dtype], "dtype"), check_dtype("float32", "dtype")
    if isinstance(dtype, str) and dtype not in FLOATS:
        fail("dtype", f"None or one of {(*FLOATS, *POLICIES)}", dtype, nearest(dtype, (*FLOATS, *POLICIES)))
    return (check_dtype(dtype, "dtype"),) * 2


def _parts(config: Mapping[str, Any], argument: str) -> tuple[str, Mapping[str, Any]]:
    """Class name and settings of a Keras configuration; a setting of None is the default."""
    name, settings = config.get("class_name"), config.get("config", {})
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        fail(argument, 'a configuration {"class_name": ..., "config": {...}}', dict(config))
    return name, {key: value for key, value in settings.items() if value is not None}


def _configured(make: Callable[..., Any], config: Mapping[str, Any], argument: str) -> Any:
    settings = inspect.signature(make).parameters
    for name in config:
        if name not in settings:
            expected = f"configured by settings out of {tuple(settings)}"
            fail(argument, expected, name, nearest(name, settings), kind=TypeError)
    return make(**config)
