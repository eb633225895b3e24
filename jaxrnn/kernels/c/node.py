"""What every layer is in C: functions that step it and run it, and how these are called."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrnn.kernels.c.text import File


class Node:
    """A layer of the file: numbers of an input and of an output, per-step inputs with their sizes, functions in C."""

    sequence = 0  # floats of memory for each step of a sequence, beside inputs and outputs
    stepwise = True
    parts: Sequence[Node] = ()

    def __init__(self, file: File, path: str, inputs: int, outputs: int, *, symbols: bool = False) -> None:
        self.file, self.path, self.stem = file, path, f"{path}_" if path else ""
        self.inputs, self.outputs, self.symbols = inputs, outputs, symbols

    @property
    def given(self) -> dict[str, int]:
        """Per-step inputs by name."""
        return {name: size for part in self.parts for name, size in part.given.items()}

    def step(self, x: str, y: str) -> str:
        """A call of its step."""
        given = "".join(f", {name}" for name in self.given)
        return f"{self.file.prefix}_{self.stem}advance(m, {x}{given}, {y});"

    def run(self, xs: str, ys: str, stride: str, backwards: str, work: str) -> str:
        """A call that runs a sequence; outputs lie `stride` numbers apart."""
        given = "".join(f", {name}" for name in self.given)
        more = f", {work}" if self.sequence else ""
        return f"{self.file.prefix}_{self.stem}sweep(m, T, {backwards}, {xs}{given}, {ys}, {stride}{more});"

    def define_step(self, body: list[str], comment: str) -> None:
        """Its step as a function."""
        self._define("advance", f"{self._argument()}{self._given()}, float *y", body, comment)

    def define_run(self, body: list[str], comment: str) -> None:
        """Its run as a function."""
        work = ", float *work" if self.sequence else ""
        of = "const int32_t *symbols" if self.symbols else "const float *xs"
        arguments = f"size_t T, int backwards, {of}{self._given()}, float *ys, size_t stride{work}"
        self._define("sweep", arguments, body, comment)

    def define_run_of_steps(self) -> None:
        """A run that takes one step after the other, for what stands among layers that have none."""
        x = "symbols[t]" if self.symbols else f"xs + t * {self.inputs}"
        given = "".join(f", {name} + t * {size}" for name, size in self.given.items())
        call = f"{self.file.prefix}_{self.stem}advance(m, {x}{given}, ys + t * stride);"
        self.define_run(
            ["for (size_t i = 0; i < T; ++i) {", "  const size_t t = backwards ? T - 1 - i : i;", f"  {call}", "}"],
            f"Steps of {self.path or 'the model'} from either end.",
        )

    def _define(self, what: str, arguments: str, body: list[str], comment: str) -> None:
        prefix = self.file.prefix
        self.file.function(f"static void {prefix}_{self.stem}{what}(struct {prefix} *m, {arguments})", body, comment)

    def _argument(self) -> str:
        return "int32_t symbol" if self.symbols else "const float *x"

    def _given(self) -> str:
        return "".join(f", const float *{name}" for name in self.given)
