"""The optimizer of every run: AdamW or plain SGD, a learning rate over the run, clipping by the global norm."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from jaxrnn.base.errors import fail
from jaxrnn.train.averaging import with_average
from jaxrnn.train.options import OptimizerOptions, check_whole


def _check(options: OptimizerOptions, steps: int) -> None:
    if not isinstance(options, OptimizerOptions):
        fail("options", "OptimizerOptions", options, kind=TypeError)
    check_whole(steps, "steps")


def learning_rate(options: OptimizerOptions, steps: int) -> optax.Schedule:
    """Learning rate by update: linear up to the peak, after `warmup` updates, then as `schedule` says."""
    _check(options, steps)
    peak, warmup = options.learning_rate, min(options.warmup, steps - 1)

    def staircase(update):  # counted from the end of the warm-up
        stairs = jnp.maximum(update + warmup - options.hold, -1) // options.stair + 1
        return peak * jnp.power(options.decay, stairs)

    after = {
        "cosine": optax.cosine_decay_schedule(peak, steps - warmup),
        "constant": optax.constant_schedule(peak),
        "staircase": staircase,
    }[options.schedule]
    # Not from zero: an update without effect would be a batch wasted.
    rise = optax.linear_schedule(peak / (warmup + 1), peak, max(warmup, 1))
    return optax.join_schedules([rise, after], [warmup])


def make_optimizer(options: OptimizerOptions, steps: int) -> optax.GradientTransformation:
    """The optimizer behind a global-norm clip, with the mean of its parameters on request; only kernels are decayed."""
    _check(options, steps)

    def kernels(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: str(path[-1].key).endswith("kernel"), params)

    rate, clip = learning_rate(options, steps), optax.clip_by_global_norm(options.clip_norm)
    decay = optax.add_decayed_weights(options.weight_decay, kernels) if options.weight_decay else optax.identity()
    scale = optax.scale_by_adam(options.beta1, options.beta2) if options.name == "adamw" else optax.identity()
    optimizer = optax.chain(clip, scale, decay, optax.scale_by_learning_rate(rate))
    return with_average(optimizer, options.running) if options.averaging or options.running else optimizer
