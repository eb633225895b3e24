"""The promise of the drop-in modules, row by row, against the live classes of Flax, in float64."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn.linen as L
import jaxrnn.nnx as N
from jaxrnn.flax_common.promise import TABLE
from tests.modules.promise.cells import (
    as_flax_starts,
    carries,
    carry_of,
    drawn,
    functions,
    gates_apart,
    initial,
    inner_bias,
    kept_streams,
    linen_drawn,
    linen_low,
    linen_step,
    metadata,
    names_in_parent,
    names_of_parameters,
    nnx_low,
    other_width,
    parameter_dtype,
    positions,
    precision,
    promotion,
    residual,
    same_step,
    sizes,
)
from tests.modules.promise.grids import (
    conv_biases,
    conv_in_parent,
    conv_initial,
    conv_names,
    conv_padding,
    conv_positions,
    conv_precision,
    conv_sizes,
    conv_start,
    conv_step,
    smaller,
)
from tests.modules.promise.inputs import STATE, B, T
from tests.modules.promise.sequences import (
    both_ways,
    drawn_carries,
    empty_rows,
    in_loops,
    integers,
    linen_both_ways,
    linen_keys,
    linen_lifted,
    linen_same,
    nnx_same,
    padded,
    reversed_both_ways,
    shared_twice,
    zeroed,
)
from tests.promotion import default_promotion

CLASSES = {
    "flax.nnx cells": [fx.LSTMCell, fx.OptimizedLSTMCell, fx.GRUCell, fx.SimpleCell],
    "flax.nnx.RNN": [fx.RNN, fx.RNN.__call__],
    "flax.nnx.Bidirectional": [fx.Bidirectional, fx.Bidirectional.__call__],
    "flax.linen cells": [fl.LSTMCell, fl.OptimizedLSTMCell, fl.GRUCell, fl.SimpleCell],
    "flax.linen ConvLSTMCell": [fl.ConvLSTMCell],
    "flax.linen.RNN": [fl.RNN, fl.RNN.__call__],
    "flax.linen.Bidirectional": [fl.Bidirectional, fl.Bidirectional.__call__],
}


def constructor(theirs: Any) -> Any:
    return theirs.__init__ if isinstance(theirs, type) else theirs


@pytest.mark.parametrize("where", CLASSES)
def test_every_argument_of_flaxs_has_a_row_and_a_place_in_ours(where: str) -> None:
    rows = {row.what for row in TABLE if row.where == where}
    for theirs in CLASSES[where]:
        given = set(inspect.signature(constructor(theirs)).parameters) - {"self"}
        assert given <= rows, f"{theirs}: no row for {given - rows}"
        library = N if where.startswith("flax.nnx") else L
        name, _, method = theirs.__qualname__.partition(".")
        ours = getattr(library, name)
        parameters = inspect.signature(getattr(ours, method) if method else constructor(ours)).parameters
        takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        assert takes_more or given <= set(parameters), f"{ours} lacks {given - set(parameters)}"


PAIRED = {"initial_carry": (carry_of("LSTM"), STATE)}
CHECKS: dict[tuple[str, str], Callable[[], Any]] = {
    ("flax.nnx cells", "in_features"): sizes,
    ("flax.nnx cells", "hidden_features"): sizes,
    ("flax.nnx cells", "rngs"): sizes,
    ("flax.nnx cells", "gate_fn"): lambda: functions(same_step, "gate_fn"),
    ("flax.nnx cells", "activation_fn"): lambda: functions(same_step, "activation_fn"),
    ("flax.nnx cells", "bias_init"): lambda: drawn("bias_init", "bias"),
    ("flax.nnx cells", "param_dtype"): parameter_dtype,
    ("flax.nnx cells", "promote_dtype"): promotion,
    ("flax.nnx cells", "keep_rngs"): kept_streams,
    ("flax.nnx cells", "residual"): lambda: residual(same_step),
    ("flax.nnx cells", "kernel_metadata"): lambda: metadata("kernel_metadata", "kernel"),
    ("flax.nnx cells", "recurrent_kernel_metadata"): lambda: metadata("recurrent_kernel_metadata", "recurrent_kernel"),
    ("flax.nnx cells", "bias_metadata"): lambda: metadata("bias_metadata", "bias"),
    ("flax.nnx cells", "kernel_init"): lambda: (drawn("kernel_init", "kernel"), as_flax_starts(N, fx)),
    ("flax.nnx cells", "recurrent_kernel_init"): lambda: (
        drawn("recurrent_kernel_init", "recurrent_kernel"),
        gates_apart(),
    ),
    ("flax.nnx cells", "dtype"): lambda: precision(nnx_low),
    ("flax.nnx cells", "carry_init"): lambda: initial(fx),
    ("flax.nnx cells", "the carry, `(c, h)` or an array"): lambda: carries(same_step),
    ("flax.nnx cells", "initial biases"): lambda: as_flax_starts(N, fx),
    ("flax.nnx cells", "names of parameters"): names_of_parameters,
    ("flax.nnx cells", "the bias inside GRUCell's reset"): inner_bias,
    ("flax.nnx.RNN", "cell"): nnx_same,
    ("flax.nnx.RNN", "inputs"): nnx_same,
    ("flax.nnx.RNN", "time_major"): lambda: nnx_same(time_major=True),
    ("flax.nnx.RNN", "return_carry"): lambda: nnx_same(return_carry=True),
    ("flax.nnx.RNN", "reverse"): lambda: nnx_same(reverse=True),
    ("flax.nnx.RNN", "keep_order"): lambda: nnx_same({"reverse": True}, keep_order=True),
    ("flax.nnx.RNN", "broadcast_rngs"): lambda: nnx_same(broadcast_rngs="dropout"),
    ("flax.nnx.RNN", "rngs"): drawn_carries,
    ("flax.nnx.RNN", "initial_carry"): lambda: padded(nnx_same),
    ("flax.nnx.RNN", "seq_lengths"): lambda: padded(nnx_same),
    ("flax.nnx.RNN", "unroll"): lambda: in_loops(unroll=2),
    ("flax.nnx.RNN", "state_axes"): lambda: nnx_same(state_axes={...: fx.Carry}),
    ("flax.nnx.RNN", "padding"): zeroed,
    ("flax.nnx.RNN", "a row of length 0"): empty_rows,
    ("flax.nnx.RNN", "integer inputs"): integers,
    ("flax.nnx.Bidirectional", "forward_rnn"): both_ways(),
    ("flax.nnx.Bidirectional", "inputs"): both_ways(),
    ("flax.nnx.Bidirectional", "seq_lengths"): both_ways(),
    ("flax.nnx.Bidirectional", "keep_order"): both_ways(call={"keep_order": False}),
    ("flax.nnx.Bidirectional", "merge_fn"): both_ways(merge_fn=jnp.maximum),
    ("flax.nnx.Bidirectional", "time_major"): both_ways(time_major=True),
    ("flax.nnx.Bidirectional", "return_carry"): both_ways(return_carry=True),
    ("flax.nnx.Bidirectional", "rngs"): both_ways(rngs=True),
    ("flax.nnx.Bidirectional", "initial_carry"): both_ways(call=PAIRED),
    ("flax.nnx.Bidirectional", "backward_rnn"): shared_twice,
    ("flax.nnx.Bidirectional", "reverse"): reversed_both_ways,
    ("flax.linen cells", "features"): lambda: linen_step("LSTMCell"),
    ("flax.linen cells", "gate_fn"): lambda: functions(linen_step, "gate_fn"),
    ("flax.linen cells", "activation_fn"): lambda: functions(linen_step, "activation_fn"),
    ("flax.linen cells", "bias_init"): lambda: linen_drawn("bias_init", "bias"),
    ("flax.linen cells", "param_dtype"): parameter_dtype,
    ("flax.linen cells", "residual"): lambda: residual(linen_step),
    ("flax.linen cells", "parent"): names_in_parent,
    ("flax.linen cells", "name"): names_in_parent,
    ("flax.linen cells", "kernel_init"): lambda: (linen_drawn("kernel_init", "kernel"), as_flax_starts(L, fl)),
    ("flax.linen cells", "recurrent_kernel_init"): lambda: linen_drawn("recurrent_kernel_init", "recurrent_kernel"),
    ("flax.linen cells", "dtype"): lambda: precision(linen_low),
    ("flax.linen cells", "carry_init"): lambda: initial(fl),
    ("flax.linen cells", "the order of positions"): positions,
    ("flax.linen cells", "the carry, `(c, h)` or an array"): lambda: carries(linen_step),
    ("flax.linen cells", "a carry of another width than `features`"): other_width,
    ("flax.linen cells", "initial biases"): lambda: as_flax_starts(L, fl),
    ("flax.linen cells", "names of parameters"): names_of_parameters,
    ("flax.linen ConvLSTMCell", "features"): conv_sizes,
    ("flax.linen ConvLSTMCell", "kernel_size"): conv_sizes,
    ("flax.linen ConvLSTMCell", "param_dtype"): conv_precision,
    ("flax.linen ConvLSTMCell", "parent"): conv_in_parent,
    ("flax.linen ConvLSTMCell", "name"): conv_in_parent,
    ("flax.linen ConvLSTMCell", "strides"): lambda: smaller(strides=(2, 1)),
    ("flax.linen ConvLSTMCell", "padding"): conv_padding,
    ("flax.linen ConvLSTMCell", "use_bias"): conv_biases,
    ("flax.linen ConvLSTMCell", "dtype"): conv_precision,
    ("flax.linen ConvLSTMCell", "carry_init"): conv_initial,
    ("flax.linen ConvLSTMCell", "the order of positions"): conv_positions,
    ("flax.linen ConvLSTMCell", "the carry, `(c, h)`"): lambda: conv_step((3, 3)),
    ("flax.linen ConvLSTMCell", "initial parameters"): conv_start,
    ("flax.linen ConvLSTMCell", "names of parameters"): conv_names,
    ("flax.linen.RNN", "cell"): linen_same,
    ("flax.linen.RNN", "inputs"): linen_same,
    ("flax.linen.RNN", "time_major"): lambda: linen_same(time_major=True),
    ("flax.linen.RNN", "return_carry"): lambda: linen_same(return_carry=True),
    ("flax.linen.RNN", "reverse"): lambda: linen_same(reverse=True),
    ("flax.linen.RNN", "keep_order"): lambda: linen_same(reverse=True, keep_order=True),
    ("flax.linen.RNN", "variable_axes"): lambda: linen_lifted(variable_axes={"cache": 0}),
    ("flax.linen.RNN", "variable_broadcast"): lambda: linen_lifted(variable_broadcast=["params"]),
    ("flax.linen.RNN", "variable_carry"): lambda: linen_lifted(variable_carry="cache"),
    ("flax.linen.RNN", "split_rngs"): lambda: linen_lifted(split_rngs={"params": False, "dropout": True}),
    ("flax.linen.RNN", "unroll"): lambda: linen_lifted(unroll=2),
    ("flax.linen.RNN", "parent"): linen_same,
    ("flax.linen.RNN", "name"): lambda: linen_same(name="mine"),
    ("flax.linen.RNN", "initial_carry"): lambda: linen_same({"initial_carry": carry_of("LSTM"), "return_carry": True}),
    ("flax.linen.RNN", "init_key"): linen_keys,
    ("flax.linen.RNN", "seq_lengths"): lambda: linen_same({"seq_lengths": jnp.full(B, T), "return_carry": True}),
    ("flax.linen.RNN", "the order of positions"): positions,
    ("flax.linen.RNN", "padding"): zeroed,
    ("flax.linen.RNN", "a row of length 0"): empty_rows,
    ("flax.linen.RNN", "integer inputs"): integers,
    ("flax.linen.Bidirectional", "forward_rnn"): linen_both_ways,
    ("flax.linen.Bidirectional", "inputs"): linen_both_ways,
    ("flax.linen.Bidirectional", "merge_fn"): lambda: linen_both_ways(merge_fn=jnp.maximum),
    ("flax.linen.Bidirectional", "time_major"): lambda: linen_both_ways(time_major=True),
    ("flax.linen.Bidirectional", "return_carry"): lambda: linen_both_ways(return_carry=True),
    ("flax.linen.Bidirectional", "parent"): linen_both_ways,
    ("flax.linen.Bidirectional", "name"): lambda: linen_both_ways(name="mine"),
    ("flax.linen.Bidirectional", "initial_carry"): lambda: linen_both_ways({"initial_carry": (STATE, -STATE)}),
    ("flax.linen.Bidirectional", "init_key"): lambda: linen_both_ways({"init_key": jax.random.key(1)}),
    ("flax.linen.Bidirectional", "seq_lengths"): lambda: linen_both_ways({"seq_lengths": jnp.full(B, T)}),
    ("flax.linen.Bidirectional", "keep_order"): lambda: linen_both_ways({"keep_order": False}),
    ("flax.linen.Bidirectional", "backward_rnn"): shared_twice,
    ("flax.linen.Bidirectional", "reverse"): reversed_both_ways,
    ("flax.linen.Bidirectional", "the order of positions"): positions,
}
FLAX = [row for row in TABLE if row.where.startswith("flax")]


def test_every_row_has_a_check() -> None:
    assert {(row.where, row.what) for row in FLAX} == set(CHECKS)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("row", FLAX, ids=lambda row: f"{row.where}: {row.what}")
def test_row(row: Any) -> None:
    with default_promotion():
        CHECKS[row.where, row.what]()
