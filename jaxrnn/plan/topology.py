"""Chips that are only described, and this machine's CPU in their place."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import jax
from jax.experimental import topologies

from jaxrnn.base.errors import Said, fail

NAME = re.compile(r"(?P<kind>\w+):(?P<sizes>\d+(x\d+)*)", re.ASCII)
EXPECTED = "a kind of chip and how many lie side by side, such as v5e:4x4, v6e:8x8, v5p:2x2x2, or cpu:8"
FORCED = "xla_force_host_platform_device_count"
# Of what libtpu asks a machine with TPUs, so that it asks none here; and no chip is used, so its lock on chips, a file
# that may be another person's, is not taken.
NOWHERE = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_ID": "0",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
}
GIB = 2**30
# Memory of a chip by the name that JAX has for it; from the pages of cloud.google.com/tpu/docs on each kind.
MEMORY = {
    "TPU v4": 32 * GIB,
    "TPU v5 lite": 16 * GIB,
    "TPU v5": 95 * GIB,
    "TPU v6 lite": 32 * GIB,
    "TPU7x": 96 * GIB,  # of each of its two dies, which are devices of their own
}


class PlanError(ValueError):
    """Nothing can be planned for that topology or mesh; the message says what can."""


def described_devices(topology: str) -> list[Any]:
    """The devices of a topology, to be put in a mesh and compiled for. Nothing runs on them.

    Args:
        topology: a kind of TPU and how many chips lie side by side, such as "v5e:4x4" or "v5p:2x2x2"; or "cpu:8", as
            many simulated devices of this machine.

    Returns:
        The devices, in the compiler's order.

    Raises:
        TypeError: it is no text.
        PlanError: there is no such topology, its compiler is missing, or JAX runs already on fewer CPU devices.

    >>> from jaxrnn.plan import described_devices
    >>> described_devices("cpu:1")[0].platform
    'cpu'
    """
    if not isinstance(topology, str):
        fail("topology", EXPECTED, topology, kind=TypeError)
    match = NAME.fullmatch(topology)
    if match is None:
        fail("topology", EXPECTED, topology, kind=PlanError)
    sizes = [int(size) for size in match["sizes"].split("x")]
    return _cpus(sizes, topology) if match["kind"] == "cpu" else _tpus(sizes, topology)


def _cpus(sizes: list[int], topology: str) -> list[Any]:
    if len(sizes) != 1 or sizes[0] == 0:
        fail("topology", "cpu:N, with one number of devices", topology, kind=PlanError)
    if FORCED not in os.environ.get("XLA_FLAGS", ""):  # which JAX would leave aside for the option
        with suppress(RuntimeError):  # JAX has begun with others
            jax.config.update("jax_num_cpu_devices", sizes[0])
    there = jax.devices("cpu")
    if len(there) < sizes[0]:
        got = Said(f"{topology}, and JAX began with {len(there)}")
        expected = "no more CPU devices than there are"
        fail("topology", expected, got, f"Set XLA_FLAGS=--{FORCED}={sizes[0]}.", kind=PlanError)
    return there[: sizes[0]]


def _tpus(sizes: list[int], topology: str) -> list[Any]:
    if find_spec("libtpu") is None:
        hint = 'Install it by `pip install "jaxrnn[tpu]"`; no TPU is needed.'
        fail("topology", "one that a compiler is here for", Said(f"{topology}, and no libtpu"), hint, kind=PlanError)
    for name, value in NOWHERE.items():
        os.environ.setdefault(name, value)
    a_host = (*(min(2, size) for size in (*sizes, 1)[:2]), 1)
    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=topology, chips_per_host_bounds=a_host)
    except Exception as error:  # of several types, by version
        said = str(error).partition(": ")[2] or str(error)
        fail("topology", EXPECTED, Said(f"{topology}, of which libtpu says: {said}"), kind=PlanError)
    return list(found.devices)
