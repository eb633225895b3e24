"""pararnn-torch's ParaGRU, ParaLSTM and ParaM2RNN, a step at a time, live in float64."""

from __future__ import annotations

from typing import Any

import pytest

import jaxrnn
from tests.oracles.blocks import m2rnn
from tests.oracles.diagonal import para_gru, para_lstm
from tests.peers.live import D, H, agree, by_cell, by_oracle, by_torch, case

torch = pytest.importorskip("torch")
cells = pytest.importorskip("pararnn.cells", exc_type=ImportError)


def linear(kernel: Any, bias: Any) -> dict[str, Any]:
    return {"W_x.weight": kernel.permute(1, 2, 0).reshape(-1, kernel.shape[0]), "W_x.bias": bias.reshape(-1)}


def step_of(cell: Any, weights: Any, joined: Any = None, parted: Any = None) -> Any:
    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        given = weights(p)
        assert given.keys() == dict(cell.named_parameters()).keys()
        state = torch.stack(carry, -2) if len(carry) > 1 else carry[0]
        new = torch.func.functional_call(cell, given, (state, x))
        carry = new.unbind(-2) if len(carry) > 1 else (new,)
        return carry, carry[-1]

    cell.forward = cell.step
    return step


def test_para_gru():
    """Their gates are z, r, n. They hold u within 0.5 unless told not to."""

    def weights(p: dict[str, Any]) -> dict[str, Any]:
        r, z, n = p["recurrent_kernel"]
        return linear(p["kernel"][:, [1, 0, 2]], p["bias"][[1, 0, 2]]) | {"a_r": r, "a_z": z, "a_n": n}

    cell = cells.ParaGRU(D, H, max_recurrent_norm=None, dtype=torch.float64)
    drawn = case({"kernel": (D, 3, H), "bias": (3, H), "recurrent_kernel": (3, H)}, [(H,)])
    theirs = by_torch(step_of(cell, weights), drawn)
    agree(theirs, by_oracle(para_gru, drawn))
    agree(theirs, by_cell(jaxrnn.para_gru(H), drawn))


def test_para_lstm():
    def weights(p: dict[str, Any]) -> dict[str, Any]:
        f, g, o = p["recurrent_kernel"]
        peep_f, peep_o = p["peepholes"]
        return linear(p["kernel"], p["bias"]) | {"a_f": f, "a_z": g, "a_o": o, "c_f": peep_f, "c_o": peep_o}

    cell = cells.ParaLSTM(D, H, max_recurrent_norm=None, dtype=torch.float64)
    shapes = {"kernel": (D, 3, H), "bias": (3, H), "recurrent_kernel": (3, H), "peepholes": (2, H)}
    drawn = case(shapes, [(H,), (H,)])
    theirs = by_torch(step_of(cell, weights), drawn)
    agree(theirs, by_oracle(para_lstm, drawn))
    agree(theirs, by_cell(jaxrnn.para_lstm(H), drawn))


def test_m2rnn():
    """One head there, and no query: the readout q h is put around it."""
    K, V = 3, 2
    cell = cells.ParaM2RNN(D, k_dim=K, v_dim=V, dtype=torch.float64)
    cell.forward = cell.step

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        kernels = torch.cat([p["key_kernel"][:, 0], p["value_kernel"][:, 0], p["forget_kernel"]], 1)
        bias = torch.cat([torch.zeros(K + V, dtype=torch.float64), p["forget_bias"]])
        weights = {"W": p["recurrent_kernel"][0], "W_x.weight": kernels.T, "W_x.bias": bias}
        new = torch.func.functional_call(cell, weights, (carry[0][:, 0], x))
        return (new[:, None],), torch.einsum("bk,bkv->bv", x @ p["query_kernel"][:, 0], new)

    shapes = {
        "query_kernel": (D, 1, K),
        "key_kernel": (D, 1, K),
        "value_kernel": (D, 1, V),
        "forget_kernel": (D, 1),
        "forget_bias": (1,),
        "recurrent_kernel": (1, V, V),
    }
    drawn = case(shapes, [(1, K, V)], y=(V,))
    theirs = by_torch(step, drawn)
    agree(theirs, by_oracle(m2rnn, drawn))

    given = drawn.params
    params = {n: given[n][:, 0] for n in ("query_kernel", "key_kernel")} | {"kernel": given["value_kernel"]}
    params |= {n: given[n] for n in ("forget_kernel", "forget_bias")}
    params |= {"recurrent_kernel": given["recurrent_kernel"][:, :, None]}
    flat = lambda carry: tuple(a.reshape(len(a), -1) for a in carry)  # noqa: E731
    own = drawn._replace(params=params, carry=flat(drawn.carry), weights=(flat(drawn.weights[0]), drawn.weights[1]))
    have = by_cell(jaxrnn.m2rnn(V, keys=K, recurrent=jaxrnn.heads(1)), own)
    names = {"gradient of kernel": "gradient of value_kernel"}
    agree({n: theirs[names.get(n, n)].reshape(a.shape) for n, a in have.items()}, have)
