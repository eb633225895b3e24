"""A task out of one's own functions: what the loop asks for, made of what one has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_function, check_text
from jaxrnn.base.errors import Said, fail
from jaxrnn.train.own_sources import check_held_out, check_training
from jaxrnn.train.step import KEPT
from jaxrnn.train.task import Batch, Batches, Carry, Params

Loss = Callable[[Any, Batch, Any], Any]  # (params or module, batch, key) -> loss, or (loss, figures)
Source = Callable[[], Any] | Iterable[Any]


@dataclass(frozen=True, eq=False)
class OwnTask:
    """A task made by `of_functions` or `of_module`; see `Task` for what each member is."""

    make: Callable[[jax.Array], Params]  # key to parameters
    score: Loss  # of parameters
    training: Source  # batches without end, or a function that gives them
    held_out: dict[str, Source]  # batches of each split, "validation" first
    unit: str = "examples"  # what the speed counts
    units: Callable[[Batch], int] | None = None  # of a batch
    shown: Callable[[Params, Path, int], str] | None = None  # what is said at the end
    options: Any = None  # a dataclass of the user's own options, which the run's configuration keeps
    built: Callable[[Params], Any] | None = None  # parameters to module, of `of_module`
    answers: Callable[[Params, Sequence[Any]], Iterable[dict[str, Any]]] | None = None  # to the rows of a file

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
    ) -> tuple[jax.Array, tuple[Carry, dict[str, Any]]]:
        """What the user's function says."""
        loss, figures = both(self.score(params, batch, rng))
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
        loss, figures = both(self.score(params, batch, None))
        return {"loss": loss} | figures

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """What the user's function answers to each row.

        Raises:
            ValueError: If there is none.
        """
        if self.answers is None:
            fail("task", "one that was made with `predict`", Said("one without"))
        return iter(self.answers(params, inputs))

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """What the user's function says, if there is one."""
        return "" if self.shown is None else str(self.shown(params, folder, seed))


def both(said: Any) -> tuple[jax.Array, dict[str, Any]]:
    """A loss and its figures, where it came with some."""
    loss, figures = said if isinstance(said, tuple) and len(said) == 2 else (said, {})
    if not isinstance(figures, dict):
        fail("loss", "a function that returns a scalar, or a scalar and a dict of scalars", figures, kind=TypeError)
    return jnp.asarray(loss), {
        n: v if n == KEPT and isinstance(v, dict) else jnp.asarray(v) for n, v in figures.items()
    }


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
    predict: Callable[[Params, Sequence[Any]], Iterable[dict[str, Any]]] | None = None,
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
        predict: (parameters, rows) to a dict for each row, for `task.predict`.
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
    for name, asked in (("count", count), ("show", show), ("predict", predict)):
        if asked is not None:
            check_function(asked, name, "None, or a function")
    held_out = {"validation": validation} | ({} if test is None else {"test": test})
    if options is not None and (not is_dataclass(options) or isinstance(options, type)):
        fail("options", "a dataclass with values", options, kind=TypeError)
    return OwnTask(init, loss, training, held_out, unit, count, show, options, answers=predict)
