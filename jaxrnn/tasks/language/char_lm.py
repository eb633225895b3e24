"""Character language model: a stack of LSTMs predicts the next character of Shakespeare's plays, or of Penn Treebank.

    p(x[t+1] | x[0..t]) = softmax(h[t] W + b),    h = LSTM stack over one-hot x

An LSTM's kernel times a one-hot symbol is a row of the kernel, so symbols are given as integers and no embedding is
needed. Generating with recurrent networks: Graves 2013 (arXiv:1308.0850). Characters of Penn Treebank: Mikolov et al.
2012 (Subword language modeling with neural networks); with an LSTM of 1000 units: Krueger et al. 2017
(arXiv:1606.01305), Merity et al. 2018 (arXiv:1803.08240).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import ArrayLike
from jaxrnn.compose import stack
from jaxrnn.core.layer import Layer
from jaxrnn.tasks.language.language_model import DataOptions as DataOptions
from jaxrnn.tasks.language.language_model import LanguageModel, penn_treebank, shakespeare
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.network import CELLS
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train.options import check
from jaxrnn.train.streams import Chunk
from jaxrnn.train.task import Carry, Params, recalled
from jaxrnn.train.vocabulary import Vocabulary

UNSEEN = "\ufffd"  # in place of a character that is not known
STARTS = 40  # characters that a sample goes on from
# A one-hot input switches on a single row of the first kernel: its fan-in is one, not the size of the vocabulary.
TINY = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # the characters of tinyshakespeare
one_row = jax.nn.initializers.normal(1.5)


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        layers: LSTMs (or cells of another kind) on top of each other.
        hidden: Units of each.
        dropout: Rate between the layers and before the readout, while training.
        cell: The kind: lstm or gru.
    """

    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0
    cell: Literal["lstm", "gru"] = "lstm"

    def __post_init__(self) -> None:
        check(self.layers >= 1, "model.layers", "1 or more", self.layers)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(self.cell in ("lstm", "gru"), "model.cell", "'lstm' or 'gru'", self.cell)


@dataclass(frozen=True)
class CharLM(LanguageModel):
    """The task; loss in nats a character.

    Shakespeare: first nine tenths for training, last tenth for validation. Penn Treebank: one newline ends each line.
    A user's text: characters that training has less than twice (`data.at_least`) are U+FFFD.
    """

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    int8: Layer | None = None  # the layer with int8 kernels, which `quantized` makes
    unit = "characters"

    @property
    def headline(self) -> str:
        """As each text's figures are published."""
        return "test bits_per_character" if len(self.splits) > 1 else "validation loss"

    @property
    def splits(self) -> tuple[str, ...]:
        """Shakespeare has no test text by custom."""
        return ("validation", "test") if self.data.set in ("ptb", OWN) else ("validation",)

    def read(self, part: int) -> str:
        """The characters of a text."""
        if self.data.set == OWN:
            return self.own(part)
        if self.data.set == "ptb":
            return "".join(f"{line}\n" for line in penn_treebank(self.data.path, part))
        text = shakespeare(self.data)
        cut = len(text) * 9 // 10
        return text[cut:] if part else text[:cut]

    @cached_property
    def vocabulary(self) -> str:
        """The characters that the model knows, in the order of their symbols."""
        known = recalled(self.learned, "vocabulary")
        if self.data.set == "tinyshakespeare" and not self.data.path:
            known = known or TINY
        if not known and self.data.set == OWN:
            data = self.data
            characters = Vocabulary.of([[*self.text(0)]], [UNSEEN], data.at_least or 2, data.most or None)
            return "".join(sorted(characters.tokens))
        return known or "".join(sorted(set().union(*map(self.contents, ("training", *self.splits)))))

    def learn(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": self.vocabulary}

    def numbers(self, text: Sequence[str]) -> np.ndarray:
        """Characters as symbols.

        Raises:
            ValueError: If one is not in the vocabulary.
        """
        codes = np.frombuffer("".join(text).encode("utf-32-le"), np.uint32)
        table = np.full(1 + max(codes.max(initial=0), *map(ord, self.vocabulary)), -1, np.int32)
        table[[ord(character) for character in self.vocabulary]] = np.arange(len(self.vocabulary))
        symbols = table[codes]
        if self.unknown is not None:
            return np.where(symbols < 0, np.int32(self.unknown), symbols)
        if (symbols < 0).any():
            first = int((symbols < 0).argmax())
            where = f"{chr(codes[first])!r} in its line {1 + int((codes[:first] == ord(chr(10))).sum())}"
            fail("data.path", "a text in the characters that the model knows", Said(where))
        return symbols

    @property
    def unknown(self) -> int | None:
        """The number of U+FFFD, which stands for all characters that a model of a user's text does not know."""
        found = self.vocabulary.find(UNSEEN)
        return None if found < 0 else found

    @cached_property
    def layer(self) -> Layer:
        """The recurrent part."""
        if self.int8 is not None:
            return self.int8
        cell = CELLS[self.model.cell]
        first = cell(self.model.hidden, kernel_init=one_row)
        others = [cell(self.model.hidden)] * (self.model.layers - 1)
        return stack([first, *others], dropout=self.model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"rnn": ..., "readout": {"kernel": [H, V], "bias": [V]}}."""
        rnn, readout = jax.random.split(key)
        return {
            "rnn": self.layer.init(rnn, inputs=len(self.vocabulary)),
            "readout": dense_init(readout, self.layer.output_size, len(self.vocabulary)),
        }

    def embed(self, params: Params, symbols: ArrayLike) -> ArrayLike:
        """The integers themselves."""
        return symbols

    def logits(self, params: Params, ys: jax.Array) -> jax.Array:
        """Logits [..., V] of the stack's outputs [..., H]."""
        return dense(params["readout"], ys)

    def around(self, params: Params) -> dict[str, Any]:
        """One-hot symbols, and the readout."""
        return {"symbols": True, "head": params["readout"]}

    def loss(
        self, params: Params, carry: Carry, batch: Chunk, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a chunk in nats a character."""
        layers_rng, readout_rng = (None, None) if rng is None else jax.random.split(rng)
        carry, ys = self.run(params, carry, batch.inputs.T, batch, layers_rng)
        total, count = self.score(params, dropout(readout_rng, ys, self.model.dropout), batch)
        return total / count.astype(total.dtype), (carry, {})

    def figures(self, loss: float) -> dict[str, float]:
        """The loss in nats and in bits."""
        return {"loss": loss, "bits_per_character": loss / math.log(2)}

    def encode(self, text: str) -> list[int]:
        """Symbols of a text; of an empty one, a newline.

        Raises:
            ValueError: If a character is not in the vocabulary.
        """
        for character in text:
            if character not in self.vocabulary:
                raise ValueError(f"prompt: the character {character!r} is not in the vocabulary {self.vocabulary!r}")
        start = "\n" if "\n" in self.vocabulary else self.vocabulary[0]
        return [self.vocabulary.index(character) for character in text or start]

    def line(self, text: str) -> np.ndarray:
        """The characters, and a newline where the model knows one."""
        strange = {*text} - {*self.vocabulary}
        if strange and self.unknown is None:
            fail("line", "of characters that the model knows", min(strange))
        return self.numbers(text + "\n" * ("\n" in self.vocabulary))

    def piece(self, symbol: int, before: int) -> str:
        """The character."""
        return self.vocabulary[symbol]

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """500 characters in sample.txt, after "ROMEO:" or "the ", or the start of a line of the user's text."""
        if self.data.set == OWN:
            start = self.start_of_own(seed)[:STARTS]
            known = next((n for n, character in enumerate(start) if character not in self.vocabulary), len(start))
            return self.write_sample(params, folder, start[:known], 500, seed)
        prompt = "the " if self.data.set == "ptb" else "ROMEO:"
        known = set(prompt) <= set(self.vocabulary)
        return self.write_sample(params, folder, prompt if known else "", 500, seed)
