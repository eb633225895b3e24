"""xlstm's sLSTM cell on its vanilla backend, live in float64."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.oracles.slstm import slstm
from tests.peers.live import D, H, T, agree, by_cell, by_oracle, by_torch, case

torch = pytest.importorskip("torch")
cells = pytest.importorskip("xlstm.blocks.slstm.cell")

N = 2
SHAPES = {"kernel": (D, 4, H), "bias": (4, H), "recurrent_kernel": (N, H // N, 4, H // N)}
STATES = [(H,)] * 4
OURS = jaxrnn.slstm(H, recurrent=jaxrnn.heads(N))


def cell_of(hidden: int = H, heads: int = N) -> Any:
    return cells.sLSTMCell(
        cells.sLSTMCellConfig(hidden_size=hidden, num_heads=heads, backend="vanilla", dtype="float32")
    )


def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Its state is (h, c, n, m); it takes inputs that are projected already, a row a gate."""
    c, n, m, h = carry
    net = torch.einsum("bd,dgh->bgh", x, p["kernel"]).reshape(len(x), 1, -1)
    weights = {
        "_recurrent_kernel_": p["recurrent_kernel"].permute(0, 2, 3, 1).reshape(N, -1, H // N),
        "_bias_": p["bias"].reshape(-1),
    }
    y, state = torch.func.functional_call(cell_of(), weights, (net, torch.stack([h, c, n, m])))
    h, c, n, m = state
    return (c, n, m, h), y.transpose(1, 2).reshape(len(x), -1)


def test_outputs_and_gradients():
    drawn = case(SHAPES, STATES, changed={"carry 1": lambda n: abs(n) + 0.5})
    theirs = by_torch(step, drawn)
    agree(theirs, by_oracle(slstm, drawn))
    agree(theirs, by_cell(OURS, drawn))


def test_from_the_zero_state():
    """Where nothing has been seen, they pass a slope to the cell, which is zero; ours keeps nothing of it."""
    drawn = case(SHAPES, STATES, changed={f"carry {k}": np.zeros_like for k in range(4)})
    theirs, ours = by_torch(step, drawn), by_oracle(slstm, drawn)
    of_carry = {f"gradient of carry {k}" for k in range(3)}
    agree(ours, by_cell(OURS, drawn))
    agree(*({name: a for name, a in result.items() if name not in of_carry} for result in (theirs, ours)))


def test_both_forget_gates_by_the_unstabilised_equations():
    """c = f c + i g, n = f n + i, h = o c / n with i = exp and f = exp or logistic: the paper before it stabilises."""
    drawn = case(SHAPES, STATES, seed=3)
    for forget in ("sigmoid", "exp"):
        p, xs = drawn.params, drawn.xs[:, 0]
        carry: Any = (np.zeros(H),) * 4
        c = n = h = np.zeros(H)
        for x in xs:
            by_head = np.einsum("nr,nrgs->gns", h.reshape(N, -1), p["recurrent_kernel"]).reshape(4, H)
            i, f, g, o = np.einsum("d,dgh->gh", x, p["kernel"]) + p["bias"] + by_head
            f = np.exp(f) if forget == "exp" else 1 / (1 + np.exp(-f))
            c, n = f * c + np.exp(i) * np.tanh(g), f * n + np.exp(i)
            h = c / n / (1 + np.exp(-o))
            carry, y = slstm(p, carry, x, forget=forget)
            np.testing.assert_allclose(y, h, 1e-12, 1e-12)


def test_bias_of_the_forget_gate_as_documented():
    k = np.arange(8)
    theirs = cell_of(8, 1).bias[0, 1].detach().numpy()
    np.testing.assert_allclose(theirs, 5 - 12 * (k / 7) ** 0.3, rtol=1e-5, atol=1e-5)
    ours = jaxrnn.slstm(8, recurrent=jaxrnn.dense).init(jax.random.key(0), D)["bias"][1]
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_their_single_step_hands_back_the_old_state():
    """`step` answers the state that it was given, so that stepping by it never moves; `forward` moves."""
    state = torch.ones(4, 1, H)
    x = torch.ones(1, 1, 4 * H)
    cell = cell_of()
    assert torch.equal(cell.step(x, state)[1], state)
    assert not torch.equal(cell(x, state)[1], state)


def test_their_layer_feeds_the_gates_crosswise():
    """The linear map that is named `igate` drives f, and `fgate` drives i: to be known when weights are moved."""
    layers = pytest.importorskip("xlstm.blocks.slstm.layer")
    config = layers.sLSTMLayerConfig(embedding_dim=8, num_heads=1, conv1d_kernel_size=0, backend="vanilla", dropout=0.0)
    layer = layers.sLSTMLayer(config)
    seen = []
    layer.slstm_cell.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.randn(1, T, 8)
    layer(x)
    i, f = seen[0][..., :8], seen[0][..., 8:16]
    torch.testing.assert_close(i, layer.fgate(x))
    torch.testing.assert_close(f, layer.igate(x))
