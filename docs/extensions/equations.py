"""Plain-text equations of docstrings as LaTeX: `c' = f * c + i * g` becomes `c' = f \\odot c + i \\odot g`.

A small grammar, read by recursive descent. What is not an equation of this grammar is None, and stays text.
"""

from __future__ import annotations

import re

GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
}
WORDS = {"and", "as", "else", "for", "if", "is", "of", "or", "the", "to", "when", "where", "while", "with"}
UPRIGHT = {"exp", "log", "tanh", "max", "min"}  # functions that LaTeX knows
TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:e-?\d+)?)|([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)|([-+*/@(),=^~'|])|(\S))")


class NoEquation(ValueError):
    """The text is not of the grammar."""


def line_of(text: str) -> tuple[list[str], str] | None:
    """A line of a block: its equations as LaTeX, and the words beside them; None where it does not start with one."""
    parts = [part for part in re.split(r"\s{2,}", text.strip()) if part]
    found: list[str] = []
    for i, part in enumerate(parts):
        try:
            found.append(to_latex(part.rstrip(",")))
        except NoEquation:
            if not found:
                return None
            return found, " ".join(parts[i:])
    return (found, "") if found else None


def to_latex(text: str) -> str:
    """One equation, `left = right`, or several after commas."""
    reader = _Reader(text)
    result = reader.equation()
    if reader.peek() is not None:
        raise NoEquation(text)
    return result


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        # kind, text, whether a blank stands before it
        self.tokens: list[tuple[str, str, bool]] = []
        at = 0
        while match := TOKEN.match(text, at):
            kind = ("number", "name", "mark", "other")[match.lastindex - 1]  # type: ignore[operator]
            self.tokens.append((kind, match[match.lastindex], match.start(match.lastindex) > at))  # type: ignore[index]
            at = match.end()
        self.at = 0

    def peek(self, ahead: int = 0) -> str | None:
        at = self.at + ahead
        return self.tokens[at][1] if at < len(self.tokens) else None

    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def blank(self, ahead: int = 0) -> bool:
        at = self.at + ahead
        return at >= len(self.tokens) or self.tokens[at][2]

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if token is None or (wanted and token not in wanted):
            raise NoEquation(self.text)
        self.at += 1
        return token

    def equation(self) -> str:
        sides = [self.items()]
        while self.peek() == "=":
            self.take()
            sides.append(self.items())
        if len(sides) == 1:
            raise NoEquation(self.text)
        return " = ".join(sides)

    def items(self) -> str:
        items = [self.sum()]
        while self.peek() == ",":
            self.take()
            items.append(self.sum())
        return r",\ ".join(items)

    def sum(self) -> str:
        result = self.product()
        while self.peek() in ("+", "-"):
            result = f"{result} {self.take()} {self.product()}"
        return result

    def product(self) -> str:
        result = self.unary()
        while True:
            token = self.peek()
            if token == "/":
                self.take()
                result = rf"\frac{{{_bare(result)}}}{{{_bare(self.unary())}}}"
            elif token == "*":
                self.take()
                right = self.unary()
                sign = r"\," if _is_number(result) or _is_number(right) else r"\odot"
                result = f"{result} {sign} {right}"
            elif token == "@":
                self.take()
                result = rf"{result} \, {self.unary()}"
            elif self.kind() in ("number", "name") or token == "(":
                result = rf"{result} \, {self.unary()}"  # written side by side
            else:
                return result

    def unary(self) -> str:
        if self.peek() == "-":
            self.take()
            return f"-{self.unary()}"
        return self.power()

    def power(self) -> str:
        base = self.atom()
        if self.peek() == "^" and not self.hat():
            self.take()
            power = self.unary() if self.peek() in ("(", "-") else self.atom()
            power = r"\top" if power == "T" else _bare(power)
            return f"{{{base}}}^{{{power}}}"
        return base

    def hat(self) -> bool:
        """Whether `^` is an accent: what a blank, an end or a mark follows."""
        return self.blank(1) or self.peek(1) in (")", ",", "=")

    def atom(self) -> str:
        kind = self.kind()
        token = self.take()
        if kind == "number":
            return token
        if kind == "name" and token not in WORDS:
            return self.named(token)
        if token == "(":
            inside = self.items()
            self.take(")")
            return rf"\left({inside}\right)"
        if token == "|":
            inside = self.sum()
            self.take("|")
            return rf"\left|{inside}\right|"
        raise NoEquation(self.text)

    def named(self, token: str) -> str:
        if self.peek() == "(" and not self.blank():
            arguments = _bare(self.atom())
            if token == "sqrt":
                return rf"\sqrt{{{arguments}}}"
            if token == "abs":
                return rf"\left|{arguments}\right|"
            function = f"\\{token}" if token in UPRIGHT else symbol(token, function=True)
            return rf"{function}\left({arguments}\right)"
        result = symbol(token)
        while (mark := self.peek()) in ("'", "~") or (mark == "^" and self.hat()):
            self.take()
            result = f"{result}'" if mark == "'" else rf"\{'tilde' if mark == '~' else 'hat'}{{{result}}}"
        return result


def symbol(name: str, *, function: bool = False) -> str:
    """A name: a letter, a Greek one, with a subscript; what is longer stands upright, and as code where it is one."""
    base, _, sub = name.partition("_")
    if base == "sum":
        return rf"\sum_{{{sub}}}" if sub else r"\sum"
    known = base.lower() in GREEK
    if len(base) > 1 and not known and not function and (len(sub) > 2 or "_" in sub):
        return rf"\text{{{name}}}"
    letter = f"\\{base}" if known else base if len(base) == 1 else rf"\text{{{base}}}"
    if not sub:
        return letter
    lower = f"\\{sub}" if sub in GREEK else sub if len(sub) == 1 else rf"\text{{{sub}}}".replace("_", ",")
    return f"{letter}_{{{lower}}}"


def _is_number(latex: str) -> bool:
    return re.fullmatch(r"-?[\d.]+", latex) is not None


def _bare(latex: str) -> str:
    """Without the brackets around all of it."""
    if not (latex.startswith(r"\left(") and latex.endswith(r"\right)")):
        return latex
    depth = 0
    for match in re.finditer(r"\\left|\\right", latex):
        depth += 1 if match[0] == r"\left" else -1
        if depth == 0:
            return latex[6:-7] if match.end() == len(latex) - 1 else latex
    return latex
