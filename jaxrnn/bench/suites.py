"""The suites of measurements."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxrnn.bench.cases import ALONE, APPLICATIONS, CELLS, FORMS
from jaxrnn.cells import COLLECTION


class Suite(NamedTuple):
    """A table of measurements."""

    name: str
    summary: str
    timed: tuple[str, ...]  # of "forward", "train", "gradients", "step", "step donated", "update"
    inspected: tuple[str, ...]  # of the numbers that one compilation gives: see `contestants.on_jax.inspect`
    shapes: tuple[dict[str, Any], ...]  # a cell among them stands for all of `cells`
    gpu: tuple[dict[str, Any], ...] = ()  # in place of `shapes` on a GPU
    cells: tuple[str, ...] = CELLS
    backends: tuple[str, ...] = ("auto",)  # of ours, where none are named
    together: bool = False  # one table for all cells, its mean over all
    rated: str = ""  # what of the machine's own times are compared with: "products", or "traffic"
    fixed: bool = False  # has no other sizes
    quick: dict[str, Any] = dict(B=3, T=8, D=5, H=7)


def sizes_of(B: int, T: int, D: int, H: int, **more: Any) -> dict[str, Any]:
    return dict(B=B, T=T, D=D, H=H) | more


MIDDLE = sizes_of(32, 128, 256, 256)
PLAIN = (sizes_of(1, 128, 128, 128), sizes_of(16, 500, 128, 128), MIDDLE, sizes_of(64, 100, 512, 512))
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
LONG = sizes_of(64, 200, 128, 256, bidirectional=True)
SHAPES = (
    *(sizes_of(1, *s) for s in ((1000, 256, 256), (256, 512, 512), (128, 1024, 1024))),
    *(sizes_of(2, 200, 200, 200), sizes_of(4, 128, 256, 256), sizes_of(7, 100, 300, 300), sizes_of(16, 200, 100, 100)),
    *(sizes_of(20, 35, 650, 650), sizes_of(32, 128, 33, 65), sizes_of(64, 50, 129, 257), sizes_of(32, 64, 512, 1000)),
    *(sizes_of(128, 32, 512, 512), sizes_of(256, 64, 64, 64), sizes_of(512, 16, 128, 128)),
    *(LONG, LONG | dict(ragged=True, shortest=20)),
)
WIDE = sizes_of(32, 128, 512, 512)
EIGHT = sizes_of(3, 8, 8, 8)  # as small as eight heads are
# Dense, projected, and diagonal and projected: of their times the parts of the others are made (`tables`).
OF_FORMS = (
    *(dict(cell="lstm", recurrent=r) | WIDE for r in ("", *FORMS)),
    *(dict(cell="lstm", recurrent=r, projected=True) | WIDE for r in ("", "diagonal")),
    dict(cell="slstm") | WIDE,
)
ON_CPU = PLAIN + tuple(MIDDLE | VARIANTS[v] for v in ("bidirectional", "two-layers", "ragged", "peepholes", "bfloat16"))

# FlashRNN's published sweep (Poeppel, Beck & Hochreiter 2024): around B=16, T=1024, H=768 over batches and lengths.
_FLASH = (
    *(sizes_of(B, 1024, 768, 768) for B in (1, 4, 16, 64, 256)),
    *(sizes_of(16, T, 768, 768) for T in (256, 512, 2048)),
)
_WIDTHS = tuple(sizes_of(B, 1024, H, H) for B, H in ((16, 128), (64, 256), (64, 512), (64, 1024), (16, 2048)))
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
            tuple(sizes_of(1, 8, H, H) for H in (128, 512)),
        ),
        Suite(
            "long",
            'long sequences under chunk="sqrt"',
            ("train",),
            ("temporaries", "instructions"),
            tuple(sizes_of(8, T, 128, 128, chunk="sqrt") for T in (1024, 4096, 16384, 65536)),
        ),
        Suite(
            "compile",
            "tracing and compiling a training step",
            (),
            ("trace", "compile", "instructions"),
            tuple(sizes_of(4, T, 64, 64, layers=n) for T in (128, 2048) for n in (1, 4)),
        ),
        Suite("memory", "temporary memory of a training step", (), ("temporaries",), PLAIN),
        Suite(
            "shapes",
            "from one row to 512, beside the machine's rates",
            ("train", "forward"),
            (),
            SHAPES,
            rated="products",
        ),
        Suite(
            "applications",
            "an update of a training run: ours, and a torch program",
            ("update",),
            (),
            (
                sizes_of(32, 64, 65, 256, cell="char_lm"),
                sizes_of(20, 20, 10_000, 200, cell="ptb_small", layers=2),
            ),
            cells=APPLICATIONS,
            together=True,
            fixed=True,
            quick=sizes_of(3, 8, 11, 7),
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
            tuple(sizes_of(B, T, 128, 128, resets=True) for B in (16, 64, 256, 1024, 4096) for T in (16, 128)),
            cells=("gru",),
        ),
        Suite(
            "recurrences",
            "a linear recurrence alone, by algorithm, beside what its arrays cost to be read and written",
            ("gradients",),
            ("temporaries", "instructions"),
            tuple(sizes_of(B, T, 512, 512) for B, T in ((8, 1024), (8, 16_384), (1, 65_536))),
            cells=(ALONE,),
            backends=("auto", "chunked", "associative"),
            rated="traffic",
        ),
        Suite(
            "linear",
            "a layer of a linear cell, and a GRU",
            ("train",),
            ("temporaries",),
            (sizes_of(8, 1024, 512, 512), sizes_of(32, 1024, 256, 256), sizes_of(1, 8192, 256, 256)),
            cells=("gru", "min_gru"),
        ),
    )
}
