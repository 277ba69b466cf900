"""Contrasts: statistics of chains held against the same statistic of the frozen held-out rows, with their errors.

Two things are random. Chains differ from each other, which their spread tells; and the held-out rows are one draw of
the real law, the same for every chain, so that more chains do not average their error away. An interval that knew the
first only would call real rows synthetic more often the more chains there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dwindle.contracts import Array, FloatArray
from dwindle.intervals import LEVEL

__all__ = ["ALPHA", "Contrast", "Contrasts", "contrasts", "holm", "scatter"]

ALPHA = 1.0 - LEVEL
"""Chance of a false alarm of every test."""


@dataclass(frozen=True)
class Contrast:
    """One statistic of the chains less that of the held-out rows.

    Args:
        value: mean over chains of the difference; nan where undefined.
        low: lower end of its 95 % interval.
        high: upper end.
        z: the difference in units of its standard error.
        p: chance of a difference as large if there were none, two-sided, by Student's t.
        chains: how many chains have a value.
        reason: why something is undefined; empty if nothing is.
    """

    value: float
    low: float
    high: float
    z: float
    p: float
    chains: int
    reason: str = ""

    @staticmethod
    def undefined(reason: str) -> Contrast:
        """Return a contrast that does not exist."""
        return Contrast(math.nan, math.nan, math.nan, math.nan, math.nan, 0, reason)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Contrasts of k statistics as arrays, all (k,)."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    z: FloatArray
    p: FloatArray
    chains: Array

    def __getitem__(self, place: int) -> Contrast:
        """Return one of them, with the reason why it has no interval."""
        value, low, high, z, p = (float(part[place]) for part in (self.value, self.low, self.high, self.z, self.p))
        chains = int(self.chains[place])
        few = {0: "no chain has a finite value", 1: "one chain has no interval"}.get(chains, "")
        still = "" if few or math.isfinite(self.z[place]) else "neither chains nor held-out rows vary"
        return Contrast(value, low, high, z, p, chains, few or still)


def contrasts(values: FloatArray, real: FloatArray, variance: FloatArray, rows: int) -> Contrasts:
    """Hold statistics of chains against those of the held-out rows.

    The squared standard error is s^2 / c + v: the chains' spread and the held-out rows' own error. Its degrees of
    freedom are Welch's.

    Source: Welch 1947; Satterthwaite 1946.

    Args:
        values: (c, k) a statistic a chain, nan where a chain has none.
        real: (k,) the statistic of the held-out rows.
        variance: (k,) sampling variance of that statistic.
        rows: how many held-out rows there are.
    """
    from scipy.special import stdtr, stdtrit

    defined = np.isfinite(values)
    chains = defined.sum(axis=0)
    known = np.where(defined, values - real, 0.0)
    value = np.where(chains > 0, known.sum(axis=0) / np.maximum(chains, 1), np.nan)
    spread = np.where(defined, known - value, 0.0)
    own = np.where(chains > 1, (spread**2).sum(axis=0) / np.maximum(chains - 1, 1) / np.maximum(chains, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(own + variance)
        freedom = (own + variance) ** 2 / (own**2 / np.maximum(chains - 1, 1) + variance**2 / max(rows - 1, 1))
        margin = stdtrit(freedom, 0.5 + LEVEL / 2) * error
        z = value / error
    p = 2.0 * stdtr(freedom, -np.abs(z))
    # Without any spread there is no error either: equal is equal, and the least difference is one.
    flat = (error == 0) & (chains > 1)
    p = np.where(flat, np.where(value == 0, 1.0, 0.0), p)
    z = np.where(flat, np.where(value == 0, 0.0, np.nan), z)
    margin = np.where(flat, 0.0, margin)
    return Contrasts(value, value - margin, value + margin, z, np.asarray(p), chains)


def scatter(means: FloatArray, variances: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return the chance that chains of one law lie as far apart from each other, one-sided, (k,).

    Chains that drift each its own way may be right on average, and none of them is. The held-out rows have no part in
    it: the chains' means are held to the variance of their own rows, by the analysis of variance.

    Source: Fisher 1925, chapter 7 (F).

    Args:
        means: (c, k) a mean of rows a chain, nan where a chain has none.
        variances: (c, k) variance of those rows.
        sizes: (c,) how many there are.
    """
    from scipy.special import fdtrc

    weights = np.where(np.isfinite(means) & np.isfinite(variances), sizes[:, None], 0.0)
    total, chains = weights.sum(axis=0), (weights > 0).sum(axis=0)
    known, within = np.where(weights > 0, means, 0.0), np.where(weights > 0, variances, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (weights * known).sum(axis=0) / total
        between = (weights * (known - centre) ** 2).sum(axis=0) / (chains - 1)
        pooled = (np.maximum(weights - 1, 0) * within).sum(axis=0) / (total - chains)
        p = fdtrc(np.maximum(chains - 1, 1), np.maximum(total - chains, 1e-9), between / pooled)
    p = np.where(pooled > 0, p, np.where(between > 0, 0.0, np.nan))
    return np.asarray(np.where((chains > 1) & (total > chains), p, np.nan))


def holm(p: FloatArray, *, of: int = 0) -> FloatArray:
    """Return p-values adjusted for how many there are, along the last axis; nan stays nan and counts as no test.

    Source: Holm 1979.

    Args:
        p: (..., k) p-values.
        of: how many tests were made in all, if more than are given; the others are taken to have larger p-values,
            which can only make these ones larger than they would be.
    """
    order = np.argsort(p, axis=-1)  # nan last
    ranked = np.take_along_axis(p, order, axis=-1)
    tests = np.maximum(np.isfinite(ranked).sum(axis=-1, keepdims=True), of)
    factors = np.maximum(tests - np.arange(p.shape[-1]), 1)
    raised = np.minimum(np.maximum.accumulate(np.where(np.isnan(ranked), -np.inf, ranked * factors), axis=-1), 1.0)
    adjusted = np.empty_like(ranked)
    np.put_along_axis(adjusted, order, np.where(np.isnan(ranked), np.nan, raised), axis=-1)
    return adjusted
