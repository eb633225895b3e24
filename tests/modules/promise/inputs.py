"""What the checks of the promise are fed."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

T, B, D, H = 4, 3, 2, 3
LENGTHS = jnp.array([4, 1, 3])
F64: Any = {"param_dtype": jnp.float64, "dtype": jnp.float64}
rng = np.random.default_rng(0)
XS = jnp.asarray(rng.normal(size=(B, T, D)))
STATE = jnp.asarray(rng.normal(size=(B, H)))
NAMED = {"LSTMCell": "lstm", "OptimizedLSTMCell": "optimized", "GRUCell": "gru", "SimpleCell": "elman"}
VALID = (jnp.arange(T)[None] < LENGTHS[:, None])[..., None]
