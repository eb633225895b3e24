"""From a sequence to a label: symbols or channels, layers that read both ways, one vector of all steps, a readout.

    x[t]      = E[symbol[t]], or channels[t] W_in + b_in
    h         = bidirectional layers of a cell over x
    attention   a = softmax over t of v . tanh(h[t] W + b),   s = sum over t of a[t] h[t]
    mean        s = mean over t of h[t]
    last        s = what each direction put out last
    max         s = max over t of h[t], unit by unit
    p(label)  = softmax(s W_out + b_out), or of s and the mean of x (`bag`)

Attention as in Yang et al., Hierarchical attention networks for document classification, NAACL 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp

from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.first_parameters import first_parameters
from jaxrnn.tasks.shared.readers import both_ways, check_cell, ends
from jaxrnn.train.options import check, check_types, check_whole
from jaxrnn.train.task import Params

HEADS = ("attention", "last", "mean", "max")


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        cell: Its kind: any that `jaxrnn cells` lists, but for those to which time is an input.
        hidden: H, units of each direction.
        layers: Bidirectional layers on top of each other.
        embedding: E, features of a symbol, or of a step of a series.
        head: attention, which weighs the steps; last, what each direction put out last; mean; or max, of each unit.
        bag: The readout has the mean of the features of all steps, too: what a text says in whatever order.
        dropout: Rate while training: of features, between layers, and before the readout.
        blanks: Of texts: the share of symbols that are read as unknown while training.
    """

    cell: str = "gru"
    hidden: int = 128
    layers: int = 1
    embedding: int = 64
    head: Literal["attention", "last", "mean", "max"] = "attention"
    bag: bool = False
    dropout: float = 0.3
    blanks: float = 0.0

    def __post_init__(self) -> None:
        check_types(self, "model")
        check_cell(self.cell)
        for name in ("hidden", "layers", "embedding"):
            check_whole(getattr(self, name), f"model.{name}")
        check(self.head in HEADS, "model.head", "attention, last, mean or max", self.head)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(0 <= self.blanks < 1, "model.blanks", "a share in [0, 1)", self.blanks)


@dataclass(frozen=True)
class Network:
    """The network, as pure functions of its parameters."""

    model: ModelOptions
    inputs: int  # V symbols, or D channels
    outputs: int  # labels
    unknown: int | None  # the number of the unknown symbol; None: series of channels are read

    @cached_property
    def encoder(self) -> Layer:
        """The recurrent part."""
        return both_ways(self.model.cell, self.model.hidden, self.model.layers, self.model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"embedding" [V, E] or "channels", "encoder", "attention", "readout"}."""
        keys = jax.random.split(key, 5)
        E, states = self.model.embedding, self.encoder.output_size
        pooled = states + E if self.model.bag else states
        if self.unknown is None:
            params: Params = {"channels": dense_init(keys[0], self.inputs, E)}
        else:
            params = {"embedding": 0.1 * jax.random.normal(keys[0], (self.inputs, E))}
        params |= {
            "encoder": first_parameters(self.encoder, keys[1], E, self.model.cell),
            "readout": dense_init(keys[2], pooled, self.outputs),
        }
        if self.model.head == "attention":
            params["attention"] = {
                "hidden": dense_init(keys[3], states, E),
                "query": jax.random.normal(keys[4], (E,)) / E**0.5,
            }
        return params

    def __call__(
        self, params: Params, xs: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Logits [B, L] of symbols [B, T] or channels [B, T, D], and the weight of each step [B, T]."""
        blank_rng, in_rng, scan_rng, out_rng = (None,) * 4 if rng is None else jax.random.split(rng, 4)
        valid = jnp.arange(xs.shape[1], dtype=lengths.dtype)[None] < lengths[:, None]
        wide = jnp.broadcast_to(valid[..., None], (*xs.shape[:2], self.inputs if self.unknown is None else 1))
        if self.unknown is None:
            xs = jnp.where(wide, xs, jnp.zeros_like(xs)).astype(params["channels"]["bias"].dtype)
            hs = dense(params["channels"], xs)
        else:
            xs = jnp.where(valid, xs, 0)
            if blank_rng is not None and self.model.blanks:
                xs = jnp.where(jax.random.bernoulli(blank_rng, self.model.blanks, xs.shape), self.unknown, xs)
            hs = params["embedding"][xs]
        hs = dropout(in_rng, hs.swapaxes(0, 1), self.model.dropout)
        _, ys = scan(self.encoder, params["encoder"], hs, lengths=lengths, rng=scan_rng)  # [T, B, 2 H]
        weights = self._weights(params, ys, valid.T)
        if self.model.head == "last":
            pooled = ends(ys, lengths)
        elif self.model.head == "max":
            pooled = _highest(ys, valid.T)
        else:
            pooled = jnp.einsum("tb,tbh->bh", weights, ys)
        if self.model.bag:
            alike = _shares(jnp.zeros(valid.T.shape, hs.dtype), valid.T)
            pooled = jnp.concatenate([pooled, jnp.einsum("tb,tbe->be", alike, hs)], -1)
        return dense(params["readout"], dropout(out_rng, pooled, self.model.dropout)), weights.T

    def _weights(self, params: Params, ys: jax.Array, valid: jax.Array) -> jax.Array:
        """What each step counts, [T, B]: 0 where there is none, 1 in all where there is one."""
        scores = jnp.zeros(valid.shape, ys.dtype)
        if self.model.head == "attention":
            scores = jnp.tanh(dense(params["attention"]["hidden"], ys)) @ params["attention"]["query"]
        return _shares(scores, valid)


def _shares(scores: jax.Array, valid: jax.Array) -> jax.Array:
    """Of each step that there is, by its score [T, B]: equal ones are the shares of a mean."""
    shares = jax.nn.softmax(jnp.where(valid, scores, jnp.finfo(scores.dtype).min), axis=0)
    return jnp.where(valid, shares, jnp.zeros_like(shares))


def _highest(ys: jax.Array, valid: jax.Array) -> jax.Array:
    """The maximum over the steps that there are, [B, 2 H] of outputs [T, B, 2 H]; 0 where there is none."""
    wide = jnp.broadcast_to(valid[..., None], ys.shape)
    highest = jnp.where(wide, ys, jnp.finfo(ys.dtype).min).max(0)
    return jnp.where(wide.any(0), highest, jnp.zeros_like(highest))
