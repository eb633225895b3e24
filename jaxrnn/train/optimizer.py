"""The optimizer of every run: AdamW, linear warm-up, cosine decay to zero, clipping by the global norm."""

from __future__ import annotations

import jax
import optax

from jaxrnn.train.options import OptimizerOptions


def learning_rate(options: OptimizerOptions, steps: int) -> optax.Schedule:
    """Learning rate by update: linear up to the peak, after `warmup` updates, then a cosine to zero at `steps`."""
    peak, warmup = options.learning_rate, min(options.warmup, steps - 1)
    return optax.join_schedules(
        [
            # Not from zero: an update without effect would be a batch wasted.
            optax.linear_schedule(peak / (warmup + 1), peak, max(warmup, 1)),
            optax.cosine_decay_schedule(peak, steps - warmup),
        ],
        [warmup],
    )


def make_optimizer(options: OptimizerOptions, steps: int) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter 2019) behind a global-norm clip; only kernels are decayed."""

    def kernels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: str(path[-1].key).endswith("kernel"), params)

    return optax.chain(
        optax.clip_by_global_norm(options.clip_norm),
        optax.adamw(
            learning_rate(options, steps),
            b1=options.beta1,
            b2=options.beta2,
            weight_decay=options.weight_decay,
            mask=kernels,
        ),
    )
