"""A functional layer together with its parameters, held as `nnx.Param`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flax import nnx

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.hints import Spelled
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.signatures import documented, expanded, options_of
from jaxrnn.flax_common.variables import NONE, Metadata, Sharding, metadata_of

Rngs = nnx.Rngs | nnx.RngStream


class Parameters(Spelled, nnx.Module):
    """A functional layer together with its parameters."""

    _interface = "nnx"
    cell: Any
    in_features: int
    _factory: ClassVar[Callable[..., Cell]]  # of the classes that are named after a cell
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_factory" in vars(cls) and cls.__doc__:
            cls.__doc__ = documented(cls.__doc__, cls._factory)
        cls.__signature__ = expanded(cls.__init__, cls._arguments())  # NNX's metaclass hides it

    @classmethod
    def _arguments(cls) -> list[inspect.Parameter]:
        """What `**options` of its constructor takes: those of the factory of its cells."""
        return options_of(cls._factory) if hasattr(cls, "_factory") else []

    def _declare(
        self,
        layer: Layer,
        in_features: Any,
        sharding: Sharding | None,
        rngs: Any,
        metadata: Mapping[str, Metadata] = NONE,
    ) -> None:
        in_features = check_size(in_features, "in_features")
        if not isinstance(rngs, Rngs):
            fail("rngs", "an nnx.Rngs, from which parameters are drawn", rngs, kind=TypeError)
        self.cell = layer
        self.in_features = in_features
        key = rngs.params() if isinstance(rngs, nnx.Rngs) else rngs()
        named = metadata_of(layer.declare(in_features), sharding, metadata)
        for name, value in layer.init(key, in_features).items():
            setattr(self, name, _variables(name, value, named))

    @property
    def functional(self) -> Layer | None:
        """The functional layer."""
        return self.cell

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as `jaxrnn.scan` and `cell.step` take them."""
        return _arrays(self, self.cell.declare(self.in_features))


def _variables(name: str, value: Any, metadata: Mapping[str, Metadata]) -> Any:
    if isinstance(value, dict):
        return nnx.Dict({inner: _variables(inner, v, metadata) for inner, v in value.items()})
    return nnx.Param(value, **metadata.get(name, {}))


def _arrays(module: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays under the declared names. No method of `nnx.Dict` is called: `nnx.tabulate` replaces them."""
    return {
        name: _arrays(getattr(module, name), inner) if isinstance(inner, dict) else getattr(module, name)[...]
        for name, inner in declared.items()
    }
