"""The columns of two tables side by side: level by level, and how far the law of a column is from the real one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.data.columns import Column
from dwindle.data.rows import Array, FloatArray, IntArray
from dwindle.data.summaries import chain_blocks

__all__ = ["column_distances", "levels_in"]


def levels_in(values: Array, column: Column) -> IntArray:
    """Return the level that each value of a categorical column is, and the number of levels where it is none."""
    count = len(column.levels)
    known = (values >= 0) & (values < count) & (values == np.floor(values))
    return np.where(known, values, count).astype(np.int64)


def column_distances(
    samples: Array,
    real: Array,
    columns: Sequence[Column],
    *,
    chosen: Array | None = None,
    real_chosen: Array | None = None,
) -> FloatArray:
    """Return how far each column of each chain is from the real one, (c, d), from 0 to 1; nan where no row is chosen.

    Numeric columns: the Kolmogorov-Smirnov statistic. Categorical ones: the total variation of the shares of the
    levels, all values that are no level being one more.

    Source: Kolmogorov 1933, Smirnov 1948; total variation as half the sum of absolute differences.

    Args:
        samples: (c, n, d) finite rows.
        real: (m, d) finite rows.
        columns: what they hold.
        chosen: (c, n) which samples count; None: all.
        real_chosen: (c, m) which real rows count for each chain; None: all.
    """
    chains, count = samples.shape[:2]
    here = np.ones((chains, count), dtype=np.bool_) if chosen is None else chosen
    there = np.ones((chains, len(real)), dtype=np.bool_) if real_chosen is None else real_chosen
    found = np.full((chains, len(columns)), np.nan)
    for block in chain_blocks(chains, 8 * (count + len(real))):
        steps = _steps(here[block], there[block])
        for place, column in enumerate(columns):
            own, other = samples[block, :, place], real[:, place]
            if column.categorical:
                found[block, place] = _total_variation(levels_in(own, column), levels_in(other, column), steps, column)
            else:
                found[block, place] = _kolmogorov(own, other, steps)
        totals = here[block].sum(axis=1) * there[block].sum(axis=1)
        found[block] /= np.where(totals > 0, totals, np.nan)[:, None]
    return found


def _steps(here: Array, there: Array) -> IntArray:
    """Return what each row adds to the difference of the two laws, (c, n + m), times the product of both counts.

    Whole numbers: equal laws differ by exactly 0.
    """
    up = here * there.sum(axis=1, keepdims=True)
    return np.concatenate([up, there * -here.sum(axis=1, keepdims=True)], axis=1).astype(np.int64)


def _kolmogorov(own: Array, other: Array, steps: IntArray) -> FloatArray:
    """Return the largest difference of the distribution functions, (c,), in units of the steps."""
    pooled = np.concatenate([own, np.broadcast_to(other, (len(own), len(other)))], axis=1)
    order = np.argsort(pooled, axis=1)
    ordered = np.take_along_axis(pooled, order, axis=1)
    heights = np.abs(np.cumsum(np.take_along_axis(steps, order, axis=1), axis=1))
    within = ordered[:, 1:] == ordered[:, :-1]  # equal values step together
    heights[:, :-1][within] = 0
    return np.asarray(heights.max(axis=1, initial=0), dtype=np.float64)


def _total_variation(own: IntArray, other: IntArray, steps: IntArray, column: Column) -> FloatArray:
    """Return half the sum of the absolute differences of the shares, (c,), in units of the steps."""
    chains, cells = len(own), len(column.levels) + 1
    pooled = np.concatenate([own, np.broadcast_to(other, (chains, len(other)))], axis=1)
    places = pooled + cells * np.arange(chains)[:, None]
    # Sums of whole numbers below 2^53 are exact.
    summed = np.bincount(places.ravel(), steps.ravel(), minlength=cells * chains).reshape(chains, cells)
    return np.asarray(np.abs(summed).sum(axis=1) / 2.0)
