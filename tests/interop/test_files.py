"""Files: what each format's own library wrote is read, damaged and hostile ones are refused in one clean error."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.interop.rows import ROWS

H, D = 4, 3
LAYER = jaxrnn.bidirectional(jaxrnn.gru(H))


def weights(seed: int = 0) -> dict[str, Any]:
    """torch's names for a GRU in both directions."""
    rng = np.random.default_rng(seed)
    params = LAYER.init(jax.random.key(seed), D)
    drawn = jax.tree.map(lambda a: rng.standard_normal(a.shape).astype(np.float32), params)
    return interop.save(LAYER, drawn, "torch")


def write(path: Path, arrays: dict[str, Any]) -> Path:
    """By the libraries whose formats these are."""
    if path.suffix == ".safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    elif path.suffix == ".h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    else:
        torch = pytest.importorskip("torch")
        torch.save({n: torch.tensor(a) for n, a in arrays.items()}, path)
    return path


SUFFIXES = [".safetensors", ".npz", ".h5", ".pt"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_others_wrote(suffix: str, tmp_path: Path) -> None:
    expected = interop.load(weights())
    got = interop.load(write(tmp_path / f"model{suffix}", weights()))
    assert got.layer == expected.layer == LAYER
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_what_we_wrote_others_read(suffix: str, tmp_path: Path) -> None:
    if suffix == ".pt":
        pytest.importorskip("torch")
    layer, params = interop.load(weights())
    path = tmp_path / f"ours{suffix}"
    interop.save(layer, params, "torch", path)
    if suffix == ".npz":
        with np.load(path) as file:
            arrays = dict(file)
    elif suffix == ".pt":
        arrays = pytest.importorskip("torch").load(path, weights_only=True)
    else:
        arrays = pytest.importorskip("safetensors.numpy").load_file(path)
    saved = interop.save(layer, params, "torch")
    assert arrays.keys() == saved.keys()
    for name, array in saved.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_bfloat16_in_safetensors(tmp_path: Path) -> None:
    """Which NumPy itself does not know; the bytes are read back by the format's definition."""
    pytest.importorskip("safetensors")
    params = jax.tree.map(lambda a: a.astype("bfloat16"), LAYER.init(jax.random.key(0), D))
    path = tmp_path / "ours.safetensors"
    interop.save(LAYER, params, "torch", path)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for name, array in interop.save(LAYER, params, "torch").items():
        row, expected = header[name], np.asarray(array, np.float32)
        begin, end = (start + offset for offset in row["data_offsets"])
        upper = np.frombuffer(content[begin:end], "<u2").astype(np.uint32) << 16  # a float32 without its lower half
        np.testing.assert_array_equal(upper.view(np.float32).reshape(row["shape"]), expected)
    jax.tree.map(np.testing.assert_array_equal, interop.load(path).params, params)


def test_our_own_parameters_in_a_file(tmp_path: Path) -> None:
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H, peepholes=True)), jaxrnn.lstm(2, projection=1)])
    for part, inputs in ((layer, D), (jaxrnn.gru(H, reset_after=False), D), (jaxrnn.elman(H, use_bias=False), D)):
        if part is layer:
            part = part.layers[0]
        params = part.init(jax.random.key(0), inputs)
        interop.save(part, params, "jaxrnn", tmp_path / "ours.npz")
        with np.load(tmp_path / "ours.npz") as file:
            arrays = dict(file)
        for path, array in jax.tree.leaves_with_path(params):
            np.testing.assert_array_equal(arrays[jax.tree_util.keystr(path, simple=True, separator="/")], array)
        got = interop.load(tmp_path / "ours.npz", "jaxrnn", layer=part)
        jax.tree.map(np.testing.assert_array_equal, got.params, params)


OWN = sorted({row.kind for row in ROWS if row.library == "jaxrnn"})


@pytest.mark.parametrize("kind", OWN)
def test_our_own_parameters_of_every_kind(kind: str, tmp_path: Path) -> None:
    factory = getattr(jaxrnn, kind)
    options = {"mut1": [{"project_input": True}], "mut2": [{"project_input": True}]}.get(kind, [])
    options += [dict(mode="pure"), dict(backbone=3, backbone_layers=3), dict(mode="no_gate")] * (kind == "cfc")
    for option in [{}, {"use_bias": False}, *options]:
        cell = factory(H, **option)
        params = cell.init(jax.random.key(0), H)
        interop.save(cell, params, "jaxrnn", tmp_path / "ours.npz")
        with np.load(tmp_path / "ours.npz") as file:
            arrays = dict(file)
        assert arrays.keys() == params.keys()
        jax.tree.map(np.testing.assert_array_equal, interop.load(arrays, "jaxrnn", layer=cell).params, params)
    assert interop.load(interop.save(cell, params, "jaxrnn"), layer=cell).layer == cell


@pytest.mark.filterwarnings("ignore")
def test_orbax(tmp_path: Path) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    from flax import nnx

    module = nnx.GRUCell(D, H, rngs=nnx.Rngs(0))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(
            (tmp_path / "flax").resolve(), {"model": {"rnn": nnx.to_pure_dict(nnx.state(module, nnx.Param))}}
        )
    expected = interop.load(module)
    got = interop.load(tmp_path / "flax", prefix="model/rnn")
    assert got.layer == expected.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty cannot be read"):
        interop.load(tmp_path / "empty")


# ---------------------------------------------------------------- damage to the arrays, whatever the format


def _missing(arrays: dict[str, Any], name: str) -> str:
    del arrays[name]
    return name


def _renamed(arrays: dict[str, Any], name: str) -> str:
    arrays[f"{name}x"] = arrays.pop(name)
    return name


def _extra(arrays: dict[str, Any], name: str) -> str:
    arrays[f"{name}.copy"] = arrays[name]
    return f"{name}.copy"


def _transposed(arrays: dict[str, Any], name: str) -> str:
    arrays[name] = np.ascontiguousarray(arrays[name].T) if arrays[name].ndim > 1 else arrays[name][None]
    return name


def _shorter(arrays: dict[str, Any], name: str) -> str:
    arrays[name] = np.ascontiguousarray(arrays[name][:-1])
    return name


def _integers(arrays: dict[str, Any], name: str) -> str:
    arrays[name] = arrays[name].astype(np.int32)
    return name


def _wider(arrays: dict[str, Any], name: str) -> str:
    arrays[name] = arrays[name].astype(np.float64)
    return name


DAMAGE = (_missing, _renamed, _extra, _transposed, _shorter, _integers, _wider)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_every_damaged_entry_is_named(
    suffix: str, damage: Callable[[dict[str, Any], str], str], tmp_path: Path
) -> None:
    for name in weights():
        arrays = weights()
        named = damage(arrays, name)
        with pytest.raises((ValueError, TypeError)) as caught:
            interop.load(write(tmp_path / f"model{suffix}", arrays))
        text = str(caught.value)
        assert text.startswith("`"), text
        assert " must be " in text, text
        assert ", got " in text, text
        assert named in text or (damage is _renamed and f"{name}x" in text), text


# ---------------------------------------------------------------- damage to the bytes


def refused(path: Path, **options: Any) -> str:
    """The one error, of a kind and form that is ours."""
    with pytest.raises((ValueError, TypeError)) as caught:
        interop.load(path, **options)
    text = str(caught.value)
    assert type(caught.value).__module__.startswith(("builtins", "jaxrnn")), caught.value
    assert (" must be " in text and ", got " in text) or f"{path.name} cannot be read: " in text, text
    return text


@pytest.mark.filterwarnings("ignore")  # of torch and NumPy, about what they are made to read
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_anywhere(suffix: str, tmp_path: Path) -> None:
    whole = write(tmp_path / f"whole{suffix}", weights()).read_bytes()
    path = tmp_path / f"model{suffix}"
    for end in np.linspace(0, len(whole) - 1, 12).astype(int):
        path.write_bytes(whole[:end])
        refused(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bytes_never_escape(suffix: str, tmp_path: Path) -> None:
    """Either the file still loads (a number changed that no checksum covers), or the error is ours."""
    whole = write(tmp_path / f"whole{suffix}", weights()).read_bytes()
    path = tmp_path / f"model{suffix}"
    rng = np.random.default_rng(0)
    expected = jax.tree.structure(interop.load(weights()).params)
    for _ in range(40):
        changed = bytearray(whole)
        changed[rng.integers(min(len(whole), 2000))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(changed))
        error = None
        try:
            params = interop.load(path).params
        except (ValueError, TypeError) as ours:
            error = ours
        if error is None:
            assert jax.tree.structure(params) == expected
        else:
            assert type(error).__module__.startswith(("builtins", "jaxrnn"))
            assert " must be " in str(error) or "cannot be read" in str(error)


class Bomb:
    """Runs code where something unpickles it."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore")
def test_pickles_in_disguise_run_nothing(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mark = tmp_path / "ran"
    bomb = pickle.dumps({"weight_ih_l0": Bomb(mark)})
    for suffix in (*SUFFIXES, ".keras", ".onnx", ".weights.h5", ".pth"):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(bomb)
        refused(path)
    objects = np.array([Bomb(mark)], dtype=object)
    np.savez(tmp_path / "objects.npz", weight_ih_l0=objects)
    assert "Python objects" in refused(tmp_path / "objects.npz")
    torch.save({"weight_ih_l0": Bomb(mark)}, tmp_path / "code.pt")
    refused(tmp_path / "code.pt")
    assert not mark.exists()


def safetensors_of(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def hostile_safetensors() -> Iterator[bytes]:
    row = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    yield safetensors_of(b"{", length=2**63)
    yield safetensors_of(b"{}", length=2**40)
    yield safetensors_of(b"[" * 100_000)
    yield safetensors_of(b"[]")
    yield safetensors_of(b'{"a": 1}')
    yield safetensors_of({"a": row | {"shape": [2**60, 2**60]}}, bytes(8))
    yield safetensors_of({"a": row | {"shape": [-2]}}, bytes(8))
    yield safetensors_of({"a": row | {"shape": [2.0]}}, bytes(8))
    yield safetensors_of({"a": row | {"data_offsets": [0, 2**50]}}, bytes(8))
    yield safetensors_of({"a": row | {"data_offsets": [8, 0]}}, bytes(8))
    yield safetensors_of({"a": row, "b": row}, bytes(8))
    yield safetensors_of({"a": row | {"dtype": "F8"}}, bytes(8))
    yield safetensors_of({"a": row | {"dtype": "C64", "shape": [1]}}, bytes(8))
    yield safetensors_of({"a": row | {"shape": [2] + [1] * 100}}, bytes(8))
    yield safetensors_of({"a": row}, bytes(16))
    yield safetensors_of(b'{"a": {}, "a": {}}')


def test_hostile_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    for content in hostile_safetensors():
        path.write_bytes(content)
        refused(path)


def npy_header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_hostile_npz(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for content in (
        npy_header("(1000000, 1000000)"),
        npy_header("(1000000000000,)") + bytes(64),
        npy_header("(-1,)"),
        npy_header("__import__('os')"),
        npy_header("(2,)", "|O") + pickle.dumps(1),
        b"\x93NUMPY\x03\x00",
        b"",
    ):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weight_ih_l0.npy", content)
        refused(path)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight_ih_l0.npy", bytes(10_000))
    lying = bytearray(bomb.getvalue())
    at = lying.rindex(b"PK\x01\x02")
    lying[at + 24 : at + 28] = struct.pack("<I", 2**31)  # the size after unpacking, as the directory has it
    path.write_bytes(bytes(lying))
    refused(path)


def test_hostile_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "model.h5"

    def external(file: Any) -> None:
        file["weight_ih_l0"] = h5py.ExternalLink("/etc/passwd", "x")

    def soft(file: Any) -> None:
        file["weight_ih_l0"] = h5py.SoftLink("/nowhere")

    def huge(file: Any) -> None:
        file.create_dataset("weight_ih_l0", (2**40, 2**20), "f4", chunks=(1024, 1024))

    def kept_elsewhere(file: Any) -> None:
        file.create_dataset("weight_ih_l0", (4,), "f4", external=[("/etc/passwd", 0, 16)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
        file.create_virtual_dataset("weight_ih_l0", layout)

    def text(file: Any) -> None:
        file.create_dataset("weight_ih_l0", data=["import os"], dtype=h5py.string_dtype())

    def loop(file: Any) -> None:
        file.create_group("a")["b"] = file["/"]

    def config(file: Any) -> None:
        file.attrs["model_config"] = '{"config": {"layers": [1]}}'
        file["weight_ih_l0"] = np.zeros(3)

    def deep(file: Any) -> None:
        file.attrs["model_config"] = "[" * 10_000

    for make in (external, soft, huge, kept_elsewhere, virtual, text, loop, config, deep):
        with h5py.File(path, "w") as file:
            make(file)
        refused(path)


def test_hostile_keras(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    inner, path = io.BytesIO(), tmp_path / "model.keras"
    with h5py.File(inner, "w") as file:
        file["layers/lstm/cell/vars/0"] = np.zeros((3, 16), np.float32)

    def config(class_name: str, **settings: Any) -> str:
        node = {"class_name": class_name, "config": {"name": "lstm", "units": 4, **settings}}
        return json.dumps({"class_name": "Sequential", "config": {"layers": [node]}})

    code = {"class_name": "__lambda__", "config": {"value": "cHJpbnQoMSk="}}
    for members in (
        {"config.json": config("LSTM")},
        {"model.weights.h5": inner.getvalue()},
        {"config.json": config("Lambda", function=code), "model.weights.h5": inner.getvalue()},
        {"config.json": config("LSTM", activation=code), "model.weights.h5": inner.getvalue()},
        {"config.json": config("LSTM", units="4"), "model.weights.h5": inner.getvalue()},
        {"config.json": config("LSTM", units=10**9), "model.weights.h5": inner.getvalue()},
        {"config.json": config("RNN", cell=5), "model.weights.h5": inner.getvalue()},
        {"config.json": config("LSTM"), "model.weights.h5": inner.getvalue()},  # recurrent kernel and bias missing
        {"config.json": config("LSTM"), "model.weights.h5": inner.getvalue()[:100]},
        {"config.json": "{", "model.weights.h5": inner.getvalue()},
        {"config.json": "[" * 100_000, "model.weights.h5": inner.getvalue()},
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        refused(path)


def test_hostile_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    layer = jaxrnn.gru(H)
    model = interop.save(layer, layer.init(jax.random.key(0), D), "onnx")
    path = tmp_path / "model.onnx"
    outside = onnx.ModelProto()
    outside.CopyFrom(model)
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(outside.SerializeToString())
    assert "in a file of the model's own folder" in refused(path)
    for damage in (lambda t: t.dims.append(2**40), lambda t: setattr(t, "raw_data", b"abc"), lambda t: t.dims.pop()):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        damage(changed.graph.initializer[0])
        path.write_bytes(changed.SerializeToString())
        refused(path)
    for content in (b"", b"\xff" * 64, model.SerializeToString()[:-40]):
        path.write_bytes(content)
        refused(path)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_numbers_in_the_byte_order_of_another_machine(tmp_path: Path, suffix: str) -> None:
    draw = np.random.default_rng(0)
    shapes = dict(weight_ih_l0=(20, 3), weight_hh_l0=(20, 5), bias_ih_l0=(20,), bias_hh_l0=(20,))
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    swapped = {name: array.astype(">f4") for name, array in weights.items()}
    path = tmp_path / f"model{suffix}"
    if suffix == ".npz":
        np.savez(path, **swapped)
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, array in swapped.items():
                file[name] = array
    loaded, wanted = interop.load(path).params, interop.load(weights).params
    assert loaded.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(loaded[name], array)


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`source` must be a file that is there, got 'nowhere.npz'"):
        interop.load("nowhere.npz")
    (tmp_path / "weights.bin").write_bytes(b"anything")
    with pytest.raises(ValueError, match=r"`source` must be a file whose first bytes or suffix tell its format"):
        interop.load(tmp_path / "weights.bin")
    with pytest.raises(TypeError, match="`source` must be a module, a mapping"):
        interop.load(3)
    with pytest.raises(ValueError, match="`library` must be one of"):
        interop.load({"a": np.zeros(3)}, "caffe")
    with pytest.raises(ValueError, match="`source` must be with arrays"):
        interop.load({})
    with pytest.raises(ValueError, match=r"`layer` must be of cells that unirep has, .'multiplicative_lstm'., got gru"):
        interop.save(LAYER, LAYER.init(jax.random.key(0), D), "unirep")
    with pytest.raises(ValueError, match=r"`bias` must be an array of shape .*, got nothing.*use_bias=False"):
        interop.load({"kernel": np.zeros((D, 12)), "recurrent_kernel": np.zeros((4, 12))}, "keras")
