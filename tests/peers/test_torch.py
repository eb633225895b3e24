"""PyTorch, live, in float64: LSTM with and without projection, GRU, RNN, ragged, layer norm, two directions."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from tests.peers.weights import GRADIENTS, LENGTHS, OUTPUTS, B, D, H, T, all_close, close, data, rows, run

torch = pytest.importorskip("torch")


def tensor(a: Any) -> Any:
    return torch.tensor(a, dtype=torch.float64, requires_grad=True)


def numpy(t: Any) -> Any:
    return t.detach().numpy()


def lstm_weights(w: dict[str, Any], both: bool) -> dict[str, Any]:
    """`both`: weights, whose two biases add up; else gradients, where each bias has the gradient of the sum."""
    ours = {"kernel": rows(w["weight_ih_l0"], 4), "recurrent_kernel": rows(w["weight_hh_l0"], 4)}
    bias = w["bias_ih_l0"] + w["bias_hh_l0"] if both else w["bias_ih_l0"]
    if not both:
        close(w["bias_hh_l0"], w["bias_ih_l0"], GRADIENTS)
    ours["bias"] = bias.reshape(4, -1)
    return ours | ({"projection": w["weight_hr_l0"].T} if "weight_hr_l0" in w else {})


def gru_weights(w: dict[str, Any], both: bool) -> dict[str, Any]:
    """The bias of the candidate's recurrent part stays inside the reset."""
    inputs, inner = w["bias_ih_l0"].reshape(3, -1), w["bias_hh_l0"].reshape(3, -1)
    outside = np.array([[1.0], [1.0], [0.0]])
    bias = inputs + outside * inner if both else inputs
    return {
        "kernel": rows(w["weight_ih_l0"], 3),
        "recurrent_kernel": rows(w["weight_hh_l0"], 3),
        "bias": bias,
        "recurrent_bias": inner[2],
    }


def rnn_weights(w: dict[str, Any], both: bool) -> dict[str, Any]:
    bias = w["bias_ih_l0"] + w["bias_hh_l0"] if both else w["bias_ih_l0"]
    return {
        "kernel": rows(w["weight_ih_l0"], 1),
        "recurrent_kernel": rows(w["weight_hh_l0"], 1),
        "bias": bias.reshape(1, -1),
    }


MODELS = {
    "lstm": (lambda: torch.nn.LSTM(D, H, dtype=torch.float64), jaxrnn.lstm(H), lstm_weights),
    "lstm, projection": (
        lambda: torch.nn.LSTM(D, H, proj_size=2, dtype=torch.float64),
        jaxrnn.lstm(H, projection=2),
        lstm_weights,
    ),
    "gru": (lambda: torch.nn.GRU(D, H, dtype=torch.float64), jaxrnn.gru(H), gru_weights),
    "rnn, tanh": (lambda: torch.nn.RNN(D, H, dtype=torch.float64), jaxrnn.elman(H), rnn_weights),
    "rnn, relu": (
        lambda: torch.nn.RNN(D, H, nonlinearity="relu", dtype=torch.float64),
        jaxrnn.elman(H, activation=jax.nn.relu),
        rnn_weights,
    ),
}


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("backend", ["scheduled", "reference"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_and_all_gradients(name: str, backend: str, ragged: bool) -> None:
    make, cell, convert = MODELS[name]
    torch.manual_seed(1)
    model = make()
    shapes = cell.carry_shapes((B,))
    xs, *states = data(2, (T, B, D), *shapes)
    *carry_weights, ys_weight = data(3, *shapes, (T, B, cell.output_size))
    lengths = LENGTHS if ragged else np.full(B, T)
    ys_weight *= (np.arange(T)[:, None] < lengths)[..., None]  # torch puts zeros out in padding, as we do

    x, given = tensor(xs), [tensor(a[None]) for a in states]
    initial = tuple(reversed(given)) if len(given) == 2 else given[0]  # torch: (h, c)
    if ragged:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        out, final = model(packed, initial)
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=T)
    else:
        out, final = model(x, initial)
    final = tuple(reversed(final)) if isinstance(final, tuple) else (final,)
    loss = (out * tensor(ys_weight)).sum() + sum(
        (f[0] * tensor(w)).sum() for f, w in zip(final, carry_weights, strict=True)
    )
    loss.backward()

    params = convert({k: numpy(w) for k, w in model.named_parameters()}, True)
    carry = cell.carry_type(*states)
    options = dict(backend=backend) | (dict(lengths=lengths) if ragged else {})
    (last, ys), (dparams, dxs, dcarry) = run(
        cell, params, xs, carry, (cell.carry_type(*carry_weights), ys_weight), **options
    )
    close(ys, numpy(out), OUTPUTS)
    for ours, theirs in zip(last, final, strict=True):
        close(ours, numpy(theirs[0]), OUTPUTS)
    close(dxs, x.grad.numpy(), GRADIENTS)
    for ours, theirs in zip(dcarry, given, strict=True):
        close(ours, theirs.grad.numpy()[0], GRADIENTS)
    all_close(dparams, convert({k: w.grad.numpy() for k, w in model.named_parameters()}, False), GRADIENTS)


def test_lstm_cell_is_one_step() -> None:
    torch.manual_seed(2)
    model, cell = torch.nn.LSTMCell(D, H, dtype=torch.float64), jaxrnn.lstm(H)
    x, c, h = data(4, (B, D), (B, H), (B, H))
    h_1, c_1 = model(tensor(x), (tensor(h), tensor(c)))
    params = lstm_weights({f"{k}_l0": numpy(w) for k, w in model.named_parameters()}, True)
    carry, y = cell.step(params, jaxrnn.LSTMCarry(c, h), x)
    close(carry.c, numpy(c_1), OUTPUTS)
    close(carry.h, numpy(h_1), OUTPUTS)
    close(y, numpy(h_1), OUTPUTS)


@pytest.mark.parametrize("backend", ["scheduled", "reference"])
def test_layer_norm_lstm(backend: str) -> None:
    """Ba 2016's placement out of torch's own LayerNorm: one over 4H for each product, one over H for the cell."""
    torch.manual_seed(3)
    f64 = dict(dtype=torch.float64)
    norms = {n: torch.nn.LayerNorm(4 * H, bias=False, **f64) for n in ("input_norm", "recurrent_norm")}
    cell_norm = torch.nn.LayerNorm(H, **f64)
    with torch.no_grad():
        for norm in (*norms.values(), cell_norm):
            for p in norm.parameters():
                p.copy_(torch.randn_like(p))
    w, u, b, xs, c, h, dc, dh, dys = data(
        5, (4 * H, D), (4 * H, H), (4 * H,), (T, B, D), (B, H), (B, H), (B, H), (B, H), (T, B, H)
    )
    weight, recurrent, bias, x, c_0, h_0 = map(tensor, (w, u, b, xs, c, h))
    state, output, out = c_0, h_0, []
    for t in range(T):
        net = norms["input_norm"](x[t] @ weight.T) + norms["recurrent_norm"](output @ recurrent.T) + bias
        i, f, g, o = net.chunk(4, dim=-1)
        state = torch.sigmoid(f) * state + torch.sigmoid(i) * torch.tanh(g)
        output = torch.sigmoid(o) * torch.tanh(cell_norm(state))
        out.append(output)
    ((torch.stack(out) * tensor(dys)).sum() + (state * tensor(dc)).sum() + (output * tensor(dh)).sum()).backward()

    def ours(read: Any) -> dict[str, Any]:
        return {
            "kernel": rows(read(weight), 4),
            "recurrent_kernel": rows(read(recurrent), 4),
            "bias": read(bias).reshape(4, H),
            **{n: read(norm.weight).reshape(4, H) for n, norm in norms.items()},
            "cell_norm": read(cell_norm.weight),
            "cell_norm_bias": read(cell_norm.bias),
        }

    weights = (jaxrnn.LSTMCarry(dc, dh), dys)
    (last, ys), (dparams, dxs, dcarry) = run(
        jaxrnn.lstm(H, layer_norm=True), ours(numpy), xs, jaxrnn.LSTMCarry(c, h), weights, backend=backend
    )
    close(ys, numpy(torch.stack(out)), OUTPUTS)
    close(last.c, numpy(state), OUTPUTS)
    close(dxs, x.grad.numpy(), GRADIENTS)
    close(dcarry.c, c_0.grad.numpy(), GRADIENTS)
    close(dcarry.h, h_0.grad.numpy(), GRADIENTS)
    all_close(dparams, ours(lambda t: t.grad.numpy()), GRADIENTS)


def test_bidirectional_two_layers() -> None:
    """A ragged stack of two bidirectional LSTMs; torch's h_n has the index layer * directions + direction."""
    torch.manual_seed(4)
    model = torch.nn.LSTM(D, H, num_layers=2, bidirectional=True, dtype=torch.float64)
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H)), jaxrnn.bidirectional(jaxrnn.lstm(H))])
    (xs,) = data(6, (T, B, D))
    x = tensor(xs)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    out, (h_n, c_n) = model(packed)
    out, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=T)
    (ys_weight,) = data(7, (T, B, 2 * H))
    ((out * tensor(ys_weight)).sum() + (c_n**2).sum()).backward()

    def ours(read: Any, both: bool) -> dict[str, Any]:
        def one(k: int, suffix: str) -> Any:
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            return lstm_weights({f"{n}_l0": read(getattr(model, f"{n}_l{k}{suffix}")) for n in names}, both)

        return {f"layer_{k}": {"forward": one(k, ""), "backward": one(k, "_reverse")} for k in (0, 1)}

    def loss(params: Any, xs: Any) -> Any:
        carry, ys = jaxrnn.scan(layer, params, xs, lengths=LENGTHS)
        cells = [getattr(carry[k], d).c for k in (0, 1) for d in ("forward", "backward")]
        return (ys * ys_weight).sum() + sum((c**2).sum() for c in cells), (carry, ys)

    grad, (carry, ys) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(ours(numpy, True), xs)
    close(ys, numpy(out), OUTPUTS)
    for k in (0, 1):
        for j, direction in enumerate(("forward", "backward")):
            close(getattr(carry[k], direction).h, numpy(h_n)[2 * k + j], OUTPUTS)
            close(getattr(carry[k], direction).c, numpy(c_n)[2 * k + j], OUTPUTS)
    close(grad[1], x.grad.numpy(), GRADIENTS)
    expected = ours(lambda t: t.grad.numpy(), False)
    for k in ("layer_0", "layer_1"):
        for direction in ("forward", "backward"):
            all_close(grad[0][k][direction], expected[k][direction], GRADIENTS)
