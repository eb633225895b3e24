"""What is measured, as data: the cases, and the suites that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.cells import COLLECTION
from jaxrnn.forms import diagonal, heads
from jaxrnn.forms.form import Form

SIZES = ("B", "T", "D", "H")
CELLS = ("lstm", "gru", "elman")
APPLICATIONS = ("char_lm", "ptb_small")  # configurations


class Recurrent(NamedTuple):
    """A form of recurrent kernels."""

    form: Form
    share: float  # of a dense kernel's product that is left of it


FORMS = {
    "heads(4)": Recurrent(heads(4), 1 / 4),
    "heads(8)": Recurrent(heads(8), 1 / 8),
    "diagonal": Recurrent(diagonal, 0),
}


@dataclass(frozen=True)
class Case:
    """One layer, or a stack of equal ones, over one sequence. Everything that a worker needs to build the problem.

    An application, an update of its training run, is a case too: D is the size of its vocabulary.
    """

    cell: str  # of `CELLS`, of the collection, or of `APPLICATIONS`
    B: int
    T: int
    D: int
    H: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    shortest: int = 1  # of ragged rows; the longest has all T steps
    peepholes: bool = False
    dtype: str = "float32"  # "tf32" is float32 whose products may be rounded to TensorFloat-32
    form: str = ""  # of the equations, where a library has another one: "reset before", "no inner bias"
    chunk: str | None = None
    projected: bool = False  # the recurrence alone: the input product is done already
    recurrent: str = ""  # of `FORMS`; dense without
    resets: bool = False  # an agent's layer, `ScannedRNN`: some steps start anew

    def __str__(self) -> str:
        sizes = f"{self.cell} B={self.B} T={self.T} D={self.D} H={self.H}"
        return " ".join([sizes, *self.traits])

    @property
    def traits(self) -> list[str]:
        """What sets the case apart from the plain one of its sizes."""
        words = [f"{self.layers} layers"] if self.layers > 1 else []
        words += [
            word for word in ("bidirectional", "ragged", "peepholes", "projected", "resets") if getattr(self, word)
        ]
        words += [f"{self.shortest} to {self.T} steps"] if self.shortest > 1 else []
        words += [self.recurrent] if self.recurrent else []
        words += [self.dtype] if self.dtype != "float32" else []
        words += [f"chunk={self.chunk}"] if self.chunk else []
        return words + ([self.form] if self.form else [])

    def record(self) -> dict[str, Any]:
        """The case as JSON holds it; `Case(**record)` is the case again."""
        return asdict(self)


class Suite(NamedTuple):
    """A table of measurements."""

    name: str
    summary: str
    timed: tuple[str, ...]  # of "forward", "train", "step", "step donated", "update"
    inspected: tuple[str, ...]  # of the numbers that one compilation gives: see `contestants.on_jax.inspect`
    shapes: tuple[dict[str, Any], ...]  # a cell among them stands for all of `cells`
    gpu: tuple[dict[str, Any], ...] = ()  # in place of `shapes` on a GPU
    cells: tuple[str, ...] = CELLS
    backends: tuple[str, ...] = ("auto",)  # of ours, where none are named
    together: bool = False  # one table for all cells, its mean over all
    rated: bool = False  # times are compared with the machine's own rates
    fixed: bool = False  # has no other sizes
    quick: dict[str, Any] = dict(B=3, T=8, D=5, H=7)


def _sizes(B: int, T: int, D: int, H: int, **more: Any) -> dict[str, Any]:
    return dict(B=B, T=T, D=D, H=H) | more


MOST = 2**28  # numbers of one array: a gigabyte, and a training step holds a dozen of them
MIDDLE = _sizes(32, 128, 256, 256)
PLAIN = (_sizes(1, 128, 128, 128), _sizes(16, 500, 128, 128), MIDDLE, _sizes(64, 100, 512, 512))
VARIANTS: dict[str, dict[str, Any]] = {
    "bidirectional": dict(bidirectional=True),
    "two-layers": dict(layers=2),
    "ragged": dict(ragged=True),
    "peepholes": dict(peepholes=True),
    "bfloat16": dict(dtype="bfloat16"),
    "float16": dict(dtype="float16"),
    "tf32": dict(dtype="tf32"),
    "projected": dict(projected=True),
}
LONG = _sizes(64, 200, 128, 256, bidirectional=True)
SHAPES = (
    *(_sizes(1, *s) for s in ((1000, 256, 256), (256, 512, 512), (128, 1024, 1024))),
    *(_sizes(2, 200, 200, 200), _sizes(4, 128, 256, 256), _sizes(7, 100, 300, 300), _sizes(16, 200, 100, 100)),
    *(_sizes(20, 35, 650, 650), _sizes(32, 128, 33, 65), _sizes(64, 50, 129, 257), _sizes(32, 64, 512, 1000)),
    *(_sizes(128, 32, 512, 512), _sizes(256, 64, 64, 64), _sizes(512, 16, 128, 128)),
    *(LONG, LONG | dict(ragged=True, shortest=20)),
)
WIDE = _sizes(32, 128, 512, 512)
EIGHT = _sizes(3, 8, 8, 8)  # as small as eight heads are
# Dense, projected, and diagonal and projected: of their times the parts of the others are made (`tables`).
OF_FORMS = (
    *(dict(cell="lstm", recurrent=r) | WIDE for r in ("", *FORMS)),
    *(dict(cell="lstm", recurrent=r, projected=True) | WIDE for r in ("", "diagonal")),
    dict(cell="slstm") | WIDE,
)
ON_CPU = PLAIN + tuple(MIDDLE | VARIANTS[v] for v in ("bidirectional", "two-layers", "ragged", "peepholes", "bfloat16"))

# FlashRNN's published sweep (Poeppel, Beck & Hochreiter 2024): around B=16, T=1024, H=768 over batches and lengths.
_FLASH = (
    *(_sizes(B, 1024, 768, 768) for B in (1, 4, 16, 64, 256)),
    *(_sizes(16, T, 768, 768) for T in (256, 512, 2048)),
)
_WIDTHS = tuple(_sizes(B, 1024, H, H) for B, H in ((16, 128), (64, 256), (64, 512), (64, 1024), (16, 2048)))
ON_GPU = tuple(
    size | VARIANTS.get(variant, {})
    for size in _FLASH + _WIDTHS
    for variant in ("float32", "tf32", "bfloat16", "float16", "projected")
)

SUITES = {
    s.name: s
    for s in (
        Suite("train", "a training step: outputs and all gradients", ("train",), (), ON_CPU, ON_GPU),
        Suite("forward", "outputs alone", ("forward",), (), ON_CPU, ON_GPU),
        Suite(
            "step",
            "one step at a time: latency of a call",
            ("step", "step donated"),
            (),
            tuple(_sizes(1, 8, H, H) for H in (128, 512)),
        ),
        Suite(
            "long",
            'long sequences under chunk="sqrt"',
            ("train",),
            ("temporaries", "instructions"),
            tuple(_sizes(8, T, 128, 128, chunk="sqrt") for T in (1024, 4096, 16384, 65536)),
        ),
        Suite(
            "compile",
            "tracing and compiling a training step",
            (),
            ("trace", "compile", "instructions"),
            tuple(_sizes(4, T, 64, 64, layers=n) for T in (128, 2048) for n in (1, 4)),
        ),
        Suite("memory", "temporary memory of a training step", (), ("temporaries",), PLAIN),
        Suite(
            "shapes",
            "from one row to 512, beside the machine's rates",
            ("train", "forward"),
            (),
            SHAPES,
            rated=True,
        ),
        Suite(
            "applications",
            "an update of a training run: ours, and a torch program",
            ("update",),
            (),
            (
                _sizes(32, 64, 65, 256, cell="char_lm"),
                _sizes(20, 20, 10_000, 200, cell="ptb_small", layers=2),
            ),
            cells=APPLICATIONS,
            together=True,
            fixed=True,
            quick=_sizes(3, 8, 11, 7),
        ),
        Suite(
            "cells",
            "all of the collection beside a plain lax.scan",
            ("train",),
            ("trace", "compile"),
            (WIDE,),
            cells=tuple(COLLECTION),
            backends=("auto", "reference"),
            together=True,
            quick=EIGHT,
        ),
        Suite(
            "forms",
            "forms of recurrent kernels beside their parts",
            ("train",),
            (),
            OF_FORMS,
            cells=("lstm", "slstm"),
            together=True,
            quick=EIGHT,
        ),
        Suite(
            "agents",
            "ScannedRNN: a step of a rollout and the pass that learns from it, beside the copied one",
            ("train", "step"),
            (),
            tuple(_sizes(B, T, 128, 128, resets=True) for B in (16, 64, 256, 1024, 4096) for T in (16, 128)),
            cells=("gru",),
        ),
    )
}


def make_cases(
    suite: str, cells: Iterable[str] = (), shapes: Iterable[str] = (), *, gpu: bool = False, quick: bool = False
) -> list[Case]:
    """The cases of a suite.

    Args:
        suite: the name of a suite.
        cells: of the suite's cells; none for all of them.
        shapes: in place of the suite's own: "B,T,D,H", "B,T,D,H:variant", or a variant at the middle shape.
        gpu: take the suite's cases for a GPU, where it has some.
        quick: one tiny case a cell, and a form.

    Returns:
        A list of cases, cell by cell. Peepholes are an LSTM's alone.

    Raises:
        ValueError: an unknown suite, cell or variant, or sizes that are not four positive integers.

    >>> [str(case) for case in make_cases("train", ["gru"], ["1,16,8,8", "2,4,3,5:bidirectional"])]
    ['gru B=1 T=16 D=8 H=8', 'gru B=2 T=4 D=3 H=5 bidirectional']
    """
    check_names([suite], "suites", SUITES)
    chosen, cells = SUITES[suite], list(cells)
    check_names(cells, "cells", chosen.cells)
    tables = chosen.gpu if gpu and chosen.gpu else chosen.shapes
    if given := [_read_shape(text) for text in shapes]:
        if chosen.fixed:
            fail("shapes", f"left out with {suite}, whose configurations have them", Said(" ".join(shapes)))
        tables = _distinct(_beside_sizes(chosen, table) | sizes for sizes in given for table in tables)
    if quick:
        tables = _distinct(_beside_sizes(chosen, table) | chosen.quick for table in tables)
    wanted = cells or chosen.cells
    cases = [Case(**{"cell": cell} | table) for cell in wanted for table in tables if table.get("cell", cell) == cell]
    return [case for case in cases if case.cell == "lstm" or not case.peepholes]


def _beside_sizes(suite: Suite, table: dict[str, Any]) -> dict[str, Any]:
    """What a suite's case keeps at other sizes."""
    return {k: v for k, v in table.items() if (k not in SIZES if suite.together else k in ("chunk", "resets"))}


def _distinct(tables: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Each once, in their order."""
    return tuple(dict(t) for t in dict.fromkeys(tuple(sorted(t.items())) for t in tables))


def check_names(names: Iterable[str], argument: str, known: Iterable[str]) -> None:
    """Every name is a known one, or an error that says what it may have meant."""
    for name in names:
        if name not in known:
            fail(argument, f"out of {tuple(known)}", name, nearest(name, known))


def _read_shape(text: str) -> dict[str, Any]:
    sizes, _, variant = text.partition(":")
    if sizes in VARIANTS and not variant:
        return MIDDLE | VARIANTS[sizes]
    if variant:
        check_names([variant], "shapes", VARIANTS)
    numbers = sizes.split(",")
    if len(numbers) != 4 or not all(n.isascii() and n.isdecimal() and n.strip("0") for n in numbers):
        expected = f"B,T,D,H as in 32,128,256,256, that with :VARIANT, or a variant out of {tuple(VARIANTS)}"
        fail("shapes", expected, text, nearest(sizes, VARIANTS))
    if max(map(len, numbers)) > len(str(MOST)):
        fail("shapes", f"sizes of {MOST:,} or less", text)
    B, T, D, H = map(int, numbers)
    if max(B * T * max(D, H), max(D, H) * H) > MOST:
        fail("shapes", f"of {MOST:,} numbers or fewer in inputs, outputs and each gate's kernels", text)
    return _sizes(*map(int, numbers)) | VARIANTS.get(variant, {})
