"""ncps's closed-form and liquid time-constant cells on PyTorch, live in float64.

The cells alone: their layers squeeze the time away from its row where there is more than one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import jaxrnn
from tests.oracles.timed import cfc, ltc
from tests.peers.live import B, D, H, T, agree, by_cell, by_oracle, by_torch, case

torch = pytest.importorskip("torch")
cells = pytest.importorskip("ncps.torch")
wirings = pytest.importorskip("ncps.wirings")

U = 6
SPANS = {"dt": np.random.default_rng(5).uniform(0.2, 2.0, (T, B, 1))}


def linear(name: str, weight: Any, bias: Any) -> dict[str, Any]:
    return {f"{name}.weight": weight.T, f"{name}.bias": bias}


def ours_of(p: dict[str, Any], gates: str) -> dict[str, Any]:
    """Parameters of a cell with a backbone, from the oracle's."""
    own = {f"{g}_{n}": p[n][..., k, :] for n in ("kernel", "bias") for k, g in enumerate(gates)}
    own |= {"kernel": p["backbone_kernel"][:, None], "bias": p["backbone_bias"][None]}
    own |= {"recurrent_kernel": p["backbone_recurrent_kernel"][:, None]}
    own |= {f"backbone_2_{n}": p[f"backbone_deep_{n}"][0] for n in ("kernel", "bias") if f"backbone_deep_{n}" in p}
    return own | {n: p[n] for n in ("tau", "amplitude") if n in p}


def check_cell(drawn: Any, expected: dict[str, Any], mode: str, layers: int) -> None:
    """The collection's cell, whose times are one number a row."""
    drawn = drawn._replace(per_step={"dt": drawn.per_step["dt"][..., 0]})
    if layers == 0:
        agree(expected, by_cell(jaxrnn.cfc(H, mode=mode), drawn))
        return
    gates = "f" if mode == "pure" else "fgab"
    have = by_cell(
        jaxrnn.cfc(H, mode=mode, backbone=U, backbone_layers=layers),
        drawn._replace(params=ours_of(drawn.params, gates)),
    )
    slopes = ours_of({n: expected[f"gradient of {n}"] for n in drawn.params}, gates)
    rest = {n: a for n, a in expected.items() if n.removeprefix("gradient of ") not in drawn.params}
    agree(rest | {f"gradient of {n}": a for n, a in slopes.items()}, have)


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_cfc(mode, layers):
    gates = ["ff1"] if mode == "pure" else ["ff1", "ff2", "time_a", "time_b"]
    G = len(gates)
    cell = cells.CfCCell(D, H, mode, backbone_units=U, backbone_layers=layers).double()
    shapes: dict[str, tuple[int, ...]] = {"kernel": (U if layers else D, G, H), "bias": (G, H)}
    if layers == 0:
        shapes |= {"recurrent_kernel": (H, G, H)}
    else:
        shapes |= {"backbone_kernel": (D, U), "backbone_recurrent_kernel": (H, U), "backbone_bias": (U,)}
    if layers == 2:
        shapes |= {"backbone_deep_kernel": (1, U, U), "backbone_deep_bias": (1, U)}
    if mode == "pure":
        shapes |= {"tau": (H,), "amplitude": (H,)}

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any, dt: Any) -> Any:
        weights = {}
        heads = p["kernel"] if layers else torch.cat([p["kernel"], p["recurrent_kernel"]])
        for k, name in enumerate(gates):
            weights |= linear(name, heads[:, k], p["bias"][k])
        if layers:
            both = torch.cat([p["backbone_kernel"], p["backbone_recurrent_kernel"]])
            weights |= linear("backbone.0", both, p["backbone_bias"])
        if layers == 2:
            weights |= linear("backbone.2", p["backbone_deep_kernel"][0], p["backbone_deep_bias"][0])
        if mode == "pure":
            weights |= {"w_tau": p["tau"][None], "A": p["amplitude"][None]}
        assert weights.keys() == dict(cell.named_parameters()).keys()
        y, h = torch.func.functional_call(cell, weights, (x, carry[0], dt))
        return (h,), y

    drawn = case(shapes, [(H,)], per_step=SPANS)
    theirs = by_torch(step, drawn)
    agree(theirs, by_oracle(partial(cfc, mode=mode), drawn))
    check_cell(drawn, theirs, mode, layers)


NAMES = {
    "weight": "w",
    "mu": "mu",
    "sigma": "sigma",
    "reversal": "erev",
    "input_weight": "sensory_w",
    "input_mu": "sensory_mu",
    "input_sigma": "sensory_sigma",
    "input_reversal": "sensory_erev",
    "capacitance": "cm",
    "leak": "gleak",
    "leak_reversal": "vleak",
}


def test_ltc():
    wiring = wirings.FullyConnected(H)
    cell = cells.LTCCell(wiring, D, input_mapping=None, output_mapping=None, ode_unfolds=4).double()
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(["weight", "mu", "sigma", "reversal"], (H, H))
    shapes |= {f"input_{name}": (D, H) for name in list(shapes)}
    shapes |= dict.fromkeys(["capacitance", "leak", "leak_reversal"], (H,))

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any, dt: Any) -> Any:
        cell._params |= {theirs: p[ours] for ours, theirs in NAMES.items()}
        y, h = cell(x, carry[0], dt)
        return (h,), y

    positive = dict.fromkeys(["weight", "input_weight", "capacitance", "leak"], lambda a: abs(a) + 0.1)
    drawn = case(shapes, [(H,)], per_step=SPANS, changed=positive)
    agree(by_torch(step, drawn), by_oracle(partial(ltc, unfolds=4), drawn))
