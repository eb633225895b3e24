"""The promise of the drop-in modules, row by row, against the live classes of Flax, in float64."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn.linen as L
import jaxrnn.nnx as N
from jaxrnn.flax_common.promise import TABLE
from tests.modules.weights import (
    LINEN,
    NNX,
    assert_close,
    assert_same_bits,
    conv_convert,
    params_of,
    randomised,
    set_params,
)
from tests.promotion import default_promotion

T, B, D, H = 4, 3, 2, 3
LENGTHS = jnp.array([4, 1, 3])
F64: Any = {"param_dtype": jnp.float64, "dtype": jnp.float64}
rng = np.random.default_rng(0)
XS = jnp.asarray(rng.normal(size=(B, T, D)))
STATE = jnp.asarray(rng.normal(size=(B, H)))
NAMED = {"LSTMCell": "lstm", "OptimizedLSTMCell": "optimized", "GRUCell": "gru", "SimpleCell": "elman"}
VALID = (jnp.arange(T)[None] < LENGTHS[:, None])[..., None]

# ---------------------------------------------------------------- every argument has a row

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


# ---------------------------------------------------------------- cells


def nnx_pair(name: str, ours: Any = None, **options: Any) -> tuple[Any, Any]:
    """Flax's cell and ours of one kind, with the same random parameters."""
    theirs = getattr(fx, name)(D, H, rngs=fx.Rngs(0), **(F64 | options))
    mine = getattr(N, name)(D, H, rngs=fx.Rngs(0), **(F64 | options | (ours or {})))
    params = randomised(params_of(theirs))
    set_params(theirs, params)
    set_params(mine, NNX[NAMED[name]].convert(params))
    return theirs, mine


def carry_of(name: str) -> Any:
    return (STATE, -STATE) if "LSTM" in name else STATE


def same_step(name: str, **options: Any) -> tuple[Any, Any]:
    theirs, mine = nnx_pair(name, **options)
    with default_promotion():
        wanted = theirs(carry_of(name), XS[:, 0])
    got = mine(carry_of(name), XS[:, 0])
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)
    return theirs, mine


def linen_step(name: str, *args: Any, size: int = H, **options: Any) -> tuple[Any, Any]:
    theirs, mine = (getattr(library, name)(size, *args, **(F64 | options)) for library in (fl, L))
    variables = theirs.init(jax.random.key(0), carry_of(name), XS[:, 0])
    params = randomised(variables["params"])
    wanted = theirs.apply({"params": params}, carry_of(name), XS[:, 0])
    got = mine.apply({"params": LINEN[NAMED[name]].convert(params)}, carry_of(name), XS[:, 0])
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)
    return theirs, mine


KINDS = ("LSTMCell", "GRUCell", "SimpleCell")


def functions(step: Callable[..., Any], argument: str) -> None:
    for name in KINDS:
        if argument == "activation_fn" or name != "SimpleCell":
            theirs, mine = step(name, **{argument: jnp.sin})
            assert getattr(mine, argument) is getattr(theirs, argument) is jnp.sin
            theirs, mine = step(name)
            assert getattr(mine, argument)(0.5) == getattr(theirs, argument)(0.5)


def drawn(argument: str, array: str) -> None:
    """What an initialiser is asked for, gate by gate, and where it lands."""
    value = lambda key, shape, dtype: jnp.full(shape, shape[0] + 0.5, dtype)  # noqa: E731
    for name in ("LSTMCell", "SimpleCell"):
        kind = NAMED[name]
        theirs = getattr(fx, name)(D, H, rngs=fx.Rngs(0), **{argument: value}, **F64)
        given = {argument: value if array != "bias" else lambda key, shape, dtype: jnp.full(shape, H + 0.5, dtype)}
        mine = getattr(N, name)(D, H, rngs=fx.Rngs(0), **given, **F64)
        assert_close(params_of(mine)[array], NNX[kind].convert(params_of(theirs))[array])


def linen_drawn(argument: str, array: str) -> None:
    value = lambda key, shape, dtype: jnp.full(shape, shape[-1] + 0.5, dtype)  # noqa: E731
    for name in KINDS:
        theirs, mine = (getattr(lib, name)(H, **{argument: value}, **F64) for lib in (fl, L))
        args = (jax.random.key(0), carry_of(name), XS[:, 0])
        wanted = LINEN[NAMED[name]].convert(theirs.init(*args)["params"])
        assert_close(mine.init(*args)["params"][array], wanted[array])


def as_flax_starts(library: Any, theirs: Any) -> None:
    """Deviation: other kernels; with the two arguments the same distribution, and the same biases."""
    size, start = 64, {"kernel_init": jax.nn.initializers.lecun_normal()}
    for name in KINDS:
        more = {"forget_bias": 0.0} if name == "LSTMCell" else {}
        made = []
        for module, options in ((theirs, {}), (library, start | more), (library, {})):
            if module in (fx, N):
                made.append(params_of(getattr(module, name)(size, size, rngs=fx.Rngs(0), **options)))
            else:
                carry = (jnp.zeros((1, size)),) * 2 if name == "LSTMCell" else jnp.zeros((1, size))
                cell = getattr(module, name)(size, **options)
                made.append(cell.init(jax.random.key(0), carry, jnp.zeros((1, size)))["params"])
        convert = (NNX if theirs is fx else LINEN)[NAMED[name]].convert
        flax, same, ours = convert(made[0]), made[1], made[2]
        for kernels, equal in ((same, True), (ours, False)):  # 4,096 entries a gate: the deviation is known to 1 %
            far = abs(float(kernels["kernel"].std() / flax["kernel"].std()) - 1)
            bounds = float(abs(kernels["kernel"]).max() / abs(flax["kernel"]).max())
            assert (far < 0.05 and 0.95 < bounds < 1.05) == equal, (name, far, bounds)
        assert_close(same["bias"], flax["bias"])
        if name == "LSTMCell":
            assert_close(ours["bias"], flax["bias"].at[1].set(1.0))


def gates_apart() -> None:
    mine = N.GRUCell(D, H, rngs=fx.Rngs(0)).recurrent_kernel[...]
    theirs = fx.GRUCell(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64).dense_h.kernel[...].reshape(H, 3, H)
    products = [[w[:, g].T @ w[:, g] for g in range(3)] for w in (mine, theirs)]
    assert_close(products[0], [jnp.eye(H)] * 3)
    assert all(float(abs(p - jnp.eye(H)).max()) > 0.1 for p in products[1])


def precision(make: Callable[[Any, str, Any], Any]) -> None:
    """Outputs have the dtype; the carry stays float32 where Flax's would be bfloat16 from start to end."""
    zeros = jax.nn.initializers.zeros  # Flax draws no orthogonal matrix in bfloat16 (TRAPS 45)
    options = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16, "recurrent_kernel_init": zeros}
    outputs = []
    for ours in (False, True):
        carry, (new, y) = make(ours, "LSTMCell", options)
        outputs.append((y.dtype, jax.tree.leaves(carry)[0].dtype, jax.tree.leaves(new)[0].dtype))
    assert outputs == [(jnp.bfloat16,) * 3, (jnp.bfloat16, jnp.float32, jnp.float32)]


def nnx_low(ours: bool, name: str, options: Any) -> Any:
    cell = getattr(N if ours else fx, name)(D, H, rngs=fx.Rngs(0), **options)
    carry = cell.initialize_carry((B, D), fx.Rngs(0))
    return carry, cell(carry, XS[:, 0].astype(jnp.bfloat16))


def linen_low(ours: bool, name: str, options: Any) -> Any:
    cell = getattr(L if ours else fl, name)(H, **options)
    carry = cell.initialize_carry(jax.random.key(0), (B, D))
    return carry, cell.init_with_output(jax.random.key(0), carry, XS[:, 0].astype(jnp.bfloat16))[0]


def promotion() -> None:
    """A function of Flax's kind decides what is multiplied: here all in float32, whatever comes."""

    def to_float32(arrays: Any, *, dtype: Any = None) -> Any:
        return tuple(None if a is None else a.astype(jnp.float32) for a in arrays)

    for name in KINDS:
        theirs, mine = nnx_pair(name, promote_dtype=to_float32)
        assert mine.promote_dtype is to_float32
        with default_promotion():
            carry = jax.tree.map(lambda a: a.astype(jnp.float32), carry_of(name))
            wanted, got = theirs(carry, XS[:, 0]), mine(carry, XS[:, 0])
            ys = N.RNN(mine)(XS, initial_carry=carry)
        assert got[1].dtype == wanted[1].dtype == ys.dtype == jnp.float32
        assert_close(got, wanted, 1e-6)
        assert_close(ys[:, 0], wanted[1], 1e-6)
    assert N.LSTMCell(D, H, rngs=fx.Rngs(0)).promote_dtype is fx.LSTMCell(D, H, rngs=fx.Rngs(0)).promote_dtype


@pytest.mark.filterwarnings("ignore::UserWarning")
def kept_streams() -> None:
    for name in KINDS:
        options: Any = {"keep_rngs": True, "carry_init": jax.nn.initializers.normal()}
        cells = [getattr(lib, name)(D, H, rngs=fx.Rngs(0, carry=7), **options, **F64) for lib in (fx, N)]
        carries = [cell.initialize_carry((B, D)) for cell in cells]
        assert isinstance(cells[1].rngs, fx.RngStream)
        assert_same_bits(*carries)
        for lib in (fx, N):
            assert getattr(lib, name)(D, H, rngs=fx.Rngs(0)).rngs is None


def metadata(argument: str, array: str) -> None:
    """Whatever Flax keeps; names of axes get one more, None, where ours has an axis of gates."""
    given = {argument: {"note": "mine"}}
    for name in KINDS:
        assert getattr(getattr(N, name)(D, H, rngs=fx.Rngs(0), **given), array).get_metadata("note") == "mine"
    mesh = jax.make_mesh((2,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    names = (None, "model") if array != "bias" else ("model",)
    with jax.set_mesh(mesh):
        options = {argument: {"out_sharding": names}}
        theirs, mine = (lib.LSTMCell(D, 4, rngs=fx.Rngs(0), **options) for lib in (fx, N))
    layer = theirs.ii if array == "kernel" else theirs.hi
    variable = getattr(layer, array.removeprefix("recurrent_"))
    spec = tuple(variable.get_value().sharding.spec)
    assert tuple(getattr(mine, array).get_value().sharding.spec) == (*spec[:-1], None, spec[-1])


@pytest.mark.filterwarnings("ignore::UserWarning")
def initial(library: Any) -> None:
    normal = jax.nn.initializers.normal()
    for name in KINDS:
        if library is fx:
            theirs, mine = (getattr(lib, name)(D, H, carry_init=normal, rngs=fx.Rngs(0), **F64) for lib in (fx, N))
            carries = [cell.initialize_carry((B, D), fx.Rngs(5)) for cell in (theirs, mine)]
        else:
            pair = (getattr(lib, name)(H, carry_init=normal, **F64) for lib in (fl, L))
            carries = [cell.initialize_carry(jax.random.key(5), (B, D)) for cell in pair]
        assert_same_bits(*carries)


def residual(step: Callable[..., Any]) -> None:
    for value in (True, False):
        theirs, mine = step("SimpleCell", residual=value)
        assert mine.residual is theirs.residual is value


def positions() -> None:
    """`(features, gate_fn, activation_fn, kernel_init, ...)` and so on: the same fields in the same order."""
    for name in (*KINDS, "OptimizedLSTMCell", "RNN", "Bidirectional"):
        theirs, ours = (list(inspect.signature(getattr(lib, name)).parameters) for lib in (fl, L))
        assert ours[: len(theirs)] == theirs
    linen_step("LSTMCell", jnp.sin, jnp.cos)


def other_width() -> None:
    for name in KINDS:
        linen_step(name, size=H + 4)


def sizes() -> None:
    for name in (*KINDS, "OptimizedLSTMCell"):
        theirs, mine = (getattr(lib, name)(D, H, rngs=fx.Rngs(0)) for lib in (fx, N))
        assert (mine.in_features, mine.hidden_features) == (theirs.in_features, theirs.hidden_features) == (D, H)


# ---------------------------------------------------------------- on grids

FILM = jnp.asarray(rng.normal(size=(B, 4, 5, D)))
GRID = (jnp.asarray(rng.normal(size=(B, 4, 5, H))), jnp.asarray(rng.normal(size=(B, 4, 5, H))))


def conv_step(*args: Any, **options: Any) -> tuple[Any, Any]:
    kinds = {} if len(args) > 4 else F64  # where they are not among the positions
    theirs, mine = (lib.ConvLSTMCell(H, *args, **(kinds | options)) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), GRID, FILM)["params"])
    wanted = theirs.apply({"params": params}, GRID, FILM)
    got = mine.apply({"params": conv_convert(params)}, GRID, FILM)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)
    return theirs, mine


def conv_sizes() -> None:
    for window in ((3, 3), (2, 3), (1, 1)):
        theirs, mine = conv_step(window)
        assert (mine.features, mine.kernel_size) == (theirs.features, theirs.kernel_size)
        assert mine.num_feature_axes == theirs.num_feature_axes


def conv_padding() -> None:
    for padding in ("SAME", ((2, 0), (1, 1)), ((0, 2), (2, 0))):
        conv_step((3, 3), padding=padding)
    smaller(padding="VALID")
    for padding in ("CIRCULAR", 1):
        fl.ConvLSTMCell(H, (3, 3), padding=padding).init(jax.random.key(0), GRID, FILM)
        with pytest.raises((TypeError, ValueError), match="padding"):
            L.ConvLSTMCell(H, (3, 3), padding=padding).init(jax.random.key(0), GRID, FILM)


def smaller(**options: Any) -> None:
    """Where Flax makes the state smaller each step, ours is the input's convolution beside the state's."""
    theirs, mine = (lib.ConvLSTMCell(H, (3, 3), **(F64 | options)) for lib in (fl, L))
    carry = mine.initialize_carry(jax.random.key(0), FILM.shape)
    with pytest.raises(TypeError, match="incompatible shapes"):
        theirs.init(jax.random.key(0), theirs.initialize_carry(jax.random.key(0), FILM.shape), FILM)
    assert mine.init_with_output(jax.random.key(0), carry, FILM)[0][1].shape == carry[0].shape


def conv_biases() -> None:
    for use_bias in (True, False):
        theirs, mine = (lib.ConvLSTMCell(H, (3, 3), use_bias=use_bias, **F64) for lib in (fl, L))
        params = randomised(theirs.init(jax.random.key(0), GRID, FILM)["params"])
        bias = conv_convert(params)["bias"]
        assert ("bias" in mine.init(jax.random.key(0), GRID, FILM)["params"]) == use_bias
        full = L.ConvLSTMCell(H, (3, 3), **F64).apply({"params": conv_convert(params)}, GRID, FILM)
        assert_close(full, theirs.apply({"params": params}, GRID, FILM))
        if not use_bias:
            assert_close(bias, jnp.zeros((4, H)).at[1].set(1.0))


def conv_precision() -> None:
    low = jnp.bfloat16
    options = {"dtype": low, "param_dtype": low, "carry_init": jax.nn.initializers.zeros}
    outputs = []
    for lib in (fl, L):
        cell = lib.ConvLSTMCell(H, (3, 3), **options)
        carry = cell.initialize_carry(jax.random.key(0), FILM.shape)
        new, y = cell.init_with_output(jax.random.key(0), carry, FILM.astype(low))[0]
        outputs.append((y.dtype, carry[0].dtype, new[0].dtype))
    assert outputs == [(low,) * 3, (low, jnp.float32, jnp.float32)]
    assert L.ConvLSTMCell(H, (3, 3), param_dtype=low).init(jax.random.key(0), GRID, FILM)["params"]["bias"].dtype == low


def conv_initial() -> None:
    normal = jax.nn.initializers.normal()
    cells = [lib.ConvLSTMCell(H, (3, 3), carry_init=normal, **F64) for lib in (fl, L)]
    assert_same_bits(*(cell.initialize_carry(jax.random.key(5), FILM.shape) for cell in cells))


def conv_positions() -> None:
    theirs, ours = (list(inspect.signature(lib.ConvLSTMCell).parameters) for lib in (fl, L))
    assert ours[: len(theirs)] == theirs
    draws = jax.nn.initializers.normal()
    theirs, mine = conv_step((3, 3), None, "SAME", True, jnp.float64, jnp.float64, draws)
    assert mine.carry_init is theirs.carry_init is draws


def conv_start() -> None:
    """4 x 9 x 64 x 64 numbers a kernel: what they vary by is known to a percent."""
    size, lecun = 64, jax.nn.initializers.lecun_normal()
    given = ((1, 4, 4, size),) * 2
    made = []
    for lib, options in ((fl, {}), (L, dict(kernel_init=lecun, recurrent_kernel_init=lecun)), (L, {})):
        cell = lib.ConvLSTMCell(size, (3, 3), **options)
        params = cell.init(jax.random.key(0), tuple(map(jnp.zeros, given)), jnp.zeros(given[0]))["params"]
        made.append(params if lib is L else conv_convert(params))
    flax, same, ours = made
    for name in ("kernel", "recurrent_kernel"):
        assert abs(float(same[name].std() / flax[name].std()) - 1) < 0.02
        assert abs(float(abs(ours[name]).max() / abs(flax[name]).max()) - 1) > 0.05
    assert_close(same["bias"], flax["bias"])
    assert_close(ours["bias"], flax["bias"])


def conv_names() -> None:
    params = L.ConvLSTMCell(H, (3, 2)).init(jax.random.key(0), GRID, FILM)["params"]
    assert {name: a.shape for name, a in params.items()} == {
        "kernel": (3, 2, D, 4, H),
        "recurrent_kernel": (3, 2, H, 4, H),
        "bias": (4, H),
    }
    assert set(fl.ConvLSTMCell(H, (3, 2)).init(jax.random.key(0), GRID, FILM)["params"]) == {"ih", "hh"}


def conv_in_parent() -> None:
    class Model(fl.Module):
        library: Any

        @fl.compact
        def __call__(self, carry: Any, x: Any) -> Any:
            return self.library.ConvLSTMCell(H, (3, 3), name="mine")(carry, x)

    for lib in (fl, L):
        assert set(Model(lib).init(jax.random.key(0), GRID, FILM)["params"]) == {"mine"}


def parameter_dtype() -> None:
    for name in KINDS:
        for lib in (fx, N):
            cell = getattr(lib, name)(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float32)
            assert cell.param_dtype == jnp.float32
            assert {a.dtype for a in jax.tree.leaves(params_of(cell))} == {jnp.dtype("float32")}
    for lib in (fl, L):
        params = lib.GRUCell(H, param_dtype=jnp.float32).init(jax.random.key(0), STATE, XS[:, 0])
        assert {a.dtype for a in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def names_of_parameters() -> None:
    assert set(params_of(N.LSTMCell(D, H, rngs=fx.Rngs(0)))) == {"kernel", "recurrent_kernel", "bias"}
    assert "ii" in params_of(fx.LSTMCell(D, H, rngs=fx.Rngs(0)))
    params = L.LSTMCell(H).init(jax.random.key(0), carry_of("LSTM"), XS[:, 0])["params"]
    assert set(params) == {"kernel", "recurrent_kernel", "bias"}


def inner_bias() -> None:
    assert not float(abs(N.GRUCell(D, H, rngs=fx.Rngs(0)).recurrent_bias[...]).sum())
    assert "bias" not in params_of(fx.GRUCell(D, H, rngs=fx.Rngs(0)))["dense_h"]


def carries(step: Callable[..., Any]) -> None:
    for name in KINDS:
        step(name)  # compares structures


def names_in_parent() -> None:
    class Model(fl.Module):
        library: Any

        @fl.compact
        def __call__(self, carry: Any, x: Any) -> Any:
            return self.library.GRUCell(H, name="mine")(carry, x)

    for lib in (fl, L):
        assert set(Model(lib).init(jax.random.key(0), STATE, XS[:, 0])["params"]) == {"mine"}


# ---------------------------------------------------------------- sequences


def nnx_rnns(name: str = "LSTMCell", **options: Any) -> list[Any]:
    return [lib.RNN(cell, **options) for lib, cell in zip((fx, N), nnx_pair(name), strict=True)]


def nnx_same(call: Any = None, **options: Any) -> list[Any]:
    """`options` to the constructor, `call` to the call; then the other way round."""
    results = []
    for build, given in ((options, call or {}), ({}, (call or {}) | options)):
        if not build and set(given) - set(inspect.signature(fx.RNN.__call__).parameters):
            continue
        theirs, mine = (rnn(XS, **given) for rnn in nnx_rnns(**build))
        assert jax.tree.structure(theirs) == jax.tree.structure(mine)
        assert_close(mine, theirs)
        results.append(mine)
    return results


def linen_same(call: Any = None, **options: Any) -> None:
    theirs, mine = (lib.RNN(lib.LSTMCell(H, **F64), **options) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), XS)["params"])
    wanted = theirs.apply({"params": params}, XS, **(call or {}))
    ours = {"params": {"cell": LINEN["lstm"].convert(params["cell"])}}
    got = mine.apply(ours, XS, **(call or {}))
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)


def padded(same: Callable[..., Any]) -> None:
    same({"initial_carry": carry_of("LSTM"), "return_carry": True})
    results = [rnn(XS, seq_lengths=LENGTHS) for rnn in nnx_rnns(return_carry=True, reverse=True)]
    assert_close(*((carry, jnp.where(VALID, outputs, 0.0)) for carry, outputs in results[::-1]))


def zeroed() -> None:
    theirs, mine = (rnn(XS, seq_lengths=LENGTHS) for rnn in nnx_rnns())
    assert_close(mine, jnp.where(VALID, theirs, 0.0))
    assert float(abs(theirs - mine).max()) > 0
    holes, start, gradients = jnp.where(VALID, XS, jnp.nan), carry_of("LSTM"), []
    for rnn in nnx_rnns(rngs=False):
        graph, params = fx.split(rnn, fx.Param)

        def loss(params: Any, graph: Any = graph) -> Any:
            outputs = fx.merge(graph, params)(holes, seq_lengths=LENGTHS, initial_carry=start)
            return jnp.where(VALID, outputs, 0.0).sum()

        gradients.append(jax.tree.leaves(jax.grad(loss)(params)))
    assert any(bool(jnp.isnan(a).any()) for a in gradients[0])
    assert all(bool(jnp.isfinite(a).all()) for a in gradients[1])


def empty_rows() -> None:
    none, start = jnp.array([4, 0, 4]), carry_of("LSTM")
    theirs, mine = (rnn(XS, seq_lengths=none, initial_carry=start)[0] for rnn in nnx_rnns(return_carry=True))
    assert_same_bits(mine[0][1], start[0][1])
    assert float(abs(theirs[0][1] - start[0][1]).max()) > 0.01


def integers() -> None:
    theirs, mine = nnx_rnns()
    with default_promotion():
        theirs(jnp.ones((B, T, D), int))
    for refused in (lambda: mine(jnp.ones((B, T, D), int)), lambda: jax.jit(mine)(jnp.ones((B, T, D), int))):
        with pytest.raises(ValueError, match="`inputs` must be floats where there is a feature axis"):
            refused()
    linen = L.RNN(L.LSTMCell(H, in_features=D))
    with pytest.raises(ValueError, match="`inputs` must be floats where there is a feature axis"):
        linen.init(jax.random.key(0), jnp.ones((B, T, D), int))
    assert mine(jnp.array([[0, 1, 1]])).shape == (1, 3, H)


def in_loops(**options: Any) -> None:
    for rnn, other in zip(nnx_rnns(**options), nnx_rnns(), strict=True):
        assert_close(rnn(XS), other(XS))


@pytest.mark.filterwarnings("ignore::UserWarning")
def drawn_carries() -> None:
    """`rngs` of the module or of the call draws what Flax's draws."""
    normal = jax.nn.initializers.normal()
    for given in (lambda: True, lambda: fx.Rngs(3)):
        rnns = []
        for lib, cell in zip((fx, N), nnx_pair("LSTMCell", carry_init=normal), strict=True):
            rnns.append(lib.RNN(cell, rngs=given(), return_carry=True))
        assert_close(rnns[1](XS), rnns[0](XS))
        assert_close(rnns[1](XS, rngs=fx.Rngs(9)), rnns[0](XS, rngs=fx.Rngs(9)))


def linen_keys() -> None:
    normal = jax.nn.initializers.normal()
    theirs, mine = (lib.RNN(lib.LSTMCell(H, carry_init=normal, **F64)) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), XS)["params"])
    ours = {"params": {"cell": LINEN["lstm"].convert(params["cell"])}}
    for given in ({}, {"init_key": jax.random.key(4)}):
        assert_close(mine.apply(ours, XS, **given), theirs.apply({"params": params}, XS, **given))


def linen_lifted(**options: Any) -> None:
    """Of the scan of a cell that the engine does not run; ours take them without effect."""
    variables = fl.RNN(fl.GRUCell(H, **F64)).init(jax.random.key(0), XS)
    wanted = fl.RNN(fl.GRUCell(H, **F64), **options).apply(variables, XS)
    assert_close(L.RNN(fl.GRUCell(H, **F64), **options).apply(variables, XS), wanted)
    cell = L.RNN(L.GRUCell(H, **F64), **options)
    assert cell.init_with_output(jax.random.key(0), XS)[0].shape == wanted.shape


def both_ways(**options: Any) -> Callable[[], None]:
    """Flax's Bidirectional and ours, over rows of other lengths."""

    def check() -> None:
        call = {"seq_lengths": LENGTHS} | options.pop("call", {})
        results = []
        for place in range(2):
            rnns = [nnx_rnns()[place], nnx_rnns(name="GRUCell")[place]]
            module = (fx, N)[place].Bidirectional(*rnns, **options)
            time_major = options.get("time_major", False)
            results.append(module(jnp.swapaxes(XS, 0, 1) if time_major else XS, **call))
        valid = jnp.swapaxes(VALID, 0, 1) if options.get("time_major") else VALID
        theirs, mine = results
        if options.get("return_carry"):
            assert_close(mine[0], theirs[0])
            theirs, mine = theirs[1], mine[1]
        assert_close(mine, jax.tree.map(lambda a: jnp.where(valid, a, 0.0), theirs))

    return check


def linen_both_ways(call: Any = None, **options: Any) -> None:
    theirs, mine = (
        lib.Bidirectional(*(lib.RNN(lib.GRUCell(H, **F64)) for _ in range(2)), **options) for lib in (fl, L)
    )
    inputs = jnp.swapaxes(XS, 0, 1) if options.get("time_major") else XS
    params = randomised(theirs.init(jax.random.key(0), inputs)["params"])
    ours = {side: {"cell": LINEN["gru"].convert(p["cell"])} for side, p in params.items()}
    wanted = theirs.apply({"params": params}, inputs, **(call or {}))
    assert_close(mine.apply({"params": ours}, inputs, **(call or {})), wanted)


def shared_twice() -> None:
    rnns = nnx_rnns()
    fx.Bidirectional(rnns[0], rnns[0])(XS)
    with pytest.raises(ValueError, match="`backward_rnn` must be another module"):
        N.Bidirectional(rnns[1], rnns[1])


def reversed_both_ways() -> None:
    fx.Bidirectional(*(nnx_rnns()[0] for _ in range(2)))(XS, reverse=True)
    with pytest.raises(ValueError, match="`reverse` must be left out for Bidirectional"):
        N.Bidirectional(*(nnx_rnns()[1] for _ in range(2)))(XS, reverse=True)


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
