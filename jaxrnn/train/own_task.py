"""A task out of one's own functions, or of one's own NNX module: what the loop asks for, made of what one has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_function, check_text
from jaxrnn.base.errors import Said, fail
from jaxrnn.train.own_sources import check_held_out, check_training
from jaxrnn.train.task import Batch, Batches, Carry, Params

Loss = Callable[[Any, Batch, Any], Any]  # (params or module, batch, key) -> loss, or (loss, figures)
Source = Callable[[], Any] | Iterable[Any]


@dataclass(frozen=True, eq=False)
class OwnTask:
    """A task made by `of_functions` or `of_module`; see `Task` for what each member is."""

    make: Callable[[jax.Array], Params]
    score: Loss  # of parameters
    training: Source
    held_out: dict[str, Source]
    unit: str = "examples"
    units: Callable[[Batch], int] | None = None
    shown: Callable[[Params, Path, int], str] | None = None
    options: Any = None  # a dataclass of the user's own options, which the run's configuration keeps
    built: Callable[[Params], Any] | None = None

    def module_of(self, params: Params) -> Any:
        """The module with given parameters, in evaluation mode, of a task made by `of_module`."""
        if self.built is None:
            fail("task", "one that was made by of_module", Said("one of functions"))
        return self.built(params)

    @property
    def splits(self) -> tuple[str, ...]:
        """What is held out."""
        return tuple(self.held_out)

    @property
    def headline(self) -> str:
        """The loss on what is looked at last."""
        return f"{self.splits[-1]} loss"

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.make(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> Batches:
        """The training data from their first batch on."""
        found: Any = self.training() if callable(self.training) else iter(self.training)
        return found

    def count(self, batch: Batch) -> int:
        """Units of a batch: its rows, where nothing else was said."""
        return len(jax.tree.leaves(batch)[0]) if self.units is None else int(self.units(batch))

    def loss(
        self, params: Params, carry: Carry, batch: Batch, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """What the user's function says."""
        loss, figures = _both(self.score(params, batch, rng))
        return loss, (carry, figures)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Means over the batches of a split, each counted by its units."""
        totals: dict[str, float] = {}
        weight = 0
        for batch in self._all_of(split):
            count = self.count(batch)
            for name, value in self._figures(params, place(batch)).items():
                totals[name] = totals.get(name, 0.0) + count * value.item()
            weight += count
        if not weight:
            fail(split, "one batch or more", Said("none"))
        return {name: total / weight for name, total in totals.items()}

    def _all_of(self, split: str) -> Iterator[Batch]:
        source = self.held_out[split]
        yield from source() if callable(source) else source

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Batch) -> dict[str, jax.Array]:
        loss, figures = _both(self.score(params, batch, None))
        return {"loss": loss} | figures

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """What the user's function says, if there is one."""
        return "" if self.shown is None else str(self.shown(params, folder, seed))


def _both(said: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """A loss and its figures, where it came with some."""
    loss, figures = said if isinstance(said, tuple) and len(said) == 2 else (said, {})
    if not isinstance(figures, dict):
        fail("loss", "a function that returns a scalar, or a scalar and a dict of scalars", figures, kind=TypeError)
    return jnp.asarray(loss), {name: jnp.asarray(value) for name, value in figures.items()}


def of_functions(
    init: Callable[[jax.Array], Params],
    loss: Loss,
    training: Source,
    validation: Source,
    test: Source | None = None,
    *,
    unit: str = "examples",
    count: Callable[[Batch], int] | None = None,
    show: Callable[[Params, Path, int], str] | None = None,
    options: Any = None,
) -> OwnTask:
    """A task out of pure functions, for `train_task`.

    Args:
        init: A key to parameters, a tree of dicts of arrays.
        loss: (parameters, batch, key) to a scalar, or to it and a dict of further scalars to record. The key is None
            where nothing is trained: no dropout then.
        training: An endless iterator of batches with `get_state` and `set_state`, made anew by each call (a function
            that makes one), such as `ByLength`, `Streams` or Grain's. Batches are trees of arrays with rows first.
        validation: The batches of held-out data: a list, or a function that makes an iterator over all of them.
        test: The same for those that are looked at once, at the end.
        unit: What the speed counts.
        count: How many units a batch holds (default: its rows). Means over held-out batches are weighted by it.
        show: (parameters, folder, seed) to a text, at the end; it may write samples into the folder.
        options: A dataclass of your own options: config.yaml keeps it, and a resumed run must have the same.

    Returns:
        The task.

    Raises:
        TypeError: If one is of another kind than is said here; the message names it.
        ValueError: If there is no batch in held-out data, or one without rows.

    >>> import jax.numpy as jnp, numpy as np
    >>> from jaxrnn.train import ByLength, of_functions
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
    >>> rows = lambda index: {"x": x[index], "y": 2 * x[index]}
    >>> task = of_functions(
    ...     init=lambda key: {"w": jnp.zeros((), jnp.float32)},
    ...     loss=lambda params, batch, key: jnp.mean((params["w"] * batch["x"] - batch["y"]) ** 2),
    ...     training=lambda: ByLength(np.ones(64), rows=16, seed=0, collate=rows),
    ...     validation=[rows(np.arange(16))],
    ... )
    >>> task.splits, task.headline
    (('validation',), 'validation loss')
    """
    for name, given in (("init", init), ("loss", loss)):
        check_function(given, name, "a function")
    check_training(training)
    check_held_out(validation, "validation")
    if test is not None:
        check_held_out(test, "test")
    unit = check_text(unit, "unit")
    for name, given in (("count", count), ("show", show)):
        if given is not None:
            check_function(given, name, "None, or a function")
    held_out = {"validation": validation} | ({} if test is None else {"test": test})
    if options is not None and (not is_dataclass(options) or isinstance(options, type)):
        fail("options", "a dataclass with values", options, kind=TypeError)
    return OwnTask(init, loss, training, held_out, unit, count, show, options)


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
    options: Any = None,
) -> OwnTask:
    """A task out of a Flax NNX module, for `train_task`; its `module_of(params)` is the module that was trained.

    While training, the module is in its training mode and its streams of random numbers are new at each step; held-out
    data are scored in evaluation mode.

    Args:
        make: `flax.nnx.Rngs` to the module; called once for its structure, and once with each seed.
        loss: (module, batch) to a scalar, or to it and a dict of further scalars to record.
        training: As for `of_functions`; so are the others.
        validation: The held-out batches.
        test: Those that are looked at once.
        unit: What the speed counts.
        count: How many units a batch holds.
        show: (module, folder, seed) to a text, at the end.
        options: A dataclass of your own options.

    Returns:
        The task.

    Raises:
        TypeError: As `of_functions`.
        ValueError: As `of_functions`, or if the module holds state besides parameters and random numbers (running
            means of a batch norm, say): the loop keeps none.
    """
    from flax import nnx

    check_function(make, "make", "a function of flax.nnx.Rngs")
    check_function(loss, "loss", "a function of the module and a batch")
    if show is not None:
        check_function(show, "show", "None, or a function")

    def split(module: Any) -> Any:
        """Graph, parameters, and other state."""
        return nnx.split(module, nnx.Param, ...)

    graph, _, rest = split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    others = [
        f"{'.'.join(map(str, path))} ({type(leaf).__name__})"
        for path, leaf in nnx.to_flat_state(rest)
        if not isinstance(leaf, nnx.RngState)
    ]
    if others:
        remedy = "The loop keeps no other state: LayerNorm or GroupNorm in place of BatchNorm, for example."
        fail("make", "a module of parameters and random numbers alone", Said(", ".join(others)), remedy)

    def init(key: jax.Array) -> Params:
        _, params, _ = split(make(nnx.Rngs(key)))
        return nnx.to_pure_dict(params)

    def module_of(params: Params, key: jax.Array | None) -> Any:
        module = make(nnx.Rngs(jax.random.key(0) if key is None else key))
        _, state, others = split(module)
        nnx.replace_by_pure_dict(state, params)
        module = nnx.merge(graph, state, others)
        module.eval() if key is None else module.train()
        return module

    def score(params: Params, batch: Batch, key: jax.Array | None) -> Any:
        return loss(module_of(params, key), batch)

    def shown(params: Params, folder: Path, seed: int) -> str:
        return str(show(module_of(params, None), folder, seed)) if show else ""

    said: dict[str, Any] = {"unit": unit, "count": count, "show": shown, "options": options}
    return replace(of_functions(init, score, training, validation, test, **said), built=partial(module_of, key=None))
