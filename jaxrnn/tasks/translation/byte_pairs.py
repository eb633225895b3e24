"""Words as pieces that recur, so that a word never seen is still read and written: byte-pair encoding.

A word begins as its characters; the two neighbours that are most often side by side become one piece, again and again.
A piece that goes on in the next ends in "@@". Sennrich, Haddow & Birch 2016 (arXiv:1508.07909).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

GOES_ON = "@@"
Pair = tuple[str, str]


@dataclass(frozen=True)
class BytePairs:
    """The pairs that are joined, the first learned first.

    >>> pairs = BytePairs.learned({"lower": 5, "lowest": 2, "newer": 6}, most=3)
    >>> pairs.split("lower"), pairs.split("newest")
    (['lo@@', 'wer'], ['n@@', 'e@@', 'we@@', 's@@', 't'])
    >>> pairs.joined(["new@@", "er", "one"])
    ['newer', 'one']
    """

    merges: tuple[Pair, ...]

    @classmethod
    def learned(cls, counts: Mapping[str, int], most: int) -> BytePairs:
        """At most so many pairs of words that occur so often; none that is there once. Equal counts: by alphabet."""
        words = [_characters(word) for word in counts]
        times = list(counts.values())
        pairs: Counter[Pair] = Counter()
        where: defaultdict[Pair, set[int]] = defaultdict(set)
        for n, word in enumerate(words):
            for pair in pairwise(word):
                pairs[pair] += times[n]
                where[pair].add(n)
        queue = [(-count, pair) for pair, count in pairs.items()]
        heapq.heapify(queue)
        merges: list[Pair] = []
        while queue and len(merges) < most:
            count, best = heapq.heappop(queue)
            if -count != pairs[best]:
                continue  # it has changed since, and waits there again
            if -count < 2:
                break
            merges.append(best)
            change: Counter[Pair] = Counter()
            for n in where.pop(best):
                before, words[n] = words[n], _merged(words[n], best)
                for old in pairwise(before):
                    change[old] -= times[n]
                for new in pairwise(words[n]):
                    change[new] += times[n]
                    where[new].add(n)
            for pair, more in change.items():
                if more:
                    pairs[pair] += more
                    heapq.heappush(queue, (-pairs[pair], pair))
        return cls(tuple(merges))

    @cached_property
    def _rank(self) -> dict[Pair, int]:
        return {pair: n for n, pair in enumerate(self.merges)}

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        return {}

    def split(self, word: str) -> list[str]:
        """The pieces of a word."""
        if word not in self._known:
            pieces, rank = _characters(word), self._rank
            while len(pieces) > 1:
                best = min(pairwise(pieces), key=lambda pair: rank.get(pair, len(rank)))
                if best not in rank:
                    break
                pieces = _merged(pieces, best)
            self._known[word] = pieces
        return self._known[word]

    def pieces(self, words: Iterable[str]) -> list[str]:
        """Those of a sentence."""
        return [piece for word in words for piece in self.split(word)]

    def joined(self, pieces: Sequence[str]) -> list[str]:
        """The words of pieces."""
        return "".join(p.removesuffix(GOES_ON) if p.endswith(GOES_ON) else f"{p} " for p in pieces).split()


def _characters(word: str) -> list[str]:
    return [*(character + GOES_ON for character in word[:-1]), word[-1]]


def _merged(pieces: Sequence[str], pair: Pair) -> list[str]:
    """With each occurrence of a pair as one piece."""
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] = found[-1].removesuffix(GOES_ON) + piece
        else:
            found.append(piece)
    return found
