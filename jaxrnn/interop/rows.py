"""The conventions of other libraries as data: one `Row` for each of their cells, read in both directions.

An `Array` says what one of their arrays holds, in our parameters' names, and in which axes: d inputs, r recurrent
inputs, g gates, h units, p projected units, k peepholes, w and v all axes of the window of the input's and of the
state's convolution. `gh` is one axis with all units of the first gate first. Two
names stand for two of our parameters in one array: one above the other where the axes begin with `+`, side by side on a
new first axis where they begin with `2`. `{g}` in a name stands for a gate: one array each, without a gate axis.

`inner` is a bias on the recurrent product. It adds to our `bias`, except for the candidate of a reset-after GRU, where
it is our `recurrent_bias`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from jaxrnn.base.checks import check_choice
from jaxrnn.base.errors import fail


@dataclass(frozen=True)
class Array:
    """One array of a foreign cell; `when` names the option of ours without which it is absent."""

    name: str
    holds: str | tuple[str, str]
    axes: str
    when: str = ""


class Windows(NamedTuple):
    """Of a cell whose products are convolutions.

    state: what the state's convolution has of the input's, its "window" alone or its "padding" too (then the input's
    neither strides nor dilates); "" where each has its own. padding: the input's, where the library leaves it unsaid.
    """

    state: str
    padding: str = "same"


@dataclass(frozen=True)
class Row:
    """One cell class of one library.

    kind: our factory. gates: theirs in their order, in our letters. arrays: what a cell consists of. can: the options
    of ours that it has (any other must be at its default). fixed: options of ours that it always has. negated: gates
    whose pre-activation has the other sign. added: constants that the library adds to a gate's bias at run time.
    spelled: parts of array names that are spelled otherwise. named_by_layer: arrays end in the layer's number and
    direction, as torch's do; else a cell's arrays share a path. functions: the only activations that the library knows;
    empty where it takes any. values: the only values that it knows of an option. windows: of a convolutional cell.
    """

    library: str
    name: str
    kind: str
    gates: str
    arrays: tuple[Array, ...]
    can: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    negated: str = ""
    added: tuple[tuple[str, float], ...] = ()
    spelled: tuple[tuple[str, str], ...] = ()
    named_by_layer: bool = False
    functions: tuple[Any, ...] = ()
    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    windows: Windows | None = None


FORMS = ("input", "recurrent")
ACTIVATIONS = ("activation", "gate_activation")  # an LSTM's output has the candidate's
TANH_RELU = (jax.nn.tanh, jax.nn.relu)
INSIDE = (("residual", (False, "inside")),)  # Flax adds the state inside the activation
RESET_AFTER, RESET_BEFORE = (("reset_after", True),), (("reset_after", False),)

TORCH = (
    Array("weight_ih", "kernel", "gh d"),
    Array("weight_hh", "recurrent_kernel", "gh r"),
    Array("bias_ih", "bias", "gh", when="use_bias"),
    Array("bias_hh", "inner", "gh", when="use_bias"),
)
TORCH_PROJECTION = Array("weight_hr", "projection", "p h", when="projection")
KERAS = (
    Array("kernel", "kernel", "d gh"),
    Array("recurrent_kernel", "recurrent_kernel", "r gh"),
    Array("bias", "bias", "gh", when="use_bias"),
)
WINDOWS = (
    Array("kernel", "kernel", "w d gh"),
    Array("recurrent_kernel", "recurrent_kernel", "v r gh"),
    KERAS[2],
)
FLAX_WINDOWS = (Array("ih/kernel", "kernel", "w d gh"), Array("hh/kernel", "recurrent_kernel", "v r gh"))
FLAX_LSTM = (
    Array("i{g}/kernel", "kernel", "d h"),
    Array("h{g}/kernel", "recurrent_kernel", "r h"),
    Array("h{g}/bias", "bias", "h"),
)
DENSE = (
    Array("dense_i/kernel", "kernel", "d gh"),
    Array("dense_h/kernel", "recurrent_kernel", "r gh"),
    Array("dense_i/bias", "bias", "gh"),
)
HAIKU_VANILLA = (
    Array("linear/w", "kernel", "d gh"),
    Array("linear_1/w", "recurrent_kernel", "r gh"),
    Array("linear/b", "bias", "gh"),
)
EQUINOX = (
    Array("weight_ih", "kernel", "gh d"),
    Array("weight_hh", "recurrent_kernel", "gh r"),
    Array("bias", "bias", "gh", when="use_bias"),
)
TF1_LSTM = (
    Array("kernel", ("kernel", "recurrent_kernel"), "+ gh"),
    Array("bias", "bias", "gh"),
    Array("w_{g}_diag", "peepholes", "h", when="peepholes"),
    Array("projection/kernel", "projection", "h p", when="projection"),
)
ALL_ACTIVATIONS = (*ACTIVATIONS, "output_activation")
ONNX = (
    Array("W", "kernel", "gh d"),
    Array("R", "recurrent_kernel", "gh r"),
    Array("B", ("bias", "inner"), "2 gh", when="use_bias"),
)
OURS = (
    Array("kernel", "kernel", "d g h"),
    Array("recurrent_kernel", "recurrent_kernel", "r g h"),
    Array("bias", "bias", "g h", when="use_bias"),
)
OURS_LSTM = (
    Array("peepholes", "peepholes", "k h", when="peepholes"),
    Array("projection", "projection", "h p", when="projection"),
)
INNER = Array("recurrent_bias", "recurrent_bias", "h", when="use_bias")
OURS_CAN = ("cell_clip", "truncated_gradient", *ALL_ACTIVATIONS)

ROWS = (
    Row("torch", "LSTM", "lstm", "ifgo", (*TORCH, TORCH_PROJECTION), ("use_bias", "projection"), named_by_layer=True),
    Row("torch", "GRU", "gru", "rzn", TORCH, ("use_bias",), RESET_AFTER, named_by_layer=True),
    Row("torch", "RNN", "elman", "h", TORCH, ("use_bias", "activation"), functions=TANH_RELU, named_by_layer=True),
    Row("torch", "LSTMCell", "lstm", "ifgo", TORCH, ("use_bias",)),
    Row("torch", "GRUCell", "gru", "rzn", TORCH, ("use_bias",), RESET_AFTER),
    Row("torch", "RNNCell", "elman", "h", TORCH, ("use_bias", "activation"), functions=TANH_RELU),
    Row("keras", "LSTM", "lstm", "ifgo", KERAS, ("use_bias", *ACTIVATIONS)),
    Row(
        "keras",
        "GRU",
        "gru",
        "zrn",
        (*KERAS[:2], Array("bias", ("bias", "inner"), "2 gh", when="use_bias")),
        ("use_bias", *ACTIVATIONS),
        RESET_AFTER,
    ),
    Row("keras", "GRU(reset_after=False)", "gru", "zrn", KERAS, ("use_bias", *ACTIVATIONS), RESET_BEFORE),
    Row("keras", "SimpleRNN", "elman", "h", KERAS, ("use_bias", *ACTIVATIONS)),
    Row(
        "keras",
        "ConvLSTM",
        "lstm",
        "ifgo",
        WINDOWS,
        ("use_bias", *FORMS, *ACTIVATIONS),
        windows=Windows("window", "valid"),
    ),
    Row("flax.linen", "LSTMCell", "lstm", "ifgo", FLAX_LSTM, ACTIVATIONS),
    Row(
        "flax.linen",
        "GRUCell",
        "gru",
        "rzn",
        (
            *FLAX_LSTM[:2],
            Array("i{g}/bias", "bias", "h"),
            Array("hn/bias", "recurrent_bias", "h"),
        ),
        ACTIVATIONS,
        RESET_AFTER,
    ),
    Row(
        "flax.linen",
        "SimpleCell",
        "elman",
        "h",
        (
            Array("i/kernel", "kernel", "d gh"),
            Array("h/kernel", "recurrent_kernel", "r gh"),
            Array("i/bias", "bias", "gh"),
        ),
        ("residual", *ACTIVATIONS),
        values=INSIDE,
    ),
    Row(
        "flax.linen",
        "ConvLSTMCell",
        "lstm",
        "igfo",
        (*FLAX_WINDOWS, Array("ih/bias", "bias", "gh"), Array("hh/bias", "inner", "gh")),
        ("use_bias", *FORMS),
        added=(("f", 1.0),),
        windows=Windows("padding"),
    ),
    Row(
        "flax.linen",
        "ConvLSTMCell(use_bias=False)",
        "lstm",
        "igfo",
        FLAX_WINDOWS,
        FORMS,
        added=(("f", 1.0),),
        windows=Windows("padding"),
    ),
    Row("flax.nnx", "LSTMCell", "lstm", "ifgo", FLAX_LSTM, ACTIVATIONS, spelled=(("if", "if_"),)),
    Row(
        "flax.nnx",
        "OptimizedLSTMCell",
        "lstm",
        "ifgo",
        (*DENSE[:2], Array("dense_h/bias", "bias", "gh")),
        ACTIVATIONS,
    ),
    Row("flax.nnx", "GRUCell", "gru", "rzn", DENSE, ACTIVATIONS, RESET_AFTER),
    Row("flax.nnx", "SimpleCell", "elman", "h", DENSE, ("residual", *ACTIVATIONS), values=INSIDE),
    Row(
        "haiku",
        "LSTM",
        "lstm",
        "igfo",
        (Array("linear/w", ("kernel", "recurrent_kernel"), "+ gh"), Array("linear/b", "bias", "gh")),
        added=(("f", 1.0),),
    ),
    Row(
        "haiku",
        "GRU",
        "gru",
        "zrn",
        (
            Array("w_i", "kernel", "d gh"),
            Array("w_h", "recurrent_kernel", "r gh"),
            Array("b", "bias", "gh"),
        ),
        fixed=RESET_BEFORE,
        negated="z",
    ),
    Row(
        "haiku",
        "VanillaRNN",
        "elman",
        "h",
        (*HAIKU_VANILLA, Array("linear_1/b", "inner", "gh")),
        fixed=(("activation", jax.nn.relu),),
    ),
    Row(
        "haiku",
        "VanillaRNN(double_bias=False)",
        "elman",
        "h",
        HAIKU_VANILLA,
        fixed=(("activation", jax.nn.relu),),
    ),
    Row("equinox", "LSTMCell", "lstm", "ifgo", EQUINOX, ("use_bias",)),
    Row(
        "equinox",
        "GRUCell",
        "gru",
        "rzn",
        (*EQUINOX, Array("bias_n", "recurrent_bias", "h", when="use_bias")),
        ("use_bias",),
        RESET_AFTER,
    ),
    Row(
        "tf1",
        "LSTMCell",
        "lstm",
        "igfo",
        TF1_LSTM,
        ("peepholes", "projection", "cell_clip", "activation"),
        added=(("f", 1.0),),
    ),
    Row(
        "onnx",
        "LSTM",
        "lstm",
        "iofg",
        (*ONNX, Array("P", "peepholes", "kh", when="peepholes")),
        ("use_bias", "peepholes", "coupled", *ALL_ACTIVATIONS),
    ),
    Row("onnx", "GRU", "gru", "zrn", ONNX, ("use_bias", "reset_after", *ACTIVATIONS)),
    Row("onnx", "RNN", "elman", "h", ONNX, ("use_bias", *ACTIVATIONS)),
    Row("jaxrnn", "lstm", "lstm", "ifgo", (*OURS, *OURS_LSTM), ("use_bias", "peepholes", "projection", *OURS_CAN)),
    Row(
        "jaxrnn",
        "lstm(input=convolution)",
        "lstm",
        "ifgo",
        (
            Array("kernel", "kernel", "w d g h"),
            Array("recurrent_kernel", "recurrent_kernel", "v r g h"),
            OURS[2],
            OURS_LSTM[0],
        ),
        ("use_bias", "peepholes", *FORMS, *OURS_CAN),
        windows=Windows(""),
    ),
    Row("jaxrnn", "gru", "gru", "rzn", (*OURS, INNER), ("use_bias", *ALL_ACTIVATIONS), RESET_AFTER),
    Row("jaxrnn", "gru(reset_after=False)", "gru", "rzn", OURS, ("use_bias", *ALL_ACTIVATIONS), RESET_BEFORE),
    Row("jaxrnn", "elman", "elman", "h", OURS, ("use_bias", "leak", "residual", *ALL_ACTIVATIONS)),
)

LIBRARIES = tuple(dict.fromkeys(row.library for row in ROWS))


def check_library(library: Any, argument: str = "library") -> None:
    """A library with rows, or the flat vector of "cudnn"."""
    if not isinstance(library, str):
        fail(argument, "the name of a library", library, kind=TypeError)
    check_choice(library, argument, (*LIBRARIES, "cudnn"))


def named(library: str, name: str) -> Row:
    """The row of one cell class."""
    return next(row for row in ROWS if (row.library, row.name) == (library, name))
