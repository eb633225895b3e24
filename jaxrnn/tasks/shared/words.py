"""Words of any alphabet: what stands between spaces, punctuation apart, letters with the marks that they carry.

`\\w` of regular expressions knows no vowel signs (हिन्दी would be five words), so the kinds of Unicode decide. Of
scripts that write no spaces, such as Japanese, a word is a run of characters of one kind: kanji, hiragana,
katakana or letters.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from itertools import groupby

INNER = frozenset("'\u2019-\u2010.,\u00b7\u05be")  # between letters or digits: l'eau, e-mail, 3.14
SPACELESS = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"))


@cache
def _kind(character: str) -> str:
    """What a character is: part of a word ("w", or the name of a script without spaces), else itself."""
    if unicodedata.category(character)[0] not in "LMN":
        return ""
    script = unicodedata.name(character, "").partition(" ")[0]
    return script if script in SPACELESS else "w"


@lru_cache(2**17)
def _pieces(chunk: str) -> tuple[str, ...]:
    """The words and punctuation marks of what stands between spaces."""
    found: list[str] = []
    kinds = [_kind(character) for character in chunk]
    for n in range(1, len(chunk)):  # marks, and the long vowel of katakana, go with the letter before them
        if kinds[n - 1] and (unicodedata.category(chunk[n])[0] == "M" or chunk[n] == "ー"):
            kinds[n] = kinds[n - 1]
    for n in range(1, len(chunk) - 1):
        if chunk[n] in INNER and kinds[n - 1] == kinds[n + 1] == "w":
            kinds[n] = "w"
    for kind, run in groupby(zip(kinds, chunk, strict=True), key=lambda pair: pair[0]):
        text = "".join(character for _, character in run)
        found += [text] if kind else text  # each mark by itself
    return tuple(found)


def words_of(text: str) -> list[str]:
    """The words and punctuation marks of a text.

    >>> words_of("Привет, мир! हिन्दी")
    ['Привет', ',', 'мир', '!', 'हिन्दी']
    >>> words_of("東京へ行きました。")
    ['東京', 'へ', '行', 'きました', '。']
    """
    return [piece for chunk in text.split() for piece in _pieces(chunk)]


def is_word(piece: str) -> bool:
    """Whether a piece that `words_of` gave is a word, and no mark.

    >>> [is_word(piece) for piece in words_of("مرحبا، عالم")]
    [True, False, True]
    """
    return any(map(_kind, piece))


def between(before: str, piece: str) -> str:
    """What is written between two pieces of `words_of`: a space, or nothing.

    >>> [between(*pair) for pair in (("the", "end"), ("end", "."), ("(", "see"), ("東京", "へ"))]
    [' ', '', '', '']
    """
    opened = unicodedata.category(before[-1]) in ("Ps", "Pi")
    closes = not is_word(piece) and unicodedata.category(piece[0]) not in ("Ps", "Pi", "Pd", "Sc")
    spaceless = _kind(piece[0]) in SPACELESS or (_kind(before[-1]) in SPACELESS and is_word(piece))
    return "" if opened or closes or spaceless else " "
