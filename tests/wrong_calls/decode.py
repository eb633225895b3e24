"""Right calls of `jaxrnn.decode`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn import decode
from jaxrnn.decode import glimpse
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import GRU, KEY, B, D, T

S, M, WORDS = 4, 3, 5
LOGITS = np.zeros((B, WORDS), np.float32)
XS = np.ones((T, B, D), np.float32)
VALUES = np.ones((B, S, M), np.float32)
START = np.zeros(B, np.int32)


def step(carry: Any, token: Any) -> Any:
    return carry, jnp.zeros((*token.shape, WORDS))


DRAW = dict(
    temperature="float | array", top_p="float | array | None", top_k="int | None", key="key", start="int | array"
)
DRAW |= dict(step="function", carry="any")
ATTEND = dict(
    params="dict",
    key="key",
    carry="array | tuple | list",
    memory="Memory",
    rng="key | None",
    batch="tuple",
    start_step="int | array",
    step="int | array",
    cell="array | tuple | list | None",
    output="array | None",
)


def attend(name: str, decoder: Any) -> dict[str, Call]:
    """Calls of a decoder with attention."""
    params = decoder.init(KEY, inputs=D, memory=M)
    memory = decoder.memory(params, VALUES)
    calls = {
        "init": Call(decoder.init, lambda: dict(key=KEY, inputs=D, memory=M), ATTEND | dict(memory="int")),
        "initial_carry": Call(decoder.initial_carry, lambda: dict(batch=(B,)), ATTEND | dict(params="dict | None")),
        "memory": Call(decoder.memory, lambda: dict(params=params, values=VALUES), ATTEND),
        "scan": Call(
            decoder.scan, lambda: dict(params=params, xs=XS, carry=decoder.initial_carry((B,)), memory=memory), ATTEND
        ),
        "step": Call(
            decoder.step, lambda: dict(params=params, carry=decoder.initial_carry((B,)), x=XS[0], memory=memory), ATTEND
        ),
    }
    return {f"{name}.{method}": call for method, call in calls.items()}


def attention(name: str, made: Any) -> dict[str, Call]:
    """Calls of an attention."""
    query, memory = np.ones((B, 3), np.float32), 3
    params = made.init(KEY, query=3, memory=memory)
    calls = {
        "init": Call(made.init, lambda: dict(key=KEY, query=3, memory=memory), ATTEND | dict(memory="int")),
        "memory": Call(made.memory, lambda: dict(params=params, values=VALUES), ATTEND),
        "__call__": Call(made, lambda: dict(params=params, query=query, memory=made.memory(params, VALUES)), ATTEND),
    }
    return {f"Attention.{method}, {name}": call for method, call in calls.items()}


def windowed() -> dict[str, Call]:
    layer = decode.window(GRU, components=2)
    params = layer.init(KEY, inputs=D, memory=M)
    memory = layer.memory(VALUES)
    carry = layer.initial_carry(memory)
    return {
        "Window.init": Call(layer.init, lambda: dict(key=KEY, inputs=D, memory=M), ATTEND | dict(memory="int")),
        "Window.initial_carry": Call(
            layer.initial_carry, lambda: dict(memory=memory), ATTEND | dict(params="dict | None")
        ),
        "Window.memory": Call(layer.memory, lambda: dict(values=VALUES)),
        "Window.scan": Call(layer.scan, lambda: dict(params=params, xs=XS, carry=carry, memory=memory), ATTEND),
        "Window.step": Call(layer.step, lambda: dict(params=params, carry=carry, x=XS[0], memory=memory), ATTEND),
    }


def first(function: Callable[..., Any]) -> Callable[..., Any]:
    """The first item of what a generator yields."""
    return lambda **given: next(iter(function(**given)))


DENSITY = decode.mixture_density(2)
MIXTURE = DENSITY.split(np.zeros((B, DENSITY.size), np.float32))
POINT = np.zeros((B, 3), np.float32)
FILTERS = glimpse.filterbank(jnp.zeros((B, 5)), size=2, image=(4, 4))

CALLS = {
    "greedy": Call(decode.greedy, lambda: dict(step=step, carry=(), start=START, length=2), DRAW),
    "sample": Call(decode.sample, lambda: dict(step=step, carry=(), start=START, key=KEY, length=2), DRAW),
    "stream": Call(
        decode.stream,
        lambda: dict(step=step, carry=(), start=START, key=KEY, length=2),
        DRAW,
        made_by=first(decode.stream),
    ),
    "beam": Call(decode.beam, lambda: dict(step=step, carry=(), start=START, width=2, length=2), DRAW),
    "filter_logits": Call(decode.filter_logits, lambda: dict(logits=LOGITS), DRAW),
    "bahdanau": Call(decode.bahdanau, lambda: dict(units=3)),
    "luong": Call(decode.luong),
    "attend_before": Call(decode.attend_before, lambda: dict(cell=GRU, attention=decode.bahdanau(3))),
    "attend_after": Call(decode.attend_after, lambda: dict(cell=GRU, attention=decode.bahdanau(3))),
    "window": Call(decode.window, lambda: dict(cell=GRU, components=2)),
    "mixture_density": Call(decode.mixture_density, lambda: dict(components=2)),
    "MixtureDensity.split": Call(DENSITY.split, lambda: dict(outputs=np.zeros((B, DENSITY.size), np.float32))),
    "MixtureDensity.log_density": Call(DENSITY.log_density, lambda: dict(mixture=MIXTURE, point=POINT)),
    "MixtureDensity.log_density_of_place": Call(
        DENSITY.log_density_of_place, lambda: dict(mixture=MIXTURE, place=POINT[:, :2])
    ),
    "MixtureDensity.sample": Call(
        DENSITY.sample, lambda: dict(key=KEY, mixture=MIXTURE), dict(key="key", bias="float | array")
    ),
    "glimpse.place": Call(
        glimpse.place, lambda: dict(parameters=np.zeros((B, 5), np.float32), size=2, image=(4, 4)), dict(image="tuple")
    ),
    "glimpse.filterbank": Call(
        glimpse.filterbank,
        lambda: dict(parameters=np.zeros((B, 5), np.float32), size=2, image=(4, 4)),
        dict(image="tuple"),
    ),
    "glimpse.read": Call(glimpse.read, lambda: dict(filters=FILTERS, image=np.zeros((B, 4, 4), np.float32))),
    "glimpse.write": Call(glimpse.write, lambda: dict(filters=FILTERS, patch=np.zeros((B, 2, 2), np.float32))),
}
CALLS |= attend("AttendBefore", decode.attend_before(GRU, decode.bahdanau(3)))
CALLS |= attend("AttendAfter", decode.attend_after(GRU, decode.luong()))
CALLS |= attention("bahdanau", decode.bahdanau(2)) | attention("luong", decode.luong())
CALLS |= windowed()
CALLS = {f"decode.{name}": call for name, call in CALLS.items()}
