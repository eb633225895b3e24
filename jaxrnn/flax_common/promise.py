"""What is as in Flax and in Keras, argument by argument, and what is not: the promise of the drop-in modules.

    print(jaxrnn.flax_common.promise.text("flax.nnx"))

Every row is tested against the live class. An argument of theirs without a row fails the tests.
"""

from __future__ import annotations

from typing import NamedTuple

FLAX_START = "Glorot's where Flax has lecun_normal; `kernel_init=jax.nn.initializers.lecun_normal()` starts as Flax"
ORTHOGONAL = "orthogonal gate by gate; Flax's OptimizedLSTMCell and NNX GRUCell draw all gates as one matrix"
FORGET = "an LSTM's forget gate starts with bias 1, Flax's with 0: `forget_bias=0.0`"
CARRY_INIT = "without Flax's warning; a carry is float32 at least"
PRECISION = "outputs have this dtype as Flax's; gates and carry compute in float32 at least, Flax's in this dtype"
NAMES = "`kernel [D, G, H]`, `recurrent_kernel`, `bias`: all gates in one array; `jaxrnn.interop` converts"
PADDING = (
    "outputs are zero where Flax leaves what its loop computed, and no NaN in padding reaches a result or a gradient"
)
EMPTY = "returns its initial carry; Flax returns the carry after all of the padding"
INTEGERS = (
    "stand for one-hot inputs, without a feature axis; Flax casts them to floats. With such an axis they are refused"
)
UNROLL = "of the lifted scan of a cell that the engine does not run; the engine arranges its own steps"
AXES = (
    "of the lifted scan of a cell that the engine does not run, whose steps share parameters; Flax carries them along"
)
TWICE = "must be another module than forward_rnn; Flax shares the parameters, and warns in its log"
UNUSED = "True is refused; Flax ignores it"
ADDED = "the 1 that Flax adds to the forget gate is in our bias at first, and is gone without one"
START = (
    "glorot's and orthogonal kernels where Flax has lecun_normal, which `kernel_init` and `recurrent_kernel_init` take"
)
BOTH = "strides and dilation go together, which Keras refuses"
PLACES = "of whole steps, `[B, T]`; on these Keras's JAX loop raises, or masks places where B is as long as the grid"
MASKS = "masks are drawn from other keys, at the same rates"


class Row(NamedTuple):
    """One argument, or one behaviour in words. `deviation` is empty where it is as in theirs."""

    where: str
    what: str
    deviation: str = ""


def _rows(where: str, same: str, **other: str) -> tuple[Row, ...]:
    return (*(Row(where, what) for what in same.split()), *(Row(where, what, text) for what, text in other.items()))


TABLE: tuple[Row, ...] = (
    *_rows(
        "flax.nnx cells",
        "in_features hidden_features gate_fn activation_fn bias_init param_dtype promote_dtype keep_rngs rngs residual "
        "kernel_metadata recurrent_kernel_metadata bias_metadata",
        kernel_init=FLAX_START,
        recurrent_kernel_init=ORTHOGONAL,
        dtype=PRECISION + "; None is the default of SimpleCell too",
        carry_init=CARRY_INIT,
    ),
    Row("flax.nnx cells", "the carry, `(c, h)` or an array"),
    Row("flax.nnx cells", "initial biases", FORGET),
    Row("flax.nnx cells", "names of parameters", NAMES),
    Row("flax.nnx cells", "the bias inside GRUCell's reset", "`recurrent_bias`, zero at first; Flax's has none"),
    *_rows(
        "flax.nnx.RNN",
        "cell time_major return_carry reverse keep_order broadcast_rngs rngs inputs initial_carry seq_lengths",
        unroll=UNROLL,
        state_axes=AXES,
    ),
    Row("flax.nnx.RNN", "padding", PADDING),
    Row("flax.nnx.RNN", "a row of length 0", EMPTY),
    Row("flax.nnx.RNN", "integer inputs", INTEGERS),
    *_rows(
        "flax.nnx.Bidirectional",
        "forward_rnn merge_fn time_major return_carry rngs inputs initial_carry seq_lengths keep_order",
        backward_rnn=TWICE,
        reverse=UNUSED,
    ),
    *_rows(
        "flax.linen cells",
        "features gate_fn activation_fn bias_init param_dtype residual parent name",
        kernel_init=FLAX_START,
        recurrent_kernel_init=ORTHOGONAL,
        dtype=PRECISION,
        carry_init=CARRY_INIT,
    ),
    Row("flax.linen cells", "the order of positions"),
    Row("flax.linen cells", "the carry, `(c, h)` or an array"),
    Row("flax.linen cells", "a carry of another width than `features`"),
    Row("flax.linen cells", "initial biases", FORGET),
    Row("flax.linen cells", "names of parameters", NAMES),
    *_rows(
        "flax.linen ConvLSTMCell",
        "features kernel_size param_dtype parent name",
        strides="of the input alone; Flax strides over the state too, where no carry fits, or it is broadcast",
        padding="'VALID' is the input's alone, as with strides; names but these two, and single numbers, are refused",
        use_bias=ADDED,
        dtype=PRECISION,
        carry_init=CARRY_INIT,
    ),
    Row("flax.linen ConvLSTMCell", "the order of positions"),
    Row("flax.linen ConvLSTMCell", "the carry, `(c, h)`"),
    Row("flax.linen ConvLSTMCell", "initial parameters", START),
    Row("flax.linen ConvLSTMCell", "names of parameters", NAMES.replace("[D, G, H]", "[*W, D, G, H]")),
    *_rows(
        "flax.linen.RNN",
        "cell time_major return_carry reverse keep_order variable_axes variable_broadcast variable_carry split_rngs "
        "parent name inputs initial_carry init_key seq_lengths",
        unroll=UNROLL,
    ),
    Row("flax.linen.RNN", "the order of positions"),
    Row("flax.linen.RNN", "padding", PADDING),
    Row("flax.linen.RNN", "a row of length 0", EMPTY),
    Row("flax.linen.RNN", "integer inputs", INTEGERS),
    *_rows(
        "flax.linen.Bidirectional",
        "forward_rnn merge_fn time_major return_carry parent name inputs initial_carry init_key seq_lengths keep_order",
        backward_rnn=TWICE,
        reverse=UNUSED,
    ),
    Row("flax.linen.Bidirectional", "the order of positions"),
    *_rows(
        "keras layers",
        "units activation recurrent_activation use_bias kernel_initializer recurrent_initializer bias_initializer "
        "unit_forget_bias kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer "
        "kernel_constraint recurrent_constraint bias_constraint return_sequences return_state go_backwards stateful "
        "reset_after",
        dropout=MASKS,
        recurrent_dropout=MASKS,
        seed=MASKS,
        unroll="taken, without effect",
        use_cudnn="taken, without effect",
    ),
    Row(
        "keras layers",
        "in_features and rngs",
        "needed: weights are drawn at once, Keras's at the first call",
    ),
    *_rows(  # beside the arguments of Keras's other layers
        "keras ConvLSTM layers",
        "filters kernel_size padding",
        strides=BOTH,
        dilation_rate=BOTH,
        data_format="None is channels_last, in Keras what its configuration says",
    ),
    Row("keras ConvLSTM layers", "masks", PLACES),
)


def text(library: str = "") -> str:
    """The rows of a library, such as "flax.nnx", "flax.linen" or "keras", one a line.

    >>> print(text("flax.nnx.Bid").splitlines()[-1])
    flax.nnx.Bidirectional  reverse: True is refused; Flax ignores it
    """
    rows = [row for row in TABLE if row.where.startswith(library)]
    return "\n".join(f"{row.where}  {row.what}: {row.deviation or 'the same'}" for row in rows)
