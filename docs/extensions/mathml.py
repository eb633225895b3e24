"""Mathematics as MathML, which browsers set by themselves: no script, no fonts and no network."""

from __future__ import annotations

import html
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(self: Any, node: nodes.math) -> None:
    """The HTML of a formula in a line."""
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(self: Any, node: nodes.math_block) -> None:
    """The HTML of a formula of its own."""
    self.body.append(f'<div class="math">{_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def _mathml(latex: str, display: str) -> str:
    # The source travels along, for those who copy it.
    made = convert(latex, display=display).replace("<math ", f'<math alttext="{html.escape(latex)}" ', 1)
    # A prime is an operator: fonts of mathematics have a smaller one to be raised.
    made = made.replace("<mi>&#x02032;</mi>", "<mo>&#x02032;</mo>")
    # Parentheses grow around fractions alone, not around every subscript.
    return made if r"\frac" in latex else made.replace('stretchy="true"', 'stretchy="false"')


def setup(app: Sphinx) -> None:
    """Register the renderer; `html_math_renderer = "mathml"` chooses it."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
