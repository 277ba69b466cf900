"""Columns of numbers: means, variances and laws of the chains' rows beside those of the held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwindle.contracts import Array, FloatArray
from dwindle.judging.contrasts import Contrasts, contrasts, scatter

__all__ = ["Moments", "distances", "moments", "shifts", "spreads"]

_TINY = 1e-24
"""Share of the squared size of a column below which its variance is rounding."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted moments of every chain and column.

    Args:
        mean: (c, d).
        variance: (c, d), unbiased; exactly 0 where all rows are equal.
        effective: (c,) rows that tell as much with equal weights. Source: Kish 1965, section 11.7.
    """

    mean: FloatArray
    variance: FloatArray
    effective: FloatArray


def moments(values: Array, weights: FloatArray | None = None) -> Moments:
    """Return the moments of rows, nan where fewer than two have weight.

    Args:
        values: (c, n, d) numbers.
        weights: (c, n) weights; 0 where a chain has no row.
    """
    shares = np.ones(values.shape[:2]) if weights is None else np.asarray(weights, dtype=np.float64)
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    present = shares[..., None] > 0
    held = np.where(present, values, values[:, :1])  # a place without a row may hold anything
    squares = (shares**2).sum(axis=1)
    origin = held[:, :1]
    mean = (shares[..., None] * (held - origin)).sum(axis=1)
    gaps = held - origin - mean[:, None]
    raw = (shares[..., None] * gaps**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = raw / (1.0 - squares)[:, None]
        variance = np.where(raw <= _TINY * (held**2).max(axis=1), 0.0, variance)
        effective = np.where(squares > 0, 1.0 / squares, 0.0)
    few = (effective < 1.5)[:, None]
    return Moments(
        np.where(effective[:, None] > 0, mean + origin[:, 0], np.nan), np.where(few, np.nan, variance), effective
    )


def shifts(found: Moments, real: Array) -> tuple[Contrasts, FloatArray]:
    """Return the means less the held-out ones, in units of the held-out deviation; nan where those do not vary.

    Beside them stands the chance that chains of one law lie as far apart from each other.

    Args:
        found: moments of the chains.
        real: (m, d) held-out rows.
    """
    own = moments(real[None])
    deviation = np.sqrt(np.where(own.variance[0] > 0, own.variance[0], np.nan))
    count = len(real)
    error = np.full(real.shape[1], 1.0 / count)
    apart = np.where(np.isnan(deviation), np.nan, scatter(found.mean, found.variance, found.effective))
    return contrasts(found.mean / deviation, own.mean[0] / deviation, error, count), apart


def spreads(found: Moments, real: Array) -> Contrasts:
    """Return the logarithms of the variance ratios; a chain without any variance has none.

    The logarithm of the held-out variance errs by (k - (m - 3) / (m - 1)) / m, with k the kurtosis of its column.

    Source: the variance of a sample variance, e.g. Cramer 1946, section 27.4, and the delta method.

    Args:
        found: moments of the chains.
        real: (m, d) held-out rows.
    """
    own = moments(real[None]).variance[0]
    own, count = np.where(own > 0, own, np.nan), len(real)
    gaps = real - real.mean(axis=0)
    squared = (gaps**2).mean(axis=0) ** 2
    kurtosis = (gaps**4).mean(axis=0) / np.where(squared > 0, squared, np.nan)
    error = np.maximum(kurtosis - (count - 3) / max(count - 1, 1), 0.0) / count
    logs = np.log(np.where(found.variance > 0, found.variance, np.nan))
    return contrasts(logs, np.log(own), error, count)


def distances(values: Array, weights: FloatArray | None, real: Array) -> tuple[FloatArray, FloatArray]:
    """Return the Kolmogorov-Smirnov distance of each chain and column, and its p-value, both (c, d).

    Weighted rows count by their weight, and as many as are effective. Columns with ties have p-values that are too
    large, never too small.

    Source: Smirnov 1939 (two samples); Stephens 1970 (the limiting law at finite sizes).

    Args:
        values: (c, n, d) numbers.
        weights: (c, n) weights; 0 where a chain has no row.
        real: (m, d) held-out rows.
    """
    from scipy.special import kolmogorov

    count, columns = real.shape
    found = np.full((len(values), columns), np.nan)
    sizes = np.ones(len(values))
    ranked = np.sort(real, axis=0)
    for chain, rows in enumerate(values):
        shares = np.ones(len(rows)) if weights is None else weights[chain]
        rows, shares = rows[shares > 0], shares[shares > 0]
        if len(rows) == 0 or not np.isfinite(rows).all():
            continue
        shares = shares / shares.sum()
        sizes[chain] = count / (1.0 + count * (shares**2).sum())
        found[chain] = [_distance(rows[:, place], shares, ranked[:, place]) for place in range(columns)]
    root = np.sqrt(sizes)[:, None]
    return found, np.asarray(kolmogorov((root + 0.12 + 0.11 / root) * found))


def _distance(column: FloatArray, shares: FloatArray, ranked: FloatArray) -> float:
    """Return the largest gap between two distribution functions, at the values of either."""
    order = np.argsort(column, kind="stable")
    own = np.concatenate([[0.0], np.cumsum(shares[order])])
    places = np.concatenate([column, ranked])
    mine = own[np.searchsorted(column[order], places, side="right")]
    theirs = np.searchsorted(ranked, places, side="right") / len(ranked)
    return float(np.abs(mine - theirs).max())
