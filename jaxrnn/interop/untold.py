"""What a source does not tell, and nobody may guess."""

from __future__ import annotations

from typing import Any, NoReturn

from jaxrnn.base.errors import Said, fail
from jaxrnn.interop.rows.row import Row


def ask(what: str) -> NoReturn:
    """The error that asks for the layer."""
    fail(
        "layer", "given", Said(f"None, and nothing tells {what}"), "Such as layer=jaxrnn.lstm(64), with its functions."
    )


def nonlinearity(row: Row, has_bias: bool) -> dict[str, Any]:
    """Of torch's weights in an archive or a graph that was made of a module: its RNNs have one of two functions."""
    if row.library == "torch" and row.kind == "elman":
        ask("whether an RNN of torch applies tanh or relu")
    return {}
