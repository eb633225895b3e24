"""Live modules of xlstm: an sLSTM's cell, layer or block, and what their configurations tell."""

from __future__ import annotations

from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.memory.slstm import slstm
from jaxrnn.compose import slstm_block, slstm_layer
from jaxrnn.core.layer import Layer
from jaxrnn.forms.heads import heads
from jaxrnn.interop.source import Source, segments
from jaxrnn.interop.subclasses import base_of
from jaxrnn.interop.torch_weights import entries_of

KINDS = ("sLSTMBlock", "sLSTMLayer", "sLSTMCell_vanilla", "sLSTMCell_cuda")
ADVICE = "Pass its state_dict() with `layer`, the jaxrnn layer whose equations run."


def kind_of(module: Any) -> str | None:
    """The name of the class of xlstm's that a module is made from, None for another one."""
    return base_of(module, "xlstm", KINDS, ("forward", "__call__"), ADVICE)


def read(module: Any, prefix: str) -> Source | None:
    """The weights of a module, or of what is at a place in it; None where that is no sLSTM."""
    wanted = segments(prefix)
    found = next((m for n, m in module.named_modules(remove_duplicate=False) if segments(n) == wanted), None)
    kind = None if found is None else kind_of(found)
    if found is None or kind is None:
        return None
    return Source(
        entries_of(dict(found.named_parameters(remove_duplicate=False))), _layer(kind, found.config), "xlstm", wanted
    )


def _layer(kind: str, config: Any) -> Layer:
    inner = config.slstm if kind == "sLSTMBlock" else config
    if inner.function != "slstm":
        fail("source", "an sLSTM of xlstm", Said(f"one with function={inner.function!r}"))
    if kind.startswith("sLSTMCell"):
        return slstm(inner.hidden_size, recurrent=heads(inner.num_heads))
    options = dict(heads=inner.num_heads, window=inner.conv1d_kernel_size, dropout=_rate(inner.dropout))
    if kind == "sLSTMLayer":
        return slstm_layer(inner.embedding_dim, **options)
    fed = config.feedforward
    if fed is None:
        return slstm_block(inner.embedding_dim, feed_forward=None, **options)
    if fed.act_fn != "gelu":
        fail("source", "a feed-forward layer with act_fn='gelu'", Said(f"one with act_fn={fed.act_fn!r}"))
    options |= dict(feed_forward=fed._proj_up_dim, feed_forward_dropout=_rate(fed.dropout))
    return slstm_block(inner.embedding_dim, **options)


def _rate(dropout: float) -> float:
    return float(dropout) if dropout < 1 else 0.0  # 1 drops all, which is nothing to train with
