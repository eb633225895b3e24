"""torchrecurrent, live in float64: every cell that is one here, its layers, options and biases, and back."""

from __future__ import annotations

import re
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from jaxrnn.interop.rows import OTHERS, ROWS
from tests.interop.compare import B, D, H, close, cotangent_of, inputs, ours, randomised

torch = pytest.importorskip("torch")
torchrecurrent = pytest.importorskip("torchrecurrent")

CELLS = tuple(row.name for row in ROWS if row.library == "torchrecurrent")
OPTIONS: dict[str, dict[str, Any]] = {
    "AntisymmetricRNNCell": dict(epsilon=0.3, gamma=0.2),
    "GatedAntisymmetricRNNCell": dict(epsilon=0.3, gamma=0.2),
    "coRNNCell": dict(dt=0.1, gamma=0.7, epsilon=0.4),
    "UnICORNNCell": dict(dt=0.3, alpha=0.6, recurrent_bias=True),
    "FastRNNCell": dict(nonlinearity="relu"),
    "FastGRNNCell": dict(nonlinearity="sigmoid"),
    "IndRNNCell": dict(nonlinearity="relu"),
    "JANETCell": dict(beta=0.7),
    "LiGRUCell": dict(nonlinearity="tanh"),
    "MGUCell": dict(nonlinearity="relu", gate_nonlinearity="silu"),
    "PeepholeLSTMCell": dict(nonlinearity="relu"),
}
# Biases where ours has none, by the arrays that hold them: theirs compute another function, unless they are zero.
NO_BIAS = {
    "ATRCell": {"bias_hh": slice(None)},
    "BRCell": {"bias_ih": slice(2 * H, None)},
    "NBRCell": {"bias_ih": slice(2 * H, None)},
    "CFNCell": {"bias_ih": slice(2 * H, None)},
    "SGRNCell": {"bias_hh": slice(None)},
    "MUT1Cell": {"bias_ih": slice(2 * H, None)},
    "MultiplicativeLSTMCell": {"bias_ih": slice(H), "bias_hh": slice(None)},
}


def make(name: str, seed: int = 0, **options: Any) -> Any:
    """A cell all of whose parameters are drawn, but where they are to be zero."""
    options = OPTIONS.get(name, {}) | options
    module = getattr(torchrecurrent, name)(size_of(name), H, dtype=torch.float64, **options)
    torch.manual_seed(seed)
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            if key != "beta" or name != "JANETCell":
                parameter.copy_(0.5 * torch.randn(parameter.shape, dtype=torch.float64))
            if key in NO_BIAS.get(name, {}):
                parameter[NO_BIAS[name][key]] = 0
    return module


def size_of(name: str) -> int:
    return H if name.startswith("Intersection") else D


def run(module: Any, xs: Any, carry: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """`(final carry, outputs)` in our order, a step at a time; tensors with gradients."""
    name, ys = type(module).__name__, []
    for x in xs:
        if name == "IntersectionRNNCell":
            y, h = module(x, *carry)
            carry = (h,)
        elif name == "JANETCell":  # whose two states are one
            carry = (module(x, (carry[0], carry[0]))[0],)
            y = carry[0]
        elif len(carry) == 2:
            y, other = module(x, (carry[1], carry[0]))
            carry = (other, y)
        else:
            y = module(x, carry[0])
            carry = (y,)
        ys.append(y)
    return carry, torch.stack(ys)


def numbers(tensors: Any) -> Any:
    return [t.detach().numpy() for t in tensors]


def case(cell: Any, inputs_of_cell: int) -> tuple[Any, Any]:
    xs, carry = inputs(cell)
    return np.random.default_rng(3).standard_normal((*xs.shape[:-1], inputs_of_cell)), carry


@pytest.mark.parametrize("name", CELLS)
def test_outputs_and_the_gradient_of_every_weight_under_its_own_name(name: str) -> None:
    module = make(name)
    cell, _ = interop.load(module)
    weights = {key: t.detach().numpy().copy() for key, t in module.state_dict().items()}
    xs, carry = case(cell, size_of(name))
    got, pull = ours(lambda w: interop.load(w, "torchrecurrent", layer=cell), weights, xs, carry)
    x, start = torch.tensor(xs, requires_grad=True), [torch.tensor(c, requires_grad=True) for c in carry]
    final, ys = run(module, x, tuple(start))
    close(got[1], ys.detach().numpy(), name)
    close(list(got[0]), numbers(final), name)
    cotangent = cotangent_of(got)
    loss = (ys * torch.tensor(cotangent[1])).sum()
    (loss + sum((f * torch.tensor(c)).sum() for f, c in zip(final, cotangent[0], strict=True))).backward()
    dweights, dxs, dcarry = pull(cotangent)
    for key, parameter in module.named_parameters():
        wanted = parameter.grad.numpy().copy()
        if key == "beta" and name == "JANETCell":
            continue  # an option of ours
        wanted[NO_BIAS.get(name, {}).get(key, slice(0))] = 0
        close(dweights[key], wanted, f"{name}: {key}")
    close(dxs, x.grad.numpy(), name)
    close(list(dcarry), [s.grad.numpy() for s in start], name)


@pytest.mark.parametrize("name", CELLS)
def test_saved_weights_give_their_module_our_outputs_and_come_back_bit_for_bit(name: str) -> None:
    module = make(name)
    cell, _ = interop.load(module)
    params = randomised(cell.init(jax.random.key(0), size_of(name)), 1)
    saved = interop.save(cell, params, "torchrecurrent", cell=name)
    module.load_state_dict({key: torch.tensor(a) for key, a in saved.items()}, strict=True)
    xs, carry = case(cell, size_of(name))
    final, ys = jaxrnn.scan(cell, params, xs, carry)
    their_final, their_ys = run(module, torch.tensor(xs), tuple(map(torch.tensor, carry)))
    close(ys, their_ys.detach().numpy())
    close(list(final), numbers(their_final))
    for source in (module, module.state_dict()):
        again = interop.load(source, "torchrecurrent", layer=cell)
        assert again.layer == cell
        assert again.params.keys() == params.keys()
        jax.tree.map(np.testing.assert_array_equal, again.params, params)
    assert interop.load(module).layer == cell


@pytest.mark.parametrize("name", CELLS)
def test_modules_without_biases_are_cells_without(name: str) -> None:
    switches = dict.fromkeys(("bias", "recurrent_bias"), False)
    switches |= {"cell_bias": False} if name == "coRNNCell" else {}
    switches |= {"multiplicative_bias": False} if name.startswith("Multiplicative") else {}
    module = make(name, **switches)
    cell, params = interop.load(module)
    assert "bias" not in params
    saved = interop.save(cell, params, "torchrecurrent", cell=name)
    assert saved.keys() == module.state_dict().keys()
    for key, tensor in module.state_dict().items():
        np.testing.assert_array_equal(saved[key], tensor.numpy(), key)
    biased = dict(module.state_dict(), bias_hh=torch.ones_like(module.bias_hh))
    with pytest.raises(ValueError, match=r"`bias_hh` must be zero within .*, got numbers other than zero, up to 1"):
        interop.load(biased, "torchrecurrent", layer=cell)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in NO_BIAS for key in NO_BIAS[name]])
def test_a_bias_that_ours_lacks_is_refused_where_it_is_not_zero(name: str, key: str) -> None:
    module = make(name)
    with torch.no_grad():
        getattr(module, key)[NO_BIAS[name][key]] = 0.25
    place = range(len(getattr(module, key)))[NO_BIAS[name][key]]
    expected = rf"`{key}` must be zero within \[{place.start}:{place.stop}\].*, got numbers other than zero, up to 0.25"
    with pytest.raises(ValueError, match=expected):
        interop.load(module)


@pytest.mark.parametrize("name", ["MGU", "coRNN", "IndRNN", "RAN"])
def test_layers_above_one_another(name: str) -> None:
    torch.manual_seed(0)
    module = getattr(torchrecurrent, name)(D, H, num_layers=2, dropout=0.25, dtype=torch.float64).eval()
    layer, params = interop.load(module)
    assert layer.dropout == 0.25
    assert [cell.name for cell in layer.layers] == [layer.layers[0].name] * 2
    xs = np.random.default_rng(0).standard_normal((4, B, D))
    wanted, _ = module(torch.tensor(xs))
    close(jaxrnn.scan(layer, params, xs)[1], wanted.detach().numpy())
    saved = interop.save(layer, params, "torchrecurrent")
    assert saved.keys() == module.state_dict().keys()
    for key, tensor in module.state_dict().items():
        np.testing.assert_array_equal(saved[key], tensor.numpy(), key)
    model = torch.nn.ModuleDict({"encoder": module, "head": torch.nn.Linear(H, 2)})
    assert interop.load(model, prefix="encoder").layer == layer
    with pytest.raises(ValueError, match=r"Pass `prefix`, one of 'encoder'"):
        interop.load(model)
    both = jaxrnn.bidirectional(jaxrnn.mgu(H))
    with pytest.raises(ValueError, match=r"`layer` must be one cell, .*torchrecurrent.*, got 2 cells"):
        interop.save(both, both.init(jax.random.key(0), D), "torchrecurrent")


@pytest.mark.filterwarnings("ignore")  # torch's own: TorchScript is on its way out
@pytest.mark.parametrize("name", ["MGUCell", "JANETCell", "coRNNCell"])
def test_torchscript(name: str) -> None:
    module = getattr(torchrecurrent, name)(D, H)
    wanted, got = interop.load(module), interop.load(torch.jit.script(module))
    assert got.layer == wanted.layer
    jax.tree.map(np.testing.assert_array_equal, got.params, wanted.params)


def test_weight_norm_is_folded() -> None:
    module = torch.nn.utils.parametrizations.weight_norm(make("MGUCell"), "weight_hh")
    with torch.no_grad():
        module.parametrizations.weight_hh.original0 *= 3
    cell, params = interop.load(module)
    close(params["recurrent_kernel"][:, 0], module.weight_hh[:H].detach().numpy().T)
    again = interop.load(module.state_dict(), layer=cell)
    close(again.params, params)


def test_half_precision_keeps_its_bits() -> None:
    module = torchrecurrent.BRCell(D, H, dtype=torch.bfloat16)
    cell, params = interop.load(module)
    assert params["recurrent_kernel"].dtype == jax.numpy.bfloat16
    expected = module.weight_hh.detach().float().numpy().reshape(2, H)
    np.testing.assert_array_equal(np.asarray(params["recurrent_kernel"], np.float32), expected)
    saved = interop.save(cell, params, "torchrecurrent")
    np.testing.assert_array_equal(saved["weight_hh"].astype(np.float32), expected.ravel())


def test_a_file(tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    cell = jaxrnn.unicornn(H, dt=0.1)
    params = cell.init(jax.random.key(0), D)
    interop.save(cell, params, "torchrecurrent", tmp_path / "x.safetensors")
    again = interop.load(tmp_path / "x.safetensors", layer=cell)
    jax.tree.map(np.testing.assert_array_equal, again.params, params)


# ---------------------------------------------------------------- what is refused


def test_every_class_is_read_or_refused_by_name() -> None:
    classes = {name for name in torchrecurrent.__all__ if name.endswith("Cell")}
    others = OTHERS["torchrecurrent"]
    assert classes | {"RHNCell"} == {*CELLS, *others}
    for name in classes & others.keys():
        for kind in (name, name.removesuffix("Cell")):
            with pytest.raises(ValueError, match=rf"`source` must be .*jaxrnn's cells does, got {kind}, "):
                interop.load(getattr(torchrecurrent, kind)(D, H))
    for kind, why in others.values():
        if kind:
            cell = getattr(jaxrnn, kind)(H)
            with pytest.raises(
                ValueError, match=f"`layer` must be .*, got {kind}. .* is another cell, {re.escape(why)}"
            ):
                interop.save(cell, cell.init(jax.random.key(0), D), "torchrecurrent")


def test_settings_that_no_cell_here_has() -> None:
    for name, options, expected in (
        ("FastGRNNCell", {}, "with act=sigmoid, as fast_grnn has it, got act=tanh in FastGRNNCell"),
        ("AntisymmetricRNNCell", dict(nonlinearity="relu"), "with act=tanh, as antisymmetric_rnn has it, got act=relu"),
        ("LiGRUCell", dict(gate_nonlinearity="hard_sigmoid"), "with gate_act=sigmoid, as ligru has it"),
        ("MGUCell", dict(nonlinearity="softplus"), "with act out of Tanh, .*, got Softplus"),
    ):
        with pytest.raises(ValueError, match=f"`source` must be {expected}"):
            interop.load(getattr(torchrecurrent, name)(D, H, **options))
    cell = jaxrnn.mut1(H)
    with pytest.raises(ValueError, match="`project_input` must be True for torchrecurrent MUT1Cell"):
        interop.save(cell, cell.init(jax.random.key(0), H), "torchrecurrent")
    cell = jaxrnn.cornn(H, implicit=True)
    with pytest.raises(ValueError, match="`implicit` must be False for torchrecurrent coRNNCell"):
        interop.save(cell, cell.init(jax.random.key(0), H), "torchrecurrent")
    cell = jaxrnn.mgu(H, recurrent=jaxrnn.low_rank(2))
    with pytest.raises(ValueError, match="`recurrent` must be dense, the form that other libraries have"):
        interop.save(cell, cell.init(jax.random.key(0), H), "torchrecurrent")


def test_a_learned_beta_is_an_option_of_ours() -> None:
    module = make("JANETCell")
    with torch.no_grad():
        module.beta.fill_(0.5)
    assert interop.load(module).layer == jaxrnn.janet(H, beta=0.5)
    with pytest.raises(ValueError, match=r"`beta` must be 1.0, as in layer janet\(5\), got 0.5"):
        interop.load(module.state_dict(), layer=jaxrnn.janet(H))


def test_a_subclass_that_runs_otherwise() -> None:
    class Doubled(torchrecurrent.MGUCell):  # type: ignore[misc]
        def forward(self, x: Any, state: Any = None) -> Any:
            return 2 * super().forward(x, state)

    with pytest.raises(ValueError, match="Doubled, which overrides 'forward'"):
        interop.load(Doubled(D, H))


def test_weights_alone_do_not_tell_the_cell() -> None:
    state = make("MGUCell").state_dict()
    with pytest.raises(ValueError, match=r"`layer` must be given for torchrecurrent, .*, got None"):
        interop.load(state, "torchrecurrent")
    with pytest.raises(
        ValueError, match=r"Weights of ncps, torchrecurrent and .* are read for a `layer` that is given"
    ):
        interop.load(state)


@pytest.mark.parametrize("name", ["MGUCell", "BRCell", "coRNNCell", "FastGRNNCell", "MinimalRNNCell"])
def test_every_damaged_entry_is_named(name: str) -> None:
    module = make(name)
    cell, _ = interop.load(module)
    for key in module.state_dict():
        for damage in ("missing", "shorter", "integers"):
            state = {k: t.numpy() for k, t in module.state_dict().items()}
            if damage == "missing":
                del state[key]
            else:
                state[key] = state[key][:-1] if damage == "shorter" else state[key].astype(np.int32)
            with pytest.raises((ValueError, TypeError)) as caught:
                interop.load(state, "torchrecurrent", layer=cell)
            text = str(caught.value)
            assert text.startswith(f"`{key}` must be "), text
            assert ", got " in text, text
