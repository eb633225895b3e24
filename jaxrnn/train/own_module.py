"""A task out of one's own Flax NNX module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_function
from jaxrnn.base.errors import Said, fail
from jaxrnn.train.own_task import OwnTask, Source, both, of_functions
from jaxrnn.train.step import KEPT
from jaxrnn.train.task import Batch, Params


def of_module(
    make: Callable[[Any], Any],
    loss: Callable[[Any, Batch], Any],
    training: Source,
    validation: Source,
    test: Source | None = None,
    *,
    unit: str = "examples",
    count: Callable[[Batch], int] | None = None,
    show: Callable[[Any, Path, int], str] | None = None,
    predict: Callable[[Any, Sequence[Any]], Iterable[dict[str, Any]]] | None = None,
    options: Any = None,
) -> OwnTask:
    """A task out of a Flax NNX module, for `train_task`; its `module_of(params)` is the module that was trained.

    While training, the module is in its training mode and its streams of random numbers are new at each step; held-out
    data are scored in evaluation mode. State that no gradient changes, such as the running means of a batch norm, is
    kept among the parameters: what the module made of it in a step is what the next step, validation and the trained
    module have. A step that is skipped, for a loss that is not finite, leaves it as it was.

    Args:
        make: `flax.nnx.Rngs` to the module; called once for its structure, and once with each seed.
        loss: (module, batch) to a scalar, or to it and a dict of further scalars to record.
        training: As for `of_functions`; so are the others.
        validation: The held-out batches.
        test: Those that are looked at once.
        unit: What the speed counts.
        count: How many units a batch holds.
        show: (module, folder, seed) to a text, at the end.
        predict: (module, rows) to a dict for each row, for `task.predict(params, rows)`.
        options: A dataclass of your own options.

    Returns:
        The task.

    Raises:
        TypeError: As `of_functions`.
        ValueError: As `of_functions`, or if the module holds state besides parameters and random numbers that is not
            of floating numbers.

    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from flax import nnx
    >>> from jaxrnn.train import ByLength, of_module
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> rows = lambda index: {"x": x[index], "y": 2 * x[index]}
    >>> task = of_module(
    ...     lambda rngs: nnx.Linear(1, 1, rngs=rngs),
    ...     lambda module, batch: jnp.mean((module(batch["x"]) - batch["y"]) ** 2),
    ...     training=lambda: ByLength(np.ones(64), rows=16, seed=0, collate=rows),
    ...     validation=[rows(np.arange(64))],
    ... )
    >>> params = task.init(jax.random.key(0))  # `train_task(task, folder)` trains them
    >>> task.module_of(params)(x).shape, list(task.evaluate(params, jax.device_put))
    ((64, 1), ['loss'])
    """
    from flax import nnx

    check_function(make, "make", "a function of flax.nnx.Rngs")
    check_function(loss, "loss", "a function of the module and a batch")
    for name, given in (("show", show), ("predict", predict)):
        if given is not None:
            check_function(given, name, "None, or a function")

    def split(module: Any) -> Any:
        """Graph, parameters and what is kept beside them, and random numbers."""
        return nnx.split(module, nnx.Not(nnx.RngState), ...)

    def of_state(module: Any) -> dict[str, Any]:
        """What is kept beside parameters."""
        return nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.Any(nnx.Param, nnx.RngState))))

    whole = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph, kept = split(whole)[0], of_state(whole)
    others = [
        f"{jax.tree_util.keystr(path, simple=True, separator='.')} ({leaf.dtype})"
        for path, leaf in jax.tree_util.tree_leaves_with_path(kept)
        if not jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
    if others:
        fail("make", "a module of parameters, random numbers, and state of floating numbers", Said(", ".join(others)))

    def init(key: jax.Array) -> Params:
        return nnx.to_pure_dict(split(make(nnx.Rngs(key)))[1])

    def module_of(params: Params, key: jax.Array | None) -> Any:
        module = make(nnx.Rngs(jax.random.key(0) if key is None else key))
        _, state, random = split(module)
        nnx.replace_by_pure_dict(state, params)
        module = nnx.merge(graph, state, random)
        module.eval() if key is None else module.train()
        return module

    def score(params: Params, batch: Batch, key: jax.Array | None) -> Any:
        module = module_of(params, key)
        said, figures = both(loss(module, batch))
        if key is not None and kept:
            figures = figures | {KEPT: jax.lax.stop_gradient(of_state(module))}
        return said, figures

    def shown(params: Params, folder: Path, seed: int) -> str:
        return "" if show is None else str(show(module_of(params, None), folder, seed))

    def answers(params: Params, rows: Sequence[Any]) -> Iterable[dict[str, Any]]:
        return [] if predict is None else predict(module_of(params, None), rows)

    said: dict[str, Any] = {"unit": unit, "count": count, "show": shown, "options": options}
    said |= {"predict": None if predict is None else answers}
    return replace(of_functions(init, score, training, validation, test, **said), built=partial(module_of, key=None))
