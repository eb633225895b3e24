"""How good captions are, and which of some views is the nearest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def scores(found: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> dict[str, float]:
    """Corpus BLEU of words and pairs of words, and chrF (Popović 2015), in per cent, as sacrebleu counts them.

    Args:
        found: One caption a picture.
        references: All that is right to say about each.
    """
    from sacrebleu.metrics import BLEU, CHRF

    captions = [" ".join(caption) for caption in found]
    most = max(map(len, references))
    # One reference again and again changes nothing: sacrebleu wants as many for each.
    streams = [[" ".join(right[min(n, len(right) - 1)]) for right in references] for n in range(most)]
    bleu = BLEU(tokenize="none", max_ngram_order=2, force=True).corpus_score(captions, streams)
    return {"BLEU2": float(bleu.score), "chrF": float(CHRF().corpus_score(captions, streams).score)}


def consensus(drawn: Sequence[Sequence[str]]) -> list[str]:
    """Of some captions that a model drew for one view the one of the highest mean chrF with all of them.

    A decision of minimum Bayes risk (Eikema & Aziz 2020, arXiv:2005.10283): the likeliest caption may be like no other.

    >>> consensus([["no", "face"], ["red", "heart"], ["red", "square"], ["red", "heart"]])
    ['red', 'heart']
    """
    from sacrebleu.metrics import CHRF

    captions, chrf = Counter(" ".join(caption) for caption in drawn), CHRF()

    def merit(caption: str) -> float:
        return sum(count * chrf.sentence_score(caption, [other]).score for other, count in captions.items())

    return max(captions, key=merit).split()


def nearest(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each row of features [N, K] the index of the row of [M, K] at the least distance."""
    distances = (theirs**2).sum(1)[None] - 2 * ours @ theirs.T  # less |ours|^2, which is the same for all
    return distances.argmin(1)
