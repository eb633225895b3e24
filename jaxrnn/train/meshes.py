"""The devices of a run as a mesh `data` x `model`, and where its arrays lie on it.

Rows of batches and carries are split over `data`. Units of every layer, and with them the parameters and the
optimizer's state, are split over `model`; with `fsdp` these are stored in parts over `data` too (ZeRO: Rajbhandari et
al., SC 2020) and gathered once a step. The compiler inserts what has to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrnn.base.errors import Said
from jaxrnn.core.shardings import shardings
from jaxrnn.functions.by_name import path_of
from jaxrnn.train.options import check, check_types, check_whole


@dataclass(frozen=True)
class MeshOptions:
    """How a run lies on several devices. On one it is the same whatever these say, but for what is asked of a device.

    Args:
        data: Devices that share the rows of a batch; 0: as many as there are, divided by `model`.
        model: Devices that share the units of every layer; of one in heads, the heads.
        fsdp: Parameters and the optimizer's state are stored in parts over `data`, and gathered once a step.
    """

    data: int = 0
    model: int = 1
    fsdp: bool = False

    def __post_init__(self) -> None:
        check_types(self, "mesh")
        check_whole(self.data, "mesh.data", 0, what=" devices")
        check_whole(self.model, "mesh.model", what=" devices")


def make_mesh(devices: Sequence[Any] | None = None, options: MeshOptions = MeshOptions()) -> Mesh:
    """The mesh of the given devices (all there are by default).

    Raises:
        ValueError: If there are not as many as the options say.
    """
    found = list(jax.devices() if devices is None else devices)
    data = options.data or max(1, len(found) // options.model)
    size = Said(f"{data} x {options.model}, and {len(found)} devices")
    check(data * options.model == len(found), "mesh.data x mesh.model", "as many as there are devices", size)
    return Mesh(np.array(found).reshape(data, options.model), ("data", "model"))


def lie(params: Any, mesh: Mesh, options: MeshOptions = MeshOptions(), *, stored: bool = True) -> Any:
    """Where parameters lie: as they are stored, or as they are used."""
    apart = "data" if stored and options.fsdp else None
    found = shardings(params, mesh, units="model" if options.model > 1 else None, fsdp=apart)
    if options.model > 1:
        _check_units(params, found, options.model)
    return found


def _check_units(params: Any, places: Any, model: int) -> None:
    """See to it that there are layers whose units are shared: else all devices of `model` would do the same.

    Raises:
        ValueError: If recurrent kernels lie whole on all of them.
    """
    lie = dict(jax.tree_util.tree_leaves_with_path(places))
    named = [(path_of(keys)[-1:], keys, a) for keys, a in jax.tree_util.tree_leaves_with_path(params)]
    kernels = {keys: a for name, keys, a in named if str(*name).startswith("recurrent_kernel")}
    split = [k for k in kernels if any("model" in (names or ()) for names in lie[k].spec)]
    shapes = ", ".join(sorted({str(list(a.shape)) for a in kernels.values()}))
    check(
        bool(split) or not kernels,
        "mesh.model",
        "a divisor of a layer's units, or heads",
        Said(f"{model}, and kernels {shapes}"),
    )


def by_rows(mesh: Mesh) -> NamedSharding:
    """Where batches and carries lie."""
    return NamedSharding(mesh, PartitionSpec("data"))
