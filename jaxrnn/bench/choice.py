"""From what a user asks for to cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.bench.cases import SIZES, Case, check_names
from jaxrnn.bench.suites import MIDDLE, SUITES, VARIANTS, Suite, sizes_of

MOST = 2**28  # numbers of one array: a gigabyte, and a training step holds a dozen of them


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
    return sizes_of(*map(int, numbers)) | VARIANTS.get(variant, {})
