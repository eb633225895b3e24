"""The network of the small tasks in NumPy, float64: the oracle's cells over time, row by row, and the readout."""

from __future__ import annotations

import jax
import numpy as np

from tests import oracle


def cell(model):
    """Equations and the number of states of a model's cell."""
    squash = dict(squash_in=oracle.squash_g, squash_out=oracle.squash_h)
    return {
        "elman": (oracle.elman, {}, 1),
        "gru": (oracle.gru, {}, 1),
        "lstm": (oracle.lstm, {}, 2),
        "lstm_peepholes": (oracle.lstm, {"peepholes": True}, 2),
        "lstm_1997": (oracle.lstm, {"gates": "igo", **squash}, 2),
    }[model.cell]


def read_row(model, params, xs, resets=()):
    """Outputs [T, O] of one row's valid inputs [T, D]; at the times in `resets` the carry starts anew."""
    equations, options, states = cell(model)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    carry, outputs = (np.zeros(model.hidden),) * states, []
    for time, x in enumerate(np.asarray(xs, np.float64)):
        if time in resets:
            carry = (np.zeros(model.hidden),) * states
        carry, y = equations(params["rnn"], carry, x, **options)
        outputs.append(y @ params["readout"]["kernel"] + params["readout"]["bias"])
    return np.array(outputs)


def spread(params):
    """Parameters in which nothing is zero, so that no bias or peephole goes unseen."""
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(tree, [leaf + 0.3 * rng.normal(size=leaf.shape) for leaf in leaves])
