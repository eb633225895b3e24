"""The options that every training run has, checked when they are made."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxrnn.base.checks import LARGEST
from jaxrnn.base.errors import fail

MOST = 2**31 - 1  # what a step's number on the devices holds


def check(ok: bool, name: str, expected: str, got: object) -> None:
    """Raise a ValueError that names the option, what was expected and what came, unless all is well."""
    if not ok:
        fail(name, expected, got)


def check_whole(value: Any, name: str, least: int = 1, what: str = "") -> int:
    """An integer of at least `least`, and no larger than a device counts, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(name, f"an integer, {least} or more{what}", value, kind=TypeError)
    check(bool(value >= least), name, f"{least} or more{what}", value)
    check(bool(value <= MOST), name, f"{MOST} or less", value)
    return int(value)


def check_seed(value: Any, name: str) -> int:
    """What can seed every generator, or an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        fail(name, "an integer in [0, 2**32)", value, kind=TypeError)
    check(bool(0 <= value < 2**32), name, "an integer in [0, 2**32)", value)
    return int(value)


def check_types(options: Any, section: str) -> None:
    """Raise a TypeError that names the first of a dataclass's options that is not of its type."""
    words = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
    for field, kind in typing.get_type_hints(type(options)).items():
        if typing.get_origin(kind) is Literal:
            kind = str
        value, wanted = getattr(options, field), (int, float) if kind is float else kind
        plain = value.item() if isinstance(value, np.generic) else value  # as a configuration file holds it
        if kind in words and (not isinstance(plain, wanted) or (kind is not bool and isinstance(plain, bool))):
            fail(f"{section}.{field}", words[kind], value, kind=TypeError)
        if kind is float and isinstance(plain, int):
            check(-LARGEST <= plain <= LARGEST, f"{section}.{field}", "a number", value)
            plain = float(plain)
        object.__setattr__(options, field, plain)


def as_integers(values: Any, name: str, least: int = 0) -> np.ndarray:
    """One-dimensional integers as int32, or an error."""
    found = as_numbers(values, name)
    if found.dtype.kind not in "iu" and found.size:
        fail(name, "integers [N]", values if isinstance(values, np.ndarray) else found, kind=TypeError)
    outside = (found < least) | (found > MOST)
    check(not bool(outside.any()), name, f"integers from {least} to {MOST}", found[outside].tolist()[:1])
    return found.astype(np.int32)


def as_numbers(values: Any, name: str) -> np.ndarray:
    """A one-dimensional array of numbers, or an error."""
    try:
        found = np.array(None) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)  # masks would be lost
    except (TypeError, ValueError):
        found = np.array(None)
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        fail(name, "numbers [N]", values, kind=TypeError)
    return found


def position(state: Any, *keys: str) -> list[int]:
    """What `get_state` gave, or an error."""
    if not isinstance(state, dict) or {*state} != {*keys}:
        fail("state", f"a position with {' and '.join(keys)}, as `get_state` gives it", state, kind=TypeError)
    return [check_whole(state[key], f"state[{key!r}]", 0) for key in keys]


@dataclass(frozen=True)
class OptimizerOptions:
    """The optimizer, its learning rate over the run, and clipping by the global norm.

    Args:
        name: adamw (Loshchilov & Hutter 2019), or sgd, plain, as language models of the LSTM's great years used it.
        learning_rate: The peak, reached after the warm-up.
        warmup: Steps of linear warm-up to the peak.
        schedule: After the warm-up: cosine (to zero at the last step), constant, or staircase (see the next three).
        hold: Of a staircase: steps before the first stair, warm-up included.
        stair: Of a staircase: steps from one stair to the next.
        decay: Of a staircase: each stair multiplies the learning rate by this.
        beta1: Of adamw: decay of the gradient's running mean.
        beta2: Of adamw: decay of the squared gradient's running mean.
        weight_decay: Decay of the kernels, decoupled from the gradient; biases have none.
        clip_norm: Gradients of a larger global norm are scaled down to it.
        averaging: Of NT-ASGD (Merity 2017): after so many validations in a row without a new best, begin the mean of
            the parameters after each step, and validate, sample and keep that mean from then on. 0: never.
        running: From the first step on, validate, sample and keep an exponential mean of the parameters, of about the
            last so many steps. 0: none.

    Raises:
        TypeError, ValueError: An option is of another type, or out of range; the message names it.

    >>> from jaxrnn.train import OptimizerOptions
    >>> OptimizerOptions(learning_rate=1e-3, schedule="constant").warmup
    100
    >>> OptimizerOptions(beta1=2.0)
    Traceback (most recent call last):
    ValueError: `optimizer.beta1` must be a number in [0, 1), got 2.0.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    warmup: int = 100
    schedule: Literal["cosine", "constant", "staircase"] = "cosine"
    hold: int = 0
    stair: int = 1
    decay: float = 0.5
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    averaging: int = 0
    running: int = 0

    def __post_init__(self) -> None:
        check_types(self, "optimizer")
        check(self.name in ("adamw", "sgd"), "optimizer.name", "'adamw' or 'sgd'", self.name)
        check(0 < self.learning_rate < float("inf"), "optimizer.learning_rate", "a positive number", self.learning_rate)
        check_whole(self.warmup, "optimizer.warmup", 0, what=" steps")
        schedules = ("cosine", "constant", "staircase")
        check(self.schedule in schedules, "optimizer.schedule", f"one of {schedules}", self.schedule)
        check_whole(self.hold, "optimizer.hold", 0, what=" steps")
        check_whole(self.stair, "optimizer.stair", what=" steps")
        check(0 < self.decay <= 1, "optimizer.decay", "a factor in (0, 1]", self.decay)
        check(0 <= self.beta1 < 1, "optimizer.beta1", "a number in [0, 1)", self.beta1)
        check(0 <= self.beta2 < 1, "optimizer.beta2", "a number in [0, 1)", self.beta2)
        check(0 <= self.weight_decay < float("inf"), "optimizer.weight_decay", "0 or more", self.weight_decay)
        check(self.clip_norm > 0, "optimizer.clip_norm", "a positive number (.inf for no clipping)", self.clip_norm)
        check_whole(self.averaging, "optimizer.averaging", 0, what=" validations")
        check_whole(self.running, "optimizer.running", 0, what=" steps")
        one = not (self.averaging and self.running)
        check(one, "optimizer.running", "0 beside optimizer.averaging, another mean", self.running)


@dataclass(frozen=True)
class LoopOptions:
    """How long to train, and how often to record, validate and save.

    Args:
        steps: Batches to train on.
        log_every: Steps between lines of metrics.jsonl.
        validate_every: Steps between validations; the last step validates too.
        patience: Stop after this many validations in a row without a new best.
        checkpoint_every: Steps between checkpoints; each new best and the last step are saved too.
        keep: How many of the newest checkpoints to keep, beside the best one.
        nonfinite: What to do at a loss or gradient that is not finite: skip the step, or raise.
        best: Which validation is the best: of the figure that the task chooses by (`tag`: the highest F1 of spans, or
            share of right words; most: the lowest loss), or of the lowest loss.

    Raises:
        TypeError, ValueError: An option is of another type, or out of range; the message names it.

    >>> from jaxrnn.train import LoopOptions
    >>> LoopOptions(steps=200).validate_every
    250
    >>> LoopOptions(steps=0)
    Traceback (most recent call last):
    ValueError: `loop.steps` must be 1 or more, got 0.
    """

    steps: int = 1000
    log_every: int = 20
    validate_every: int = 250
    patience: int = 10
    checkpoint_every: int = 250
    keep: int = 2
    nonfinite: Literal["skip", "raise"] = "skip"
    best: Literal["task", "loss"] = "task"

    def __post_init__(self) -> None:
        check_types(self, "loop")
        for name in ("steps", "log_every", "validate_every", "patience", "checkpoint_every", "keep"):
            check_whole(getattr(self, name), f"loop.{name}")
        check(self.nonfinite in ("skip", "raise"), "loop.nonfinite", "'skip' or 'raise'", self.nonfinite)
        check(self.best in ("task", "loss"), "loop.best", "'task' or 'loss'", self.best)
