"""Which class a block of tokens is most like: naive Bayes over its tokens and pairs of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwindle.data.grams import grams
from dwindle.data.rows import Array, FloatArray, IntArray

__all__ = ["NearestClass"]

_ADDED = 0.1  # of a gram to each class
_LENGTHS = (1, 2)


@dataclass(frozen=True, eq=False)
class NearestClass:
    """A classifier of blocks, frozen once it is fitted.

    Source: Wang and Manning 2012, Baselines and bigrams (multinomial naive Bayes over unigrams and bigrams).

    Args:
        values: (n, L) blocks whose classes are known.
        logs: (k, g) log-probability of each gram in each class, of the grams that these blocks hold.
        priors: (k,) log-probability of each class; -inf for one without blocks.
    """

    values: Array
    logs: FloatArray
    priors: FloatArray

    @staticmethod
    def fitted(values: Array, classes: IntArray, weights: FloatArray, count: int) -> NearestClass:
        """Fit blocks of `count` classes.

        Args:
            values: (n, L) blocks.
            classes: (n,) the class of each, 0 .. count - 1.
            weights: (n,) weight of each.
            count: number of classes.
        """
        places, kinds = _numbered([values])
        sums = np.full((count, kinds), _ADDED)
        for number in places[0].T:
            np.add.at(sums, (classes, number), weights)
        shares = np.bincount(classes, weights, minlength=count) / weights.sum()
        with np.errstate(divide="ignore"):
            return NearestClass(values, np.log(sums / sums.sum(axis=1, keepdims=True)), np.log(shares))

    def nearest(self, values: Array) -> IntArray:
        """Return the likeliest class of each block, (m,), for blocks (m, L); grams that no class holds say nothing."""
        parts, _ = _numbered([self.values, values])
        logs = np.pad(self.logs, ((0, 0), (0, 1)))  # the last place, -1, is that of a gram that no class holds
        scores = np.tile(self.priors, (len(values), 1))
        for number in parts[1].T:
            scores += logs[:, number].T
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _numbered(parts: list[Array]) -> tuple[list[IntArray], int]:
    """Return the grams of blocks, (n, g) each, numbered without gaps and those of the first part first."""
    found: list[list[IntArray]] = [[] for _ in parts]
    offset = 0
    for length in _LENGTHS:
        own = grams(parts, length)
        known = np.unique(own[0])
        for place, numbers in enumerate(own):
            where = np.searchsorted(known, numbers)
            inside = np.take(known, np.minimum(where, len(known) - 1)) == numbers
            found[place].append(np.where(inside, where + offset, -1))
        offset += len(known)
    return [np.concatenate(some, axis=1) for some in found], offset
