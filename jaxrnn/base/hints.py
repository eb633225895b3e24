"""What torch, Keras and TensorFlow call an argument, and what it is called here: for errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

from jaxrnn.base.errors import nearest

P = ParamSpec("P")
R = TypeVar("R")


class Words(NamedTuple):
    """Names elsewhere, then what to write in each of our interfaces; a single word in backticks is an argument's name.

    Empty where the interface has the word itself, or nothing of the kind.
    """

    elsewhere: str
    functions: str
    nnx: str
    linen: str
    keras: str


NONE = "nothing: "

TABLE = tuple(
    Words(*row)
    for row in (
        (
            "hidden_size units num_units n_units hidden_dim cell_size features hidden_features size",
            "`size`",
            "`hidden_features`",
            "`features`",
            "`units`",
        ),
        (
            "input_size input_dim input_shape in_features inputs",
            "`inputs` of `cell.init(key, inputs=...)`",
            "`in_features`",
            "`in_features`, needed only where inputs are integers: the first call tells",
            "`in_features`",
        ),
        (
            "batch_first",
            "nothing: arrays are time-major, `[T, *B, D]`",
            "`time_major`, False by default: the batch comes first",
            "`time_major`, False by default: the batch comes first",
            "`time_major`, False by default: the batch comes first",
        ),
        ("time_major", "nothing: arrays are time-major, `[T, *B, D]`", "", "", ""),
        ("bias", "`use_bias`", "`use_bias`", "`use_bias`", "`use_bias`"),
        (
            "return_sequences",
            "nothing: `jaxrnn.scan` returns the outputs of all steps, and the carry after the last",
            "nothing: all outputs come; `return_carry=True` brings the carry after the last valid step too",
            "nothing: all outputs come; `return_carry=True` brings the carry after the last valid step too",
            "",
        ),
        (
            "return_state return_carry",
            "nothing: `jaxrnn.scan` always returns the carry",
            "`return_carry`",
            "`return_carry`",
            "`return_state`",
        ),
        ("go_backwards reverse", "`reverse` of `jaxrnn.scan`", "`reverse`", "`reverse`", "`go_backwards`"),
        (
            "num_layers",
            "`jaxrnn.stack([cell] * num_layers)`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `RNN(jaxrnn.stack([...]), in_features, rngs=rngs)`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `RNN(jaxrnn.stack([...]))`",
            "`RNN([cell, ...])`",
        ),
        (
            "bidirectional",
            "`jaxrnn.bidirectional(cell)`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `Bidirectional(RNN(cell), RNN(cell))`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `Bidirectional(RNN(cell), RNN(cell))`",
            "`Bidirectional(layer)`",
        ),
        (
            "dropout input_dropout",
            "`jaxrnn.input_dropout(cell, rate)`, or `dropout` of `jaxrnn.stack`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `RNN(jaxrnn.input_dropout(cell, rate), ...)`",
            "an argument of `LSTM`, `GRU` and `Elman`, or `RNN(jaxrnn.input_dropout(cell, rate))`",
            "`dropout`",
        ),
        (
            "recurrent_dropout",
            "`jaxrnn.recurrent_dropout(cell, rate)`",
            "`RNN(jaxrnn.recurrent_dropout(cell, rate), in_features, rngs=rngs)`",
            "`RNN(jaxrnn.recurrent_dropout(cell, rate))`",
            "",
        ),
        ("proj_size num_proj", "`projection`", "`projection`", "`projection`", ""),
        ("nonlinearity activation activation_fn", "`activation`", "`activation_fn`", "`activation_fn`", "`activation`"),
        (
            "recurrent_activation gate_activation gate_fn",
            "`gate_activation`",
            "`gate_fn`",
            "`gate_fn`",
            "`recurrent_activation`",
        ),
        (
            "kernel_initializer kernel_init",
            "`kernel_init`",
            "`kernel_init`",
            "`kernel_init`",
            "`kernel_initializer`",
        ),
        (
            "recurrent_initializer recurrent_kernel_init",
            "`recurrent_kernel_init`",
            "`recurrent_kernel_init`",
            "`recurrent_kernel_init`",
            "`recurrent_initializer`",
        ),
        ("bias_initializer bias_init", "`bias_init`", "`bias_init`", "`bias_init`", "`bias_initializer`"),
        ("unit_forget_bias forget_bias", "`forget_bias`", "`forget_bias`", "`forget_bias`", "`unit_forget_bias`"),
        (
            "initial_state hx h0 initial_carry",
            "`carry` of `jaxrnn.scan` and `cell.step`",
            "`initial_carry` of the call",
            "`initial_carry` of the call",
            "`initial_state` of the call",
        ),
        (
            "sequence_length sequence_lengths seq_len seq_lengths",
            "`lengths` of `jaxrnn.scan`",
            "`seq_lengths` of the call",
            "`seq_lengths` of the call",
            "`mask` of the call",
        ),
        ("merge_mode merge_fn merge", "`merge`", "`merge`", "`merge`", "`merge_mode`"),
        ("device", *["nothing: JAX places arrays, see `jax.device_put`"] * 4),
    )
)


def hint(word: str, interface: str, known: Collection[str] = ()) -> str:
    """What to write instead: by the table; for a word that is not in it the nearest of the known ones; or nothing."""
    elsewhere = any(word in words.elsewhere.split() for words in TABLE)
    return translation(word, interface, known) if elsewhere else nearest(word, known)


def translation(word: str, interface: str, known: Collection[str]) -> str:
    """What the table says, or nothing where it does not have the word, or this function not what the word means."""
    for words in TABLE:
        here = getattr(words, interface)
        name = here.strip("`")
        if here and word in words.elsewhere.split() and (name in known or not name.isidentifier()):
            return f"Here it is {here}." if not here.startswith(NONE) else f"There is none here: {here[len(NONE) :]}."
    return ""


def refuse_unknown(name: str, given: Mapping[str, Any], known: Collection[str], interface: str) -> None:
    """No argument that is not known; the error says what it is called here."""
    for word in given:
        if word not in known:
            raise TypeError(f"{name}() has no argument {word!r}. {hint(word, interface, known)}".strip())


def spelled(*more: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function of ours whose unknown arguments are looked up; `more` are those that its `**` takes."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters.values()
        known = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} | set(more)

        @functools.wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            if not given.keys() <= known:
                refuse_unknown(function.__name__, given, known, "functions")
            return function(*args, **given)

        return call

    return decorate


class Spelled:
    """A class whose constructor's unknown arguments are looked up, before Python misses the ones that they stand for.

    What only `**` takes is left to the constructor.
    """

    _interface: str

    def __new__(cls, *args: Any, **given: Any) -> Any:
        parameters = inspect.signature(cls.__init__).parameters.values()
        known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][1:]
        takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters)
        for word in given:
            text = translation(word, cls._interface, known) if takes_more else hint(word, cls._interface, known)
            if word not in known and (text or not takes_more):
                raise TypeError(f"{cls.__name__}() has no argument {word!r}. {text}".strip())
        return super().__new__(cls)
