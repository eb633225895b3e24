"""Right calls of `jaxrnn.dynamics`, `jaxrnn.forms` and `jaxrnn.testing`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from flax import linen, nnx

import jaxrnn
from jaxrnn import dynamics, forms
from jaxrnn.testing import check_replay
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import GRU, KEY, XS, B, D, H, carry_of, params_of

LOOKED_AT = dict(
    layer="Module | Cell", params="dict | None", xs="array", x="array | int", per_step="dict | None", key="key | None"
)
LOOKED_AT |= dict(carry="array | tuple | list | None", starts="array | tuple | list | int", dtype="dtype | None")
LOOKED_AT |= dict(tolerance="float | inf | None", axes="None", trajectories="array | tuple | list | None")
ALONG = ("gradient_norms", "memory_lengths", "lyapunov", "gate_saturation")


def looked_at() -> dict[str, Any]:
    return dict(layer=GRU, params=params_of(GRU), xs=XS)


def of_flax() -> dict[str, Any]:
    """A cell of Flax's, which the engine does not check."""
    cell = linen.GRUCell(H)
    return dict(layer=cell, params=cell.init(KEY, np.zeros((B, H), np.float32), XS[0]), xs=XS)


def of_nnx() -> dict[str, Any]:
    return dict(layer=nnx.GRUCell(D, H, rngs=nnx.Rngs(0)), params=None, xs=XS)


@cache
def found(name: str) -> Any:
    """What a function of the room returns, and its figure draws."""
    given = dict(fixed_points=dict(x=XS[0, 0], starts=2, steps=2), spectra={}).get(name, dict(xs=XS))
    return getattr(dynamics, name)(GRU, params_of(GRU), **given)


def step(carry: Any, x: Any, start: Any) -> Any:
    carry, ys = jaxrnn.scan(GRU, params_of(GRU), x[None], carry, resets=start[None])
    return carry, ys[0]


def replay(carry: Any, xs: Any, dones: Any, first: Any) -> Any:
    return jaxrnn.scan(GRU, params_of(GRU), xs, carry, resets=jaxrnn.starts_from(dones, first))


THEIRS = "a cell of Flax's says itself what it multiplies"
DYNAMICS = {
    f"dynamics.{name}{of}": Call(getattr(dynamics, name), right, LOOKED_AT, without={"xs": THEIRS} if of else {})
    for name in ALONG
    for of, right in (("", looked_at), (", a cell of linen's", of_flax), (", a cell of NNX's", of_nnx))
    if name != "gate_saturation" or not of
} | {
    "dynamics.spectra": Call(dynamics.spectra, lambda: dict(layer=GRU, params=params_of(GRU)), LOOKED_AT),
    "dynamics.fixed_points": Call(
        dynamics.fixed_points,
        lambda: dict(layer=GRU, params=params_of(GRU), x=XS[0, 0], starts=2, steps=2),
        LOOKED_AT,
    ),
}
DYNAMICS |= {
    f"dynamics.draw_{what}": Call(
        getattr(dynamics, f"draw_{what}"),
        lambda maker=maker: dict(found=found(maker)),
        LOOKED_AT | dict(found="array" if what == "memory" else "object"),
    )
    for what, maker in dict(
        gates="gate_saturation",
        fixed_points="fixed_points",
        spectra="spectra",
        gradients="gradient_norms",
        lyapunov="lyapunov",
        memory="memory_lengths",
    ).items()
} | {"dynamics.calls": Call(dynamics.calls, lambda: dict(function=lambda: jaxrnn.scan(GRU, params_of(GRU), XS)))}
FORMS = {
    f"forms.{name}": Call(getattr(forms, name))
    for name in ("antisymmetric", "orthogonal", "spectral_bound", "weight_norm", "non_negative", "frozen", "quantized")
} | {"forms.identity": Call(forms.identity, made_by=lambda **given: forms.identity("f", **given))}
TESTING = {
    "testing.check_replay": Call(
        check_replay,
        lambda: dict(step=step, replay=replay, carry=carry_of(GRU), xs=XS, key=KEY, rollouts=1),
        dict(carry="array | tuple | list", xs="array", key="key", step="function", replay="function"),
    )
}
CALLS = DYNAMICS | FORMS | TESTING
