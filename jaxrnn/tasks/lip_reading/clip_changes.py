"""Clips as a network reads them, and what is done to them in training so that it doesn't learn them by heart."""

from __future__ import annotations

import jax
import jax.numpy as jnp

SHIFT, TURN, SPEED, CONTRAST = 2, 4.0, 0.15, 0.3  # greatest changes in training: pixels, frames, and shares


def standardised(clips: jax.Array) -> jax.Array:
    """Each clip [B, T, Y, X] less its mean frame, so that what moves is left, with variance 1 over all its pixels."""
    clips = clips - clips.mean(1, keepdims=True)
    variance = jnp.square(clips).mean((1, 2, 3), keepdims=True)
    return clips * jax.lax.rsqrt(variance + 1)  # grey values: 1 is next to nothing


def changed(rng: jax.Array, clips: jax.Array, mirror: bool) -> jax.Array:
    """Each clip [B, T, Y, X] moved by some pixels, earlier or later, hurried or slowed, and lit differently."""
    keys = jax.random.split(rng, 5)
    rows, frames, height, width = clips.shape
    corners = jax.random.randint(keys[0], (rows, 2), 0, 2 * SHIFT + 1)
    turns, speeds = (
        jax.random.uniform(k, (rows, 1), clips.dtype, low, high)
        for k, low, high in ((keys[1], -TURN, TURN), (keys[2], 1 - SPEED, 1 + SPEED))
    )
    middle = (frames - 1) / 2
    times = middle + turns + speeds * (jnp.arange(frames, dtype=clips.dtype) - middle)[None]
    times = jnp.clip(jnp.round(times), 0, frames - 1).astype(jnp.int32)
    lights = jax.random.uniform(keys[3], (rows, 1, 1, 1), clips.dtype, 1 - CONTRAST, 1 + CONTRAST)
    flips = jax.random.bernoulli(keys[4], 0.5 if mirror else 0.0, (rows, 1, 1, 1))
    clips = jnp.where(flips, clips[..., ::-1], clips) * lights
    padded = jnp.pad(clips, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")

    def cut(clip: jax.Array, corner: jax.Array, when: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(clip, (0, corner[0], corner[1]), (frames, height, width))[when]

    return jax.vmap(cut)(padded, corners, times)
