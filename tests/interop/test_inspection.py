"""`inspect` and `jaxrnn inspect`: which layers a file has, without their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.cli import main
from tests.interop.test_versions import D, H, sequences, write


def test_a_checkpoint(tmp_path: Path, capsys: Any) -> None:
    torch = pytest.importorskip("torch")
    model = {
        "enc.rnn": torch.nn.LSTM(D, H, bidirectional=True),
        "dec": torch.nn.GRUCell(D, H),
        "head": torch.nn.Linear(3, 2),
    }
    state = {f"{place}.{n}": t for place, module in model.items() for n, t in module.state_dict().items()}
    torch.save({"model": state, "epoch": 3, "words": {0: "a"}}, tmp_path / "checkpoint")
    found = interop.inspect(tmp_path / "checkpoint")
    assert {(c.prefix, c.library, c.cell, c.layer) for c in found.cells} == {
        ("model/enc", "torch", "LSTM", jaxrnn.bidirectional(jaxrnn.lstm(H))),
        ("model/dec", "torch", "GRUCell", jaxrnn.gru(H)),
    }
    assert all(cell.inputs == D and cell.dtype == "float32" and not cell.problem for cell in found.cells)
    assert found.around == {"model": 2, "epoch": 1, "words": 1}
    for cell in found.cells:
        assert interop.load(tmp_path / "checkpoint", prefix=cell.prefix).layer == cell.layer
    assert main(["inspect", str(tmp_path / "checkpoint")]) == 0
    printed = capsys.readouterr().out
    assert "model/dec" in printed
    assert "2 recurrent layers\nbeside: epoch (1), model (2), words (1)" in printed


def test_a_model_of_keras(tmp_path: Path) -> None:
    glu = sequences("other", inputs=D, activation="glu")
    path = write(tmp_path / "m.h5", [sequences("low", inputs=D), glu], "2.2.4-tf")
    found = interop.inspect(path)
    assert found.writer == "Keras 2.2.4-tf"
    assert [(cell.prefix, cell.layer) for cell in found.cells] == [("low", jaxrnn.lstm(H)), ("other", None)]
    assert "`activation` must be" in found.cells[1].problem


def test_files_without_a_layer(tmp_path: Path) -> None:
    np.savez(tmp_path / "dense.npz", kernel=np.ones((10, 16), "f"), bias=np.ones(16, "f"))
    assert interop.inspect(tmp_path / "dense.npz").cells == ()
    with pytest.raises(FileNotFoundError, match="`file` must be a file that is there"):
        interop.inspect(tmp_path / "nothing.npz")
