"""What lies beside the wanted part, and names that are other layers' too: checkpoints of torch and TensorFlow, formats
that first bytes tell, spellings, archives of TorchScript."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.interop.files import formats
from tests.interop.compare import close, randomised

T, B, D, H = 6, 2, 3, 4


def f(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("f")


# ---------------------------------------------------------------- names and shapes that are other layers' too

DENSE = {
    "tf1": {"dense/kernel": f(10, 16), "dense/bias": f(16)},
    "haiku": {"mlp/linear/w": f(10, 16), "mlp/linear/b": f(16)},
    "haiku, two": {
        "mlp/linear/w": f(3, 4),
        "mlp/linear/b": f(4),
        "mlp/linear_1/w": f(4, 4),
        "mlp/linear_1/b": f(4),
    },
    "candidate": {"gru_cell/candidate/kernel": f(10, 8), "gru_cell/candidate/bias": f(8)},
    "keras": {"layers/dense/vars/0": f(10, 16), "layers/dense/vars/1": f(16)},
}


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_layer_is_no_cell(name: str) -> None:
    places = {"", next(iter(DENSE[name])).rpartition("/")[0]}
    for prefix in places if "two" not in name else {"", "mlp"}:
        with pytest.raises(ValueError, match="must be") as caught:
            interop.load(DENSE[name], prefix=prefix)
        assert "Pass `prefix`" not in str(caught.value), "no advice that would load it"


def test_the_users_word_makes_it_one() -> None:
    dense = {"dense/kernel": f(10, 16), "dense/bias": f(16)}
    with pytest.raises(ValueError, match=r"pass library='tf1' if it is a LSTMCell"):
        interop.load(dense)
    assert interop.load(dense, "tf1").layer == jaxrnn.lstm(H)
    assert interop.load(dense, layer=jaxrnn.lstm(H)).layer == jaxrnn.lstm(H)
    assert interop.load({"rnn/lstm_cell/kernel": f(10, 16), "rnn/lstm_cell/bias": f(16)}).layer == jaxrnn.lstm(H)
    haiku = {"my_lstm/linear": {"w": f(10, 16), "b": f(16)}}
    assert interop.load(haiku).layer == jaxrnn.lstm(H)


# ---------------------------------------------------------------- TensorFlow 1

CELLS = {
    "GRUCell": ("gru_cell", jaxrnn.gru(H, reset_after=False)),
    "BasicRNNCell": ("basic_rnn_cell", jaxrnn.elman(H)),
    "LSTMCell": ("lstm_cell_1", jaxrnn.lstm(H)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CELLS)
def test_cells_of_tensorflow_1(kind: str) -> None:
    """Values and gradients of the live cell in float64."""
    tf = pytest.importorskip("tensorflow")
    legacy = pytest.importorskip("tf_keras.src.layers.rnn.legacy_cells")
    cell = getattr(legacy, kind)(H, dtype=tf.float64)
    cell.build(tf.TensorShape([B, D]))
    for i, variable in enumerate(cell.trainable_variables):
        variable.assign(randomised(np.zeros(variable.shape), i))
    scope, expected = CELLS[kind]
    weights = {f"rnn/{scope}/{v.name}": v.numpy() for v in cell.trainable_variables}
    layer, params = interop.load(weights)
    assert layer == expected
    xs = np.random.default_rng(0).normal(size=(T, B, D))
    with tf.GradientTape() as tape:
        state, ys = cell.zero_state(B, tf.float64), []
        for x in xs:
            y, state = cell(tf.constant(x), state)
            ys.append(y)
        loss = tf.reduce_sum(tf.stack(ys) ** 2)
    gradients = dict(zip(weights, tape.gradient(loss, cell.trainable_variables), strict=True))
    got = jax.grad(lambda w: (jaxrnn.scan(*interop.load(w), xs)[1] ** 2).sum())(weights)
    close(jaxrnn.scan(layer, params, xs)[1], tf.stack(ys).numpy())
    for name, gradient in gradients.items():
        close(got[name], tf.convert_to_tensor(gradient).numpy(), name)
    saved = interop.save(layer, params, "tf1")
    again = interop.load(saved, "tf1", layer=layer)
    jax.tree.map(np.testing.assert_allclose, again.params, params)


def test_two_cells_of_one_shape_are_no_guess() -> None:
    """[d + h, h] of one is [d' + h', 4 h'] of the other."""
    either = {"mine/kernel": f(D + H, H), "mine/bias": f(H)}
    with pytest.raises(
        ValueError, match=r"`layer` must be given, got None, and nothing tells which of LSTMCell, Basic"
    ):
        interop.load(either, "tf1")
    for layer in (jaxrnn.elman(H), jaxrnn.lstm(1)):
        assert interop.load(either, "tf1", layer=layer).layer == layer


def variables(path: str, inputs: int) -> dict[str, Any]:
    return {f"{path}/kernel": f(inputs + H, 4 * H), f"{path}/bias": f(4 * H)}


def test_layers_and_directions_by_name() -> None:
    cell = "multi_rnn_cell/cell_{}/basic_lstm_cell"
    stacked = variables("rnn/" + cell.format(0), D) | variables("rnn/" + cell.format(1), H)
    assert interop.load(stacked).layer == jaxrnn.stack([jaxrnn.lstm(H)] * 2)
    both = variables("bidirectional_rnn/fw/lstm_cell", D) | variables("bidirectional_rnn/bw/lstm_cell", D)
    layer, params = interop.load(both)
    assert layer == jaxrnn.bidirectional(jaxrnn.lstm(H))
    alone = interop.load(both, prefix="bidirectional_rnn/fw").params
    jax.tree.map(np.testing.assert_array_equal, params["forward"], alone)
    head = "stack_bidirectional_rnn/cell_{}/bidirectional_rnn/{}/lstm_cell"
    each = [variables(head.format(i, way), (D, 2 * H)[i]) for i in range(2) for way in ("fw", "bw")]
    whole = {name: array for part in each for name, array in part.items()}
    assert interop.load(whole).layer == jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H))] * 2)
    old = {"rnn/gru_cell/" + n: a for n, a in {"gates/weights": f(7, 8), "gates/biases": f(8)}.items()}
    old |= {"rnn/gru_cell/candidate/weights": f(7, 4), "rnn/gru_cell/candidate/biases": f(4)}
    assert interop.load(old).layer == jaxrnn.gru(H, reset_after=False)


def test_directions_that_meet_only_at_the_end_are_no_stack() -> None:
    """A bidirectional over two stacks: the upper layers take one direction alone."""
    head = "bidirectional_rnn/{}/multi_rnn_cell/cell_{}/lstm_cell"
    each = [variables(head.format(way, i), (D, H)[i]) for i in range(2) for way in ("fw", "bw")]
    whole = {name: array for part in each for name, array in part.items()}
    with pytest.raises(ValueError, match="must be of shape"):
        interop.load(whole)
    for way in ("fw", "bw"):
        assert interop.load(whole, prefix=f"bidirectional_rnn/{way}").layer == jaxrnn.stack([jaxrnn.lstm(H)] * 2)


@pytest.mark.filterwarnings("ignore")
def test_checkpoints_of_tensorflow(tmp_path: Path) -> None:
    """With an optimizer's slots, a counter, and the files named as a user has them."""
    tf = pytest.importorskip("tensorflow")
    weights = variables("rnn/lstm_cell", D)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in weights.items():
            tf.compat.v1.get_variable(name, initializer=array)
            tf.compat.v1.get_variable(f"{name}/Adam", initializer=array + 1)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(3))
        tf.compat.v1.get_variable("words", initializer=np.array(["a", "b"]))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=7)
    expected = interop.load(weights)
    for name in ("model.ckpt-7", "model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"):
        got = interop.load(tmp_path / name, prefix="rnn")
        assert got.layer == expected.layer
        jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    with pytest.raises(ValueError, match="Pass `prefix`, one of 'rnn'"):
        interop.load(tmp_path / "model.ckpt-7")


# ---------------------------------------------------------------- torch, first bytes, spellings


def test_files_without_their_names(tmp_path: Path) -> None:
    """The same weights in every format, under names that tell nothing or something else."""
    torch, h5py = pytest.importorskip("torch"), pytest.importorskip("h5py")
    safetensors = pytest.importorskip("safetensors.numpy")
    module = torch.nn.LSTM(D, H)
    state = {n: t.numpy() for n, t in module.state_dict().items()}
    expected = interop.load(state)
    torch.save(module.state_dict(), tmp_path / "torch")
    torch.save(module.state_dict(), tmp_path / "legacy", _use_new_zipfile_serialization=False)
    safetensors.save_file(state, tmp_path / "safetensors")
    with (tmp_path / "npz").open("wb") as file:
        np.savez(file, **state)
    with h5py.File(tmp_path / "hdf5", "w") as file:
        for name, array in state.items():
            file[name] = array
    for path in list(tmp_path.iterdir()):
        for name in (path.name, f"{path.name}.bin", f"{path.name}.ckpt", f"{path.name}.onnx"):
            renamed = tmp_path / name
            renamed.write_bytes(path.read_bytes())
            got = interop.load(renamed)
            jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    with pytest.raises(ValueError, match=r"cannot be read"):
        interop.load(tmp_path / "torch", format="npz")
    assert interop.load(tmp_path / "legacy", format="torch").layer == expected.layer


def test_the_format_is_one_of_ours(unchecked: None) -> None:
    with pytest.raises(ValueError, match="`format` must be None, or one of"):
        interop.load("x.npz", format="zip")
    with pytest.raises(TypeError, match="`format` must be None, or one of"):
        interop.load("x.npz", format=3)
    with pytest.raises(ValueError, match="`format` must be left out for what is no file"):
        interop.load({"a": f(3)}, format=next(iter(formats.READERS)))


def test_names_that_are_spelled_otherwise(tmp_path: Path, unchecked: None) -> None:
    theirs = dict(enc_w_ih=f(12, 3), enc_w_hh=f(12, 4), enc_b_ih=f(12), enc_b_hh=f(13)[:12], head=f(4))
    np.savez(tmp_path / "flat.npz", **theirs)
    names = {f"enc_{w}_{k}": f"{whole}_{k}" for w, whole in (("w", "weight"), ("b", "bias")) for k in ("ih", "hh")}
    expected = interop.load({names[n]: a for n, a in theirs.items() if n in names})
    for source in (tmp_path / "flat.npz", theirs):
        got = interop.load(source, names=names)
        assert got.layer == jaxrnn.gru(H)
        jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    with pytest.raises(ValueError, match=r"`names` must be of entries, such as .*'enc_w_hi'"):
        interop.load(theirs, names={"enc_w_hi": "weight_ih"})
    with pytest.raises(TypeError, match="`names` must be None, or a mapping"):
        interop.load(theirs, names=["enc_w_ih"])


@pytest.mark.filterwarnings("ignore")
def test_archives_of_torchscript(tmp_path: Path) -> None:
    """Tensors by name, of modules within modules; views, shared storages, other dtypes; beside anything."""
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = torch.nn.LSTM(D, H, bidirectional=True).to(torch.float64)
            self.rnn.weight_hh_l0_reverse = torch.nn.Parameter(torch.randn(H, 4 * H, dtype=torch.float64).T)
            self.rnn.bias_hh_l0 = self.rnn.bias_ih_l0
            self.small = torch.nn.GRUCell(D, H).bfloat16()
            self.simple = torch.nn.RNN(D, H)
            self.words = {"a": 1}

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.rnn(x)[0]

    model = Model()
    torch.jit.script(model).save(tmp_path / "model.anything")
    for prefix in ("rnn", "small"):
        expected = interop.load(getattr(model, prefix))
        got = interop.load(tmp_path / "model.anything", prefix=prefix)
        assert got.layer == expected.layer
        jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
    with pytest.raises(ValueError, match="nothing tells whether an RNN of torch applies tanh or relu"):
        interop.load(tmp_path / "model.anything", prefix="simple")
    layer = jaxrnn.elman(H, activation=jax.nn.relu)
    assert interop.load(tmp_path / "model.anything", prefix="simple", layer=layer).layer == layer


@pytest.mark.filterwarnings("ignore")
def test_archives_that_would_run_something(tmp_path: Path) -> None:
    """Nothing is called and no name imported; what is no tensor is none."""
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.LSTM(D, H)), buffer)
    for pickled in (
        b"cbuiltins\nlen\n(S'never'\ntR.",
        b"\x80\x02ccollections\nCounter\n)\x81}q\x00b.",
        b"\x80\x02}.",
        b"junk",
    ):
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(tmp_path / "model.pt", "w") as new:
            for member in old.infolist():
                new.writestr(member.filename, pickled if member.filename.endswith("data.pkl") else old.read(member))
        with pytest.raises(ValueError, match=r"model.pt cannot be read|with arrays in it"):
            interop.load(tmp_path / "model.pt")


@pytest.mark.filterwarnings("ignore")
def test_a_mutated_archive_is_one_error_or_the_layer(tmp_path: Path) -> None:
    """With checksums that fit: whoever changes an archive writes them anew."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.LSTM(D, H)), buffer)
    with zipfile.ZipFile(buffer) as old:
        members = {member: old.read(member) for member in old.namelist()}
    (pickled,) = (name for name in members if name.endswith("/data.pkl"))
    for _ in range(200):
        changed = bytearray(members[pickled])
        for at in rng.integers(len(changed), size=rng.choice([1, 1, 2, 5])):
            changed[at] = rng.integers(256)
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as new:
            for name, content in (members | {pickled: bytes(changed)}).items():
                new.writestr(name, content)
        try:
            assert interop.load(tmp_path / "m.pt").layer.output_size == H
        except (ValueError, TypeError) as error:
            assert " must be " in str(error) or "m.pt cannot be read: " in str(error), error  # noqa: PT017


def test_an_archive_of_modules_within_themselves_has_an_end(tmp_path: Path) -> None:
    """Each of two attributes is the same module, sixty times over."""
    inner = b"\x80\x02" + b"c__torch__\nM\n)\x81"
    for i in range(60):
        inner += (
            b"q"
            + bytes([i])
            + b"c__torch__\nM\n)\x81}(X\x01\0\0\0ah"
            + bytes([i])
            + b"X\x01\0\0\0bh"
            + bytes([i])
            + b"ub"
        )
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", inner + b".")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
    with pytest.raises(ValueError, match=r"a module of at most 1000000 attributes, got more"):
        interop.load(tmp_path / "m.pt")


@pytest.mark.filterwarnings("ignore")
def test_orbax_with_randomness_beside(tmp_path: Path) -> None:
    ocp = pytest.importorskip("orbax.checkpoint")
    from flax import nnx

    class Model(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.cell = nnx.GRUCell(D, H, rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    model = Model(nnx.Rngs(0))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((tmp_path / "state").resolve(), nnx.state(model))
    expected = interop.load(model.cell)
    got = interop.load(tmp_path / "state", prefix="cell")
    assert got.layer == expected.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, expected.params)
