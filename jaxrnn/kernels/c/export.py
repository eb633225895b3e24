"""A trained layer as one file of C99: constants, a struct with its state, and functions that step and run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxrnn.base.checks import check_flag, is_traced
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.files import write_bytes
from jaxrnn.base.typing import Params
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.kernels.c.layers import node
from jaxrnn.kernels.c.measure import code_size
from jaxrnn.kernels.c.text import File, identifier
from jaxrnn.kernels.c.writing import written


class CFile(NamedTuple):
    """What `export_c` wrote: sizes in bytes."""

    path: Path
    name: str  # of the struct, and what all names begin with
    inputs: int  # numbers of one step
    outputs: int
    constants: int  # numbers that do not change: read-only memory
    ram: int  # the struct: state, and what a step works with
    run: int  # memory that `run` is handed, for each step of a sequence; 0 where the layer has a step
    code: int | None  # instructions, as `compiler` makes them; None where there is none
    compiler: str

    def __str__(self) -> str:
        code = f", {self.code:,} of code ({self.compiler})" if self.code is not None else f" ({self.compiler})"
        run = f", {self.run:,} for each step of a sequence" if self.run else ""
        return f"{self.constants:,} bytes of constants, {self.ram:,} of RAM{run}{code}"


def export_c(cell: Layer, params: Params, path: Path | str, *, name: str | None = None, symbols: bool = False) -> CFile:
    """Write a trained layer as one self-contained C99 file, for what has no Python: a microcontroller, say.

    The file needs libm and nothing else: no allocation, no mutable statics. It has

        void NAME_init(NAME *m);                                  before anything else
        void NAME_reset(NAME *m);                                 a new sequence: back to the initial carry
        void NAME_step(NAME *m, const float *x, float *y);        one step; the state stays in *m
        void NAME_run(NAME *m, size_t T, const float *xs, float *ys);

    Per-step inputs of the cell follow `x`. A layer that needs the whole sequence (`bidirectional`, `reverse`) has no
    step; its `run` takes memory at the end, `NAME_WORK(T)` floats, where it needs some. Another file declares all this
    by `#define NAME_DECLARATIONS` and `#include` of this one. It computes in float32; kernels of `jaxrnn.quantize` are
    int8 numbers there too. Dropout and zoneout are as in inference, without `rng`.

    Args:
        cell: a Cell that runs natively (`jaxrnn.explain`), or `stack`, `bidirectional`, `reverse`, `residual`,
            `highway` of such.
        params: its parameters, as they were trained.
        path: the file to write, which ends in .c; it appears whole or not at all.
        name: the struct's name, and what all names begin with; by default the file's.
        symbols: the inputs are integers, which pick rows of the kernel: `x` is then `int32_t symbol`.

    Returns:
        A CFile: path, name, and sizes in bytes of constants, of RAM, and of code, where a C compiler is found.

    Raises:
        TypeError, ValueError: an argument does not fit; the cell does not run natively, and the message says why.
        WriteError: the file cannot be written.

    A filter that wakes a device up, fed a frame of features at a time; it knows the past by its state alone:

    >>> import jax, jaxrnn, pathlib, tempfile
    >>> cell = jaxrnn.gru(16)
    >>> params = cell.init(jax.random.key(0), inputs=10)
    >>> file = jaxrnn.export_c(*jaxrnn.quantize(cell, params), pathlib.Path(tempfile.mkdtemp()) / "wake.c")
    >>> file.name, file.inputs, file.outputs, file.constants, file.ram
    ('wake', 10, 16, 1888, 464)
    >>> "void wake_step(wake *m, const float *x, float *y);" in file.path.read_text()
    True
    """
    if not isinstance(cell, Layer):
        fail("cell", "a jaxrnn Layer", cell, kind=TypeError)
    if is_traced(*jax.tree.leaves(params)):
        fail("params", "numbers that are known", Said("traced arrays: this is no function to be compiled"))
    check_params(cell, params)
    target = _checked_path(path)
    check_flag(symbols, "symbols")
    prefix = _checked_name(target.stem if name is None else name, given=name is not None)
    file = File(prefix)
    made = node(file, "", cell, params, symbols)
    write_bytes(target, written(file, made, repr(cell), target.name).encode())
    return CFile(
        target, prefix, made.inputs, made.outputs, file.constant_bytes, file.ram, 4 * made.sequence, *code_size(target)
    )


def _checked_path(path: Any) -> Path:
    if not isinstance(path, (str, Path)):
        fail("path", "a path of a file that ends in .c", path, kind=TypeError)
    target = Path(path)
    if target.suffix != ".c":
        fail("path", "a path of a file that ends in .c", str(path))
    return target


def _checked_name(name: Any, *, given: bool) -> str:
    if not isinstance(name, str):
        fail("name", "a name that C allows", name, kind=TypeError)
    if given and name != identifier(name):
        fail("name", "a name that C allows, and no word of C", name, f"{identifier(name)!r} would do.")
    return identifier(name)
