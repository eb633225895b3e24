"""What a training step adds to Keras's modules: the penalties of their regularisers, and their constraints."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array
from jaxrnn.functions import constraints
from jaxrnn.keras.cell import KerasCell
from jaxrnn.keras.rnn import RNN

WEIGHTS = {"kernel": "kernel", "recurrent_kernel": "recurrent", "bias": "bias"}


def losses(model: nnx.Module) -> Array:
    """The penalties of all modules of jaxrnn.keras in a model, to be added to the loss.

    Regularisers of weights count once. Those of activities add up over all calls since this function was last called;
    as in Keras each output is divided by the batch size, and with `return_state` the states count too.

    Args:
        model: any Flax NNX module.

    Returns:
        A scalar; zero where nothing is regularised.

    Raises:
        TypeError: `model` is no Flax NNX module.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import LSTM, losses
    >>> lstm = LSTM(4, kernel_regularizer="l2", activity_regularizer="l1", in_features=3, rngs=nnx.Rngs(0))
    >>> loss = lambda lstm: (lstm(jnp.ones((2, 7, 3))) ** 2).mean() + losses(lstm)
    >>> nnx.grad(loss)(lstm)["cell"]["kernel"].shape
    (3, 16)
    """
    total: Any = 0.0
    for _, module in _modules(model):
        if isinstance(module, KerasCell):
            for name, array in WEIGHTS.items():
                rule, weight = getattr(module, f"{array}_regularizer"), getattr(module, name)
                if rule is not None and weight is not None:
                    total = total + rule(weight[...])
        if isinstance(module, RNN) and module.activity_loss is not None:
            total = total + module.activity_loss[...]
            module.activity_loss.set_value(jnp.zeros_like(module.activity_loss[...]))
    return jnp.asarray(total)


def constrain(model: nnx.Module) -> optax.GradientTransformation:
    """The constraints of all modules of jaxrnn.keras in a model, applied after each update.

    Args:
        model: the Flax NNX module whose parameters, `nnx.state(model, nnx.Param)`, are trained.

    Returns:
        An optax transformation for the end of a chain; see `jaxrnn.constraints.constrain`.

    Raises:
        TypeError: `model` is no Flax NNX module.

    >>> import optax
    >>> from flax import nnx
    >>> from jaxrnn.keras import LSTM, constrain
    >>> lstm = LSTM(4, kernel_constraint="non_neg", in_features=3, rngs=nnx.Rngs(0))
    >>> optimizer = nnx.Optimizer(lstm, optax.chain(optax.sgd(0.1), constrain(lstm)), wrt=nnx.Param)
    >>> _ = optimizer.update(lstm, nnx.grad(lambda lstm: (lstm.cell.kernel[...] ** 2).sum())(lstm))
    >>> bool((lstm.cell.kernel[...] >= 0).all())
    True
    """
    found = {}
    for path, module in _modules(model):
        for name, array in WEIGHTS.items() if isinstance(module, KerasCell) else ():
            rule = getattr(module, f"{array}_constraint")
            if rule is not None and getattr(module, name) is not None:
                found[(*path, name)] = rule
    return constraints.constrain(found)


def _modules(model: Any) -> Any:
    if not isinstance(model, nnx.Module):
        fail("model", "a Flax NNX module", model, kind=TypeError)
    return nnx.iter_modules(model)
