"""What small models see of a row: numbers in units of real rows, levels as places of their own, tokens as counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.data.columns import Column, Frame, encoded
from dwindle.data.rows import Array, FloatArray

__all__ = ["BINS", "Lens", "are_tokens", "plain"]

BINS = 128
"""Bins of the tokens, and as many of the pairs of neighbouring tokens, that share a count."""

_WIDEST = 64  # coordinates; rows of more are seen along the widest axes of real ones
_FARTHEST = 100.0  # deviations; what lies farther off is as strange
_MOST = 600  # rows that say which axes are the widest
_STRANGE = 10.0  # deviations beyond which a row says no more of the axes
_STEP = 41  # odd, so that pairs of small alphabets seldom share a bin


def are_tokens(values: Array) -> bool:
    """Say whether rows are blocks of tokens: whole numbers, several a row."""
    return values.ndim == 3 and bool(np.issubdtype(values.dtype, np.integer))


def plain(values: Array, columns: Sequence[Column] = ()) -> FloatArray:
    """Return rows as numbers, (c, n, k): their own, places of levels, or shares of tokens and of neighbouring pairs.

    Tokens are numbered modulo `BINS`, so that alphabets larger than that have tokens that count as one. A block's
    counts are divided by its length.

    Args:
        values: (c, n, d) numbers or (c, n, L) tokens.
        columns: what the numbers of a table are; none where all are numbers.

    Source: hashed counts, Weinberger et al. 2009.
    """
    if columns:
        untouched = Frame(np.zeros(len(columns)), np.ones(len(columns)))
        return encoded(values, columns, untouched)
    if not are_tokens(values):
        return np.asarray(values, dtype=np.float64)
    tokens = values.astype(np.int64)
    pairs = (tokens[..., :-1] * _STEP + tokens[..., 1:]) % BINS + BINS
    cells = np.concatenate([tokens % BINS, pairs], axis=2).reshape(-1, 2 * tokens.shape[2] - 1)
    places = np.arange(len(cells))[:, None] * (2 * BINS) + cells
    counts = np.bincount(places.ravel(), minlength=len(cells) * 2 * BINS)
    return np.asarray(counts.reshape(*values.shape[:2], 2 * BINS) / values.shape[2], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Lens:
    """Units, and where rows are wide the axes, along which rows are seen.

    Args:
        centre: (k,) mean of each number among real rows.
        scale: (k,) their deviation, or 1 where they do not vary.
        axes: (k, w) the widest directions of rows, in units of `scale`; None where all numbers are seen.
        squared: whether squares are seen beside the numbers.
    """

    centre: FloatArray
    scale: FloatArray
    axes: FloatArray | None = None
    squared: bool = True

    @staticmethod
    def of(real: FloatArray, others: FloatArray | None = None, *, tokens: bool = False) -> Lens:
        """Return the lens that real rows give.

        Args:
            real: (n, k) rows as `plain` has them.
            others: (m, k) rows that have the same say in the axes: rows spread wider along axes that were taken from
                them, which would tell them from others of the same law.
            tokens: whether they are counts of tokens: then there are no squares and no axes, and what real rows
                never hold has the deviation of what one row of them holds once.
        """
        centre, deviation = real.mean(axis=0), real.std(axis=0)
        if tokens:
            once = real[real > 0].min(initial=1.0) / np.sqrt(len(real))
            return Lens(centre, np.maximum(deviation, once), squared=False)
        narrow = Lens(centre, np.where(deviation > 0, deviation, 1.0))
        if real.shape[1] <= _WIDEST:
            return narrow
        known = real if others is None else np.concatenate([real, others])
        chosen = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST)).astype(np.int64))
        units = np.clip(narrow.scaled(known[chosen]), -_STRANGE, _STRANGE)
        directions = np.linalg.svd(units, full_matrices=False)[2]
        return Lens(centre, narrow.scale, np.ascontiguousarray(directions[:_WIDEST].T))

    def scaled(self, points: FloatArray) -> FloatArray:
        """Return rows in deviations from the mean of real ones, (..., k); what is farther than 100 is at 100."""
        with np.errstate(over="ignore", invalid="ignore"):
            units = (points - self.centre) / self.scale
        return np.clip(np.nan_to_num(units, nan=_FARTHEST), -_FARTHEST, _FARTHEST)

    def along(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return rows along the axes, (..., w), and the squared length of what lies beside them, (...)."""
        units = self.scaled(points)
        if self.axes is None:
            return units, np.zeros(units.shape[:-1])
        along = units @ self.axes
        return along, np.maximum((units * units).sum(axis=-1) - (along * along).sum(axis=-1), 0.0)

    def seen(self, points: FloatArray) -> FloatArray:
        """Return what a linear model is given of rows, (..., w) or with squares (..., 2 w)."""
        along, _ = self.along(points)
        return np.concatenate([along, along * along], axis=-1) if self.squared else along
