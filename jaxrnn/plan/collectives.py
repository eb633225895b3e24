"""What the devices of a compiled program send each other, read off the compiler's text."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from jaxrnn.base.errors import fail

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.\-]+) \(.*\) -> .*\{$")
SENT = re.compile(rf" = (?P<type>.*?) (?P<kind>{'|'.join(KINDS)})(?:-start)?\(")
CALLED = re.compile(r"(?:body|condition|calls|to_apply|\w+_computations?)=\{?(?P<names>%?[\w.\-]+(?:, ?%[\w.\-]+)*)")
LOOP = re.compile(r" while\(.*\bbody=%?(?P<name>[\w.\-]+)")
CHANNEL = re.compile(r"channel_id=(\d+)")
ARRAY = re.compile(r"\b(?P<dtype>pred|[a-z]+\d+\w*)\[(?P<sizes>[\d,]*)\]")


class Collective(NamedTuple):
    """One operation that all devices do together."""

    kind: str  # such as "all-reduce"
    bytes: int  # of its result on a device
    depth: int  # of the loops around it: 0 outside of all, then it runs once


def collectives_of(text: str) -> list[Collective]:
    """The collectives of a program.

    Args:
        text: what `compiled.as_text()` gives: computations, each of which may call others.

    Returns:
        One for each place in the program, in the order of its text.

    Raises:
        TypeError: it is no text.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.plan import collectives_of
    >>> collectives_of(jax.jit(jnp.sum).lower(jnp.ones(8)).compile().as_text())
    []
    """
    if not isinstance(text, str):
        fail("text", "the text of a compiled program", text, kind=TypeError)
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            inside = lines.setdefault(head["name"], [])
        elif lines and line.startswith(" "):
            inside.append(line)
    depths = _depths(lines)
    found: dict[Any, Collective] = {}
    for name, body in lines.items():
        for line in body:
            if sent := SENT.search(line):
                at = Collective(sent["kind"], round(_bytes(sent["type"])), depths.get(name, 0))
                # One that goes on beside a loop is named where it begins, inside and where it ends: it is one.
                key = channel[1] if (channel := CHANNEL.search(line)) else (name, line)
                found[key] = min(found.get(key, at), at, key=lambda c: c.depth)
    return list(found.values())


def _depths(lines: dict[str, list[str]]) -> dict[str, int]:
    """Of each computation in how many loops it runs: the most, where several call it."""
    edges: dict[str, list[tuple[str, int]]] = {}
    for name, body in lines.items():
        for line in body:
            loop = LOOP.search(line)
            for called in CALLED.finditer(line):
                for inner in re.findall(r"[\w.\-]+", called["names"]):
                    edges.setdefault(name, []).append((inner, int(loop is not None and loop["name"] == inner)))
    depths: dict[str, int] = {}
    callees = {inner for inner_edges in edges.values() for inner, _ in inner_edges}
    waiting = [(name, 0) for name in lines if name not in callees]
    while waiting:
        name, depth = waiting.pop()
        if depths.get(name, -1) < depth:
            depths[name] = depth
            waiting += [(inner, depth + more) for inner, more in edges.get(name, ())]
    return depths


def _bytes(shown: str) -> float:
    """Of a type as the compiler writes it; where both ends are there, the larger one."""
    sizes = [
        math.prod(int(n) for n in array["sizes"].split(",") if n) * _width(array["dtype"])
        for array in ARRAY.finditer(shown)
    ]
    return max(sizes) if shown.startswith("((") else sum(sizes)


def _width(dtype: str) -> float:
    bits = re.search(r"\d+", dtype)
    return 1.0 if dtype == "pred" or bits is None else int(bits[0]) / 8
