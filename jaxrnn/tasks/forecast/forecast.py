"""Forecasts: what a series will be for the next hours, days or months, with how sure that is.

    y[t+1 .. t+horizon] from y[.. t], calendar, and covariates: quantiles of each, or a distribution

By the pinball loss in units of the error of "as a season before", by which MASE is scaled too; or by the likelihood of
a normal distribution or Student's t (DeepAR, Salinas et al. 2017, arXiv:1704.04110). Where values are missing, nothing
is filled in: the network sees that they are, and no loss counts them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.forecast.answers import initial_stream, pasts, predicted, streamed
from jaxrnn.tasks.forecast.features import Encoded, Features, learned_from
from jaxrnn.tasks.forecast.held_out import forecasts
from jaxrnn.tasks.forecast.network import Forecaster, log_likelihood, quantile_loss
from jaxrnn.tasks.forecast.options import LARGEST
from jaxrnn.tasks.forecast.options import DataOptions as DataOptions
from jaxrnn.tasks.forecast.options import ModelOptions as ModelOptions
from jaxrnn.tasks.forecast.own_series import own_panel
from jaxrnn.tasks.forecast.pictures import fan_figure, fans_of
from jaxrnn.tasks.forecast.program import program_of
from jaxrnn.tasks.forecast.scores import figures, seasonal_error
from jaxrnn.tasks.forecast.series import Series, ahead, part_of
from jaxrnn.tasks.forecast.sets import Panel, of_set
from jaxrnn.tasks.forecast.windows import Collate, Windows, training_windows, with_gaps
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import ByLength
from jaxrnn.train.named_axes import Named
from jaxrnn.train.plots import save_figure
from jaxrnn.train.program import Program
from jaxrnn.train.task import Batch, Carry, Params

SHOWN = 6  # forecasts in a picture
BOUND = 30.0  # of what is told from the level, in a logarithm: e^30 times it is more than any forecast


@dataclass(frozen=True)
class Forecast:
    """The task."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "forecasts"
    splits = ("validation", "test")

    @property
    def headline(self) -> str:
        """MAE of the one series of Beijing, MASE of others."""
        return "test MAE" if self.data.set == "beijing" else "test MASE"

    @cached_property
    def panel(self) -> Panel:
        """The series; a trained model asks for the covariates that it knows."""
        known = (self.features.columns, self.features.step or None, self.features.dated) if self.learned else ()
        return own_panel(self.data, *known) if self.data.set == OWN else of_set(self.data)

    def contents(self, split: str) -> Any:
        """The values and covariates of a part, by series."""
        found = []
        for series in self.panel.series:
            begin, end = part_of(series, split)
            found.append((series.name, series.values[begin:end], series.covariates[begin:end]))
        return [self.panel.columns, found]

    def learn(self) -> dict[str, Any]:
        """Scales of the series, moments of the covariates, and what the calendar says."""
        return json.loads(self.features.record)

    @cached_property
    def features(self) -> Features:
        """What makes arrays of series."""
        record = self.learned or json.dumps(learned_from(*self.panel, self.data))
        return Features(self.data, record)

    @cached_property
    def network(self) -> Forecaster:
        """The network."""
        return Forecaster(self.model, *self.features.sizes, self.data.horizon)

    def encoded(self, series: Series) -> Encoded:
        """A series for the network, with nothing known beyond its end."""
        times = ahead(series.times, self.data.horizon, self.features.step, self.data.season)
        return self.features.encode(series, times, np.full((len(times), series.covariates.shape[1]), np.nan))

    @cached_property
    def all_encoded(self) -> list[Encoded]:
        """The series for the network."""
        return [self.encoded(series) for series in self.panel.series]

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def named_axes(self) -> Named:
        """What reads the steps before, and the steps ahead."""
        return self.network.named_axes(*self.features.places)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """Sequences of the training parts, in an order drawn anew each epoch."""
        series, encoded = [*self.panel.series], [*self.all_encoded]
        if self.data.hidden:
            encoded += [self.encoded(with_gaps(one, n, self.data)) for n, one in enumerate(series)]
            series *= 2  # what came is what came
        windows = [w for n, one in enumerate(series) for w in training_windows(n, one, self.data)]
        collate = Collate(windows, series, encoded, self.features)
        return ByLength(collate.lengths, self.data.rows, self.data.seed, collate, pool=8)

    def count(self, batch: Windows) -> int:
        """Forecasts in a batch: origins of which something came."""
        return int(batch.seen.any(-1).sum())

    def outputs(self, params: Params, batch: Windows, rng: jax.Array | None) -> jax.Array:
        """Of each origin and step ahead, in deviations from the level: [B, N, h, O]."""
        keys = (None, None) if rng is None else tuple(jax.random.split(rng))
        dtype = params["readout"]["bias"].dtype
        ys = self.network.read(params, jnp.asarray(batch.inputs, dtype), batch.lengths, keys[0])
        B, N = batch.origins.shape
        states = ys[batch.origins, jnp.arange(B)[:, None]].reshape(B * N, -1)
        steps = jnp.asarray(batch.ahead, dtype).reshape(B * N, *batch.ahead.shape[2:])
        return self.network.forecast(params, states, steps, keys[1]).reshape(B, N, self.data.horizon, -1)

    def values(self, outputs: Any, level: Any, numbers: Any = jnp) -> Any:
        """Values in units of a series' size of outputs [..., h, Q] and levels [...]."""
        level = level[..., None, None]
        z = outputs * self.features.deviation + level
        most = numbers.minimum(level + BOUND, LARGEST)
        return numbers.expm1(numbers.clip(z, -BOUND, most)) * self.data.log if self.data.log else z

    def loss(
        self, params: Params, carry: Carry, batch: Windows, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The mean loss of an observed value."""
        losses = self._losses(params, batch, rng)
        seen = jnp.asarray(batch.seen)
        return losses.sum() / jnp.maximum(seen.sum(), 1).astype(losses.dtype), (carry, {})

    def _losses(self, params: Params, batch: Windows, rng: jax.Array | None) -> jax.Array:
        """Of each value, [B, N, h]; 0 where none was observed."""
        out = self.outputs(params, batch, rng)
        seen = jnp.asarray(batch.seen)
        target = batch.targets if self.model.output == "quantiles" else batch.z
        came = jnp.where(seen, jnp.asarray(target, out.dtype), 0)  # before anything is made of it
        if self.model.output == "quantiles":
            losses = quantile_loss(came, self.values(out, jnp.asarray(batch.level, out.dtype)), self.network.levels)
            losses *= jnp.asarray(batch.weight, out.dtype)[:, None, None]
        else:
            losses = -log_likelihood(came, out)
        return jnp.where(seen, losses, 0)

    @partial(jax.jit, static_argnums=0)
    def judged(self, params: Params, batch: Windows) -> tuple[jax.Array, jax.Array]:
        """Outputs and losses of a batch."""
        return self.outputs(params, batch, None), self._losses(params, batch, None)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures of the forecasts of a part, horizon by horizon, from all that was before each."""
        parts = [*forecasts(self, params, place, split)]
        values, quantiles, owner = (np.concatenate([part[n] for part in parts]) for n in range(3))
        loss = sum(part.loss for part in parts) / np.isfinite(values).sum()
        before = [series.values[: part_of(series, split)[0]] for series in self.panel.series]
        scales = np.array([seasonal_error(one, self.data.season) for one in before])
        return {"loss": float(loss)} | figures(values, quantiles, self.network.levels, owner, scales)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Six forecasts of the test beside what came: forecasts.png."""
        parts = [*forecasts(self, params, jax.device_put, "test")]
        chosen = np.random.default_rng(seed).permutation(len(parts))[:SHOWN]
        fans = [fan for n in chosen for fan in fans_of(self.panel.series, parts[n], seed)][:SHOWN]
        save_figure(fan_figure(fans, self.network.levels), folder / "forecasts.png")
        return f"{len(fans)} forecasts of the test, medians and quantiles beside what came: forecasts.png"

    def inputs(self, path: Path) -> list[Any]:
        """The series of a user's file, and what it says of the time to come."""
        return list(pasts(self, str(path)))

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """The forecasts of series: times, medians and quantiles."""
        return predicted(self, params, inputs)

    def table(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """An answer as rows of a table, a row a step."""
        for n in range(len(answer["time"])):
            yield {name: value if name == "id" else value[n] for name, value in answer.items()}

    def initial_stream(self, params: Params) -> Carry:
        """What a stream remembers before its first value."""
        return initial_stream(self, params)

    def stream(self, params: Params, carry: Carry, line: str) -> tuple[dict[str, Any], Carry]:
        """The forecasts after one more value, "time,value"."""
        return streamed(self, params, carry, line)

    def program(self, params: Params) -> Program:
        """Arrays of the past and of the steps ahead to quantiles."""
        return program_of(self, params)
