"""torchrecurrent, live in float64: each cell beside the NumPy equations of the paper, outputs and every gradient.

The library keeps two biases; ours is the one on the input's side, and the other is zero, unless it is one of ours.
Where it differs from the paper, and a test says how, what is left of the cell is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import jaxrnn
from tests import oracle
from tests.oracles import delayed, diagonal, dynamics, gating, lstms, minimal, multiplicative, searched
from tests.peers.live import D, H, agree, by_cell, by_oracle, by_torch, case

torch = pytest.importorskip("torch")
torchrecurrent = pytest.importorskip("torchrecurrent")

Weights = Callable[[dict[str, Any]], dict[str, Any]]


def rows(kernel: Any, order: tuple[int, ...] | None = None) -> Any:
    """`[R, G, H]` as torch's `[G * H, R]`, its gates in the order of the other library."""
    kernel = kernel if order is None else kernel[:, list(order)]
    return kernel.permute(1, 2, 0).reshape(-1, kernel.shape[0])


def flat(bias: Any, order: tuple[int, ...] | None = None) -> Any:
    return (bias if order is None else bias[list(order)]).reshape(-1)


def padded(bias: Any, gates: int) -> Any:
    """A bias of the first gates alone as one of all."""
    return torch.cat([bias, bias.new_zeros(gates - len(bias), bias.shape[1])])


def usual(order: tuple[int, ...] | None = None, seen: tuple[int, ...] | None = None) -> Weights:
    """`order` of the other library's gates in ours; `seen`, the same for the gates that see the state."""
    return lambda p: {
        "weight_ih": rows(p["kernel"], order),
        "weight_hh": rows(p["recurrent_kernel"], order if seen is None else seen),
        "bias_ih": flat(padded(p["bias"], p["kernel"].shape[1]), order),
    }


def step_of(cell: Any, weights: Weights, states: Callable[..., Any], carries: Callable[..., Any]) -> Any:
    """`states(*carry)` is the other library's state, `carries(its answer)` our carry and output."""

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        given = weights(p)
        free = {name: torch.zeros_like(a) for name, a in cell.named_parameters() if name not in given}
        assert all("bias" in name for name in free), free.keys()
        assert given.keys() <= dict(cell.named_parameters()).keys()
        return carries(torch.func.functional_call(cell, {**given, **free}, (x, states(*carry))))

    return step


SINGLE = (lambda h: h, lambda h: ((h,), h))
CELL_AND_OUTPUT = (lambda c, h: (h, c), lambda out: ((out[1], out[0]), out[0]))  # theirs is (h, c)


class Peer(NamedTuple):
    name: str  # of the other library's class
    oracle: Callable[..., Any]
    params: dict[str, tuple[int, ...]]
    weights: Weights
    states: tuple[Callable[..., Any], Callable[..., Any]] = SINGLE
    carry: tuple[tuple[int, ...], ...] = ((H,),)
    options: dict[str, Any] = {}
    inputs: int = D
    cell: Any = None  # ours


def gated(x: int, seen: int, biases: int | None = None, inputs: int = D) -> dict[str, tuple[int, ...]]:
    return {
        "kernel": (inputs, x, H),
        "recurrent_kernel": (H, seen, H),
        "bias": (x if biases is None else biases, H),
    }


TWO = ((H,), (H,))


def one() -> Any:
    return torch.ones((), dtype=torch.float64)


def typed_weights(p: dict[str, Any]) -> dict[str, Any]:
    return {"weight_ih": rows(p["kernel"]), "weight_hh": rows(p["previous_kernel"]), "bias_ih": flat(p["bias"])}


def with_identity(kernel: Any) -> Any:
    """A further gate that sees the input as it is."""
    return torch.cat([kernel, torch.eye(len(kernel), dtype=kernel.dtype)[:, None]], 1)


def mutant_weights(p: dict[str, Any], bare: bool = False) -> dict[str, Any]:
    """MUT1's candidate has its bias outside of the tanh of the input: theirs on the side of the state."""
    b_r, b_z, b_n = p["bias"]
    return {
        "weight_ih": rows(with_identity(p["kernel"]) if bare else p["kernel"], (1, 0, 2)),
        "weight_hh": rows(p["recurrent_kernel"]),
        "bias_ih": torch.cat([b_z, b_r, torch.zeros_like(b_n)]),
        "bias_hh": torch.cat([torch.zeros_like(b_r), b_n]),
    }


PEERS = {
    "lstm, peepholes": Peer(
        "PeepholeLSTMCell",
        partial(oracle.lstm, peepholes=True),
        gated(4, 4) | {"peepholes": (3, H)},
        lambda p: usual()(p) | {"weight_ph": flat(p["peepholes"])},
        CELL_AND_OUTPUT,
        TWO,
        cell=jaxrnn.lstm(H, peepholes=True),
    ),
    "antisymmetric": Peer(
        "AntisymmetricRNNCell",
        partial(dynamics.antisymmetric, epsilon=0.3, gamma=0.2),
        gated(1, 1),
        usual(),
        options={"epsilon": 0.3, "gamma": 0.2},
        cell=jaxrnn.antisymmetric_rnn(H, epsilon=0.3, gamma=0.2),
    ),
    "gated antisymmetric": Peer(
        "GatedAntisymmetricRNNCell",
        partial(dynamics.gated_antisymmetric, epsilon=0.3, gamma=0.2),
        gated(2, 1),
        usual(seen=(0,)),
        options={"epsilon": 0.3, "gamma": 0.2},
        cell=jaxrnn.gated_antisymmetric_rnn(H, epsilon=0.3, gamma=0.2),
    ),
    "atr": Peer("ATRCell", gating.atr, gated(1, 1), usual(), cell=jaxrnn.atr(H)),
    "brc": Peer(
        "BRCell",
        gating.brc,
        gated(3, 2, 2) | {"recurrent_kernel": (2, H)},
        lambda p: {
            "weight_ih": rows(p["kernel"]),
            "weight_hh": flat(p["recurrent_kernel"]),
            "bias_ih": flat(padded(p["bias"], 3)),
        },
        cell=jaxrnn.brc(H),
    ),
    "nbrc": Peer("NBRCell", gating.nbrc, gated(3, 2, 2), usual(seen=(0, 1)), cell=jaxrnn.nbrc(H)),
    "cfn": Peer("CFNCell", gating.cfn, gated(3, 2, 2), usual(seen=(0, 1)), cell=jaxrnn.cfn(H)),
    "cornn": Peer(
        "coRNNCell",
        partial(dynamics.cornn, dt=0.1, gamma=0.7, epsilon=0.4),
        gated(1, 1) | {"velocity_kernel": (H, H)},
        lambda p: usual()(p) | {"weight_ch": p["velocity_kernel"].T},
        CELL_AND_OUTPUT,
        TWO,
        {"dt": 0.1, "gamma": 0.7, "epsilon": 0.4},
        cell=jaxrnn.cornn(H, dt=0.1, gamma=0.7, epsilon=0.4),
    ),
    "unicornn": Peer(
        "UnICORNNCell",
        partial(dynamics.unicornn, dt=0.3, alpha=0.6),
        gated(1, 1) | {"recurrent_kernel": (1, H), "rate": (H,)},
        lambda p: {
            "weight_ih": rows(p["kernel"]),
            "weight_hh": p["recurrent_kernel"][0],
            "weight_ch": p["rate"],
            "bias_ih": flat(p["bias"]),
        },
        CELL_AND_OUTPUT,
        TWO,
        {"dt": 0.3, "alpha": 0.6},
        cell=jaxrnn.unicornn(H, dt=0.3, alpha=0.6),
    ),
    "fast_rnn": Peer(
        "FastRNNCell",
        gating.fast_rnn,
        gated(1, 1) | {"alpha": (1,), "beta": (1,)},
        lambda p: usual()(p) | {"alpha": p["alpha"], "beta": p["beta"]},
        cell=jaxrnn.fast_rnn(H),
    ),
    "fast_grnn": Peer(
        "FastGRNNCell",
        gating.fast_grnn,
        gated(1, 1, 2) | {"zeta": (1,), "nu": (1,)},
        lambda p: {
            "weight_ih": rows(p["kernel"]),
            "weight_hh": rows(p["recurrent_kernel"]),
            "bias_ih": flat(p["bias"]),
            "zeta": p["zeta"],
            "nu": p["nu"],
        },
        options={"nonlinearity": "sigmoid"},  # of the gate, which is a tanh there by default
        cell=jaxrnn.fast_grnn(H),
    ),
    "ind_rnn": Peer(
        "IndRNNCell",
        diagonal.ind_rnn,
        gated(1, 1) | {"recurrent_kernel": (1, H)},
        lambda p: {
            "weight_ih": rows(p["kernel"]),
            "vector_u": p["recurrent_kernel"][0],
            "bias_ih": flat(p["bias"]),
        },
        options={"nonlinearity": "relu"},
        cell=jaxrnn.ind_rnn(H),
    ),
    "intersection_rnn": Peer(
        "IntersectionRNNCell",
        gating.intersection_rnn,
        gated(4, 4, inputs=H),
        usual(),
        (lambda h: h, lambda out: ((out[1],), out[0])),
        inputs=H,
        cell=jaxrnn.intersection_rnn(H),
    ),
    "janet": Peer(
        "JANETCell",
        minimal.janet,
        gated(2, 2),
        lambda p: usual()(p) | {"beta": one()},
        (lambda h: (h, h), lambda out: ((out[0],), out[0])),
        cell=jaxrnn.janet(H),
    ),
    "ligru": Peer("LiGRUCell", minimal.ligru, gated(2, 2), usual(), cell=jaxrnn.ligru(H)),
    "light_ru": Peer("LightRUCell", minimal.light_ru, gated(2, 1), usual((1, 0), (0,)), cell=jaxrnn.light_ru(H)),
    "control_gate_lstm": Peer(
        "MCLSTMCell",
        lstms.control_gate_lstm,
        gated(5, 5),
        usual((1, 0, 3, 4, 2)),
        (lambda c, v: (v, c), lambda out: ((out[1][1], out[1][0]), out[0])),
        TWO,
        cell=jaxrnn.control_gate_lstm(H),
    ),
    "mgu": Peer("MGUCell", minimal.mgu, gated(2, 2), usual(), cell=jaxrnn.mgu(H)),
    "minimal_rnn": Peer(
        "MinimalRNNCell",
        minimal.minimal_rnn,
        gated(1, 1, 2) | {"latent_kernel": (H, H)},
        lambda p: {
            "weight_ih": rows(p["kernel"]),
            "weight_hh": rows(p["recurrent_kernel"]),
            "weight_mm": p["latent_kernel"].T,
            "bias_ih": p["bias"][0],
            "bias_hh": p["bias"][1],
        },
        cell=jaxrnn.minimal_rnn(H),
    ),
    "multiplicative_lstm": Peer(
        "MultiplicativeLSTMCell",
        multiplicative.multiplicative_lstm,
        gated(5, 4, 4) | {"multiplicative_kernel": (H, H)},
        lambda p: {
            "weight_ih": rows(p["kernel"], (4, 0, 1, 2, 3)),
            "weight_hh": p["multiplicative_kernel"].T,
            "weight_mh": rows(p["recurrent_kernel"]),
            "bias_mh": flat(p["bias"]),
        },
        CELL_AND_OUTPUT,
        TWO,
        cell=jaxrnn.multiplicative_lstm(H),
    ),
    "mut1": Peer("MUT1Cell", searched.mut1, gated(3, 2, 3), mutant_weights, cell=jaxrnn.mut1(H, project_input=True)),
    "mut2": Peer(
        "MUT2Cell",
        searched.mut2,
        gated(3, 3),
        usual((0, 2, 1)),
        cell=jaxrnn.mut2(H, project_input=True),
    ),
    "mut1, bare input": Peer(
        "MUT1Cell",
        searched.mut1,
        gated(2, 2, 3, H),
        lambda p: mutant_weights(p, bare=True),
        inputs=H,
        cell=jaxrnn.mut1(H),
    ),
    "mut2, bare input": Peer(
        "MUT2Cell",
        searched.mut2,
        gated(2, 3, 3, H),
        lambda p: usual((0, 2, 1))(p | {"kernel": with_identity(p["kernel"])}),
        inputs=H,
        cell=jaxrnn.mut2(H),
    ),
    "mut3": Peer("MUT3Cell", searched.mut3, gated(3, 3), usual((1, 0, 2)), cell=jaxrnn.mut3(H)),
    "ran": Peer(
        "RANCell",
        gating.ran,
        gated(3, 2, 2),
        lambda p: {
            "weight_ih": rows(p["kernel"], (2, 0, 1)),
            "weight_hh": rows(p["recurrent_kernel"]),
            "bias_ih": flat(p["bias"]),
        },
        CELL_AND_OUTPUT,
        TWO,
        cell=jaxrnn.ran(H),
    ),
    "res_lstm": Peer(
        "ResLSTMCell",
        lstms.res_lstm,
        gated(4, 4) | {"peepholes": (3, H), "projection": (H, H), "residual_kernel": (D, H)},
        lambda p: (
            usual()(p)
            | {
                "weight_ph": flat(p["peepholes"]),
                "weight_proj": p["projection"].T,
                "weight_res": p["residual_kernel"].T,
            }
        ),
        CELL_AND_OUTPUT,
        TWO,
    ),
    "res_lstm, input as it is": Peer(
        "ResLSTMCell",
        lstms.res_lstm,
        gated(4, 4, inputs=H) | {"peepholes": (3, H), "projection": (H, H)},
        lambda p: (
            usual()(p)
            | {
                "weight_ph": flat(p["peepholes"]),
                "weight_proj": p["projection"].T,
                "weight_res": torch.eye(H, dtype=torch.float64),
            }
        ),
        CELL_AND_OUTPUT,
        TWO,
        inputs=H,
    ),
    "working_memory_lstm": Peer(
        "WMCLSTMCell",
        lstms.working_memory_lstm,
        gated(4, 4) | {"memory_kernel": (H, 3, H)},
        lambda p: usual()(p) | {"weight_mh": rows(p["memory_kernel"])},
        CELL_AND_OUTPUT,
        TWO,
        cell=jaxrnn.working_memory_lstm(H),
    ),
    "sgrn": Peer("SGRNCell", minimal.sgrn, gated(1, 1), usual(), cell=jaxrnn.sgrn(H)),
    "star": Peer("STARCell", minimal.star, gated(2, 1), usual((1, 0), (0,)), cell=jaxrnn.star(H)),
    "ugrnn": Peer("UGRNNCell", minimal.ugrnn, gated(2, 2), usual(), cell=jaxrnn.ugrnn(H)),
    "t_rnn": Peer(
        "TRNNCell",
        delayed.t_rnn,
        {"kernel": (D, 2, H), "bias": (2, H)},
        lambda p: {"weight_ih": rows(p["kernel"], (1, 0)), "bias_ih": flat(p["bias"], (1, 0))},
        cell=jaxrnn.t_rnn(H),
    ),
    "t_gru": Peer(
        "TGRUCell",
        delayed.t_gru,
        {"kernel": (D, 3, H), "previous_kernel": (D, 3, H), "bias": (3, H)},
        typed_weights,
        (lambda x, h: (h, x), lambda out: ((out[1], out[0]), out[0])),
        ((D,), (H,)),
    ),
    "t_lstm": Peer(
        "TLSTMCell",
        delayed.t_lstm,
        {"kernel": (D, 3, H), "previous_kernel": (D, 3, H), "bias": (3, H)},
        typed_weights,
        (lambda x, c: (c, x), lambda out: ((out[1][1], out[1][0]), out[0])),
        ((D,), (H,)),
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_outputs_and_gradients(name):
    peer = PEERS[name]
    drawn = case(peer.params, list(peer.carry), x=(peer.inputs,))
    theirs = getattr(torchrecurrent, peer.name)(peer.inputs, H, dtype=torch.float64, **peer.options)
    expected = by_torch(step_of(theirs, peer.weights, *peer.states), drawn)
    agree(expected, by_oracle(peer.oracle, drawn))
    if peer.cell is not None:
        agree(expected, by_cell(peer.cell, drawn))


def test_mgu_without_reset_is_ours_where_nothing_is_reset():
    """Their candidate sees f h always; with its recurrent kernel at zero both are one."""
    drawn = case(gated(2, 2), [(H,)], changed={"recurrent_kernel": lambda u: u * np.array([1.0, 0.0])[:, None]})
    expected = by_oracle(minimal.mgu, drawn)
    actual = by_oracle(partial(minimal.mgu, reset=False), drawn)
    agree(*({k: a for k, a in r.items() if k != "gradient of recurrent_kernel"} for r in (expected, actual)))


LEM = gated(4, 3) | {"cell_kernel": (H, H)}


def lem_weights(p: dict[str, Any]) -> dict[str, Any]:
    """Gates a, b, z, y; theirs are b, a, z, y."""
    return {
        "weight_ih": rows(p["kernel"], (1, 0, 2, 3)),
        "weight_hh": rows(p["recurrent_kernel"], (1, 0, 2)),
        "weight_ch": p["cell_kernel"].T,
        "bias_ih": flat(p["bias"], (1, 0, 2, 3)),
    }


def test_lem_whose_output_reads_the_old_cell_there():
    """Given the new cell for the old one, their output is the paper's."""
    drawn = case(LEM, list(TWO))
    step = step_of(
        torchrecurrent.LEMCell(D, H, dt=0.7, dtype=torch.float64),
        lem_weights,
        lambda z, y: (y, z),
        lambda out: out,
    )

    def corrected(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        _, z = step(p, carry, x)
        y, _ = step(p, (z, carry[1]), x)
        return (z, y), y

    expected = by_oracle(partial(dynamics.lem, dt=0.7), drawn)
    agree(by_torch(corrected, drawn), expected)
    agree(expected, by_cell(jaxrnn.lem(H, dt=0.7), drawn))
    as_it_is = by_torch(lambda p, c, x: (step(p, c, x)[::-1], step(p, c, x)[0]), drawn)
    assert abs(as_it_is["outputs"] - expected["outputs"]).max() > 0.01


def test_nas_without_its_third_branch_which_adds_there():
    """Theirs has relu(x + h) for relu(x h); with that branch at zero the others are compared."""

    def off(a: Any) -> Any:
        a = a.copy()
        a[..., 3, :] = 0
        return a

    drawn = case(gated(8, 8), list(TWO), changed=dict.fromkeys(("kernel", "recurrent_kernel", "bias"), off))
    cell = torchrecurrent.NASCell(D, H, dtype=torch.float64)
    step = step_of(cell, usual(), *CELL_AND_OUTPUT)
    expected = by_torch(step, drawn)
    agree(expected, by_oracle(searched.nas, drawn))
    agree(expected, by_cell(jaxrnn.nas(H), drawn))


@pytest.mark.parametrize("delay", [1, 3])
def test_tau_gru_with_the_delayed_state_handed_over(delay):
    """Their layer loses the delayed states; their cell takes one."""
    cell = torchrecurrent.tauGRUCell(D, H, dtype=torch.float64)

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        past, h = carry
        u, g, a = p["recurrent_kernel"].unbind(1)
        weights = {
            "weight_ih": rows(p["kernel"]),
            "weight_hh": torch.cat([u.T, p["delayed_kernel"].T, g.T, a.T]),
            "bias_ih": flat(p["bias"]),
            "bias_hh": torch.zeros(4 * H, dtype=torch.float64),
        }
        new = torch.func.functional_call(cell, weights, (x, h, past[:, 0]))
        return (torch.cat([past[:, 1:], h[:, None]], 1), new), new

    drawn = case(gated(4, 3) | {"delayed_kernel": (H, H)}, [(delay, H), (H,)])
    agree(by_torch(step, drawn), by_oracle(delayed.tau_gru, drawn))
