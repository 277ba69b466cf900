"""Correlations of the columns: how far those of the chains are from those of the held-out rows, and which surely."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dwindle.contracts import Array, FloatArray
from dwindle.intervals import Summary, summarize
from dwindle.judging.contrasts import ALPHA, Contrast, contrasts, holm

__all__ = ["Associations", "Pair", "associations", "correlations"]

_NONE = "fewer than two columns vary"
_LISTED = 5


@dataclass(frozen=True)
class Pair:
    """Two columns and their correlation.

    Args:
        names: the columns.
        real: their correlation in the held-out rows.
        synthetic: mean of the chains, by Fisher's z.
        contrast: difference of Fisher's z.
        adjusted: its p-value after Holm over all pairs.
    """

    names: tuple[str, str]
    real: float
    synthetic: float
    contrast: Contrast
    adjusted: float


@dataclass(frozen=True, eq=False)
class Associations:
    """The correlation matrix of the chains beside that of the held-out rows.

    Args:
        names: k columns.
        real: (k, k) of the held-out rows.
        gaps: (k, k) mean of the chains, by Fisher's z, less the real one.
        largest: over chains, the largest absolute difference.
        average: over chains, the mean absolute difference.
        as_real: both for the anchor's rows: what real rows come to; nan if not known.
        pairs: how many pairs of columns were tested.
        differing: how many differ, after Holm.
        p: smallest p-value after Holm: the test of equality of the whole matrix.
        worst: the pairs with the smallest p-values.
        reason: why there is none; empty if there is.
    """

    names: tuple[str, ...]
    real: FloatArray
    gaps: FloatArray
    largest: Summary
    average: Summary
    as_real: tuple[float, float]
    pairs: int
    differing: int
    p: float
    worst: tuple[Pair, ...] = ()
    reason: str = ""


def correlations(values: Array, weights: FloatArray | None = None) -> FloatArray:
    """Return the correlation matrix of each chain, (c, d, d); nan where a column does not vary.

    Args:
        values: (c, n, d) numbers.
        weights: (c, n) weights; 0 where a chain has no row.
    """
    shares = np.ones(values.shape[:2]) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    held = np.where(shares[..., None] > 0, values, values[:, :1])
    gaps = held - held[:, :1]
    gaps = gaps - (shares[..., None] * gaps).sum(axis=1, keepdims=True)
    covariance = (shares[..., None] * gaps).swapaxes(1, 2) @ gaps
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    scale = deviation[:, :, None] * deviation[:, None]
    found = np.divide(covariance, scale, out=np.full_like(covariance, np.nan), where=scale > 0)
    return np.asarray(np.clip(found, -1.0, 1.0))


def associations(
    values: Array, weights: FloatArray | None, real: Array, names: tuple[str, ...], anchor: Array | None = None
) -> Associations:
    """Compare correlation matrices pair by pair.

    Each pair is tested on the scale of Fisher's z, chains as the unit, with the held-out rows' own error for rows that
    need not be normal: var r = E[(x y - r (x^2 + y^2) / 2)^2] / m for standardised x and y. Holm's correction over the
    pairs makes the smallest p-value a test of the whole matrix.

    Source: Fisher 1921 (z); Steiger and Hakstian 1982 (variance of r without normality); Steiger 1980 (z for elements
    of correlation matrices).

    Args:
        values: (c, n, d) finite numbers.
        weights: (c, n) weights, or None.
        real: (m, d) held-out rows.
        names: of the columns.
        anchor: (c, n', d) real rows that are compared likewise, to say what real rows come to.
    """
    (own,) = correlations(real[None])
    first, second = np.triu_indices(len(names), 1)
    known = np.isfinite(own[first, second])
    first, second = first[known], second[known]
    if not len(first):
        return _nothing(names, own)
    found = correlations(values, weights)
    apart = np.abs(found[:, first, second] - own[first, second])
    z = _fisher(found[:, first, second])
    compared = contrasts(z, _fisher(own[first, second]), _errors(real, own, first, second), len(real))
    adjusted = holm(compared.p)
    gaps = np.full_like(own, np.nan)
    mean = np.tanh(_fisher(own[first, second]) + compared.value)
    gaps[first, second] = gaps[second, first] = mean - own[first, second]
    order = np.argsort(adjusted, kind="stable")[:_LISTED].tolist()
    numbers = list(zip(own[first, second].tolist(), mean.tolist(), adjusted.tolist(), strict=True))
    worst = tuple(
        Pair((names[first[k]], names[second[k]]), numbers[k][0], numbers[k][1], compared[k], numbers[k][2])
        for k in order
    )
    tested = np.isfinite(adjusted)
    return Associations(
        names,
        own,
        gaps,
        summarize(_over_pairs(np.nanmax, apart)),
        summarize(_over_pairs(np.nanmean, apart)),
        _as_real(anchor, own, first, second),
        int(tested.sum()),
        int((adjusted[tested] < ALPHA).sum()),
        float(adjusted[tested].min()) if tested.any() else math.nan,
        worst,
        "" if tested.any() else "one chain has no test" if len(values) == 1 else "no chain varies in two columns",
    )


def _nothing(names: tuple[str, ...], own: FloatArray) -> Associations:
    none = Summary(math.nan, math.nan, math.nan, 0, _NONE)
    gaps = np.full_like(own, np.nan)
    return Associations(names, own, gaps, none, none, (math.nan, math.nan), 0, 0, math.nan, (), _NONE)


def _fisher(r: FloatArray) -> FloatArray:
    """Return Fisher's z; nan for columns that are multiples of each other."""
    inside = np.abs(r) < 1.0 - 1e-12
    return np.asarray(np.arctanh(np.where(inside, r, np.nan)))


def _errors(real: Array, own: FloatArray, first: Array, second: Array) -> FloatArray:
    """Return the sampling variance of Fisher's z of each pair of held-out columns, no smaller than that of normal rows.

    Where tails are heavy, few rows show too little of them to estimate it, and the pairs would differ too often.
    """
    gaps = real - real.mean(axis=0)
    deviation = gaps.std(axis=0)
    points = gaps / np.where(deviation > 0, deviation, np.nan)
    r = own[first, second]
    variances = [
        float(((points[:, i] * points[:, j] - c * (points[:, i] ** 2 + points[:, j] ** 2) / 2) ** 2).mean())
        for i, j, c in zip(first, second, r, strict=True)
    ]
    free = np.array(variances) / len(real) / np.maximum(1.0 - r**2, 1e-12) ** 2
    return np.asarray(np.maximum(free, 1.0 / max(len(real) - 3, 1)))


def _over_pairs(reduce: Callable[..., FloatArray], apart: FloatArray) -> FloatArray:
    """Reduce over pairs, (c,), where a chain has any; nan where it has none."""
    some = np.isfinite(apart).any(axis=1)
    found = np.full(len(apart), np.nan)
    found[some] = reduce(apart[some], axis=1)
    return found


def _as_real(anchor: Array | None, own: FloatArray, first: Array, second: Array) -> tuple[float, float]:
    """Return the largest and the mean absolute difference of the anchor's rows, averaged over chains."""
    if anchor is None:
        return math.nan, math.nan
    apart = np.abs(correlations(anchor)[:, first, second] - own[first, second])
    return summarize(_over_pairs(np.nanmax, apart)).mean, summarize(_over_pairs(np.nanmean, apart)).mean
