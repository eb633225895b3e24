"""A functional layer together with its parameters, held as `nnx.Param`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flax import nnx

from jaxrnn.checks import check_size
from jaxrnn.errors import fail
from jaxrnn.flax_common.layers import Sharding, check_sharding
from jaxrnn.layer import Layer

Rngs = nnx.Rngs | nnx.RngStream


class Parameters(nnx.Module):
    """A functional layer together with its parameters."""

    cell: Any
    in_features: int

    def _declare(self, layer: Layer, in_features: Any, sharding: Sharding | None, rngs: Any) -> None:
        check_size(in_features, "in_features")
        if not isinstance(rngs, Rngs):
            fail("rngs", "an nnx.Rngs, from which parameters are drawn", rngs, kind=TypeError)
        self.cell = layer
        self.in_features = in_features
        key = rngs.params() if isinstance(rngs, nnx.Rngs) else rngs()
        sharding = check_sharding(layer.declare(in_features), sharding)
        for name, value in layer.init(key, in_features).items():
            setattr(self, name, _variables(name, value, sharding))

    @property
    def functional(self) -> Layer | None:
        """The functional layer."""
        return self.cell

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as `jaxrnn.scan` and `cell.step` take them."""
        return {name: _arrays(getattr(self, name)) for name in self.cell.declare(self.in_features)}


def _variables(name: str, value: Any, sharding: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return nnx.Dict({inner: _variables(inner, v, sharding) for inner, v in value.items()})
    return nnx.Param(value, out_sharding=sharding[name]) if name in sharding else nnx.Param(value)


def _arrays(value: Any) -> Any:
    return {name: _arrays(v) for name, v in value.items()} if isinstance(value, nnx.Dict) else value[...]
