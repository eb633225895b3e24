"""What all JAX contestants share: the same programs, compiled in the same way, around each library's own layer."""

from __future__ import annotations

import abc
import re
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.base import Base, Running
from jaxrnn.bench.problem import Problem, name_answer

Tree = Any
COMPILATIONS = 3  # the first one in a process also warms it up; the median is of the others


class OnJax(Base):
    """A JAX library, by pure functions of one case. Transpositions for `batch_major` stay outside of what is timed."""

    batch_major = False

    @abc.abstractmethod
    def theirs(self, case: Case, params: dict[str, Any]) -> Tree:
        """Our parameters as the library has them."""

    @abc.abstractmethod
    def ours(self, case: Case, gradients: Tree) -> dict[str, Any]:
        """The library's gradients as ours; where two of its biases add up, one has the gradient of both."""

    @abc.abstractmethod
    def apply(self, case: Case, weights: Tree, xs: Any, lengths: Any) -> Any:
        """Outputs of the whole sequence."""

    @abc.abstractmethod
    def step(self, case: Case, weights: Tree, carry: Any, x: Any) -> tuple[Any, Any]:
        """One step of one layer: `(carry, y)`; x is `(x, resets)` where the case has resets."""

    def carry(self, case: Case) -> Any:
        """The carry before the first step: (c, h) for an LSTM, h for the others, as most libraries have it."""
        zeros = jnp.zeros((case.B, case.H), storage(case))
        return (zeros, jnp.zeros_like(zeros)) if case.cell == "lstm" else zeros

    def build(self, case: Case, problem: Problem) -> Running:
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if case.dtype == "tf32" else "float32")
        return RunningOnJax(self, case, problem)


class ByLayer(OnJax):
    """A library of single layers in one direction, of which stacks and both directions are composed."""

    @abc.abstractmethod
    def one(self, case: Case, params: dict[str, Any]) -> Tree:
        """Parameters of one layer in one direction, ours as the library's."""

    @abc.abstractmethod
    def one_back(self, case: Case, gradients: Tree) -> dict[str, Any]:
        """The way back, for gradients."""

    @abc.abstractmethod
    def run(self, case: Case, weights: Tree, xs: Any, lengths: Any, reverse: bool) -> Any:
        """Outputs of one layer in one direction, in the order of xs."""

    def theirs(self, case: Case, params: dict[str, Any]) -> Tree:
        layers = [params] if case.layers == 1 else [params[f"layer_{i}"] for i in range(case.layers)]
        both = [[p["forward"], p["backward"]] if case.bidirectional else [p] for p in layers]
        return [[self.one(case, p) for p in directions] for directions in both]

    def ours(self, case: Case, gradients: Tree) -> dict[str, Any]:
        both = [[self.one_back(case, g) for g in directions] for directions in gradients]
        layers = [dict(zip(("forward", "backward"), d, strict=True)) if case.bidirectional else d[0] for d in both]
        return layers[0] if case.layers == 1 else {f"layer_{i}": layer for i, layer in enumerate(layers)}

    def apply(self, case: Case, weights: Tree, xs: Any, lengths: Any) -> Any:
        for directions in weights:
            ys = [self.run(case, w, xs, lengths, reverse=i == 1) for i, w in enumerate(directions)]
            xs = jnp.concatenate(ys, axis=-1) if case.bidirectional else ys[0]
        return xs


class RunningOnJax(Running):
    """Forward, training step and single step of a JAX library, each under one `jax.jit`."""

    def __init__(self, library: OnJax, case: Case, problem: Problem) -> None:
        self.library, self.case = library, case
        self.axes = (1, 0, 2) if library.batch_major else (0, 1, 2)
        xs, cotangent = jax.tree.map(self._turn, (problem.xs, problem.weights))
        weights = library.theirs(case, jax.tree.map(np.asarray, problem.params))
        self.arguments = jax.device_put((weights, xs, problem.lengths, problem.per_step, cotangent))
        self.valid = None if problem.lengths is None else np.arange(case.T)[:, None] < problem.lengths
        self._compile()

    def _turn(self, array: Any) -> Any:
        return np.transpose(array, self.axes) if np.ndim(array) == 3 else array

    def _compile(self) -> None:
        library, case = self.library, self.case

        def forward(weights: Tree, xs: Any, lengths: Any, per_step: Any, cotangent: Any) -> Any:
            return library.apply(case, weights, xs, lengths, **per_step)

        def train(weights: Tree, xs: Any, lengths: Any, per_step: Any, cotangent: Any) -> Any:
            def loss(weights: Tree, xs: Any) -> Any:
                return jnp.sum(library.apply(case, weights, xs, lengths, **per_step) * cotangent)

            return jax.value_and_grad(loss, (0, 1))(weights, xs)

        def gradients(weights: Tree, xs: Any, lengths: Any, per_step: Any, cotangent: Any) -> Any:
            ys, pull = jax.vjp(lambda weights, xs: library.apply(case, weights, xs, lengths, **per_step), weights, xs)
            return ys, pull(cotangent)

        def step(weights: Tree, carry: Any, x: Any) -> Any:
            return library.step(case, weights, carry, x)

        self.programs: dict[str, Callable[..., Any]] = {
            "forward": jax.jit(forward),
            "train": jax.jit(train),
            "gradients": jax.jit(gradients),
            "step": jax.jit(step),
            "step donated": jax.jit(step, donate_argnums=1),
        }

    def answer(self) -> dict[str, Any]:
        ys = np.transpose(self.programs["forward"](*self.arguments), self.axes)
        _, (gradients, dxs) = self.programs["train"](*self.arguments)
        if self.valid is not None:  # what libraries leave in the padding of their outputs is their own affair
            ys = np.where(self.valid[..., None], ys, 0)
        return name_answer(ys, self.library.ours(self.case, gradients), jax.tree.map(self._turn, dxs))

    def walk(self) -> Any:
        weights = self.arguments[0]
        carry, ys = self.library.carry(self.case), []
        for t in range(self.case.T):
            carry, y = self.programs["step"](self._single(weights), carry, self._at(t))
            ys.append(np.asarray(y))
        return np.stack(ys)

    def call(self, kind: str) -> Callable[[], Any]:
        program = self.programs[kind]
        if kind in ("forward", "train", "gradients"):
            return lambda: jax.block_until_ready(program(*self.arguments))
        weights, x = self._single(self.arguments[0]), jax.tree.map(jnp.asarray, self._at(0))
        state = [jax.device_put(self.library.carry(self.case))]

        def step() -> None:
            state[0], y = program(weights, state[0], x)
            jax.block_until_ready((state[0], y))

        return step

    def _at(self, t: int) -> Any:
        """The input of step t: x, or x and which rows start anew."""
        x = self._turn(self.arguments[1])[t]
        return (x, self.arguments[3]["resets"][t]) if self.case.resets else x

    def _single(self, weights: Tree) -> Tree:
        return weights[0][0] if isinstance(self.library, ByLayer) else weights

    def inspect(self) -> dict[str, list[float]]:
        """Of a training step that returns its outputs too, so that temporary memory is all but those and gradients."""
        seconds: dict[str, list[float]] = {"trace": [], "compile": []}
        for _ in range(COMPILATIONS):
            jax.clear_caches()
            self._compile()
            start = time.perf_counter()
            lowered = self.programs["gradients"].lower(*self.arguments)  # type: ignore[attr-defined]
            traced = time.perf_counter()
            compiled = lowered.compile()
            seconds["trace"].append(traced - start)
            seconds["compile"].append(time.perf_counter() - traced)
        temporaries = compiled.memory_analysis().temp_size_in_bytes
        return seconds | {"instructions": [count_instructions(compiled.as_text())], "temporaries": [temporaries]}


def count_instructions(hlo: str) -> int:
    """Instructions in the text of a compiled program."""
    return len(re.findall(r"^\s+(?:ROOT )?%\S+ = ", hlo, re.M))


def storage(case: Case) -> Any:
    """The dtype in which arrays are stored."""
    return jnp.dtype("float32" if case.dtype == "tf32" else case.dtype)


def by_gate(array: Any, gates: int) -> Any:
    """`[..., gates * H]`, gate after gate, as `[..., gates, H]`."""
    return array.reshape(*array.shape[:-1], gates, -1)


def fused(array: Any) -> Any:
    """`[..., gates, H]` as `[..., gates * H]`."""
    return array.reshape(*array.shape[:-2], -1)
