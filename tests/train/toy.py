"""A task so small that the loop itself is what the tests see: a line through noise, with batches spoiled on request."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.train import Experiment, LoopOptions, OptimizerOptions


class Counter:
    """Batch n is drawn from a generator seeded with n."""

    def __init__(self, options):
        self.options, self.n = options, 0

    def __next__(self):
        rng = np.random.default_rng(self.n)
        self.n += 1
        x = rng.normal(size=(self.options.rows, 3)).astype(np.float32)
        y = x @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1 * rng.normal(size=self.options.rows).astype(np.float32)
        if self.n in self.options.nan_steps:
            y = np.full_like(y, np.nan)
        steep = np.full(self.options.rows, self.n in self.options.steep_steps)
        return {"x": x, "y": y, "steep": steep}

    def get_state(self):
        return {"n": self.n}

    def set_state(self, state):
        self.n = state["n"]


@dataclass(frozen=True)
class ToyOptions:
    """Steps count from one, as in metrics.jsonl."""

    rows: int = 8
    nan_steps: tuple[int, ...] = ()
    steep_steps: tuple[int, ...] = ()  # finite loss, gradient that is not


@dataclass(frozen=True)
class Toy:
    """loss = mean of (x w + b + carry - y)^2 with a carry that remembers half of the last error."""

    data: ToyOptions
    unit = "points"
    headline = "test loss"
    splits = ("validation", "test")

    def init(self, key):
        return {"kernel": jax.random.normal(key, (3,)), "bias": jnp.zeros(())}

    def initial_carry(self, params):
        return (jnp.zeros(self.data.rows),)

    def batches(self):
        return Counter(self.data)

    def count(self, batch):
        return len(batch["x"])

    def loss(self, params, carry, batch, rng):
        noise = 0.01 * jax.random.normal(rng, (self.data.rows,))
        error = batch["x"] @ params["kernel"] + params["bias"] + carry[0] + noise - batch["y"]
        still = params["bias"] - jax.lax.stop_gradient(params["bias"])  # 0, where a root has no slope
        loss = jnp.mean(error**2) + jnp.sqrt(jnp.where(batch["steep"][0], still, 1.0)) - 1.0
        return loss, ((0.1 * jax.lax.stop_gradient(error),), {"bias": params["bias"]})

    def evaluate(self, params, place, split="validation"):
        batch = place(Counter(ToyOptions(self.data.rows)).__next__())
        return {"loss": float(jnp.mean((batch["x"] @ params["kernel"] + params["bias"] - batch["y"]) ** 2))}

    def show(self, params, folder, seed):
        return f"w = {np.asarray(params['kernel']).round(1).tolist()}"


def experiment(loop: dict | None = None, **data) -> Experiment:
    """A short run of the toy."""
    loop = {"steps": 30, "log_every": 5, "validate_every": 10, "checkpoint_every": 10} | (loop or {})
    optimizer = OptimizerOptions(learning_rate=0.05, warmup=5)
    return Experiment("toy", 0, Toy(ToyOptions(**data)), optimizer, LoopOptions(**loop))
