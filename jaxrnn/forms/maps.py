"""Kernels that are functions of the arrays that are held: antisymmetric, orthogonal, bounded, of one sign, frozen, ...

The function is applied once before a sequence is run, and again in each `step` by itself: `cell.prepare(params)` does
it once for many steps. Of a map around a map the one inside is applied first: `spectral_bound(0.5, of=non_negative())`
is within its bound, as `non_negative(of=orthogonal())` is without negative numbers.

Papers:
    Chang et al., AntisymmetricRNN, ICLR 2019 (arXiv:1902.09689).
    Lezcano-Casado & Martinez-Rubio, Cheap orthogonal constraints in neural networks, ICML 2019 (arXiv:1901.08428).
    Helfrich, Willmott & Ye, Orthogonal recurrent neural networks with scaled Cayley transform, ICML 2018.
    Salimans & Kingma, Weight normalization, NIPS 2016 (arXiv:1602.07868).
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_choice, check_number
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around, check_form
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Form, Weight
from jaxrnn.functions.initializers import ones


@dataclass(frozen=True, repr=False)
class Map(Around):
    """A kernel in a form whose matrices are functions of those that the form inside multiplies."""

    is_map = True

    @abc.abstractmethod
    def mapped(self, arrays: Arrays) -> Arrays:
        """Of the arrays that the form inside multiplies."""

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        # The form inside is that of U: its own map comes first, and what this one promises holds of what is multiplied.
        form, arrays = self.of.prepared(arrays)
        return form, self.mapped(arrays)

    def holding(self, change: Callable[[Form], Form]) -> Form | None:
        return self.of.holding(change)


@dataclass(frozen=True, repr=False)
class OfMatrices(Map):
    """A function of each matrix by itself: of a dense kernel's `[R, H]` a gate, of `[R/N, H/N]` a gate and head."""

    square = False

    @abc.abstractmethod
    def of_matrix(self, matrix: Array) -> Array:
        """Of `[..., R, H]`."""

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if self.square and inputs != units:
            fail(argument, f"a form for {inputs} inputs and {units} units, which are to be equal for {self.name}", self)
        return super().weights(inputs, gates, units, init, argument)

    @property
    def name(self) -> str:
        """Of the map."""
        return type(self).__name__.lower()

    def mapped(self, arrays: Arrays) -> Arrays:
        (kernel,) = arrays
        # [R, H] is without gates; with them the matrices are over the axes around that of the gates.
        return (self.of_matrix(kernel),) if kernel.ndim == 2 else (self._by_gate(kernel),)

    def _by_gate(self, kernel: Array) -> Array:
        return jnp.moveaxis(self.of_matrix(jnp.moveaxis(kernel, -2, 0)), 0, -2)


@dataclass(frozen=True, repr=False)
class Antisymmetric(OfMatrices):
    """U - U^T - damping I."""

    damping: float = 0.0
    square = True

    def __repr__(self) -> str:
        return self.shown("antisymmetric", *([self.damping] if self.damping else []))

    def of_matrix(self, matrix: Array) -> Array:
        return matrix - jnp.swapaxes(matrix, -1, -2) - self.damping * _eye(matrix)


@dataclass(frozen=True, repr=False)
class Orthogonal(OfMatrices):
    """By the Cayley transform or the exponential of U - U^T."""

    by: str = "exponential"
    square = True

    def __repr__(self) -> str:
        return self.shown("orthogonal", *([self.by] if self.by != "exponential" else []))

    def of_matrix(self, matrix: Array) -> Array:
        wide = matrix.astype(promote(matrix.dtype, jnp.float32))  # neither has a form in half precision
        skew = wide - jnp.swapaxes(wide, -1, -2)
        if self.by == "exponential":
            return jax.scipy.linalg.expm(skew).astype(matrix.dtype)
        half, eye = skew / 2, _eye(skew)
        return jnp.linalg.solve(eye + half, eye - half).astype(matrix.dtype)


@dataclass(frozen=True, repr=False)
class SpectralBound(OfMatrices):
    """U / max(1, |U| / bound)."""

    bound: float = 1.0

    def __repr__(self) -> str:
        return self.shown("spectral_bound", *([self.bound] if self.bound != 1.0 else []))

    @property
    def name(self) -> str:
        return "spectral_bound"

    def of_matrix(self, matrix: Array) -> Array:
        wide = matrix.astype(promote(matrix.dtype, jnp.float32))
        most = lax.stop_gradient(jnp.max(jnp.abs(wide), (-2, -1), keepdims=True, initial=0))
        # The norm of what is at most one, so that no square of it leaves the dtype in a derivative.
        within = wide / jnp.where(most == 0, jnp.ones_like(most), most)
        norm = jnp.linalg.norm(within, ord=2, axis=(-2, -1), keepdims=True)
        long = norm * most > self.bound
        bounded = within * (self.bound / jnp.where(long, norm, jnp.ones_like(norm)))
        return jnp.where(long, bounded, wide).astype(matrix.dtype)


@dataclass(frozen=True, repr=False)
class NonNegative(Map):
    """|U|."""

    def __repr__(self) -> str:
        return self.shown("non_negative")

    def mapped(self, arrays: Arrays) -> Arrays:
        return tuple(map(jnp.abs, arrays))


@dataclass(frozen=True, repr=False)
class Frozen(Map):
    """U, which has no gradient."""

    def __repr__(self) -> str:
        return self.shown("frozen")

    def mapped(self, arrays: Arrays) -> Arrays:
        return tuple(map(lax.stop_gradient, arrays))


@dataclass(frozen=True, repr=False)
class WeightNorm(Map):
    """scale * U / |U|, with the norm of what one unit reads; where that is all zeros, zeros without a gradient."""

    matrices = False

    def __repr__(self) -> str:
        return self.shown("weight_norm")

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.of.names, "_scale")

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        shape = (units,) if gates is None else (gates, units)
        return [*super().weights(inputs, gates, units, init, argument), Weight(shape, ones)]

    def mapped(self, arrays: Arrays) -> Arrays:
        kernel, scale = arrays
        wide = kernel.astype(promote(kernel.dtype, jnp.float32))
        most = lax.stop_gradient(jnp.max(jnp.abs(wide), 0, keepdims=True, initial=0))
        none = most == 0
        # What is squared is at most one, so that no square leaves the dtype; ones stand in where there is no direction.
        within = jnp.where(none, jnp.ones_like(wide), wide) / jnp.where(none, jnp.ones_like(most), most)
        unit = within / jnp.sqrt(jnp.sum(jnp.square(within), 0, keepdims=True))
        return ((scale.astype(wide.dtype)[None] * jnp.where(none, jnp.zeros_like(unit), unit)).astype(kernel.dtype),)


def antisymmetric(damping: float = 0.0, *, of: Form = dense) -> Form:
    """The recurrent matrix U - U^T - damping I, whose eigenvalues have real part -damping.

    Args:
        damping: gamma, zero or more.
        of: the form of U, dense or heads, or a map of these.

    Returns:
        A form for the option `recurrent` of every cell.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Chang et al., AntisymmetricRNN, ICLR 2019.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.antisymmetric())
    >>> kernel = cell.prepare(cell.init(jax.random.key(0), inputs=3))["recurrent_kernel"].arrays[0][:, 0]
    >>> bool((kernel == -kernel.T).all())
    True
    """
    damping = check_number(damping, "damping", "a number, zero or more")
    if damping < 0:
        fail("damping", "a number, zero or more", damping)
    return Antisymmetric(_of_matrices(of), damping)


def orthogonal(by: str = "exponential", *, of: Form = dense) -> Form:
    """An orthogonal recurrent matrix, with A = U - U^T either exp(A) or (I + A/2)^-1 (I - A/2).

    It is right, and orthogonal, to within the size of A times the epsilon of its dtype (of float32, for halves): with
    numbers of 1e5 few digits are left in float32. An exponential is NaN where columns of A sum up to more than 2.5e5.

    Args:
        by: "exponential" (Lezcano-Casado & Martinez-Rubio) or "cayley" (Helfrich et al.).
        of: the form of U, dense or heads, or a map of these.

    Returns:
        A form for the option `recurrent` of every cell.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Papers: Lezcano-Casado & Martinez-Rubio, Cheap orthogonal constraints in neural networks, ICML 2019; Helfrich,
    Willmott & Ye, Orthogonal recurrent neural networks with scaled Cayley transform, ICML 2018.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.orthogonal())
    >>> kernel = cell.prepare(cell.init(jax.random.key(0), inputs=3))["recurrent_kernel"].arrays[0][:, 0]
    >>> bool(abs(kernel @ kernel.T - jax.numpy.eye(4)).max() < 1e-6)
    True
    """
    return Orthogonal(_of_matrices(of), check_choice(by, "by", ("exponential", "cayley")))


def spectral_bound(bound: float = 1.0, *, of: Form = dense) -> Form:
    """A recurrent matrix whose largest singular value is at most `bound`: U / max(1, |U| / bound), exactly.

    Args:
        bound: a positive number; each gate's matrix is bounded by itself.
        of: the form of U, dense or heads, or a map of these.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Miyato et al., Spectral normalization for generative adversarial networks, ICLR 2018.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.spectral_bound(0.5))
    >>> kernel = cell.prepare(cell.init(jax.random.key(0), inputs=3))["recurrent_kernel"].arrays[0][:, 0]
    >>> round(float(jax.numpy.linalg.norm(kernel, ord=2)), 4)
    0.5
    """
    bound = check_number(bound, "bound", "a positive number")
    if bound <= 0:
        fail("bound", "a positive number", bound)
    return SpectralBound(_of_matrices(of), bound)


def weight_norm() -> Form:
    """A dense kernel scale * U / |U|, with the norm of what one unit of one gate reads; `_scale [G, H]` starts at one.

    A unit whose U is all zeros reads nothing, and no gradient moves it.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Paper: Salimans & Kingma, Weight normalization, NIPS 2016.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, input=jaxrnn.forms.weight_norm())
    >>> sorted(cell.init(jax.random.key(0), inputs=3))
    ['bias', 'kernel', 'kernel_scale', 'recurrent_kernel']
    """
    return WeightNorm(dense)


def non_negative(*, of: Form = dense) -> Form:
    """A kernel without negative numbers: |U|; of a product of two, as `low_rank` is, that of both |U|.

    Args:
        of: the form of U.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError: `of` is no form.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.non_negative())
    >>> params = cell.prepare(cell.init(jax.random.key(0), inputs=3))
    >>> bool((params["recurrent_kernel"].arrays[0] >= 0).all())
    True
    """
    return NonNegative(check_form(of))


def frozen(of: Form = dense) -> Form:
    """A kernel that is not trained: its gradient is zero. An optimiser's weight decay must leave it out all the same.

    Args:
        of: the form of the kernel.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError: `of` is no form.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.frozen())
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> loss = lambda params: jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)))[1].sum()
    >>> {name: bool(g.any()) for name, g in jax.grad(loss)(params).items()}
    {'bias': True, 'kernel': True, 'recurrent_kernel': False}
    """
    return Frozen(check_form(of))


def _eye(like: Array) -> Array:
    """The identity for each matrix of `like`."""
    return jnp.broadcast_to(jnp.eye(like.shape[-1], dtype=like.dtype), like.shape)


def _of_matrices(of: Form) -> Form:
    if not check_form(of).matrices:
        fail("of", "a form of matrices: jaxrnn.dense or jaxrnn.heads(N)", of)
    return of
