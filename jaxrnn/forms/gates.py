"""Which gates have a kernel: some alone, or several one together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxrnn.base.errors import fail, nearest
from jaxrnn.forms.around import Around, check_form
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Columns, Form


@dataclass(frozen=True, repr=False)
class OfGates(Around):
    """Kernels of the form inside, which gates read by their names."""

    names_gates = True

    def holding(self, change: Callable[[Form], Form]) -> Form | None:
        inner = self.of.holding(change)
        return None if inner is None else replace(self, of=inner)


@dataclass(frozen=True, repr=False)
class Only(OfGates):
    """Kernels of some gates."""

    gates: tuple[str, ...]

    def __repr__(self) -> str:
        return self.shown("only", *self.gates)

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        check_known(self.gates, gates, argument)
        inner = self.of.columns(tuple(g for g in gates if g in self.gates), argument)
        own = iter(inner)
        return tuple(next(own) if g in self.gates else None for g in gates)


@dataclass(frozen=True, repr=False)
class Shared(OfGates):
    """One kernel for each group of gates, and for each gate in none; without groups one for all."""

    groups: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        return self.shown("shared", *self.groups)

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        groups = self.groups or (gates,)
        check_known(tuple(g for group in groups for g in group), gates, argument)
        first = {g: min(group, key=gates.index) for group in groups for g in group}
        stored = tuple(g for g in gates if first.get(g, g) == g)
        inner = dict(zip(stored, self.of.columns(stored, argument), strict=True))
        return tuple(inner[first.get(g, g)] for g in gates)


def only(*gates: str, of: Form = dense) -> Form:
    """A kernel for some gates alone: to the others the product is zero.

    Args:
        gates: their names.
        of: the form of their kernels.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError: `gates` are not distinct names, or `of` is no form.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4, reset_after=False, recurrent=jaxrnn.only("r", "n"))  # z sees the input alone
    >>> cell.init(jax.random.key(0), inputs=3)["recurrent_kernel"].shape
    (4, 2, 4)
    """
    check_names(gates)
    return Only(check_form(of), gates)


def shared(*groups: tuple[str, ...], of: Form = dense) -> Form:
    """One kernel for several gates; their biases stay apart.

    Args:
        groups: tuples of names of gates that read one kernel; a gate in none has its own. Without groups one kernel is
            for all gates.
        of: the form of the kernels.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError: a group is no tuple of two names or more, a name comes twice, or `of` is no form.

    Paper: Kusupati et al., FastGRNN, NeurIPS 2018, whose gate and candidate read the same matrices.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4, input=jaxrnn.shared(("r", "z")))
    >>> cell.init(jax.random.key(0), inputs=3)["kernel"].shape
    (3, 2, 4)
    """
    names = [g for group in groups if isinstance(group, tuple) for g in group]
    right = all(isinstance(group, tuple) and len(group) > 1 for group in groups)
    if not right or len({*names}) != len(names) or not all(isinstance(g, str) for g in names):
        fail("groups", 'tuples of names of gates, such as ("r", "z"), none of them twice', groups, kind=TypeError)
    return Shared(check_form(of), groups)


def check_names(gates: tuple[str, ...]) -> None:
    """Distinct names, one at least."""
    if not gates or len({*gates}) != len(gates) or not all(isinstance(g, str) for g in gates):
        fail("gates", "distinct names of gates", gates, kind=TypeError)


def check_known(named: tuple[str, ...], gates: tuple[str, ...], argument: str) -> None:
    """Names of gates that are there."""
    for gate in named:
        if gate not in gates:
            fail(argument, f"a form that names gates out of {gates}", gate, nearest(gate, gates))
