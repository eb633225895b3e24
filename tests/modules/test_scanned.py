"""`ScannedRNN` beside a scanned Flax GRU with resets, in the shape that agents' code has it."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import jaxrnn
from jaxrnn.interop import scanned
from jaxrnn.linen import ScannedRNN
from tests.copied import Theirs

T, B, D, H = 9, 5, 3, 7


class Policy(nn.Module):
    """A recurrent layer between two dense ones."""

    rnn: Any

    @nn.compact
    def __call__(self, carry: Any, x: Any) -> Any:
        ins, resets = x
        carry, ys = self.rnn(name="rnn")(carry, (nn.tanh(nn.Dense(D)(ins)), resets))
        return carry, nn.Dense(2)(ys)


def drawn(seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    carry, ins = rng.normal(size=(B, H)), rng.normal(size=(T, B, D))
    return jnp.asarray(carry), jnp.asarray(ins), jnp.asarray(rng.random((T, B)) < 0.3)


def theirs_and_ours(policy: bool) -> tuple[Any, Any, Any, Any]:
    carry, ins, resets = drawn()
    one, two = (Policy(Theirs), Policy(ScannedRNN)) if policy else (Theirs(), ScannedRNN())
    single = [a.astype(jnp.float32) for a in (carry, ins)]
    variables = one.init(jax.random.key(3), single[0], (single[1], resets))
    shaken = jax.tree.map(
        lambda a: np.asarray(a, np.float64) + 0.1 * np.random.default_rng(4).normal(size=a.shape), variables
    )
    return one, two, shaken, {"params": scanned(shaken)["params"]}


@pytest.mark.parametrize("policy", [False, True], ids=["alone", "in a policy"])
@pytest.mark.parametrize("kind", [np.bool_, np.float32, np.int32])
def test_values_and_gradients_are_theirs(policy: bool, kind: Any) -> None:
    theirs, ours, variables, converted = theirs_and_ours(policy)
    carry, ins, resets = drawn(1)
    weights = [np.random.default_rng(5).normal(size=s) for s in ((B, H), (T, B, 2 if policy else H))]

    def loss(module: Any, resets: Any) -> Any:
        def run(variables: Any, carry: Any, ins: Any) -> Any:
            return sum(
                (w * r).sum() for w, r in zip(weights, module.apply(variables, carry, (ins, resets)), strict=True)
            )

        return run

    expected = jax.value_and_grad(loss(theirs, resets), (0, 1, 2))(variables, carry, ins)
    value, (dp, *rest) = jax.jit(jax.value_and_grad(loss(ours, resets.astype(kind)), (0, 1, 2)))(converted, carry, ins)
    np.testing.assert_allclose(value, expected[0], 1e-12)
    for a, b in zip(rest, expected[1][1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    # Gradients of parameters go the way that the parameters went: the conversion is linear.
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), _summed(dp), _of(expected[1][0]))


def _gru(params: Any) -> Any:
    return params["params"].get("rnn", params["params"])["GRUCell_0"]


def _of(theirs: Any) -> Any:
    """Gradients of a Flax GRU's arrays in the arrangement of ours, gate by gate."""
    g = _gru(theirs)
    return dict(
        kernel=np.stack([g[k]["kernel"] for k in ("ir", "iz", "in")], 1),
        recurrent_kernel=np.stack([g[k]["kernel"] for k in ("hr", "hz", "hn")], 1),
        bias=np.stack([g[k]["bias"] for k in ("ir", "iz", "in")]),
        recurrent_bias=np.asarray(g["hn"]["bias"]),
    )


def _summed(ours: Any) -> Any:
    g = _gru(ours)
    return {
        k: np.asarray(v).reshape(np.shape(v)[-1:]) if k == "recurrent_bias" else np.asarray(v) for k, v in g.items()
    }


def test_it_starts_as_theirs() -> None:
    """Orthogonal recurrent kernels, lecun's normal ones for inputs, zero biases."""
    carry, ins = jnp.zeros((2, 200), jnp.float32), jnp.zeros((3, 2, 300), jnp.float32)
    params = jax.tree.map(np.asarray, _gru(ScannedRNN().init(jax.random.key(0), carry, (ins, jnp.zeros((3, 2), bool)))))
    assert abs(params["kernel"].std() * np.sqrt(300) - 1) < 0.02
    for gate in np.moveaxis(params["recurrent_kernel"], 1, 0):
        np.testing.assert_allclose(gate @ gate.T, np.eye(200), atol=2e-6)
    np.testing.assert_array_equal(params["bias"], 0)


@pytest.mark.parametrize("x64", [False, True])
def test_it_is_float32_as_theirs_is(x64: bool) -> None:
    """Parameters, carry, outputs and gradients, from float32 inputs, whatever JAX's default is."""
    with jax.enable_x64(x64):
        ins, resets = drawn()[1].astype(np.float32), drawn()[2]
        carry = ScannedRNN.initialize_carry(B, H)
        theirs = Theirs().init(jax.random.key(3), carry, (ins, resets))
        started = jax.eval_shape(lambda: ScannedRNN().init(jax.random.key(3), carry, (ins, resets)))
        twin = jaxrnn.nnx.ScannedRNN(D, H, rngs=nnx.Rngs(0))
        for a in jax.tree.leaves((carry, theirs, started, nnx.state(twin))):
            assert a.dtype == np.float32 or jnp.issubdtype(a.dtype, jax.dtypes.prng_key) or a.dtype == np.uint32
        ours = {"params": scanned(theirs)["params"]}
        expected, got = Theirs().apply(theirs, carry, (ins, resets)), ScannedRNN().apply(ours, carry, (ins, resets))
        for a, b, c in zip(got, expected, twin(carry, (ins, resets)), strict=True):
            assert a.dtype == b.dtype == c.dtype == np.float32
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [jaxrnn.lstm(H), jaxrnn.stack([jaxrnn.gru(4), jaxrnn.lstm(H)]), jaxrnn.slstm(8)],
    ids=["lstm", "stack", "slstm"],
)
def test_any_layer_with_its_own_carry(layer: Any) -> None:
    _, ins, resets = drawn(2)
    carry = jax.tree.map(lambda a: a + 0.3, layer.initial_carry((B,), layer.init(jax.random.key(0), D)))
    module = ScannedRNN(layer)
    variables = module.init(jax.random.key(1), carry, (ins, resets))
    (params,) = variables["params"].values()
    expected = jaxrnn.scan(layer, params, ins, carry, resets=resets, backend="reference")
    got = module.apply(variables, carry, (ins, resets))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), got, expected)
    twin = jaxrnn.nnx.ScannedRNN(D, cell=layer, rngs=nnx.Rngs(0))
    nnx.update(twin.rnn, nnx.State(jax.tree.map(nnx.Param, dict(params))))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), twin(carry, (ins, resets)), expected
    )


def test_nnx_is_linen() -> None:
    _, _, _, converted = theirs_and_ours(False)
    carry, ins, resets = drawn(3)
    module = jaxrnn.nnx.ScannedRNN(D, H, rngs=nnx.Rngs(0))
    nnx.update(module.rnn.cell, nnx.State(jax.tree.map(nnx.Param, dict(_gru(converted)))))
    expected = ScannedRNN().apply(converted, carry, (ins, resets))
    for a, b in zip(module(carry, (ins, resets)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_agents_are_a_second_batch_axis() -> None:
    carry, ins, resets = drawn(4)
    module = ScannedRNN()
    variables = module.init(jax.random.key(0), carry, (ins, resets))
    flat = module.apply(variables, carry, (ins, resets))
    shaped = module.apply(variables, carry.reshape(5, 1, H), (ins.reshape(T, 5, 1, D), resets.reshape(T, 5, 1)))
    np.testing.assert_array_equal(shaped[1].reshape(T, B, H), flat[1])
    assert ScannedRNN.initialize_carry((5, 1), H).shape == (5, 1, H)


def test_seeds_updates_and_devices() -> None:
    """vmap over seeds, a scan over updates, donated carries, a batch over devices."""
    carry, ins, resets = drawn(5)
    module = ScannedRNN()
    init = lambda key: module.init(key, carry, (ins, resets))  # noqa: E731
    seeds = jax.vmap(init)(jax.random.split(jax.random.key(0), 3))
    run = lambda variables, carry: module.apply(variables, carry, (ins, resets))  # noqa: E731
    rows = jax.jit(jax.vmap(run, (0, None)))(seeds, carry)
    one = jax.tree.map(lambda a: a[1], seeds)
    np.testing.assert_allclose(rows[1][1], run(one, carry)[1], rtol=1e-12)
    updates = jax.jit(lambda c: jax.lax.scan(lambda c, _: run(one, c), c, None, 2), donate_argnums=0)(carry + 0)
    again = run(one, run(one, carry)[0])
    np.testing.assert_allclose(updates[1][1], again[1], rtol=1e-12)
    mesh = jax.make_mesh((5,), ("env",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:5])
    P = jax.sharding.PartitionSpec
    parts = jax.shard_map(
        lambda c, i, r: module.apply(one, c, (i, r)),
        mesh=mesh,
        in_specs=(P("env"), P(None, "env"), P(None, "env")),
        out_specs=(P("env"), P(None, "env")),
    )(carry, ins, resets)
    np.testing.assert_allclose(parts[1], run(one, carry)[1], rtol=1e-12)


def _linen_and_nnx(kind: str) -> Any:
    """Parameters of three seeds, and a loss of one seed's."""
    carry, ins, resets = drawn(6)
    if kind == "linen":
        seeds = [ScannedRNN().init(key, carry, (ins, resets)) for key in jax.random.split(jax.random.key(0), 3)]
        run = lambda p, c, x: ScannedRNN().apply(p, c, x)  # noqa: E731
    else:
        made = [nnx.split(jaxrnn.nnx.ScannedRNN(D, H, rngs=nnx.Rngs(n)), nnx.Param, ...) for n in range(3)]
        seeds = [params for _, params, _ in made]
        run = lambda p, c, x: nnx.merge(made[0][0], p, made[0][2])(c, x)  # noqa: E731
    weights = jnp.asarray(np.random.default_rng(7).normal(size=(T, B, H)))

    def loss(params: Any, carry: Any, ins: Any, resets: Any, weights: Any) -> Any:
        return (run(params, carry, (ins, resets))[1] * weights).sum()

    return seeds, loss, (carry, ins, resets, weights)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linen", "nnx"])
@pytest.mark.parametrize("how", ["vmap", "pmap", "shard_map", "sharded jit", "scan of updates, donated"])
def test_gradients_under_every_map(kind: str, how: str) -> None:
    """Each equals the gradient of one seed by itself."""
    seeds, loss, rest = _linen_and_nnx(kind)
    gradient = jax.grad(loss)
    expected = [jax.jit(gradient)(params, *rest) for params in seeds]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *seeds)
    same = functools.partial(jax.tree.map, functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6))
    if how in ("vmap", "pmap"):
        over = jax.vmap if how == "vmap" else functools.partial(jax.pmap, devices=jax.devices()[:3])
        got = (
            jax.jit(over(gradient, in_axes=(0, *(None,) * 4)))(stacked, *rest)
            if how == "vmap"
            else over(gradient, in_axes=(0, *(None,) * 4))(stacked, *rest)
        )
        for n in range(3):
            same(jax.tree.map(lambda a: a[n], got), expected[n])  # noqa: B023
        return
    P = jax.sharding.PartitionSpec
    mesh = jax.make_mesh((5,), ("env",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:5])
    specs = (P("env"), P(None, "env"), P(None, "env"), P(None, "env"))
    if how == "shard_map":
        part = lambda p, *rest: jax.lax.psum(gradient(jax.lax.pcast(p, "env", to="varying"), *rest), "env")  # noqa: E731
        got = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=(P(), *specs), out_specs=P()))(seeds[0], *rest)
    elif how == "sharded jit":
        places = [jax.sharding.NamedSharding(mesh, spec) for spec in specs]
        got = jax.jit(gradient)(seeds[0], *map(jax.device_put, rest, places))
    else:

        def descend(params: Any, _: Any) -> Any:
            return jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient(params, *rest)), None

        run = jax.jit(lambda params: jax.lax.scan(descend, params, None, 3)[0], donate_argnums=0)
        got, expected[0] = run(jax.tree.map(jnp.copy, seeds[0])), seeds[0]
        for _ in range(3):
            expected[0] = descend(expected[0], None)[0]
    same(got, expected[0])


def test_wrong_calls_say_how_the_arrays_were_read(unchecked: None) -> None:
    carry, ins, resets = drawn()
    variables = ScannedRNN().init(jax.random.key(0), carry, (ins, resets))
    run = functools.partial(ScannedRNN().apply, variables)
    batch_major = f"Read batch-major, [*B, T, D], the inputs have {T} steps of that batch: time comes first here."
    with pytest.raises(ValueError, match=re.escape(batch_major)):
        run(carry, (jnp.moveaxis(ins, 0, 1), jnp.moveaxis(resets, 0, 1)))
    with pytest.raises(ValueError, match=r"`carry` must be of batch axes \(5,\)"):
        run(carry[:4], (ins, resets))
    with pytest.raises(ValueError, match=r"`resets` must be of shape \[T, \*B\] = \(9, 5\)"):
        run(carry, (ins, resets[:, :1]))
    with pytest.raises(ValueError, match="`resets` must be bools, or zeros and ones"):
        run(carry, (ins, resets.astype(np.float64) * 0.5))
    with pytest.raises(TypeError, match="`x` must be a pair"):
        run(carry, ins)
    with pytest.raises(TypeError, match="`carry` must be an array"):
        run((carry, carry), (ins, resets))
    with pytest.raises(ValueError, match=r"`initial_carry\.h` must be of shape"):
        ScannedRNN(jaxrnn.lstm(H)).init(jax.random.key(0), (carry, carry[:, :3]), (ins, resets))
    for batch_major in (jnp.ones((B, 4, D)), jnp.ones((B, B - 1, D))):
        with pytest.raises(ValueError, match="Read batch-major"):
            run(carry, (batch_major, jnp.zeros(batch_major.shape[:2], bool)))
    with pytest.raises(ValueError, match=r"of shape .*7"):
        run(carry[:, :3], (ins, resets))
    twin = jaxrnn.nnx.ScannedRNN(D, H, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"of shape .*7"):
        twin(carry[:, :3], (ins, resets))
    with pytest.raises(ValueError, match="`resets` must be bools, or zeros and ones"):
        twin(carry, (ins, resets.astype(np.float64) + 1))
    with pytest.raises(ValueError, match="`hidden_size` must be a positive integer"):
        ScannedRNN.initialize_carry(3, 0)
    with pytest.raises(ValueError, match="`hidden_features` must be given for a GRU"):
        jaxrnn.nnx.ScannedRNN(3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"flax\.linen\.GRUCell"):
        scanned({"Dense_0": {"kernel": jnp.ones((2, 2))}})
