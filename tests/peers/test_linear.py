"""Linear cells beside live peers in float64: outputs and the gradient of every parameter, by name.

What is installed is compared; `bash tests/peers/linear_peers.sh` installs all of them, in environments of their own,
and lets nothing be left out. What came of it, and where a peer differs: jaxrnn/engine/recurrence/PEERS.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests.peers.live import agree, results

T, B, D, H, P = 9, 2, 3, 4, 6  # P: states of a system, more than inputs
equinox = pytest.importorskip("equinox")
CLOSE = 1e-10


def of_ours(layer: Any, params: Any, xs: Any, weights: Any, **options: Any) -> dict[str, Any]:
    """Outputs, and gradients of params and xs, in float64."""

    def run(params: Any, xs: Any) -> Any:
        return jaxrnn.scan(layer, params, xs, **options)[1]

    ys, pull = jax.vjp(run, params, xs)
    params, xs = pull(jnp.asarray(weights))
    return results((), ys, {**params, "xs": xs})


def of_equinox(make: Callable[[Any], Any], run: Callable[[Any, Any], Any], params: Any, xs: Any, weights: Any) -> Any:
    """The same of a module that `make` makes of our parameters, in float64: gradients come back by our names."""

    def whole(params: Any, xs: Any) -> Any:
        module = make(params)
        return jax.vmap(lambda row: run(module, row), 1, 1)(xs)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        ys, pull = jax.vjp(whole, params, xs)
        params, xs = pull(jnp.asarray(weights))
    return results((), ys, {**params, "xs": xs})


def drawn(layer: Any, inputs: int, outputs: int, seed: int = 0) -> Any:
    """Parameters near their start, all changed; inputs; the loss's weights."""
    rng = np.random.default_rng(seed)
    start = layer.init(jax.random.key(seed), inputs)
    params = jax.tree.map(lambda a: np.float64(a) + 0.1 * rng.standard_normal(a.shape), start)
    return params, rng.standard_normal((T, B, inputs)), rng.standard_normal((T, B, outputs))


def diagonal_skip(params: Any, gate: int, skip: Any) -> Any:
    """A peer's vector D, as the diagonal of our kernel of the gate skip."""
    kernel = jnp.asarray(params["kernel"])
    return {**params, "kernel": kernel.at[:, gate].set(jnp.diag(skip))}


def peer_module(module: Any, arrays: dict[str, Any]) -> Any:
    names = tuple(arrays)
    return equinox.tree_at(lambda m: tuple(getattr(m, n) for n in names), module, tuple(arrays.values()))


# ---------------------------------------------------------------- discretax 0.3.0


def with_vector_skip(cell: Any, make: Callable[[Any, Any], Any], run: Callable[[Any, Any], Any], gate: int) -> None:
    """A cell of the peer's whose D is a vector: `skip` in place of our kernel of that gate."""
    params, xs, weights = drawn(cell, H, H)
    params |= {"skip": np.random.default_rng(5).standard_normal(H)}

    def inner(p: Any) -> Any:
        return diagonal_skip({n: a for n, a in p.items() if n != "skip"}, gate, p["skip"])

    def ours(p: Any, xs: Any) -> Any:
        return jaxrnn.scan(cell, inner(p), xs)[1]

    ys, pull = jax.vjp(ours, params, xs)
    have = pull(jnp.asarray(weights))
    mine = results((), ys, {**have[0], "xs": have[1]})
    theirs = of_equinox(lambda p: make(inner(p), p["skip"]), run, params, xs, weights)
    agree(theirs, mine)


def test_lru_of_discretax() -> None:
    mixers = pytest.importorskip("discretax.sequence_mixers.lru")

    def make(p: Any, skip: Any) -> Any:
        nu, theta, gamma = p["ring"]
        b = p["kernel"]
        arrays = {"nu_log": nu, "theta_log": theta, "gamma_log": gamma, "B_re": b[:, 0].T, "B_im": b[:, 1].T}
        arrays |= {"C_re": p["output_re"].T, "C_im": -p["output_im"].T, "D": skip}
        return peer_module(mixers.LRUSequenceMixer(H, jax.random.key(0), state_dim=H), arrays)

    with_vector_skip(jaxrnn.lru(H), make, lambda m, x: m(x, jax.random.key(0)), 2)


@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_s5_of_discretax(discretization: str) -> None:
    mixers = pytest.importorskip("discretax.sequence_mixers.s5")

    def make(p: Any, skip: Any) -> Any:
        decay, frequency = p["pole"]
        c = jnp.stack([p["output_re"].T, -p["output_im"].T], -1)
        b = jnp.stack([p["kernel"][:, 0].T, p["kernel"][:, 1].T], -1)
        arrays = {"Lambda_re": -jnp.exp(decay), "Lambda_im": frequency, "B": b, "C": c, "D": skip}
        arrays |= {"log_step": p["step"][:, None]}
        mixer = mixers.S5SequenceMixer(H, jax.random.key(0), state_dim=2 * H, discretization=discretization)
        return peer_module(mixer, arrays)

    cell = jaxrnn.s5(H, discretization=discretization)
    with_vector_skip(cell, make, lambda m, x: m(x, jax.random.key(0)), 2)


@pytest.mark.parametrize("implicit", [True, False])
def test_lin_oss_of_discretax(implicit: bool) -> None:
    """Its states are complex: each is two oscillators of ours, with one stiffness and step; Re(C y) takes both."""
    mixers = pytest.importorskip("discretax.sequence_mixers.linoss")
    cell = jaxrnn.lin_oss(2 * P, implicit=implicit)
    rng = np.random.default_rng(0)
    shapes = {"stiffness": (P,), "step": (P,), "b": (D, 2, P), "c": (2, P, D), "skip": (D,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    params["stiffness"] = np.abs(params["stiffness"])
    xs, weights = rng.standard_normal((T, B, D)), rng.standard_normal((T, B, D))

    def ours(p: Any, xs: Any) -> Any:
        kernel = jnp.zeros((D, 2, 2 * P)).at[:, 0].set(p["b"].reshape(D, 2 * P))
        output = jnp.concatenate([p["c"][0], -p["c"][1]], 0)
        own = {"kernel": kernel, "stiffness": jnp.tile(p["stiffness"], 2), "step": jnp.tile(p["step"], 2)}
        own |= {"output_kernel": jnp.zeros((2 * P, 2 * P)).at[:, :D].set(output)}
        skip = p["skip"] * xs
        return jaxrnn.scan(cell, own, xs)[1][..., :D] + skip

    def make(p: Any) -> Any:
        arrays = {"A_diag": p["stiffness"], "steps": p["step"], "B": jnp.transpose(p["b"], (2, 0, 1))}
        arrays |= {"C": jnp.transpose(p["c"], (2, 1, 0)), "D": p["skip"]}
        kind = "IM" if implicit else "IMEX"
        mixer = mixers.LinOSSSequenceMixer(D, jax.random.key(0), state_dim=P, discretization=kind, damping=False)
        return peer_module(mixer, arrays)

    with jax.numpy_rank_promotion("allow"):
        ys, pull = jax.vjp(ours, params, xs)
        have = pull(jnp.asarray(weights))
    theirs = of_equinox(make, lambda m, x: m(x, jax.random.key(0)), params, xs, weights)
    agree(theirs, results((), ys, {**have[0], "xs": have[1]}))


def test_s4d_of_discretax() -> None:
    """By its Fourier transforms of whole sequences; it has no D."""
    mixers = pytest.importorskip("discretax.sequence_mixers.s4d")
    N = 3
    cell = jaxrnn.s4d(H, states=N)
    params, xs, weights = drawn(cell, H, H)
    params |= {"skip": np.zeros(H), "kernel": np.ones((1, H))}

    def make(p: Any) -> Any:
        mixer = mixers.S4DSequenceMixer(H, jax.random.key(0), state_dim=2 * N)
        c = jax.lax.complex(p["output_re"].T, -p["output_im"].T)
        arrays = {"C": c, "log_dt": p["step"], "log_a_real": p["pole"][:N].T, "A_imag": p["pole"][N:].T}
        return equinox.tree_at(lambda m: m.kernel, mixer, peer_module(mixer.kernel, arrays))

    mine = of_ours(cell, params, xs, weights)
    theirs = of_equinox(make, lambda m, x: m(x, jax.random.key(0)), params, xs, weights)
    for name in ("kernel", "skip"):  # it has neither
        mine.pop(f"gradient of {name}"), theirs.pop(f"gradient of {name}")
    agree(theirs, mine)


# ---------------------------------------------------------------- rnn-jax 0.0.2


def test_lru_of_rnn_jax() -> None:
    """Its D is a matrix, as the paper's; here without its nonlinearity."""
    module = pytest.importorskip("rnn_jax.ssm.lru").LinearRecurrentUnit
    cell = jaxrnn.lru(H)
    params, xs, weights = drawn(cell, D, H)

    def make(p: Any) -> Any:
        nu, theta, gamma = p["ring"]
        b, c = p["kernel"], jax.lax.complex(p["output_re"].T, -p["output_im"].T)
        arrays = {"nu_log": nu, "theta_log": theta, "gamma_log": gamma, "W_out": c, "W_skip": b[:, 2].T}
        arrays |= {"W_in": jax.lax.complex(b[:, 0].T, b[:, 1].T)}
        return peer_module(module(D, H, nonlinearity=lambda a: a, key=jax.random.key(0)), arrays)

    agree(of_equinox(make, lambda m, x: m(x), params, xs, weights), of_ours(cell, params, xs, weights))


def test_s5_of_rnn_jax() -> None:
    """One step size for all states, and all states, not one of each pair: without the 2."""
    module = pytest.importorskip("rnn_jax.ssm.s5").SimplifiedStateSpaceLayer
    cell = jaxrnn.s5(H)
    params, xs, weights = drawn(cell, D, H)
    params["step"] = np.log(0.07)

    def ours(p: Any, xs: Any) -> Any:
        return jaxrnn.scan(cell, {**p, "step": jnp.broadcast_to(p["step"], (H,))}, xs)[1]

    def make(p: Any) -> Any:
        decay, frequency = p["pole"]
        b, c = p["kernel"], jax.lax.complex(p["output_re"].T, -p["output_im"].T)
        arrays = {"Delta": jnp.exp(p["step"]), "Lambda": jax.lax.complex(-jnp.exp(decay), frequency)}
        arrays |= {"W_in": jax.lax.complex(b[:, 0].T, b[:, 1].T), "W_out": 2 * c, "W_skip": b[:, 2].T}
        return peer_module(module(D, H, nonlinearity=lambda a: a, key=jax.random.key(0)), arrays)

    ys, pull = jax.vjp(ours, params, xs)
    have = pull(jnp.asarray(weights))
    theirs = of_equinox(make, lambda m, x: m(x), params, xs, weights)
    agree(theirs, results((), ys, {**have[0], "xs": have[1]}))


# ---------------------------------------------------------------- recurrentgemma 1.0.1


def test_rg_lru_of_recurrentgemma() -> None:
    """Its states are in float32 whatever else is. Its first step of a segment differs (below), so none is the first.

    Its derivative of the root is bounded, which is not seen where a is below 1 - 5e-7.
    """
    layers = pytest.importorskip("recurrentgemma.jax.layers")
    heads, width = 2, 2 * H
    cell = jaxrnn.rg_lru(width, input=jaxrnn.heads(heads))
    params, xs, weights = drawn(cell, width, width)
    native = pytest.importorskip("recurrentgemma.common").ScanType.LINEAR_NATIVE
    module = layers.RGLRU(width, heads, scan_type=native)
    positions = jnp.asarray(np.arange(T)[None] + np.ones((B, 1), int), jnp.int32)

    def run(p: Any, xs: Any) -> Any:
        variables = {"a_param": p["decay"]}
        for k, name in enumerate(("a_gate", "input_gate")):
            variables[name] = {"w": p["kernel"][:, :, k], "b": p["bias"][k].reshape(heads, -1)}
        return jnp.swapaxes(module.apply({"params": variables}, jnp.swapaxes(xs, 0, 1), positions)[0], 0, 1)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        ys, pull = jax.vjp(run, params, jnp.asarray(xs))
        of_params, of_xs = pull(jnp.asarray(weights, ys.dtype))
    theirs = results((), ys, {**of_params, "xs": of_xs})
    for name, value in of_ours(cell, params, xs, weights).items():
        np.testing.assert_allclose(np.asarray(theirs[name]), np.asarray(value), 1e-5, 1e-5, err_msg=name)


def test_where_recurrentgemma_leaves_out_the_root() -> None:
    """At position 0 it takes i x, and we sqrt(1 - a^2) i x, as the paper's equation (4) has it for every step."""
    layers = pytest.importorskip("recurrentgemma.jax.layers")
    cell = jaxrnn.rg_lru(H)
    params, xs, _ = drawn(cell, H, H)
    gates = 1 / (1 + np.exp(-(np.einsum("bd,dgh->gbh", xs[0], params["kernel"]) + params["bias"][:, None])))
    variables = {"a_param": params["decay"]}
    for k, name in enumerate(("a_gate", "input_gate")):
        variables[name] = {"w": params["kernel"][None, :, k], "b": params["bias"][None, k]}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        row = jnp.asarray(xs[:1].swapaxes(0, 1))
        first = layers.RGLRU(H, 1).apply({"params": variables}, row, jnp.zeros((B, 1), jnp.int32))[0]
    np.testing.assert_allclose(first[:, 0], gates[1] * xs[0], CLOSE)
    a = np.exp(-8 * np.log1p(np.exp(params["decay"])) * gates[0])
    mine = jaxrnn.scan(cell, params, xs[:1])[1][0]
    np.testing.assert_allclose(mine, np.sqrt(1 - a * a) * gates[1] * xs[0], CLOSE)


# ---------------------------------------------------------------- in PyTorch: s5-pytorch 0.2.1, minGRU-pytorch 0.2.1


def of_torch(run: Callable[[dict[str, Any], Any], Any], params: Any, xs: Any, weights: Any) -> dict[str, Any]:
    """`run(params, xs [T, B, D])` of tensors in float64; outputs, and gradients by our names."""
    torch = pytest.importorskip("torch")
    leaves = {n: torch.tensor(np.asarray(a), requires_grad=True) for n, a in {**params, "xs": xs}.items()}
    ys = run({n: a for n, a in leaves.items() if n != "xs"}, leaves["xs"])
    slopes = torch.autograd.grad((ys * torch.tensor(weights)).sum(), list(leaves.values()))
    return results((), ys.detach().numpy(), {n: a.numpy() for n, a in zip(leaves, slopes, strict=True)})


@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_s5_of_s5_pytorch(discretization: str) -> None:
    """It keeps all states, so that there is no 2, and D is a vector."""
    model = pytest.importorskip("s5.s5_model")
    torch = pytest.importorskip("torch")
    discretize = getattr(model, f"discretize_{discretization}")
    cell = jaxrnn.s5(H, discretization=discretization)
    params, xs, weights = drawn(cell, H, H)
    params |= {"skip": np.random.default_rng(5).standard_normal(H)}

    def theirs(p: Any, xs: Any) -> Any:
        pole = torch.complex(-torch.exp(p["pole"][0]), p["pole"][1])
        b = torch.complex(p["kernel"][:, 0].T, p["kernel"][:, 1].T)
        a, b = discretize(pole, b, torch.exp(p["step"]))
        c = 2 * torch.complex(p["output_re"].T, -p["output_im"].T)
        return torch.stack([model.apply_ssm(a, b, c, p["skip"], row)[0] for row in xs.unbind(1)], 1)

    def ours(p: Any, xs: Any) -> Any:
        inner = diagonal_skip({n: a for n, a in p.items() if n != "skip"}, 2, p["skip"])
        return jaxrnn.scan(cell, inner, xs)[1]

    ys, pull = jax.vjp(ours, params, xs)
    have = pull(jnp.asarray(weights))
    mine = results((), ys, {**have[0], "xs": have[1]})
    mine["gradient of kernel"] = np.asarray(mine["gradient of kernel"])
    agree(of_torch(theirs, params, xs, weights), mine)


@pytest.mark.parametrize("name", ["min_gru", "min_lstm"])
def test_minimal_cells_of_mingru_pytorch(name: str) -> None:
    """In its form for logarithms: the candidate is g of what ours has. A whole sequence, from no state."""
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("minGRU_pytorch.minGRU" if name == "min_gru" else "minGRU_pytorch.minLSTM")
    theirs = (module.minGRU if name == "min_gru" else module.minLSTM)(D, H / D, proj_out=False).double()
    cell = getattr(jaxrnn, name)(H, positive=True, use_bias=False)
    params, xs, weights = drawn(cell, D, H)
    order = [1, 0] if name == "min_gru" else [2, 1, 0]  # theirs is candidate, z; candidate, f, i

    def run(p: Any, xs: Any) -> Any:
        (weight,) = dict(theirs.named_parameters())
        given = p["kernel"][:, order].permute(1, 2, 0).reshape(-1, D)
        return torch.func.functional_call(theirs, {weight: given}, xs.transpose(0, 1)).transpose(0, 1)

    agree(of_torch(run, params, xs, weights), of_ours(cell, params, xs, weights))


def test_a_recurrence_of_accelerated_scan() -> None:
    """Its reference algorithm for h' = a h + b, values and gradients; 37 steps."""
    scan = pytest.importorskip("accelerated_scan.ref").scan
    from jaxrnn.engine.recurrence.backends import ASSOCIATIVE, CHUNKED

    rng = np.random.default_rng(0)
    a, b, weights = (rng.standard_normal((37, B, H)) for _ in range(3))

    def run(p: Any, xs: Any) -> Any:
        gates, tokens = (v.permute(1, 2, 0).contiguous() for v in (p["a"], xs))
        return scan(gates, tokens).permute(2, 0, 1)

    theirs = of_torch(run, {"a": a}, b, weights)
    for recurrence in (CHUNKED, ASSOCIATIVE):
        ys, pull = jax.vjp(lambda a, b, r=recurrence: r((a,), (b,), (jnp.zeros((B, H)),), False)[0], a, b)
        of_a, of_b = pull(jnp.asarray(weights))
        agree(theirs, results((), ys, {"a": of_a, "xs": of_b}))


# ---------------------------------------------------------------- in float32 alone: sru 2.6.0, LRU-pytorch 0.1.3


@pytest.mark.filterwarnings("ignore::UserWarning")  # that it would be faster on a GPU
def test_sru_of_sru() -> None:
    """Its first version (`v1=True`); gates z, f, r, without `rescale`, which multiplies the highway's x by a number."""
    torch = pytest.importorskip("torch")
    sru = pytest.importorskip("sru", exc_type=ImportError)
    cell = jaxrnn.sru(H, activation=lambda a: a)
    module = sru.SRUCell(H, H, v1=True, rescale=False, has_skip_term=True)
    params, xs, weights = (np.float32(a) if isinstance(a, np.ndarray) else a for a in drawn(cell, H, H))
    params = jax.tree.map(np.float32, params)
    zeros = torch.zeros(2 * H)

    def run(p: Any, xs: Any) -> Any:
        given = {
            "weight": p["kernel"].permute(0, 2, 1).reshape(H, -1),
            "bias": p["bias"].reshape(-1),
            "weight_c": zeros,
        }
        return torch.func.functional_call(module, given, xs)[0]

    theirs = of_torch(run, params, xs, weights)
    mine = of_ours(cell, params, xs, weights)
    for name, value in mine.items():
        np.testing.assert_allclose(np.asarray(theirs[name]), np.asarray(value), 2e-5, 2e-5, err_msg=name)


def test_lru_of_lru_pytorch() -> None:
    """Its D is a matrix, and its states are complex64 whatever the parameters are."""
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("LRU_pytorch").LRU(D, H, H)
    cell = jaxrnn.lru(H)
    params, xs, weights = drawn(cell, D, H)
    params, xs, weights = (jax.tree.map(np.float32, a) for a in (params, xs, weights))

    def run(p: Any, xs: Any) -> Any:
        nu, theta, gamma = p["ring"]
        b = torch.complex(p["kernel"][:, 0].T.contiguous(), p["kernel"][:, 1].T.contiguous())
        c = torch.complex(p["output_re"].T.contiguous(), -p["output_im"].T.contiguous())
        given = {"nu_log": nu, "theta_log": theta, "gamma_log": gamma, "B": b, "C": c, "D": p["kernel"][:, 2].T}
        return torch.func.functional_call(module, given, xs.transpose(0, 1)).transpose(0, 1)

    theirs = of_torch(run, params, xs, weights)
    for name, value in of_ours(cell, params, xs, weights).items():
        np.testing.assert_allclose(np.asarray(theirs[name]), np.asarray(value), 2e-5, 2e-5, err_msg=name)
