"""Forms of kernels: options `input` and `recurrent` of every cell.

`dense`, `heads(N)`, `diagonal`, `low_rank(r)` and `convolution(window)` say how a kernel's numbers are held; `only` and
`shared` which gates have one, and `identity` which read the input as it is; `antisymmetric`, `orthogonal`,
`spectral_bound`, `weight_norm` and `non_negative` make it a function of what is held; `frozen` is not trained, and
`quantized` is for inference. `Form` is the base of one's own.
"""

from jaxrnn.forms.convolution import convolution
from jaxrnn.forms.dense import dense
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.forms.form import Form, Weight
from jaxrnn.forms.gates import only, shared
from jaxrnn.forms.heads import heads
from jaxrnn.forms.identity import identity
from jaxrnn.forms.kernel import Kernel
from jaxrnn.forms.low_rank import low_rank
from jaxrnn.forms.maps import antisymmetric, frozen, non_negative, orthogonal, spectral_bound, weight_norm
from jaxrnn.forms.quantized import quantized
from jaxrnn.forms.tile import Tile, Tiles

__all__ = [
    "Form",
    "Kernel",
    "Tile",
    "Tiles",
    "Weight",
    "antisymmetric",
    "convolution",
    "dense",
    "diagonal",
    "frozen",
    "heads",
    "identity",
    "low_rank",
    "non_negative",
    "only",
    "orthogonal",
    "quantized",
    "shared",
    "spectral_bound",
    "weight_norm",
]


def __dir__() -> list[str]:
    return __all__
