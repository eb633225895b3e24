"""xlstm's sLSTM layer and block on the vanilla backend, live in float64, and its weights both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import interop

torch = pytest.importorskip("torch")
cells = pytest.importorskip("xlstm.blocks.slstm.cell")
layers = pytest.importorskip("xlstm.blocks.slstm.layer")
blocks = pytest.importorskip("xlstm.blocks.slstm.block")
feed = pytest.importorskip("xlstm.components.feedforward")

B, T = 3, 7
TOLERANCE = 1e-10


def random(module: Any) -> Any:
    """Every weight drawn, in float64: zeros and ones hide mistakes."""
    torch.manual_seed(0)
    module = module.double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.6 * torch.randn_like(weight))
    return module


def layer_config(size: int = 6, heads: int = 2, window: int = 4, **options: Any) -> Any:
    return layers.sLSTMLayerConfig(
        embedding_dim=size, num_heads=heads, conv1d_kernel_size=window, backend="vanilla", dtype="float32", **options
    )


def layer(*sizes: int, **options: Any) -> Any:
    return random(layers.sLSTMLayer(layer_config(*sizes, **options)))


def block(*sizes: int, fed: bool = True, **options: Any) -> Any:
    """Its configuration needs to know of blocks beside it, or the feed-forward layer cannot start."""
    config = feed.FeedForwardConfig(proj_factor=1.3, round_proj_up_to_multiple_of=5, **options) if fed else None
    return random(
        blocks.sLSTMBlock(
            blocks.sLSTMBlockConfig(slstm=layer_config(*sizes), feedforward=config, _num_blocks=1, _block_idx=0)
        )
    )


MODULES = {
    "layer": lambda: layer(),
    "layer of one head, window of 3": lambda: layer(5, 1, 3),
    "layer without convolution": lambda: layer(6, 3, 0),
    "block": lambda: block(),
    "block without feed-forward": lambda: block(8, 4, 2, fed=False),
}


def size_of(module: Any) -> int:
    return getattr(module.config, "slstm", module.config).embedding_dim


def arrays_of(module: Any) -> dict[str, Any]:
    return {name: a.detach().numpy() for name, a in module.state_dict().items()}


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients_of_every_weight(name: str) -> None:
    """By their own names: the gradient passes through the conversion."""
    module = MODULES[name]()
    rng = np.random.default_rng(0)
    xs, weights = rng.normal(size=(2, B, T, size_of(module)))
    inputs = torch.tensor(xs, requires_grad=True)
    outputs = module(inputs)
    (outputs * torch.tensor(weights)).sum().backward()
    wanted = {n: a.grad.numpy() for n, a in module.named_parameters()} | {"": inputs.grad.numpy()}

    def run(arrays: dict[str, Any], xs: Any) -> Any:
        one, params = interop.load(arrays)
        ys = jaxrnn.scan(one, params, xs.swapaxes(0, 1))[1].swapaxes(0, 1)
        return (ys * weights).sum(), ys

    arrays = jax.tree.map(jnp.asarray, arrays_of(module))
    (slopes, of_xs), ys = jax.jit(jax.grad(run, (0, 1), has_aux=True))(arrays, xs)
    np.testing.assert_allclose(ys, outputs.detach().numpy(), TOLERANCE, TOLERANCE)
    assert wanted.keys() == slopes.keys() | {""}
    for key, slope in wanted.items():
        assert np.abs(slope).max() > 1e-6, key
        np.testing.assert_allclose(slopes[key] if key else of_xs, slope, TOLERANCE, TOLERANCE, err_msg=key)


@pytest.mark.parametrize("name", MODULES)
def test_live_modules_and_back(name: str) -> None:
    """What is saved runs in xlstm as before: a strict load, the same outputs."""
    module = MODULES[name]()
    one, params = interop.load(module)
    wanted = arrays_of(module)
    saved = interop.save(one, params, "xlstm")
    assert saved.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_allclose(saved[key], array, 1e-15, 1e-15, err_msg=key, strict=True)
    other = MODULES[name]()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other.load_state_dict({key: torch.tensor(a) for key, a in saved.items()}, strict=True)
    xs = torch.randn(B, T, size_of(module), dtype=torch.float64)
    torch.testing.assert_close(other(xs), module(xs))


def test_a_module_of_ours_takes_the_weights() -> None:
    from flax import nnx

    module = block()
    one, params = interop.load(module)
    ours = jaxrnn.nnx.SLSTMBlock(6, heads=2, feed_forward=one.units, rngs=nnx.Rngs(0))
    assert ours.functional == one
    nnx.update(ours, nnx.State(params))
    xs = np.random.default_rng(1).normal(size=(B, T, 6))
    np.testing.assert_allclose(ours(xs), module(torch.tensor(xs)).detach().numpy(), TOLERANCE, TOLERANCE)


@pytest.mark.parametrize("name", ["layer", "block"])
def test_their_single_steps_are_our_stream(name: str) -> None:
    module = MODULES[name]()
    one, params = interop.load(module)
    xs = np.random.default_rng(2).normal(size=(T, B, 6))
    carry, state = one.initial_carry((B,), params), {}
    for x in xs:
        y, state = module.step(torch.tensor(x[:, None]), **state)
        carry, ours = one.step(params, carry, x)
        np.testing.assert_allclose(ours, y[:, 0].detach().numpy(), TOLERANCE, TOLERANCE)
    window = state["conv_state"][0][:, 1:].detach().numpy()
    np.testing.assert_allclose(carry.window, window.reshape(B, -1), TOLERANCE, TOLERANCE)


def test_their_states_of_pieces_and_of_steps_are_of_two_kinds() -> None:
    """What `forward` hands over `step` does not take, nor the other way round. Ours goes on from either by either."""
    module = layer()
    xs = torch.randn(B, T, 6, dtype=torch.float64)
    wanted = module(xs)
    pieces = []
    state: dict[str, Any] = {}
    for a, b in ((0, 2), (2, 3), (3, 7)):
        y, state = module(xs[:, a:b], **state, return_last_state=True)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, 1), wanted)
    with pytest.raises((AssertionError, IndexError)):
        module.step(xs[:, 4:5], **state)
    _, state = module.step(xs[:, :1])
    with pytest.raises(TypeError):
        module(xs[:, 1:], **state)
    one, params = interop.load(module)
    ours = xs.numpy().swapaxes(0, 1)
    carry, _ = jaxrnn.scan(one, params, ours[:2])
    carry, y = one.step(params, carry, ours[2])
    _, rest = jaxrnn.scan(one, params, ours[3:], carry)
    theirs = wanted.detach().numpy().swapaxes(0, 1)
    np.testing.assert_allclose(np.concatenate([y[None], rest]), theirs[2:], TOLERANCE, TOLERANCE)


@pytest.mark.parametrize(("size", "heads"), [(6, 2), (5, 1), (8, 4)])
def test_a_cell_takes_projected_inputs(size: int, heads: int) -> None:
    config = cells.sLSTMCellConfig(hidden_size=size, num_heads=heads, backend="vanilla", dtype="float32")
    cell = random(cells.sLSTMCell(config))
    xs = np.random.default_rng(3).normal(size=(B, T, 4 * size))
    wanted, _ = cell(torch.tensor(xs))
    wanted = wanted.detach().numpy().transpose(2, 0, 1, 3).reshape(T, B, size)
    one, params = interop.load(cell)
    assert one == jaxrnn.slstm(size, recurrent=jaxrnn.heads(heads))
    np.testing.assert_allclose(jaxrnn.scan(one, params, xs.swapaxes(0, 1))[1], wanted, TOLERANCE, TOLERANCE)
    bias = params["bias"][None, None]
    projected = xs.swapaxes(0, 1).reshape(T, B, 4, size) + bias
    np.testing.assert_allclose(jaxrnn.scan(one, params, projected, projected=True)[1], wanted, TOLERANCE, TOLERANCE)
    saved = interop.save(one, params, "xlstm", cell="sLSTMCell")
    jax.tree.map(np.testing.assert_array_equal, saved, arrays_of(cell))
    with pytest.raises(ValueError, match="xlstm's cell takes projected inputs"):
        interop.save(one, one.init(jax.random.key(0), 4 * size), "xlstm")


def test_weights_of_the_cuda_backend() -> None:
    """The same numbers, held otherwise; its methods turn them, its kernels need not be built."""
    config = cells.sLSTMCellConfig(hidden_size=6, num_heads=2, backend="vanilla", dtype="float32")
    cell = random(cells.sLSTMCell(config))
    theirs = cells.sLSTMCell_cuda(config, skip_backend_init=True).double()
    with torch.no_grad():
        theirs._recurrent_kernel_.copy_(
            theirs._recurrent_kernel_ext2int(cell._recurrent_kernel_int2ext(cell._recurrent_kernel_))
        )
        theirs._bias_.copy_(theirs._bias_ext2int(cell._bias_int2ext(cell._bias_)))
    jax.tree.map(np.testing.assert_array_equal, interop.load(theirs).params, interop.load(cell).params)


def test_a_place_in_a_model_files_and_stacks(tmp_path: Path) -> None:
    stack = pytest.importorskip("xlstm.xlstm_block_stack")
    fed = feed.FeedForwardConfig(proj_factor=1.3, round_proj_up_to_multiple_of=5)
    config = stack.xLSTMBlockStackConfig(
        slstm_block=blocks.sLSTMBlockConfig(slstm=layer_config(), feedforward=fed), num_blocks=2, embedding_dim=6
    )
    model = random(stack.xLSTMBlockStack(config))
    model.post_blocks_norm = torch.nn.Identity()
    one, params = interop.load(model, prefix=["blocks.0", "blocks.1"])
    xs = np.random.default_rng(4).normal(size=(B, T, 6))
    wanted = model(torch.tensor(xs)).detach().numpy()
    np.testing.assert_allclose(
        jaxrnn.scan(one, params, xs.swapaxes(0, 1))[1].swapaxes(0, 1), wanted, TOLERANCE, TOLERANCE
    )
    saved = interop.save(one, params, "xlstm")
    assert saved.keys() == arrays_of(model).keys()
    path = tmp_path / "model.safetensors"
    interop.save(one, params, "xlstm", path, prefix="backbone")
    again = interop.load(path, prefix=["backbone/blocks/0", "backbone/blocks/1"])
    jax.tree.map(np.testing.assert_array_equal, again.params, params)
    with pytest.raises(ValueError, match=r"Pass `prefix`, one of .*'blocks\.0'"):
        interop.load(model)
    with pytest.raises(ValueError, match=r"'blocks\.0', 'blocks\.1'"):
        interop.load(arrays_of(model))


def test_what_a_configuration_tells() -> None:
    one, _ = interop.load(layer(dropout=0.3))
    assert one == jaxrnn.slstm_layer(6, heads=2, dropout=0.3)
    one, _ = interop.load(block(dropout=0.2))
    assert (one.dropout, one.units) == (0.2, 10)
    with pytest.raises(ValueError, match="act_fn='relu'"):
        interop.load(block(act_fn="relu"))
    with pytest.raises(ValueError, match="bias` must be absent"):
        interop.load(block(bias=True))

    class Louder(layers.sLSTMLayer):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, **options: Any) -> Any:
            return 2 * super().forward(x, **options)

    with pytest.raises(ValueError, match="Louder, which overrides 'forward'"):
        interop.load(Louder(layer_config()))


def changed(arrays: dict[str, Any], name: str, array: Any) -> dict[str, Any]:
    rest = {n: a for n, a in arrays.items() if n != name}
    return rest if array is None else rest | {name: array}


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("xlstm.igate.weight", None, r"`xlstm.igate.weight` must be an array of shape \(2, 3, 3\), got nothing"),
        ("xlstm.igate.weight", np.zeros((2, 3, 4)), r"`xlstm.igate.weight` must be of shape \(2, 3, 3\)"),
        ("xlstm.slstm_cell._bias_", np.zeros(24, np.float32), "`xlstm.slstm_cell._bias_` must be of dtype float64"),
        ("xlstm.slstm_cell._bias_", np.zeros(24, int), "`xlstm.slstm_cell._bias_` must be of one of"),
        ("xlstm.slstm_cell._recurrent_kernel_", np.zeros((2, 3, 3)), r"must be of shape \(heads, 4 units, units\)"),
        ("ffn.proj_up.weight", np.float64(0), r"`ffn.proj_up.weight` must be of shape"),
        ("xlstm.conv1d.conv.weight", np.float64(0), r"`xlstm.conv1d.conv.\w+` must be"),
        ("ffn.extra", np.zeros(3), "`ffn.extra` must be absent for this layer"),
        ("ffn.proj_up.weight", None, "`ffn.proj_up.weight` must be an array"),
    ],
)
def test_damaged_weights(name: str, array: Any, text: str) -> None:
    with pytest.raises((ValueError, TypeError), match=text):
        interop.load(changed(arrays_of(block()), name, array))


def test_what_xlstm_cannot_hold() -> None:
    key = jax.random.key(0)
    for one, text in (
        (jaxrnn.slstm_layer(8, forget="exp"), "`forget` must be sigmoid for xlstm"),
        (jaxrnn.slstm(8, recurrent=jaxrnn.dense), "`recurrent` must be"),
        (jaxrnn.lstm(8), "`layer` must be an slstm_block, slstm_layer or slstm"),
        (jaxrnn.stack([jaxrnn.slstm_layer(8)]), "`layer` must be a stack of blocks"),
    ):
        with pytest.raises(ValueError, match=text):
            interop.save(one, one.init(key, 8), "xlstm")
    one = jaxrnn.slstm_layer(8)
    with pytest.raises(ValueError, match="`cell` must be left out, or 'sLSTMLayer'"):
        interop.save(one, one.init(key, 8), "xlstm", cell="sLSTMBlock")
    with pytest.raises(ValueError, match="forget_bias"):
        interop.load(arrays_of(layer()), forget_bias=1.0)
    with pytest.raises(ValueError, match="`prefix` must be the place of one sLSTM"):
        interop.load({"a": np.zeros(3)}, "xlstm")
