"""Kernels for TPUs and GPUs, by Pallas: a whole sequence in one call, carry and recurrent kernels in fast memory.

`step` traces a cell's own update, derivative included, on a block of rows; `rules` runs such a trace inside a kernel's
body, functions opened, with a table of what the target lacks; `bodies` are both kernels, forward and backward; `tiles`
and `layout` say where arrays lie; `on_tpu` and `on_gpu` are what runs the bodies there; `lower` is what becomes of
JAX's primitives, with the products outside of the loop: that of the inputs before it, and one for each gradient of a
kernel after it. `asked` asks the lowering; `backend` is what the engine sees. Second derivatives run on the scheduled
loop, and so do programs whose rows the compiler divides among devices.

Products may be of bfloat16 (`dtype`); their sums, gates and carry are float32. Precision follows JAX's own settings
(`jax.default_matmul_precision`), as on every other backend. What runs is found out, not listed: the lowering is asked
on any machine, once for each cell, and a primitive that it lacks is named (`jaxrnn.explain`). Declined are, besides,

- float16 and float64;
- kernels that are neither dense nor in heads (which are multiplied with the zeros between them), and those of int8;
- cells whose kernels do not fit in fast memory, forward and backward, with the bytes that they take;
- per-step inputs of one number a row: repeat them for each unit, where the cell takes them so;
- equations that read their inputs before the projection, and convolutions;
- arrays of constants among the equations, where these are not lifted out of them (`jaxrnn.engine.lift`).

For GPUs (`on_gpu`; `turned`, where arrays lie; `warpgroup` and `multiplied`, what bodies see; `by_unit`, which cells)
there is, by Mosaic and with JAX 0.12, one block for each head and tile of rows. Declined are there, besides, products
of float32, equations that mix units, and kernels of a head that do not fit in shared memory.

Nothing was run on a TPU or a GPU: what is known is that kernels are right in the interpreters, that libtpu compiles
them, and that they are lowered for CUDA. So nothing takes this backend unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jaxrnn.base.platform import INTERPRETED, INTERPRETED_GPU, made_for


@contextmanager
def interpreted(gpu: bool = False) -> Iterator[None]:
    """Inside, kernels for TPUs run in JAX's interpreter on this machine's CPU, slowly: to test them without a TPU.

    Or those for GPUs, with JAX 0.12: there products may be of float32 too. Their interpreter waits for ever now and
    then, less often with `jax.config.update("jax_cpu_enable_async_dispatch", False)`.

    Fast memory holds NaN there until it is written. Other backends that are compiled for CPUs decline meanwhile. JAX
    differentiates no checkpoint of what is interpreted, and so no scan with `chunk="sqrt"`.

    Args:
        gpu: kernels for GPUs.

    >>> import jax, jaxrnn
    >>> from jaxrnn.kernels.pallas import interpreted
    >>> cell = jaxrnn.gru(4, param_dtype="float32")
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> with interpreted():
    ...     carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((2, 1, 3), "float32"), backend="pallas")
    >>> ys.shape
    (2, 1, 4)
    """
    with made_for(INTERPRETED_GPU if gpu else INTERPRETED):
        yield
