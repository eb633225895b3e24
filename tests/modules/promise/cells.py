"""What is promised of cells, argument by argument."""

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
from tests.modules.promise.inputs import F64, NAMED, STATE, XS, B, D, H
from tests.modules.weights import (
    LINEN,
    NNX,
    assert_close,
    assert_same_bits,
    params_of,
    randomised,
    set_params,
)
from tests.promotion import default_promotion


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
