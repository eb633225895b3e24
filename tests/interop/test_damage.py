"""Damaged and hostile files: what has a checksum is found, names stand once, little asks for little.

Random damage leads to the original or to one error of ours; only where a format has no checksum, to another number.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.interop.files import hdf5_heaps as rules_of_heaps
from jaxrnn.interop.files import rules

H, D = 4, 3
CELL = jaxrnn.gru(H)
PARAMS = CELL.init(jax.random.key(0), D)
STATE = interop.save(CELL, PARAMS, "torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # of torch, NumPy and zipfile, about what they are made to read


def write(path: Path) -> Path:
    """The same weights, by the library whose format it is."""
    kind = path.name.removeprefix("whole")
    if kind == ".npz":
        np.savez(path, **STATE)
    elif kind == ".safetensors":
        pytest.importorskip("safetensors.numpy").save_file(STATE, path)
    elif kind == ".h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, array in STATE.items():
                file.create_dataset(name, data=array, compression="gzip", shuffle=True, fletcher32=True)
    elif kind == ".keras":
        keras_archive(path)
    elif kind == ".onnx":
        pytest.importorskip("onnx")
        interop.save(CELL, PARAMS, "onnx", path)
    else:
        torch = pytest.importorskip("torch")
        tensors = {n: torch.tensor(a) for n, a in STATE.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=kind != ".pth")  # .pth: as before torch 1.6
    return path


def keras_archive(path: Path, config: str | None = None, twice: str = "") -> Path:
    inner = io.BytesIO()
    with pytest.importorskip("h5py").File(inner, "w") as file:
        for i, array in enumerate(interop.save(CELL, PARAMS, "keras").values()):
            file[f"layers/gru/cell/vars/{i}"] = array
    node = {"class_name": "GRU", "config": {"name": "gru", "units": H}}
    whole = json.dumps({"class_name": "Sequential", "config": {"layers": [node]}})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config or whole)
        archive.writestr("model.weights.h5", inner.getvalue())
        if twice:
            archive.writestr(twice, whole)
    return path


def refusal(path: Path, **options: Any) -> str:
    """The one error, of a kind and form that is ours."""
    with pytest.raises((ValueError, TypeError)) as caught:
        interop.load(path, **options)
    check_ours(caught.value, path)
    return str(caught.value)


def check_ours(error: Exception, path: Path) -> None:
    text = str(error)
    assert isinstance(error, ValueError | TypeError), error
    assert type(error).__module__.startswith(("builtins", "jaxrnn")), error
    assert f"{path.name} cannot be read: " in text or (" must be " in text and ", got " in text), text
    assert "\x1b" not in text
    assert len(text) < 1000


# ---------------------------------------------------------------- random damage

CHECKED = (".npz", ".keras", ".pt")  # with checksums
FORMATS = (*CHECKED, ".safetensors", ".h5", ".pth", ".onnx")


@pytest.mark.parametrize("suffix", FORMATS)
def test_flips_and_cuts(suffix: str, tmp_path: Path) -> None:
    whole = write(tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"model{suffix}"
    path.write_bytes(whole)
    wanted = interop.load(path)
    assert wanted.layer == CELL
    jax.tree.map(np.testing.assert_array_equal, wanted.params, PARAMS)
    rng = np.random.default_rng(0)
    outcomes = []
    for cut in np.arange(60) % 4 == 0:
        changed = bytearray(whole)
        if cut:
            del changed[rng.integers(len(whole)) :]
        else:
            changed[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            got = interop.load(path)
        except Exception as error:
            check_ours(error, path)
            outcomes.append("refused")
        else:
            same = got.layer == wanted.layer and all(np.array_equal(got.params[k], a) for k, a in wanted.params.items())
            outcomes.append("same" if same else "other")
    assert "refused" in outcomes
    if suffix in CHECKED:
        assert "other" not in outcomes


def test_every_bit_of_a_torch_tensor_is_checked(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pt").read_bytes()
    start = whole.index(STATE["weight_hh_l0"].tobytes())
    path = tmp_path / "model.pt"
    for bit in range(0, 8 * STATE["weight_hh_l0"].nbytes, 41):
        changed = bytearray(whole)
        changed[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert "checksums" in refusal(path)


# ---------------------------------------------------------------- names that stand twice


def test_a_file_twice_in_an_archive(tmp_path: Path) -> None:
    for suffix in (".npz", ".pt"):
        whole = write(tmp_path / f"whole{suffix}")
        with zipfile.ZipFile(whole, "a") as archive:
            name = archive.namelist()[0]
            archive.writestr(name, archive.read(name))
        assert "2 times" in refusal(whole)
    for name in ("config.json", "model.weights.h5"):
        assert "2 times" in refusal(keras_archive(tmp_path / "model.keras", twice=name))
    with zipfile.ZipFile(tmp_path / "bare.npz", "w") as archive:
        for name in ("kernel", "kernel.npy"):
            buffer = io.BytesIO()
            np.save(buffer, np.zeros(3))
            archive.writestr(name, buffer.getvalue())
    assert "'kernel' 2 times" in refusal(tmp_path / "bare.npz")


def test_a_key_twice_in_json(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    layer = '{"class_name": "GRU", "config": {"name": "gru", "units": 4, "units": 5}}'
    config = f'{{"class_name": "Sequential", "config": {{"layers": [{layer}]}}}}'
    assert "'units' 2 times" in refusal(keras_archive(tmp_path / "model.keras", config))
    with pytest.importorskip("h5py").File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = config
        file["model_weights/gru/kernel"] = np.zeros((3, 12))
    assert "'units' 2 times" in refusal(tmp_path / "model.h5")
    row = '"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    text = f"{{{row}, {row}}}".encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    assert "'a' 2 times" in refusal(tmp_path / "model.safetensors")


def onnx_model() -> Any:
    pytest.importorskip("onnx")
    layer = jaxrnn.stack([CELL, jaxrnn.gru(H)])
    return interop.save(layer, layer.init(jax.random.key(0), D), "onnx")


def test_a_name_twice_in_a_graph(tmp_path: Path) -> None:
    def weight(graph: Any) -> None:
        graph.initializer.append(graph.initializer[0])

    def given(graph: Any) -> None:
        graph.input.append(graph.input[0])

    def node(graph: Any) -> None:
        for one in graph.node:
            one.name = "rnn" if one.op_type == "GRU" else one.name

    def output(graph: Any) -> None:
        graph.node[1].output[0] = graph.node[0].output[0]

    def weight_as_output(graph: Any) -> None:
        graph.node[1].output[0] = graph.initializer[0].name

    def input_as_output(graph: Any) -> None:
        graph.node[1].output[0] = graph.input[0].name

    def attribute(graph: Any) -> None:
        graph.node[0].attribute.append(graph.node[0].attribute[0])

    for twice in (weight, given, node, output, weight_as_output, input_as_output, attribute):
        model = onnx_model()
        twice(model.graph)
        for read in (interop.load, interop.read_onnx):
            with pytest.raises(ValueError, match=r"must be with every \w+ once, got .* 2 times"):
                read(model)
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        assert "2 times" in refusal(tmp_path / "model.onnx")
    default = onnx_model()  # an initializer may be the default of an input
    default.graph.input.add(name=default.graph.initializer[0].name)
    assert interop.load(default).layer == jaxrnn.stack([CELL, jaxrnn.gru(H)])


def test_a_name_twice_in_a_mapping() -> None:
    tree = {"rnn": STATE, **{f"rnn/{name}": array for name, array in STATE.items()}}
    with pytest.raises(ValueError, match="2 times"):
        interop.load(tree, prefix="rnn")


# ---------------------------------------------------------------- little asks for little


def test_tensors_that_repeat_their_numbers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {n: torch.tensor(a) for n, a in STATE.items()} | {"weight_ih_l0": torch.zeros(()).expand(12, 3)}
    for newer in (True, False):
        torch.save(state, tmp_path / "model.pt", _use_new_zipfile_serialization=newer)
        assert "at most the 4 bytes" in refusal(tmp_path / "model.pt")
    tied = {n: torch.tensor(a) for n, a in STATE.items()}
    tied["bias_hh_l0"] = tied["bias_ih_l0"]
    torch.save(tied, tmp_path / "model.pt")
    assert interop.load(tmp_path / "model.pt").layer == CELL


def test_hdf5_packed_twice_or_in_larger_chunks(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")

    def twice(file: Any) -> None:
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((3, 12))
        for _ in range(2):
            created.set_deflate(9)
        space = h5py.h5s.create_simple((3, 12))
        h5py.h5d.create(file.id, b"kernel", h5py.h5t.IEEE_F32LE, space, created)
        file["kernel"][...] = np.zeros((3, 12), np.float32)

    def scaled(file: Any) -> None:
        file.create_dataset("kernel", data=np.zeros((3, 12), np.float32), scaleoffset=2)

    def missing(file: Any) -> None:
        file.create_dataset("kernel", (4, 12), np.float32, chunks=(2, 12))[:2] = 1

    for make, message in ((twice, "packed by gzip or lzf, and once"), (scaled, "packed by"), (missing, "in 2 chunks")):
        with h5py.File(tmp_path / "model.h5", "w") as file:
            make(file)
        assert message in refusal(tmp_path / "model.h5")


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".keras"])
def test_packed_files_are_bounded_by_one_rule(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"model{suffix}"
    zeros = np.zeros((3, 3000), np.float32)
    if suffix == ".npz":
        np.savez_compressed(path, kernel=zeros)
    else:
        inner = io.BytesIO()
        with pytest.importorskip("h5py").File(inner, "w") as file:
            file.create_dataset("layers/gru/cell/vars/0", data=zeros, compression="gzip")
        path.write_bytes(inner.getvalue())
        if suffix == ".keras":  # packed again in the archive: the file's own size is what counts
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                node = {"class_name": "GRU", "config": {"name": "gru", "units": 1000}}
                archive.writestr("config.json", json.dumps({"config": {"layers": [node]}}))
                archive.writestr("model.weights.h5", inner.getvalue())
    monkeypatch.setattr(rules, "DEFLATE_LIMIT", 2)
    assert "at most 2 times its" in refusal(path)
    monkeypatch.undo()
    assert "at most" not in refusal(path)  # an honest file that lacks the other weights


def test_orbax_declares_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    path = (tmp_path / "model").resolve()
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, {name: np.tile(array, 40) for name, array in STATE.items()})
    stored = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    restored: list[Callable[..., Any]] = []
    monkeypatch.setattr(ocp.StandardCheckpointer, "restore", lambda *given, **options: restored.append(given))
    monkeypatch.setattr(rules, "DEFLATE_LIMIT", 0)
    assert f"at most 0 times its {stored} packed bytes" in refusal(path)
    assert not restored
    metadata = path / "_METADATA"
    metadata.write_text('{"a": 1, "a": 2}')
    assert "'a' 2 times" in refusal(path)


# ---------------------------------------------------------------- what stands beside the weights


def test_what_is_no_array_matters_only_where_it_is_wanted(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    h5py = pytest.importorskip("h5py")
    tensors = {n: torch.tensor(a) for n, a in STATE.items()}
    beside: tuple[Any, ...] = (
        {"epoch": 3},
        {"char2idx": {"a": 1}},
        {"idx2char": {0: "a"}},
        {"args": None},
        {"optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1}]}},
        {"quantised": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8)},
        {"sparse": torch.zeros(3).to_sparse()},
        {"bytes": torch.zeros(3).to(torch.float8_e4m3fn)},
    )
    for extra in beside:
        torch.save({"model": tensors} | extra, tmp_path / "model.ckpt")
        for source in (tmp_path / "model.ckpt", {"model": tensors} | extra):
            assert interop.load(source, prefix="model").layer == CELL
            with pytest.raises((TypeError, ValueError), match=r"Pass `prefix`, one of 'model'"):
                interop.load(source)
    with h5py.File(tmp_path / "model.h5", "w") as file:
        for name, array in STATE.items():
            file[f"model/{name}"] = array
        file["words"] = ["a", "b"]
    np.savez(tmp_path / "model.npz", words=np.array([{}]), **{f"model/{name}": array for name, array in STATE.items()})
    for suffix in (".h5", ".npz"):
        assert interop.load(tmp_path / f"model{suffix}", prefix="model").layer == CELL
        assert "`words` must be an array of numbers" in refusal(tmp_path / f"model{suffix}")
    looped: dict[str, Any] = {"model": STATE}
    looped["again"] = looped
    assert interop.load(looped, prefix="model").layer == CELL
    with pytest.raises(TypeError, match="a mapping within itself"):
        interop.load({"again": looped["again"]})


def test_torchs_advice_is_not_passed_on(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.LSTM(D, H), tmp_path / "model.pt")
    text = refusal(tmp_path / "model.pt")
    assert "objects of torch.nn.modules.rnn.LSTM, whose making would run code" in text
    assert "Where you trust the file: module = torch.load(" in text
    assert "torch.save(module.state_dict(), " in text
    for content in (b"", b"\x80\x02junk", b"PK\x03\x04junk"):
        (tmp_path / "model.pt").write_bytes(content)
        assert "weights_only" not in refusal(tmp_path / "model.pt")


def test_advice_begins_at_the_top() -> None:
    rng = np.random.default_rng(0)
    shapes = {"gru/w_i": (3, 12), "gru/w_h": (4, 12), "gru/b": (12,), "norm/scale": (4,)}
    tree = {f"a/b/{name}": rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    for prefix in ("", "a", "a.b"):
        with pytest.raises(ValueError, match=r"Pass `prefix`, one of 'a/b/gru'"):
            interop.load(tree, prefix=prefix)
    assert interop.load(tree, prefix="a/b/gru").layer == jaxrnn.gru(4, reset_after=False)


def heap(*objects: tuple[int, int], rest: int | None, size: int = 160) -> bytes:
    """A heap of HDF5: objects by index and size, then what is free. No file that HDF5 would be given."""
    body = b"".join(struct.pack("<HHIQ", i, 0, 0, n) + bytes((n + 7) // 8 * 8) for i, n in objects)
    free = b"" if rest is None else struct.pack("<HHIQ", 0, 0, 0, rest)
    return (rules_of_heaps.HEAP + struct.pack("<Q", size) + body + free).ljust(size, b"\0")


def test_heaps_over_which_hdf5_would_not_come_to_an_end() -> None:
    """Its loop moves on by what an object says of its size: over a rest of size 0 it stays where it is."""
    whole = heap((1, 6), (2, 40), rest=64)
    for content in (whole, b"before" + whole + b"after", heap((1, 128), rest=None), b"no heap at all"):
        rules_of_heaps.check_heaps(content, 8, "model.h5")
    for damaged in (heap((1, 6), (2, 40), rest=0), heap((1, 6), (2, 300), rest=64), heap((1, 6), rest=64), whole[:100]):
        with pytest.raises(ValueError, match=r"`model.h5` must be an HDF5 file whose heaps are whole"):
            rules_of_heaps.check_heaps(b"before" + damaged, 8, "model.h5")
