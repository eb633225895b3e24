"""torch, live in float64: every module and option, ragged, from live objects and state dicts, and back."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import LENGTHS, B, D, H, P, close, cotangent_of, inputs, ours

torch = pytest.importorskip("torch")

MODULES = {
    "lstm": ("LSTM", {}),
    "lstm, two layers both ways with projection": ("LSTM", dict(num_layers=2, bidirectional=True, proj_size=P)),
    "lstm, three layers without bias": ("LSTM", dict(num_layers=3, bias=False)),
    "gru": ("GRU", {}),
    "gru, two layers both ways": ("GRU", dict(num_layers=2, bidirectional=True)),
    "gru without bias": ("GRU", dict(bias=False)),
    "rnn, tanh both ways": ("RNN", dict(bidirectional=True)),
    "rnn, relu": ("RNN", dict(nonlinearity="relu")),
}


def make(name: str, seed: int = 0) -> Any:
    kind, options = MODULES[name]
    torch.manual_seed(seed)
    return getattr(torch.nn, kind)(D, H, dtype=torch.float64, **options)


def numpy(tensors: Any) -> dict[str, Any]:
    return {name: t.detach().numpy().copy() for name, t in tensors}


def to_torch(carry: Any) -> list[Any]:
    """Our carry as h_0 (and c_0), stacked with the index layer * directions + direction."""
    cells = jax.tree.leaves(carry, is_leaf=lambda c: hasattr(c, "h") and not hasattr(c, "forward"))
    fields = ("h", "c") if hasattr(cells[0], "c") else ("h",)
    return [torch.tensor(np.stack([getattr(cell, f) for cell in cells]), requires_grad=True) for f in fields]


def run_torch(module: Any, xs: Any, carry: Any, lengths: Any) -> Any:
    """`(xs, states, outputs, final states)` as tensors with gradients."""
    x, states = torch.tensor(xs, requires_grad=True), to_torch(carry)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    out, final = module(packed, tuple(states) if len(states) == 2 else states[0])
    ys, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=xs.shape[0])
    return x, states, ys, list(final) if isinstance(final, tuple) else [final]


def test_gradients_of_every_weight_under_its_own_name() -> None:
    for name in MODULES:
        module = make(name)
        layer, _ = interop.load(module)
        xs, carry = inputs(layer)
        weights = numpy(module.named_parameters())
        got, pull = ours(lambda w, layer=layer: interop.load(w, layer=layer), weights, xs, carry, lengths=LENGTHS)
        x, states, ys, final = run_torch(module, xs, carry, LENGTHS)
        close(got[1], ys.detach().numpy(), name)
        close([t.detach().numpy() for t in to_torch(got[0])], [f.detach().numpy() for f in final], name)
        cotangent = cotangent_of(got)
        ends = zip(final, to_torch(cotangent[0]), strict=True)
        ((ys * torch.tensor(cotangent[1])).sum() + sum((f * w.detach()).sum() for f, w in ends)).backward()
        dweights, dxs, dcarry = pull(cotangent)
        for key, parameter in module.named_parameters():
            close(dweights[key], parameter.grad.numpy(), f"{name}: {key}")
        close(dxs, x.grad.numpy(), name)
        close([t.detach().numpy() for t in to_torch(dcarry)], [s.grad.numpy() for s in states], name)


@pytest.mark.parametrize("name", MODULES)
def test_saved_weights_give_torch_our_outputs(name: str) -> None:
    module = make(name)
    layer, params = interop.load(make(name, seed=1))
    module.load_state_dict({k: torch.tensor(a) for k, a in interop.save(layer, params, "torch").items()})
    xs, carry = inputs(layer, 3, steps=5)
    final, ys = jaxrnn.scan(layer, params, xs, carry)
    _, _, out, last = run_torch(module, xs, carry, np.full(B, 5))
    close(ys, out.detach().numpy())
    close([t.detach().numpy() for t in to_torch(final)], [f.detach().numpy() for f in last])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(kind: str, bias: bool) -> None:
    torch.manual_seed(4)
    module = getattr(torch.nn, kind)(D, H, bias=bias, dtype=torch.float64)
    cell, params = interop.load(module)
    xs, carry = inputs(cell)
    states = [s[0] for s in to_torch(type(carry)(*(a for a in carry)))]
    out = module(torch.tensor(xs[0]), tuple(states) if len(states) == 2 else states[0])
    wanted = out if isinstance(out, tuple) else (out,)
    got, y = cell.step(params, carry, xs[0])
    close(y, wanted[0].detach().numpy())
    close([t[0].detach().numpy() for t in to_torch(got)], [w.detach().numpy() for w in wanted])
    again = interop.save(cell, params, "torch", cell=kind)
    assert again.keys() == dict(module.named_parameters()).keys()
    if bias:
        close(again["bias_ih"] + again["bias_hh"], (module.bias_ih + module.bias_hh).detach().numpy())


def test_a_layer_inside_a_model() -> None:
    model = torch.nn.ModuleDict(
        {"encoder": torch.nn.GRU(D, H), "decoder": torch.nn.LSTM(H, H), "head": torch.nn.Linear(H, 2)}
    )
    wanted = jax.tree.map(np.asarray, interop.load(model["decoder"]))
    for source in (model, model.state_dict(), numpy(model.named_parameters())):
        layer, params = interop.load(source, prefix="decoder")
        assert layer == wanted.layer
        jax.tree.map(np.testing.assert_array_equal, params, wanted.params)
    with pytest.raises(ValueError, match=r"Pass `prefix`, one of .*encoder.*decoder|decoder.*encoder"):
        interop.load(model.state_dict())
    with pytest.raises(ValueError, match=r"Pass `prefix`, one of 'encoder', 'decoder'"):
        interop.load(model)
    both = interop.load(model.state_dict(), prefix=["encoder", "decoder"])
    assert both.layer == jaxrnn.stack([jaxrnn.gru(H), jaxrnn.lstm(H)])


def test_dropout_between_layers_comes_along() -> None:
    module = torch.nn.LSTM(D, H, num_layers=2, dropout=0.25)
    assert interop.load(module).layer == jaxrnn.stack([jaxrnn.lstm(H)] * 2, dropout=0.25)


def test_half_precision_keeps_its_bits() -> None:
    module = torch.nn.LSTM(D, H, dtype=torch.bfloat16)
    params = interop.load(module).params
    assert params["kernel"].dtype == jax.numpy.bfloat16
    np.testing.assert_array_equal(
        np.asarray(params["kernel"][:, 1], np.float32), module.weight_ih_l0[H : 2 * H].detach().float().numpy().T
    )


def test_odd_sizes() -> None:
    for steps, batch in ((1, 1), (63, 2)):
        module = torch.nn.GRU(1, 1, dtype=torch.float64)
        layer, params = interop.load(module)
        xs = np.random.default_rng(0).standard_normal((steps, batch, 1))
        close(jaxrnn.scan(layer, params, xs)[1], module(torch.tensor(xs))[0].detach().numpy())
