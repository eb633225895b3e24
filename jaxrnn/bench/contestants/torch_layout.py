"""How torch.nn's recurrent layers hold what we hold: rows gate by gate, two biases."""

from __future__ import annotations

from typing import Any

import numpy as np

GATES = {"lstm": 4, "gru": 3, "elman": 1}


def weights_of(cell: str, params: dict[str, Any]) -> dict[str, Any]:
    """Our parameters of one layer and direction as torch's, the second bias zero but inside the reset."""
    rows = {ours: _rows(params[ours]) for ours in ("kernel", "recurrent_kernel")}
    outer, inner = params["bias"], np.zeros_like(params["bias"])
    if cell == "gru":
        inner[2] = params["recurrent_bias"]
    both = {"bias_ih": outer.reshape(-1), "bias_hh": inner.reshape(-1)}
    return {"weight_ih": rows["kernel"], "weight_hh": rows["recurrent_kernel"]} | both


def params_of(cell: str, gradients: dict[str, Any], suffix: str) -> dict[str, Any]:
    """torch's gradients of one layer and direction as ours."""
    gates = GATES[cell]
    names = {"kernel": f"weight_ih_{suffix}", "recurrent_kernel": f"weight_hh_{suffix}"}
    ours = {k: np.moveaxis(gradients[n].reshape(gates, -1, gradients[n].shape[1]), 2, 0) for k, n in names.items()}
    ours["bias"] = gradients[f"bias_ih_{suffix}"].reshape(gates, -1)
    return ours | ({"recurrent_bias": gradients[f"bias_hh_{suffix}"].reshape(3, -1)[2]} if cell == "gru" else {})


def _rows(kernel: Any) -> Any:
    return np.moveaxis(kernel, 0, 2).reshape(-1, kernel.shape[0])
