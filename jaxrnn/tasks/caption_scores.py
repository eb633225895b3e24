"""How good captions are, and what the nearest picture's caption would score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLOCK = 4  # pixels, in each direction, that are one in the search for the nearest picture


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


def nearest(pictures: Sequence[np.ndarray], among: Sequence[np.ndarray]) -> np.ndarray:
    """For each picture the index of the one that is most like it: by the least squares of means over 4 x 4 pixels."""

    def coarse(some: Sequence[np.ndarray]) -> np.ndarray:
        pixels = np.asarray(some, np.float64)
        rows, columns = pixels.shape[1] // BLOCK, pixels.shape[2] // BLOCK
        return pixels.reshape(len(pixels), rows, BLOCK, columns, BLOCK, 3).mean((2, 4)).reshape(len(pixels), -1)

    ours, theirs = coarse(pictures), coarse(among)
    distances = (theirs**2).sum(1)[None] - 2 * ours @ theirs.T  # less |ours|^2, which is the same for all
    return distances.argmin(1)
