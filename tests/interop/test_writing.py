"""Writing: whole or not at all, and every dtype as the format's own library has it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.base.files import WriteError
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
CELL = jaxrnn.gru(16)
PARAMS = CELL.init(jax.random.key(0), 8)
FORMATS = {".npz": "torch", ".safetensors": "torch", ".pt": "torch", ".weights.h5": "keras", ".onnx": "onnx"}
NEEDS = {".safetensors": "safetensors", ".pt": "torch", ".weights.h5": "h5py", ".onnx": "onnx"}


@contextmanager
def little_room(size: int = 1024) -> Iterator[None]:
    """The system refuses a file that grows beyond this, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS.get(suffix, "numpy"))
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"the old file")
    with little_room(), pytest.raises(WriteError, match=rf"^could not write .*model{suffix}: File too large$"):
        interop.save(CELL, PARAMS, FORMATS[suffix], path)
    assert path.read_bytes() == b"the old file"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    interop.save(CELL, PARAMS, FORMATS[suffix], path)
    assert interop.load(path).layer == CELL


def test_conversion_meets_a_full_disk(tmp_path: Path) -> None:
    source, target = tmp_path / "source.npz", tmp_path / "target.npz"
    interop.save(CELL, PARAMS, "torch", source)
    target.write_bytes(b"the old file")
    with little_room(), pytest.raises(WriteError, match="could not write"):
        interop.convert(source, target)
    assert target.read_bytes() == b"the old file"


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_place_to_write_to(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS.get(suffix, "numpy"))
    (tmp_path / f"folder{suffix}").mkdir()
    for name in (f"folder{suffix}", f"nowhere/model{suffix}"):
        with pytest.raises(WriteError, match=f"could not write .*{name}"):
            interop.save(CELL, PARAMS, FORMATS[suffix], tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [f"folder{suffix}"]


# ---------------------------------------------------------------- dtypes


def by_torch(path: Path) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    tensors = torch.load(path, weights_only=True)
    assert {str(t.dtype) for t in tensors.values()} <= {"torch.bfloat16", "torch.float16"}
    return {name: t.float().numpy() for name, t in tensors.items()}


def by_safetensors(path: Path) -> dict[str, Any]:
    torch_reader = pytest.importorskip("safetensors.torch")
    return {name: t.float().numpy() for name, t in torch_reader.load_file(path).items()}


def by_onnx(path: Path) -> dict[str, Any]:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(path).graph
    weights = {t.name: t for t in graph.initializer if t.name[0] in "WRB"}
    assert {t.data_type for t in weights.values()} <= {onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16}
    return {name: onnx.numpy_helper.to_array(t).astype(np.float32) for name, t in weights.items()}


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".pt": by_torch,
    ".safetensors": by_safetensors,
    ".onnx": by_onnx,
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("suffix", READERS)
def test_half_precision_is_the_formats_own(suffix: str, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip(NEEDS[suffix])
    params = jax.tree.map(lambda a: a.astype(dtype), PARAMS)
    path, library = tmp_path / f"model{suffix}", FORMATS[suffix]
    interop.save(CELL, params, library, path)
    theirs = READERS[suffix](path)
    if library == "torch":
        for name, array in interop.save(CELL, params, "torch").items():
            np.testing.assert_array_equal(theirs[name], np.asarray(array, np.float32))
    else:
        kernel = np.concatenate([np.asarray(params["kernel"], np.float32)[:, g] for g in (1, 0, 2)], 1)  # z, r, n
        np.testing.assert_array_equal(theirs["W_0"][0], kernel.T)
    layer, back = interop.load(path)
    assert layer == CELL
    assert back["kernel"].dtype == dtype
    jax.tree.map(np.testing.assert_array_equal, back, params)


@pytest.mark.filterwarnings("ignore")  # NumPy's, of how Keras reads its own arrays
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_keras_loads_half_precision(dtype: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    params = jax.tree.map(lambda a: a.astype(dtype), PARAMS)
    path = tmp_path / "model.weights.h5"
    interop.save(CELL, params, "keras", path)
    with default_promotion():
        layer = keras.layers.GRU(16, dtype=dtype, recurrent_initializer="zeros")  # orthogonal ones need float32
        model = keras.Sequential([keras.Input((5, 8)), layer])
        model.load_weights(path)
    for theirs, ours in zip(model.weights, interop.save(CELL, params, "keras").values(), strict=True):
        np.testing.assert_array_equal(np.asarray(theirs.value, np.float32), np.asarray(ours, np.float32))
    model.save_weights(tmp_path / "theirs.weights.h5")
    for name in ("model", "theirs"):
        back = interop.load(tmp_path / f"{name}.weights.h5").params
        assert back["kernel"].dtype == dtype
        jax.tree.map(np.testing.assert_array_equal, back, params)


def test_dtypes_that_a_format_cannot_hold(tmp_path: Path) -> None:
    bfloat16 = jax.tree.map(lambda a: a.astype(jnp.bfloat16), PARAMS)
    with pytest.raises(TypeError, match=r"must be of a dtype that .npz can hold, got bfloat16. Cast to float32, or"):
        interop.save(CELL, bfloat16, "torch", tmp_path / "model.npz")
    eight = jax.tree.map(lambda a: a.astype(jnp.float8_e4m3fn), PARAMS)
    for suffix, library in FORMATS.items():
        with pytest.raises((TypeError, ValueError), match="float8_e4m3fn"):
            interop.save(CELL, eight, library, tmp_path / f"model{suffix}")
    assert not list(tmp_path.iterdir())
    state = {name: np.asarray(a, ml_dtypes.bfloat16) for name, a in interop.save(CELL, PARAMS, "torch").items()}
    np.savez(tmp_path / "opaque.npz", **state)
    with pytest.raises(TypeError, match=r"opaque bytes. NumPy stores bfloat16 so"):
        interop.load(tmp_path / "opaque.npz")
