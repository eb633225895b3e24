"""Handwriting: a network draws what a pen might do next, point by point; or it writes a given text.

    loss = -sum_t log p(x[t+1] | x[0..t], text)    nats a line, in offsets of mean 0 and deviation 1

Graves 2013 (arXiv:1308.0850), sections 4 (prediction) and 5 (synthesis). The model is in `network`,
the data are in `strokes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.base.files import write_text
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.tasks.handwriting.network import PenNetwork
from jaxrnn.tasks.handwriting.own_strokes import check_texts
from jaxrnn.tasks.handwriting.pen import save_drawing, sheet_figure, to_svg, window_figure
from jaxrnn.tasks.handwriting.stroke_files import WITH_TEXT
from jaxrnn.tasks.handwriting.strokes import DataOptions, Drawings, Strokes
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import ByLength, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Batch, Carry, Params

BIAS = 1.0
SAMPLES, COLUMNS = 12, 4
POINTS_A_CHARACTER = 60  # a pen makes about 25; a window that is not through by then never will be
SENTENCES = (
    "the quick brown fox jumps",
    "over the lazy dog",
    "recurrent networks can write",
    "from his travels it might",
    "have been a better plan",
    "A line of ink on paper",
    "she sells sea shells here",
    "every letter in its turn",
    "rain falls on the hills",
    "no two hands are alike",
    "Time and tide wait for none",
    "all that glitters is not gold",
    "a stitch in time saves nine",
    "the window moves to the right",
    "Still waters run deep",
    "birds of a feather flock",
    "practice makes perfect",
    "where there is a will",
    "actions speak louder",
    "the end of the story",
)


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        text: Write given texts (synthesis), in place of drawing freely (prediction).
        layers: LSTMs with peepholes; each reads the input and the layer below, all reach the output.
        hidden: Units of each.
        components: Gaussians of the density of the next point.
        window: Gaussians of the window on the text.
    """

    text: bool = False
    layers: int = 1
    hidden: int = 400
    components: int = 20
    window: int = 10

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "components", "window"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))


@dataclass(frozen=True)
class Handwriting:
    """The task: whole lines, loss in nats a line; each line's first point is given and not predicted."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "points"

    @property
    def headline(self) -> str:
        """Graves reports on the lines that validate."""
        return f"{self.splits[-1]} nats_per_sequence"

    @property
    def splits(self) -> tuple[str, ...]:
        """The set's."""
        return self.drawings.splits

    @cached_property
    def drawings(self) -> Drawings:
        """The data."""
        if self.model.text and self.data.set not in (*WITH_TEXT, OWN):
            known = " or ".join(map(repr, WITH_TEXT))
            fail("data.set", f"{known} with `model.text`: other drawings have no text", self.data.set)
        found = Drawings(self.data, self.learned)
        if self.model.text and self.data.set == OWN and not self.learned:
            check_texts(self.data.path)
        return found

    def contents(self, split: str) -> Any:
        """The drawings of a part."""
        return self.drawings.contents(split)

    def learn(self) -> dict[str, Any]:
        """Scale, characters and lengths of the training drawings."""
        return self.drawings.learn()

    @cached_property
    def network(self) -> PenNetwork:
        """The model."""
        m = self.model
        text = (m.window, len(self.drawings.vocabulary)) if m.text else None
        return PenNetwork(m.layers, m.hidden, m.components, text)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training lines, those of similar length together."""
        collate = partial(self.drawings.batch, "training")
        return ByLength(self.drawings.lengths("training"), self.data.rows, self.data.seed, collate)

    def count(self, batch: Strokes) -> int:
        """Points that are predicted."""
        return int(np.maximum(batch.lengths - 1, 0).sum())

    def _log_densities(self, params: Params, batch: Strokes) -> jax.Array:
        """Of each line given its first point, [B]."""
        points, lengths, text, text_lengths = map(jnp.asarray, batch)
        predicted = jnp.maximum(lengths - 1, 0)
        memory = self.network.memory(text, text_lengths)
        xs = points.swapaxes(0, 1)
        carry = self.network.initial_carry(len(lengths), memory)
        _, outputs = self.network.scan(params, xs, carry, memory, predicted)
        valid = valid_steps(len(xs), predicted, None)
        targets = clean(valid, jnp.roll(xs, -1, 0))
        logs = self.network.density.log_density(self.network.density.split(outputs), targets)
        return jnp.sum(logs, 0, where=valid)

    def loss(
        self, params: Params, carry: Carry, batch: Strokes, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Lowered are nats a point; recorded as the loss are nats a line."""
        total = -self._log_densities(params, batch).sum()
        lines, points = (batch.lengths > 0).sum(), jnp.maximum(batch.lengths - 1, 0).sum()
        a_point = total / points.astype(total.dtype)
        return a_point, (carry, {"loss": total / lines.astype(total.dtype), "nats_per_point": a_point})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Mean loss in nats a line and a point."""
        if self.model.text:
            self.drawings.tell_unknown(split)
        lengths, total = self.drawings.lengths(split), 0.0
        for rows in in_order(lengths, self.data.rows):
            logs = self._evaluate_batch(params, place(self.drawings.batch(split, rows)))
            total -= fetched(logs).astype(np.float64).sum()
        a_line = float(total / len(lengths))
        points = float(total / (lengths - 1).sum())
        return {"loss": a_line, "nats_per_sequence": a_line, "nats_per_point": points}

    @partial(jax.jit, static_argnums=0)
    def _evaluate_batch(self, params: Params, batch: Strokes) -> jax.Array:
        return self._log_densities(params, batch)

    def encode(self, text: str) -> np.ndarray:
        """A text's characters by number.

        Raises:
            ValueError: If it is empty, or a character is not in the vocabulary.
        """
        vocabulary = self.drawings.vocabulary
        check(bool(text), "text", "one character or more", text)
        for character in text:
            if character not in vocabulary:
                known = "".join(sorted(vocabulary.tokens))
                fail("text", f"of characters that the model has seen, {known!r}", character)
        return vocabulary.encode(text)

    def draw(
        self, params: Params, texts: Sequence[str], bias: float = 0.0, seed: int = 0, like: int | None = None
    ) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """One drawing a text; without a window, texts are empty and a drawing has the length of a training one.

        Args:
            params: of the model.
            texts: what to write.
            bias: of `MixtureDensity.sample`: the larger, the neater.
            seed: of the draws.
            like: index of a training line to read first, with its text, so as to go on in its style ("priming").

        Returns:
            Drawings [T, 3] in the units of the data, their windows' weights [T, S], and bool [B], whether the window
            passed the last character.
        """
        check(0 <= bias < float("inf"), "bias", "a number of 0 or more", bias)
        check(0 <= seed < 2**32, "seed", "an integer in [0, 2**32)", seed)
        rows = len(texts)
        before, xs = "", self.drawings.normalised(np.zeros((1, 3)))
        if like is not None:
            training = self.drawings.lines["training"]
            gap = " " if " " in self.drawings.vocabulary else ""  # words of their own have none
            before, xs = f"{training.texts[like]}{gap}" if self.model.text else "", training.points[like]
        if self.model.text:
            encoded = [self.encode(before + text) for text in texts]
            limits = np.array([POINTS_A_CHARACTER * len(text) + 100 for text in texts], np.int32)
        else:
            if any(texts):
                fail("text", "empty: this model was trained without texts and draws freely", texts[0])
            encoded = [np.zeros(0, np.int32)] * rows
            lengths = self.drawings.lengths("training")
            limits = np.random.default_rng(seed).choice(lengths, rows).astype(np.int32)
        sizes = np.array([len(text) for text in encoded], np.int32)
        padded = np.zeros((rows, -(-max(sizes.max(), 1) // 16) * 16), np.int32)
        for row, text in zip(padded, encoded, strict=True):
            row[: len(text)] = text
        memory = self.network.memory(jnp.asarray(padded), jnp.asarray(sizes))
        carry = self.network.initial_carry(rows, memory)
        given = jnp.asarray(np.repeat(xs[:, None], rows, 1))
        carry, _ = self.network.scan(params, given[:-1], carry, memory)
        longest = -(-int(limits.max()) // 256) * 256  # few different ones: each is a compilation
        arguments = (jax.random.key(seed), jnp.asarray(bias, given.dtype), jnp.asarray(limits), longest)
        drawn = jax.device_get(self.network.draw(params, carry, given[-1], memory, *arguments))
        if np.isnan(drawn.points).any():
            raise FloatingPointError("the pen cannot be moved: the model's outputs have NaN or inf")
        kept = [slice(0, length) for length in drawn.lengths]
        points = [self.drawings.to_file_units(drawn.points[keep, n]) for n, keep in enumerate(kept)]
        return points, [drawn.weights[keep, n] for n, keep in enumerate(kept)], drawn.reached

    def _known_texts(self) -> list[str]:
        """Texts of the test that are written in characters of the training texts; of those, where there is none."""
        known = {*self.drawings.vocabulary.tokens}
        for split in ("test", "training"):
            found = [t for t in dict.fromkeys(self.contents(split).texts) if {*t} <= known]
            if found:
                break
        return found[: len(SENTENCES)]

    def write(self, params: Params, text: str, path: Path, bias: float = BIAS, seed: int = 0) -> str:
        """Write a text into a picture: .svg, .png, or .gif, a film. What came of it is returned.

        Raises:
            ValueError: If the model cannot write the text, or nothing can be saved under that name.
        """
        check(path.suffix in (".svg", ".png", ".gif"), "out", "a file .svg, .png or .gif", str(path))
        (drawing,), _, (reached,) = self.draw(params, [text], bias, seed)
        save_drawing(drawing, path)
        ends = "" if not text else ", all of the text" if reached else ", but the text was not written to its end"
        return f"{len(drawing)} points in {path}{ends}"

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Drawings in samples.svg and samples.png; of a model that reads, where its window stood, in window.png."""
        texts, columns = [""] * SAMPLES, COLUMNS
        if self.model.text and self.data.set == "iam":
            texts, columns = list(SENTENCES), 1
        elif self.model.text:
            texts = self._known_texts()
        found, weights, reached = self.draw(params, texts, BIAS if self.model.text else 0.0, seed)
        write_text(folder / "samples.svg", to_svg(found[:SAMPLES], columns))
        save_figure(sheet_figure(found[:SAMPLES], columns), folder / "samples.png")
        said = f"{len(found)} drawings, the first {SAMPLES} of them in samples.svg and samples.png"
        if not self.model.text:
            return said
        save_figure(window_figure(found[0], weights[0], texts[0]), folder / "window.png")
        like = seed % len(self.drawings.lines["training"].points)
        primed, _, _ = self.draw(params, texts[:4], BIAS, seed, like=like)
        write_text(folder / "primed.svg", to_svg(primed))
        missed = [text for text, end in zip(texts, reached, strict=True) if not end]
        return f"{said}\nthe window reached the last character in {sum(reached)} of {len(texts)} texts" + "".join(
            f"\nnot in: {text}" for text in missed
        )
