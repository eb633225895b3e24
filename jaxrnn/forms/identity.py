"""Gates that read the input as it is, beside others that have kernels."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Initializer
from jaxrnn.forms.around import Around, check_form
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Columns, Form, Weight
from jaxrnn.forms.gates import check_known, check_names
from jaxrnn.functions.initializers import PerGate


@dataclass(frozen=True, repr=False)
class Identity(Around):
    """Matrices of some gates, and one more, of the others, which is multiplied but not held."""

    gates: tuple[str, ...]
    names_gates = True
    is_map = True

    def __repr__(self) -> str:
        return self.shown("identity", *self.gates)

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        check_known(self.gates, gates, argument)
        if len(self.gates) == len(gates):
            fail(argument, "a form that leaves one gate a kernel", self)
        inner = self.of.columns(tuple(g for g in gates if g not in self.gates), argument)
        own, last = iter(inner), len({c for c in inner if c is not None})
        return tuple(last if g in self.gates else next(own) for g in gates)

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if inputs != units:
            fail(argument, f"a form for {inputs} inputs and {units} units, which are to be equal for identity", self)
        init = PerGate(init.inits[:-1]) if isinstance(init, PerGate) and len(init.inits) > 1 else init
        return self.of.weights(inputs, (gates or 1) - 1, units, init, argument)

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        form, (kernel,) = self.of.prepared(arrays)
        eye = jnp.eye(kernel.shape[-3], dtype=kernel.dtype)[:, None]
        return form, (jnp.concatenate([kernel, jnp.broadcast_to(eye, (*kernel.shape[:-2], 1, kernel.shape[-1]))], -2),)


def identity(*gates: str, of: Form = dense) -> Form:
    """Gates that read the input as it is, of as many features as there are units.

    Args:
        gates: their names.
        of: the form of the others' kernels: dense, heads, or a map of these.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError, ValueError: `gates` are not distinct names, or `of` is no form of matrices.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4, input=jaxrnn.forms.identity("n"))  # n = tanh(x + r * (h_n + b_n))
    >>> cell.init(jax.random.key(0), inputs=4)["kernel"].shape
    (4, 2, 4)
    """
    check_names(gates)
    if not check_form(of).matrices:
        fail("of", "a form of matrices, such as jaxrnn.dense or jaxrnn.heads(N)", of)
    return Identity(of, gates)
