"""The loop for one's own task, out of Python: what `jaxrnn train` does, without a configuration file."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.base.checks import is_array
from jaxrnn.base.errors import describe, fail
from jaxrnn.train.check_task import check_members
from jaxrnn.train.config import Experiment
from jaxrnn.train.ending import told_params
from jaxrnn.train.metrics import Callback
from jaxrnn.train.options import LoopOptions, OptimizerOptions, check_seed
from jaxrnn.train.processes import on_first, tell
from jaxrnn.train.run import run
from jaxrnn.train.run_files import RESULT
from jaxrnn.train.start import Start
from jaxrnn.train.state_file import leaves
from jaxrnn.train.stop import StopRequest
from jaxrnn.train.task import Params, Task


class Trained(NamedTuple):
    """What came of a training."""

    params: Params  # the best by validation loss
    figures: dict[str, float | None]  # such as "validation loss"; empty where the run was stopped
    finished: bool  # false where a signal stopped it: `resume=True` goes on


def fitting(task: Task, start: Params) -> Params:
    """Given parameters in the dtypes of a task's own, whose names and shapes they must have."""
    like = jax.eval_shape(task.init, jax.random.key(0))
    own, given = leaves(like), {}
    if isinstance(start, Mapping):
        given = {name: leaf for name, leaf in leaves(start).items() if is_array(leaf)}
    if {n: np.shape(a) for n, a in given.items()} != {n: a.shape for n, a in own.items()}:
        fail("start", f"parameters of the task, {describe(like)}", start, kind=TypeError)
    return jax.tree.unflatten(jax.tree.structure(like), [given[n].astype(a.dtype) for n, a in own.items()])


def train_task(
    task: Task,
    folder: Path | str,
    *,
    optimizer: OptimizerOptions | None = None,
    loop: LoopOptions | None = None,
    seed: int = 0,
    resume: bool = False,
    start: Params | None = None,
    callbacks: Sequence[Callback] = (),
    watch: bool = False,
) -> Trained:
    """Train a task in the loop of `jaxrnn train`: checkpoints, resumption, all devices, the guard against NaN, a curve.

    Args:
        task: One of `of_functions` or `of_module`, or any object that keeps the protocol `Task`.
        folder: Where the run is kept.
        optimizer: Its options (default: those of `OptimizerOptions`).
        loop: How long, and how often to record, validate and save.
        seed: Of parameters, dropout and samples.
        resume: Go on where an earlier run in that folder stopped, or begin one; a finished one is read again.
        start: Parameters to begin with, in place of fresh ones.
        callbacks: Each is called with every line of metrics.jsonl, a dict, as it is written.
        watch: Look inside at each validation: figures in metrics.jsonl, and watch.png.

    Returns:
        `Trained(params, figures, finished)`.

    Raises:
        TypeError, ValueError: If the task does not keep the protocol, or another argument is none of the above, before
            anything is written.
        RunError: If the folder holds another run, or a run and `resume` is not asked for.

    >>> import contextlib, io, tempfile
    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from jaxrnn.train import ByLength, LoopOptions, OptimizerOptions, of_functions, train_task
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
    >>> rows = lambda index: {"x": x[index], "y": 2 * x[index]}
    >>> task = of_functions(
    ...     init=lambda key: {"w": jnp.zeros((), jnp.float32)},
    ...     loss=lambda params, batch, key: jnp.mean((params["w"] * batch["x"] - batch["y"]) ** 2),
    ...     training=lambda: ByLength(np.ones(64), rows=16, seed=0, collate=rows),
    ...     validation=[rows(np.arange(64))],
    ... )
    >>> with contextlib.redirect_stdout(io.StringIO()), jax.numpy_dtype_promotion("standard"):
    ...     trained = train_task(
    ...         task,
    ...         tempfile.mkdtemp() + "/line",
    ...         optimizer=OptimizerOptions(learning_rate=0.1, warmup=0),
    ...         loop=LoopOptions(steps=100),
    ...     )
    >>> round(float(trained.params["w"]), 1), trained.finished
    (2.0, True)
    """
    check_members(task)
    if not isinstance(folder, (str, Path)) or not str(folder):
        fail("folder", "a path", folder, kind=TypeError)
    if not isinstance(callbacks, (list, tuple)) or not all(map(callable, callbacks)):
        fail("callbacks", "functions of a dict, in a list", callbacks, kind=TypeError)
    experiment = Experiment(
        "own",
        check_seed(seed, "seed"),
        task,
        OptimizerOptions() if optimizer is None else optimizer,
        LoopOptions() if loop is None else loop,
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    given = None if start is None else Start("given parameters", fitting(task, start))
    try:
        run(experiment, folder, resume, StopRequest(), start=given, callbacks=callbacks, watch=watch)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    result = Path(folder) / RESULT
    found = on_first(lambda: json.loads(result.read_text(encoding="utf-8")) if result.exists() else {})
    record: dict[str, Any] = tell(found or {})
    return Trained(told_params(experiment, Path(folder)), record.get("figures", {}), bool(record))
