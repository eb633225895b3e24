"""ncps's closed-form cell on PyTorch, live in float64: every mode, with layers before the gates and without."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import B, D, H, T, close, cotangent_of, inputs, ours, randomised

torch = pytest.importorskip("torch")
cells = pytest.importorskip("ncps.torch")

U = 6
DT = np.random.default_rng(5).uniform(0.2, 2.0, (T, B))
MODULES = [(mode, layers) for mode in ("default", "no_gate", "pure") for layers in (0, 1, 3)]


def make(mode: str, layers: int, **options: Any) -> Any:
    torch.manual_seed(0)
    module = cells.CfCCell(D, H, mode, backbone_units=U, backbone_layers=layers, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, dtype=torch.float64))
    return module


def run(module: Any, xs: Any, h: Any) -> Any:
    ys = []
    for x, dt in zip(xs, DT, strict=True):
        y, h = module(x, h, torch.tensor(dt)[:, None])
        ys.append(y)
    return h, torch.stack(ys)


@pytest.mark.parametrize(("mode", "layers"), MODULES)
def test_outputs_and_the_gradient_of_every_weight_under_its_own_name(mode: str, layers: int) -> None:
    module = make(mode, layers)
    cell, _ = interop.load(module)
    assert cell == jaxrnn.cfc(H, mode=mode, **(dict(backbone=U, backbone_layers=layers) if layers else {}))
    weights = {key: t.detach().numpy().copy() for key, t in module.state_dict().items()}
    xs, carry = inputs(cell)
    got, pull = ours(lambda w: interop.load(w, "ncps", layer=cell), weights, xs, carry, per_step={"dt": DT})
    x, start = torch.tensor(xs, requires_grad=True), torch.tensor(carry.h, requires_grad=True)
    final, ys = run(module, x, start)
    close(got[1], ys.detach().numpy())
    close(got[0].h, final.detach().numpy())
    cotangent = cotangent_of(got)
    ((ys * torch.tensor(cotangent[1])).sum() + (final * torch.tensor(cotangent[0].h)).sum()).backward()
    dweights, dxs, dcarry = pull(cotangent)
    for key, parameter in module.named_parameters():
        close(dweights[key], parameter.grad.numpy(), key)
    close(dxs, x.grad.numpy())
    close(dcarry.h, start.grad.numpy())


@pytest.mark.parametrize(("mode", "layers"), MODULES)
def test_saved_weights_give_their_module_our_outputs_and_come_back_bit_for_bit(mode: str, layers: int) -> None:
    module = make(mode, layers)
    cell, _ = interop.load(module)
    params = randomised(cell.init(jax.random.key(0), D), 1)
    saved = interop.save(cell, params, "ncps")
    module.load_state_dict({key: torch.tensor(a) for key, a in saved.items()}, strict=True)
    xs, carry = inputs(cell)
    final, ys = jaxrnn.scan(cell, params, xs, carry, per_step={"dt": DT})
    their_final, their_ys = run(module, torch.tensor(xs), torch.tensor(carry.h))
    close(ys, their_ys.detach().numpy())
    close(final.h, their_final.detach().numpy())
    for source in (module, module.state_dict()):
        again = interop.load(source, "ncps", layer=cell)
        assert again.layer == cell
        jax.tree.map(np.testing.assert_array_equal, again.params, params)


def test_the_cell_of_a_layer() -> None:
    module = cells.CfC(D, H, backbone_units=U, backbone_layers=1, backbone_dropout=0.0, activation="silu")
    with pytest.raises(ValueError, match=r"`source` must be .*Pass `prefix`, one of 'rnn_cell'"):
        interop.load(module)
    cell, params = interop.load(module, prefix="rnn_cell")
    assert cell == jaxrnn.cfc(H, backbone=U, backbone_activation=jax.nn.silu)
    again = interop.load(module.state_dict(), layer=cell, prefix="rnn_cell")
    jax.tree.map(np.testing.assert_array_equal, again.params, params)
    assert interop.save(cell, params, "ncps", prefix="rnn_cell").keys() == module.state_dict().keys()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`source` must be a CfCCell without a mask, got one with sparsity_mask"):
        interop.load(make("default", 1, sparsity_mask=np.ones((H, U))))
    with pytest.raises(
        ValueError, match=r"`source` must be a CfCCell without dropout .*, got one with backbone_dropout"
    ):
        interop.load(make("default", 2, backbone_dropout=0.5))
    with pytest.raises(ValueError, match=r"`source` must be with backbone_activation out of .*, got GELU"):
        interop.load(make("default", 1, backbone_activation="gelu"))
    cell = jaxrnn.cfc(H, activation=jax.nn.relu)
    with pytest.raises(ValueError, match=r"`activation` must be tanh for ncps CfCCell"):
        interop.save(cell, cell.init(jax.random.key(0), D), "ncps")
    cell = jaxrnn.cfc(H, backbone=U, backbone_layers=5)
    with pytest.raises(ValueError, match=r"`backbone_layers` must be "):
        interop.save(cell, cell.init(jax.random.key(0), D), "ncps")
    with pytest.raises(ValueError, match=r"`layer` must be given for ncps, .*, got None"):
        interop.load(make("default", 1).state_dict(), "ncps")


@pytest.mark.parametrize(("mode", "layers"), [("default", 0), ("pure", 2)])
def test_every_damaged_entry_is_named(mode: str, layers: int) -> None:
    module = make(mode, layers)
    cell, _ = interop.load(module)
    for key in module.state_dict():
        for damage in ("missing", "shorter"):
            state = {k: t.numpy() for k, t in module.state_dict().items()}
            if damage == "missing":
                del state[key]
            else:
                state[key] = state[key][:-1]
            with pytest.raises(ValueError, match=r"`.*` must be .*, got ") as caught:
                interop.load(state, "ncps", layer=cell)
            assert str(caught.value).startswith(f"`{key}` must be ")
