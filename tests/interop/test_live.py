"""Live modules as people have them: subclassed, with normed, pruned or tied weights, compiled, inside larger models.

The reference is each library's own output, in float64.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxrnn
import jaxrnn.keras
import jaxrnn.nnx
from jaxrnn import interop
from tests.interop.compare import B, D, H, T, close
from tests.promotion import default_promotion

os.environ["KERAS_BACKEND"] = "jax"
XS = np.random.default_rng(0).standard_normal((T, B, D))


def test_our_arrays_stay_when_theirs_change() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.GRU(D, 16)
    params = interop.load(module).params
    before = jax.tree.map(np.array, params)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    jax.tree.map(np.testing.assert_array_equal, params, before)


# ---------------------------------------------------------------- torch


def gives_its_outputs(module: Any, source: Any = None, **options: Any) -> Any:
    """The module's own outputs, from the module or from what stands for it."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        wanted = module(torch.tensor(XS))[0].numpy()
    layer, params = interop.load(module if source is None else source, **options)
    close(jaxrnn.scan(layer, params, XS)[1], wanted)
    return layer


def torch_lstm(**options: Any) -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.LSTM(D, H, dtype=torch.float64, **options)


def test_a_subclass_of_torchs_is_its_base() -> None:
    torch = pytest.importorskip("torch")

    class Named(torch.nn.LSTM):  # type: ignore[misc, name-defined]
        def extra(self) -> int:
            return 3

    class Doubled(torch.nn.GRU):  # type: ignore[misc, name-defined]
        def forward(self, *given: Any) -> Any:
            ys, state = super().forward(*given)
            return 2 * ys, state

    assert gives_its_outputs(Named(D, H, dtype=torch.float64)) == jaxrnn.lstm(H)
    with pytest.raises(ValueError, match="Doubled, which overrides 'forward'"):
        interop.load(Doubled(D, H))
    plain = torch.nn.LSTM(D, H)
    plain.forward = lambda x: (x, None)
    with pytest.raises(ValueError, match="LSTM, which overrides 'forward'"):
        interop.load(plain)


@pytest.mark.filterwarnings("ignore")  # torch's own, about its older way
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("newer", [True, False])
def test_weight_norm_is_folded(newer: bool, dim: Any) -> None:
    torch = pytest.importorskip("torch")
    module = torch_lstm()
    norm = torch.nn.utils.parametrizations.weight_norm if newer else torch.nn.utils.weight_norm
    if dim is not None or not newer:
        module = norm(module, "weight_hh_l0", dim=dim)
    module = norm(module, "weight_ih_l0")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("_g", "original0")):
                parameter *= 3  # before any call, so that a kept weight is an old one
    assert gives_its_outputs(module) == jaxrnn.lstm(H)
    gives_its_outputs(module, module.state_dict())
    gives_its_outputs(module, {f"enc.{k}": v for k, v in module.state_dict().items()}, prefix="enc")


def test_a_gradient_passes_through_weight_norm() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.utils.parametrizations.weight_norm(torch_lstm(), "weight_hh_l0")
    module(torch.tensor(XS))[0].sum().backward()
    weights = {name: p.detach().numpy() for name, p in module.named_parameters()}

    def loss(weights: Any) -> Any:
        layer, params = interop.load(weights)
        return jaxrnn.scan(layer, params, XS)[1].sum()

    for name, gradient in jax.grad(loss)(weights).items():
        close(gradient, dict(module.named_parameters())[name].grad.numpy(), name)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_torch_computes_before_each_call() -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune

    spectral = torch.nn.utils.spectral_norm(torch_lstm(), "weight_hh_l0").eval()
    gives_its_outputs(spectral)
    newer = torch.nn.utils.parametrizations.spectral_norm(torch_lstm(), "weight_hh_l0")
    state = {k: v.clone() for k, v in newer.state_dict().items()}
    interop.load(newer)
    assert all(torch.equal(state[k], v) for k, v in newer.state_dict().items())  # reading trains nothing
    gives_its_outputs(newer.eval())
    pruned = prune.l1_unstructured(torch_lstm(), "weight_hh_l0", amount=0.5)
    params = interop.load(pruned).params
    assert np.count_nonzero(params["recurrent_kernel"]) == 4 * H * H // 2
    gives_its_outputs(pruned)


def test_tied_weights_and_full_dropout() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(D, D, num_layers=2, dropout=1.0, dtype=torch.float64).eval()
    module.weight_hh_l1 = module.weight_hh_l0
    module.bias_hh_l0 = module.bias_ih_l0
    assert gives_its_outputs(module) == jaxrnn.stack([jaxrnn.lstm(D)] * 2)
    model = torch.nn.ModuleDict({"a": module, "b": module})
    gives_its_outputs(module, model, prefix="b")


@pytest.mark.filterwarnings("ignore")  # torch's own: TorchScript is on its way out
@pytest.mark.parametrize("traced", [False, True])
def test_torchscript(traced: bool, tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    inner = torch_lstm(num_layers=2, bidirectional=True)
    model = torch.nn.ModuleDict({"rnn": inner})["rnn"]
    module = torch.jit.trace(model, torch.tensor(XS)) if traced else torch.jit.script(model)
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    for source in (module, torch.jit.load(buffer)):
        assert gives_its_outputs(inner, source) == jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H))] * 2)
    elman = torch.nn.RNN(D, H, nonlinearity="relu", dtype=torch.float64)
    if traced:
        with pytest.raises(ValueError, match="traced RNN, which does not"):
            interop.load(torch.jit.trace(elman, torch.tensor(XS)))
    else:
        gives_its_outputs(elman, torch.jit.script(elman))
    torch.jit.save(module, tmp_path / "script.pt")
    gives_its_outputs(inner, tmp_path / "script.pt")  # by its first bytes, and nothing of it runs


# ---------------------------------------------------------------- Keras, equinox


def test_a_subclass_of_kerass_is_its_base() -> None:
    keras = pytest.importorskip("keras")

    class Named(keras.layers.GRU):  # type: ignore[misc]
        pass

    class NamedCell(keras.layers.LSTMCell):  # type: ignore[misc]
        pass

    class Halved(keras.layers.LSTM):  # type: ignore[misc]
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            return super().call(sequences, initial_state, mask, training) / 2

    class HalvedCell(keras.layers.LSTMCell):  # type: ignore[misc]
        def call(self, *given: Any, **options: Any) -> Any:
            y, states = super().call(*given, **options)
            return y / 2, states

    relu = dict(recurrent_activation="relu")
    for layer in (Named(H, return_sequences=True, **relu), keras.layers.RNN(NamedCell(H, **relu), True)):
        with default_promotion():
            wanted = layer(jnp.asarray(XS.swapaxes(0, 1), jnp.float32))
        ours, params = interop.load(layer)
        got = jaxrnn.scan(ours, params, XS.astype(np.float32))[1]
        close(got, np.swapaxes(wanted, 0, 1), tolerance=1e-6)
    with keras.saving.custom_object_scope({"Halved": Halved}):
        both = keras.layers.Bidirectional(Halved(H))
    for layer in (Halved(H), keras.layers.RNN(HalvedCell(H)), both):
        with default_promotion():
            layer.build((B, T, D))
        with pytest.raises(ValueError, match=r"Halved(Cell)?, which overrides 'call'"):
            interop.load(layer)


def test_equinox_trees() -> None:
    eqx = pytest.importorskip("equinox")
    keys = jax.random.split(jax.random.key(0), 3)

    class Named(eqx.nn.LSTMCell):  # type: ignore[misc]
        pass

    class Halved(eqx.nn.GRUCell):  # type: ignore[misc]
        def __call__(self, *given: Any, **options: Any) -> Any:
            return super().__call__(*given, **options) / 2

    class Model(eqx.Module):  # type: ignore[misc]
        cell: Any
        layers: list[Any]
        named: dict[str, Any]
        head: Any

    model = Model(
        eqx.nn.GRUCell(D, H, dtype=np.float64, key=keys[0]),
        [eqx.nn.GRUCell(D, H, dtype=np.float64, key=keys[1])],
        {"top": Named(D, H, dtype=np.float64, key=keys[2])},
        eqx.nn.Linear(H, 1, key=keys[0]),
    )
    for prefix, cell in (("cell", model.cell), ("layers/0", model.layers[0]), ("named.top", model.named["top"])):
        layer, params = interop.load(model, prefix=prefix)
        x, h = XS[0, 0], np.ones(H)
        with default_promotion():
            wanted = cell(x, (h, h))[0] if layer.name == "lstm" else cell(x, h)
        carry = jax.tree.map(np.ones_like, layer.initial_carry(()))
        close(layer.step(params, carry, x)[1], wanted)
    advice = "Pass `prefix`, one of 'cell', 'layers/0', 'named/top'"
    for prefix in ("", "head", "layers/7", "nothing"):
        with pytest.raises(ValueError, match=advice):
            interop.load(model, prefix=prefix)
    with pytest.raises(ValueError, match="Halved, which overrides '__call__'"):
        interop.load(Halved(D, H, key=keys[0]))


def test_subclasses_in_trees_of_parameters() -> None:
    """haiku and linen modules are their parameters, below the name of the class."""
    hk = pytest.importorskip("haiku")

    class Mine(hk.LSTM):  # type: ignore[misc]
        pass

    class MyCell(linen.GRUCell):
        pass

    x = XS[0]
    with default_promotion():
        transformed = hk.transform(lambda x: hk.dynamic_unroll(Mine(H), x[None], Mine(H).initial_state(B))[0])
        weights = transformed.init(jax.random.key(0), x)
        wanted = transformed.apply(weights, None, x)[0]
    layer, params = interop.load({k: v for k, v in weights.items() if k.startswith("mine/")}, "haiku")
    close(jaxrnn.scan(layer, params, x[None])[1][0], wanted)
    model = linen.RNN(MyCell(H, dtype=np.float64, param_dtype=np.float64), time_major=True)
    with default_promotion():
        variables = model.init(jax.random.key(0), XS)
        wanted = model.apply(variables, XS)
    layer, params = interop.load(variables)
    close(jaxrnn.scan(layer, params, XS)[1], wanted)


# ---------------------------------------------------------------- Flax NNX


class Holder(nnx.Module):
    def __init__(self, **inside: Any) -> None:
        for name, module in inside.items():
            setattr(self, name, module)


class Quiet(nnx.LSTMCell):
    def __call__(self, carry: Any, inputs: Any) -> Any:
        carry, y = super().__call__(carry, inputs)
        return carry, 0 * y


class Plain(nnx.LSTMCell):
    pass


RELU = dict(activation_fn=jax.nn.relu)
OURS_RELU = jaxrnn.lstm(H, activation=jax.nn.relu, output_activation=jax.nn.relu)


def rngs() -> Any:
    return nnx.Rngs(0)


def nnx_sources() -> list[tuple[Any, str, Any]]:
    relu = nnx.LSTMCell(D, H, rngs=rngs(), **RELU)
    two = Holder(layer_0=relu, layer_1=nnx.LSTMCell(H, H, rngs=rngs(), **RELU))
    return [
        (Plain(D, H, rngs=rngs(), **RELU), "", OURS_RELU),
        (Holder(rnn=relu), "", OURS_RELU),
        (Holder(deep=Holder(rnn=nnx.RNN(relu, rngs=rngs()))), "deep", OURS_RELU),
        (two, "layer_1", OURS_RELU),
        (jaxrnn.nnx.LSTM(D, H, rngs=rngs(), **RELU), "", OURS_RELU),
        (jaxrnn.keras.LSTM(H, in_features=D, activation="relu", rngs=rngs()), "", OURS_RELU),
        (jaxrnn.keras.GRU(H, in_features=D, go_backwards=True, rngs=rngs()), "", jaxrnn.reverse(jaxrnn.gru(H))),
    ]


def test_the_functions_of_nnx_modules_come_along() -> None:
    for module, prefix, wanted in nnx_sources():
        assert interop.load(module, prefix=prefix).layer == wanted, type(module)


def test_nnx_modules_that_are_other_layers() -> None:
    two = Holder(layer_0=nnx.LSTMCell(D, H, rngs=rngs(), **RELU), layer_1=nnx.LSTMCell(H, H, rngs=rngs(), **RELU))
    both = interop.load(two, prefix=["layer_0", "layer_1"])
    assert both.layer == jaxrnn.stack([OURS_RELU] * 2)
    plain = Holder(layer_0=nnx.LSTMCell(D, H, rngs=rngs()), layer_1=nnx.LSTMCell(H, H, rngs=rngs()))
    assert interop.load(plain).layer == jaxrnn.stack([jaxrnn.lstm(H)] * 2)
    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: interop.load(Quiet(D, H, rngs=rngs())), "Quiet, which overrides '__call__'"),
        (lambda: interop.load(Holder(rnn=Quiet(D, H, rngs=rngs()))), "Quiet, which overrides '__call__'"),
        (lambda: interop.load(two), "Pass `prefix`, one of 'layer_0', 'layer_1'"),
    ]
    for call, message in refused:
        with pytest.raises(ValueError, match=message):
            call()
