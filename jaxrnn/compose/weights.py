"""Noise in the parameters of a cell, before a sequence is run."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_array, check_key, check_rate
from jaxrnn.base.dtypes import FLOATS, is_float
from jaxrnn.base.errors import fail
from jaxrnn.base.placement import automatic, place
from jaxrnn.base.typing import Array, Params, PRNGKeyArray

RECURRENT = "recurrent_kernel"


def weight_drop(params: Params, rng: PRNGKeyArray, rate: float) -> Params:
    """DropConnect on recurrent kernels: U * m / (1 - rate), m drawn once for all rows and all times of a call.

    The other parameters stay as they are. Gradients with respect to `params` flow through the kept entries.

    Args:
        params: of a Cell, or nested as those of a composed Layer.
        rng: a PRNG key; a new one for each batch.
        rate: the probability of dropping an entry, in [0, 1).

    Returns:
        Parameters of the same structure.

    Raises:
        TypeError, ValueError: `params` has no recurrent kernel, `rng` is no key, or the rate is out of range.

    Paper: Merity, Keskar & Socher, Regularizing and optimizing LSTM language models, arXiv:1708.02182, section 2; Wan
    et al., Regularization of neural networks using DropConnect, ICML 2013.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lstm(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> dropped = jaxrnn.weight_drop(params, jax.random.key(1), 0.5)
    >>> carry, ys = jaxrnn.scan(cell, dropped, jax.numpy.ones((6, 2, 3)))
    >>> bool((dropped["recurrent_kernel"] == 0).any()), dropped["kernel"] is params["kernel"]
    (True, True)
    """
    if not isinstance(params, dict):
        fail("params", "a dict of arrays, as `init` returns", params, kind=TypeError)
    check_key(rng, "rng")
    rate = check_rate(rate, "rate")
    leaves, tree = jax.tree_util.tree_flatten_with_path(params, is_leaf=lambda a: not isinstance(a, dict))
    recurrent = [index for index, (path, _) in enumerate(leaves) if path[-1] == jax.tree_util.DictKey(RECURRENT)]
    if not recurrent:
        fail("params", f"a dict with an entry {RECURRENT!r}, at any depth", params)
    arrays = [leaf for _, leaf in leaves]
    for index in recurrent:
        name = "params" + jax.tree_util.keystr(leaves[index][0])
        check_array(arrays[index], name, f"an array of one of {FLOATS}")
        if not is_float(arrays[index].dtype):
            fail(name, f"an array of one of {FLOATS}", arrays[index], kind=TypeError)

    def drop(key: PRNGKeyArray, kernel: Array) -> Array:
        keep = jax.random.bernoulli(key, 1 - rate, kernel.shape)
        return jnp.where(keep, kernel / (1 - rate), jnp.zeros_like(kernel))

    for key, index in zip(jax.random.split(rng, len(recurrent)), recurrent, strict=True):
        arrays[index] = automatic(drop, (key, arrays[index]), lambda *_, kernel=arrays[index]: place(kernel))
    return jax.tree.unflatten(tree, arrays)
