"""How good captions are, and which of some views is the nearest."""

from __future__ import annotations

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


def nearest(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each row of features [N, K] the index of the row of [M, K] at the least distance."""
    distances = (theirs**2).sum(1)[None] - 2 * ours @ theirs.T  # less |ours|^2, which is the same for all
    return distances.argmin(1)
