"""Names that differ by capitals, blanks or how letters are stored: two for whoever counts, one for a reader."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable


def plainly(name: str) -> str:
    """What a name has in common with all that look alike.

    >>> plainly("Caf\u00e9 Noir") == plainly("cafe\u0301noir")
    True
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name).casefold())


def tell_alike(names: Iterable[str], what: str, path: str) -> None:
    """Say so where two names are two things and may be meant as one."""
    seen: dict[str, str] = {}
    pairs = [(other, name) for name in dict.fromkeys(names) if (other := seen.setdefault(plainly(name), name)) != name]
    if pairs:
        more = f", and {len(pairs) - 1} more such pairs" if pairs[1:] else ""
        warnings.warn(f"{what} of {path!r} that look alike are two: {pairs[0]!a}{more}", stacklevel=2)
