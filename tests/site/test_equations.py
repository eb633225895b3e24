"""Plain-text equations as LaTeX: what each mark becomes, and that no symbol of any cell's equations is lost."""

from __future__ import annotations

import inspect
import re
import sys

import pytest
from equations import GREEK, NoEquation, line_of, to_latex

from jaxrnn import cells

LATEX = {
    "c' = f * c + i * g": r"c' = f \odot c + i \odot g",
    "h = 2 * x": r"h = 2 \, x",
    "n = tanh(x_n + (f * h) @ u)": r"n = \tanh\left(x_{n} + \left(f \odot h\right) \, u\right)",
    "r = recurrent_n": r"r = \text{recurrent}_{n}",
    "a = exp(-exp(nu) + i exp(theta))": r"a = \exp\left(-\exp\left(\nu\right) + i \, \exp\left(\theta\right)\right)",
    "i' = i / (f + i)": r"i' = \frac{i}{f + i}",
    "b = (a - 1) / pole (x_re + y)": r"b = \frac{a - 1}{\text{pole}} \, \left(x_{\text{re}} + y\right)",
    "g = 1 - dt pole / 2": r"g = 1 - \frac{\text{dt} \, \text{pole}}{2}",
    "Q = exp(U - U^T)": r"Q = \exp\left(U - {U}^{\top}\right)",
    "h^ = w * h^": r"\hat{h} = w \odot \hat{h}",
    "c~ = e^(i angle) h": r"\tilde{c} = {e}^{i \, \text{angle}} \, h",
    "s = sqrt(1 - abs(a)^2)": r"s = \sqrt{1 - {\left|a\right|}^{2}}",
    "r, i = sigmoid(x_r), sigmoid(x_i)": r"r,\ i = \text{sigmoid}\left(x_{r}\right),\ \text{sigmoid}\left(x_{i}\right)",
    "y = x @ output_kernel": r"y = x \, \text{output_kernel}",
    "v = sum_j s_jk * r_jk": r"v = \sum_{j} \, s_{\text{jk}} \odot r_{\text{jk}}",
}


@pytest.mark.parametrize("text", LATEX)
def test_latex(text: str) -> None:
    assert to_latex(text) == LATEX[text]


@pytest.mark.parametrize("text", ["words alone", "a = b +", "a = (b", "a = b ] c", "= b", "2 = 3 if a else b"])
def test_what_is_no_equation_is_refused(text: str) -> None:
    with pytest.raises(NoEquation):
        print(to_latex(text))


def test_words_stand_beside() -> None:
    assert line_of("    f = 1 - i    forget gate, i = 1 when open  coupled") == (
        ["f = 1 - i"],
        "forget gate, i = 1 when open coupled",
    )
    assert line_of("h' = f * h,      f = 1 - z     both") == ([r"h' = f \odot h", "f = 1 - z"], "both")
    assert line_of("for each of three steps:") is None


def letters(text: str) -> list[str]:
    """Names and numbers in their order, subscripts apart."""
    return re.findall(r"[A-Za-z]+|\d+", text.replace("_", " "))


MODULES = sorted({inspect.getmodule(f).__name__ for n in cells.__all__ if inspect.isfunction(f := getattr(cells, n))})
COMMANDS = {"left", "right", "odot", "frac", "text", "hat", "tilde", "top", "quad"}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_lost(module: str) -> None:
    """Every name and number of an equation is in its LaTeX, in the same order."""
    text = (sys.modules[module].__doc__ or "").split("Papers:")[0]
    lines = [line for block in re.findall(r"(?:^    .*\n)+", text, re.M) for line in block.splitlines()]
    read = 0
    for line in lines:
        parts = [part.rstrip(",") for part in re.split(r"\s{2,}", line.strip())]
        for part, latex in zip(parts, (line_of(line) or ([],))[0], strict=False):
            source = [name for name in letters(part) if name not in ("sqrt", "abs", "T")]
            made = re.sub(r"\\(sqrt|" + "|".join(COMMANDS) + r")\b", " ", latex)
            assert letters(made.replace("\\", " ")) == source
            read += 1
    assert read, f"{module} has no equation that is read"


def test_greek_letters_are_commands() -> None:
    assert to_latex("theta = alpha + beta_f") == r"\theta = \alpha + \beta_{f}"
    assert "omega" in GREEK
