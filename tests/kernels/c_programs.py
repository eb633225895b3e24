"""Compiles what `jaxrnn.export_c` writes, and runs it on arrays: whole sequences, and single steps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.waiting import ran

CC = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(CC is None, reason="needs a C compiler")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WAYS = {"O0": ("-O0",), "O2": ("-O2",), "sanitizers": SANITIZED}

MAIN = r"""
#include "model.c"
#include <stdio.h>
#include <stdlib.h>

static void *read_(size_t count, size_t size) {
  void *to = malloc(count * size + !count);
  if (!to || fread(to, size, count, stdin) != count) exit(3);
  return to;
}
static void write_(const void *from, size_t count) {
  if (fwrite(from, 4, count, stdout) != count) exit(4);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const size_t T = (size_t)atol(argv[1]), S = (size_t)atol(argv[2]); /* steps, floats of the state */
  %(kind)s *xs = read_(T * %(each)s, 4);
  %(reads)s
  float *state = read_(S, 4);
  float *ys = malloc((T * MODEL_OUTPUTS + 1) * sizeof *ys);
  model *m = malloc(sizeof *m);
  if (!m || !ys) return 5;
  for (int again = 0; again < 2; ++again) { /* the second time after a reset: nothing may be left over */
    if (again) model_reset(m); else model_init(m);
    if (S) memcpy(m, state, 4 * S);
    %(run)s
    write_(ys, T * MODEL_OUTPUTS);
    write_(m, %(floats)d);
  }
  model_reset(m);
  write_(m, %(floats)d);
  %(free)s
  free(xs); free(state); free(ys); free(m);
  return 0;
}
"""


class Compiled:
    """A layer as a C program."""

    def __init__(
        self, folder: Path, layer: Any, params: Any, flags: tuple[str, ...] = ("-O2",), **options: Any
    ) -> None:
        self.layer, self.params, self.symbols = layer, params, options.get("symbols", False)
        self.file = jaxrnn.export_c(layer, params, folder / "model.c", **options)
        self.leaves = [np.shape(a) for a in jax.tree.leaves(layer.initial_carry((), params))]
        self.floats = sum(int(np.prod(s)) for s in self.leaves)
        self.stepless = layer.stepless is not None
        self.flags, self.folder = flags, folder

    def program(self, per_step: dict[str, Any], *, stepwise: bool) -> Path:
        """Compiled with all warnings as errors."""
        given = sorted(per_step)
        each = {n: int(np.prod(np.shape(per_step[n])[1:], dtype=int)) for n in given}
        x = "xs[t]" if self.symbols else "xs + t * MODEL_INPUTS"
        if stepwise:
            more = "".join(f", {n}_ + t * {each[n]}" for n in given)
            run = f"for (size_t t = 0; t < T; ++t) model_step(m, {x}{more}, ys + t * MODEL_OUTPUTS);"
        else:
            more = "".join(f", {n}_" for n in given)
            work = ", work" if self.file.run else ""
            run = f"model_run(m, T, xs{more}, ys{work});"
            if self.file.run:
                run = f"float *work = malloc(MODEL_WORK(T) * sizeof *work + 1); if (!work) return 6; {run} free(work);"
        text = MAIN % {
            "kind": "int32_t" if self.symbols else "float",
            "each": "1" if self.symbols else "MODEL_INPUTS",
            "reads": " ".join(f"float *{n}_ = read_(T * {each[n]}, 4);" for n in given),
            "free": " ".join(f"free({n}_);" for n in given),
            "run": run,
            "floats": self.floats,
        }
        source = self.folder / f"main_{stepwise}.c"
        source.write_text(text)
        made = source.with_suffix("")
        command = [CC, *STRICT, *self.flags, str(source), "-o", str(made), "-lm"]
        done = ran(command)
        assert done.returncode == 0, done.stderr[:3000]
        return made

    def run(self, xs: Any, state: Any = None, per_step: Any = None, *, stepwise: bool = False) -> tuple[Any, Any]:
        """(outputs, final state) of a sequence, the same a second time after a reset."""
        per_step = per_step or {}
        made = self.program(per_step, stepwise=stepwise)
        return self.call(made, xs, state, per_step)

    def call(self, made: Path, xs: Any, state: Any, per_step: Any) -> tuple[Any, Any]:
        """One run of a compiled program."""
        leaves = [] if state is None else jax.tree.leaves(state)
        arrays = [np.asarray(xs, np.int32 if self.symbols else np.float32)]
        arrays += [np.asarray(per_step[n], np.float32) for n in sorted(per_step)]
        arrays += [np.asarray(a, np.float32) for a in leaves]
        count = 0 if state is None else self.floats
        sent = b"".join(a.tobytes() for a in arrays)
        done = ran([made, str(len(xs)), str(count)], input=sent, text=False)
        assert done.returncode == 0, (done.returncode, done.stderr.decode()[:3000])
        numbers = np.frombuffer(done.stdout, np.float32)
        size = len(xs) * self.file.outputs + self.floats
        first, second, rest = numbers[:size], numbers[size : 2 * size], numbers[2 * size :]
        assert first.tobytes() == second.tobytes()
        begin = [np.asarray(a).ravel() for a in jax.tree.leaves(self.layer.initial_carry((), self.params))]
        assert rest.tobytes() == np.concatenate(begin).astype(np.float32).tobytes()
        ends = np.cumsum([int(np.prod(s)) for s in self.leaves])
        states = [a.reshape(s) for a, s in zip(np.split(first[-self.floats :], ends[:-1]), self.leaves, strict=True)]
        return first[: -self.floats].reshape(len(xs), self.file.outputs), states
