"""Runs of tokens inside blocks as single numbers, equal where the runs are equal: exact, however long the runs are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.data.rows import Array, IntArray

__all__ = ["compact", "distinct", "grams", "matched"]

_LARGEST = 1 << 62


def matched(samples: Array, real: Array) -> tuple[IntArray, IntArray]:
    """Return both texts cut to equally many blocks of equally many tokens: what depends on the amount of text needs it.

    Args:
        samples: (c, n, L) tokens.
        real: (1, m, L) tokens.
    """
    count, length = (min(samples.shape[axis], real.shape[axis]) for axis in (1, 2))
    cut = (part[:, :count, :length].astype(np.int64) for part in (samples, real))
    first, second = cut
    return first, second


def grams(parts: Sequence[Array], length: int) -> list[IntArray]:
    """Number the runs of `length` tokens inside the blocks of all parts; the numbers say nothing but which are equal.

    Args:
        parts: (..., L) tokens >= 0; L may differ from part to part.
        length: tokens of a run, at least 1.

    Returns:
        (..., L - length + 1) numbers >= 0 of each part; none where its blocks are shorter.
    """
    symbols = 1 + max((int(part.max()) for part in parts if part.size), default=0)
    numbers, size = [part.astype(np.int64) for part in parts], symbols
    for step in range(1, length):
        if size > _LARGEST // symbols:
            numbers, size = compact(numbers)
        longer = zip(numbers, parts, strict=True)
        numbers, size = [runs[..., :-1] * symbols + tokens[..., step:] for runs, tokens in longer], size * symbols
    return numbers


def compact(parts: Sequence[IntArray]) -> tuple[list[IntArray], int]:
    """Number whole numbers anew from 0 without gaps, in their order, and say how many there are."""
    ends = np.cumsum([part.size for part in parts])
    known, places = np.unique(np.concatenate([part.reshape(-1) for part in parts]), return_inverse=True)
    pieces = np.split(places.reshape(-1).astype(np.int64), ends[:-1])
    return [piece.reshape(part.shape) for piece, part in zip(pieces, parts, strict=True)], len(known)


def distinct(values: Array) -> IntArray:
    """Return how many distinct numbers each chain holds, (c,), for values (c, ...)."""
    ordered = np.sort(values.reshape(len(values), -1), axis=1)
    more = np.count_nonzero(np.diff(ordered, axis=1), axis=1)
    return np.asarray(more + (ordered.shape[1] > 0), dtype=np.int64)
