"""A step compiled for described chips: what each of them holds, computes and sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import jax

from jaxrnn.base.errors import fail
from jaxrnn.base.platform import made_for
from jaxrnn.plan.collectives import Collective, collectives_of
from jaxrnn.plan.topology import MEMORY
from jaxrnn.programs.flops import count_flops


@dataclass(frozen=True)
class Plan:
    """What one chip of several has to do with a step. Bytes are those of one chip."""

    chip: str  # as JAX calls it
    chips: int  # how many
    arguments: dict[str, int]  # bytes of each argument of the step, by name
    temporaries: int  # bytes of what the step makes and drops, saved arrays included
    results: int  # bytes of results that do not take the place of arguments
    program: int  # bytes of the program
    flops: int  # of products, of all chips together
    collectives: tuple[Collective, ...]  # what they send each other
    memory: int | None  # bytes that such a chip has, where that is known
    saved: int | None = None  # bytes of `temporaries` kept for the backward pass, where that was asked for
    refused: str = ""  # why the compiler made no program: then what it counts is 0

    @property
    def total(self) -> int:
        """Bytes in use while the step runs."""
        return sum(self.arguments.values()) + self.temporaries + self.results + self.program

    @property
    def fits(self) -> bool | None:
        """Whether it does; None where nothing is known of the chip's memory."""
        return False if self.refused else None if self.memory is None else self.total <= self.memory


def plan_step(step: Callable[..., Any], *arguments: Any, names: tuple[str, ...] = ()) -> Plan:
    """Compile a step for the chips that its arguments lie on, and read off what it takes. Nothing runs.

    Args:
        step: a function of arrays, jitted or not; what it is told to donate is counted once.
        arguments: shapes and where they lie: `jax.ShapeDtypeStruct(shape, dtype, sharding=...)`, in trees, on devices
            of `described_devices`. At least one has to lie somewhere.
        names: of the arguments, for the plan.

    Returns:
        The plan. Where the program does not fit into the chips' memory, `refused` holds what the compiler says.

    Raises:
        TypeError, ValueError: no argument lies on devices, they lie on different ones, or names are not as many.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.plan import described_devices, plan_step
    >>> place = jax.sharding.SingleDeviceSharding(described_devices("cpu:1")[0])
    >>> cell = jaxrnn.lstm(8)
    >>> lie = lambda tree: jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), tree)
    >>> params = lie(jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs=4)))
    >>> xs = lie(jax.ShapeDtypeStruct((10, 2, 4), jnp.float32))
    >>> loss = lambda params, xs: jaxrnn.scan(cell, params, xs)[1].sum()
    >>> plan = plan_step(jax.grad(loss), params, xs, names=("params", "xs"))
    >>> plan.arguments["xs"], plan.flops  # of products, 2 x 10 x 2 x 32 x (4 + 8) forward
    (320, 40960)
    """
    if not callable(step):
        fail("step", "a function of arrays", step, kind=TypeError)
    if names and len(names) != len(arguments):
        fail("names", f"{len(arguments)} names, one an argument", names)
    names = names or tuple(f"argument {i}" for i in range(len(arguments)))
    devices = _devices(arguments)
    chip, fresh = devices[0], step if hasattr(step, "trace") else jax.jit(step)
    with made_for(described(chip)):
        traced = fresh.trace(*arguments)
        refused, found = "", None
        sent: tuple[Collective, ...] = ()
        try:
            compiled = traced.lower().compile()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            refused = str(error).partition("RESOURCE_EXHAUSTED: ")[2].splitlines()[0]
        else:
            found, sent = compiled.memory_analysis(), tuple(collectives_of(compiled.as_text()))
    return Plan(
        chip=chip.device_kind,
        chips=len(devices),
        arguments={name: held(argument) for name, argument in zip(names, arguments, strict=True)},
        temporaries=found.temp_size_in_bytes if found else 0,
        results=found.output_size_in_bytes - found.alias_size_in_bytes if found else 0,
        program=found.generated_code_size_in_bytes if found else 0,
        flops=count_flops(traced.jaxpr.jaxpr),
        collectives=sent,
        memory=MEMORY.get(chip.device_kind),
        refused=refused,
    )


def described(chip: Any) -> str:
    """The platform that its programs are made for. A simulated chip stands for others, and has no native loops."""
    return f"described {chip.platform}"


def held(tree: Any) -> int:
    """Bytes of arrays, or shapes, on one of the devices they lie on."""
    return sum(prod(_part(a)) * a.dtype.itemsize for a in jax.tree.leaves(tree))


def _part(array: Any) -> tuple[int, ...]:
    place = getattr(array, "sharding", None)
    return array.shape if place is None else place.shard_shape(array.shape)


def _devices(arguments: tuple[Any, ...]) -> list[Any]:
    places = [a.sharding for a in jax.tree.leaves(arguments) if getattr(a, "sharding", None) is not None]
    found = {tuple(sorted(place.device_set, key=lambda d: d.id)) for place in places}
    if len(found) != 1:
        expected = "arrays or shapes that lie on the devices of one mesh"
        fail("arguments", expected, [list(map(str, devices)) for devices in found])
    return list(found.pop())
