"""The Gaussian copula of tables: every column as it is distributed, and one normal behind each that ties them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Column, FloatArray, IntArray, Kind, Model, Rows, Seed, knowing
from dwindle.contracts import Tabular as TabularSource
from dwindle.samplers import Sampler

__all__ = ["Tabular", "TabularModel"]

_TERMS = 64  # of the series; what is cut off matters beyond a correlation of 0.97 only
_LARGEST = 0.9999  # correlation; columns that say the same are tied by this much
_SMALLEST = 1e-6  # eigenvalue of a correlation matrix


@dataclass(frozen=True)
class Tabular:
    """A Gaussian copula over columns of numbers and levels.

    Numbers follow the weighted empirical distribution of their column, straight lines between one row and the next: the
    rows in order stand at the middles of their weights, and beyond the first and the last there is nothing else (of
    equal weights, Hazen's quantiles, whose mean is that of the rows). Equal numbers stay equal, and nothing lies
    outside the range of the training rows. Levels follow their weighted frequencies: one that has no weight is never
    sampled again.

    Behind each column stands a standard normal, of which the column is an increasing function. A number is its normal
    score, equal ones sharing the middle of their weight; a level is the mean of the normal in the interval that its
    frequency takes, levels in the order of their numbers. The correlation of two normals is the one at which these
    scores have the covariance that they have in the training rows: for two numbers their own correlation, for a number
    and a level that covariance over the variance of the level's score, for two levels the root of a power series. So
    the fit of many rows of such a model is that model, and what a lineage loses is lost by sampling, not by the fit.
    Dependence that is no trend is lost in the first generation: between levels without an order, or where the one
    column is high at both ends of the other.

    Source: Nelsen 2006, An introduction to copulas, section 2.3; Patki et al. 2016, The synthetic data vault, section
        III (the copula of mixed columns, which puts a level at the middle of its interval); Pearson 1900, the series of
        tetrachoric correlation; Olsson et al. 1982, The polyserial correlation coefficient, equation 20.

    Args:
        columns: what the source's columns are; no setting, see `given`.
    """

    kind: ClassVar[Kind] = "tables"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset()

    columns: tuple[Column, ...] = field(default=(), init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the family that knows the source's columns.

        Raises:
            ValueError: if the source has none.
        """
        if not isinstance(source, TabularSource):
            raise ValueError(f"a copula of a table needs a source with columns; {type(source).__name__} has none")
        return knowing(self, columns=source.columns())

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> TabularModel:
        """Fit the table of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if no source was given, a chain has no rows, the rows are of another width, or a value is no
                level of its column.
        """
        if len(self.columns) != rows.values.shape[2]:
            raise ValueError(f"rows of {rows.values.shape[2]} values; the source given has {len(self.columns)} columns")
        if (empty := np.flatnonzero(rows.counts == 0)).size:
            raise ValueError(f"chain {empty[0]} has no rows to fit")
        levels = np.array([len(column.levels) for column in self.columns])
        chains = [_shared(rows.chain(chain)) for chain in range(rows.chains)]
        reach = np.stack([_reach(*own, self.columns) for own in chains])
        means, series = _level_scores(reach)
        tables = [_table(*own, levels, some) for own, some in zip(chains, means, strict=True)]
        variances = np.stack([np.diagonal(covariance) for *_, covariance in tables])
        coefficients = np.zeros((*variances.shape, _TERMS))
        coefficients[:, levels == 0, 0] = variances[:, levels == 0] > 0
        coefficients[:, levels > 0] = series
        found = _correlations(np.stack([covariance for *_, covariance in tables]), coefficients, levels > 0)
        longest = max(len(knots) for knots, _, _ in tables)
        return TabularModel(
            tuple(levels.tolist()),
            np.stack([_lengthened(knots, longest) for knots, _, _ in tables]),
            np.stack([_lengthened(places, longest) for _, places, _ in tables]),
            reach,
            np.asarray(np.linalg.cholesky(_proper(found)), dtype=np.float64),
        )

    def load(self, folder: Path) -> TabularModel:
        """Read what `TabularModel.save` wrote."""
        levels = tuple(json.loads((folder / "levels.json").read_text(encoding="utf-8"))["levels"])
        names = ("knots", "places", "reach", "factor")
        return TabularModel(levels, *(np.load(folder / f"{name}.npy", allow_pickle=False) for name in names))

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


@dataclass(frozen=True, eq=False)
class TabularModel:
    """The copula of every chain.

    Args:
        levels: number of levels of each of the d columns, 0 for a numeric one.
        knots: (c, n, u) the numbers of the u numeric columns, in order.
        places: (c, n, u) the share of the weight before each of them and half its own.
        reach: (c, v, k) the share of the weight up to and with each level of the v categorical columns.
        factor: (c, d, d) Cholesky factor of the normals' correlations.
    """

    levels: tuple[int, ...]
    knots: FloatArray
    places: FloatArray
    reach: FloatArray
    factor: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample correlated normals and look their probabilities up in every column, (c, count, d)."""
        from scipy.special import ndtr

        values = seed.numpy().standard_normal((len(self.factor), count, len(self.levels)))
        values = ndtr(values @ self.factor.swapaxes(1, 2))
        categorical = np.array(self.levels) > 0
        for chain, table in enumerate(values):
            for place, column in enumerate(np.flatnonzero(~categorical)):
                knots, places = self.knots[chain, :, place], self.places[chain, :, place]
                table[:, column] = np.interp(table[:, column], places, knots)
            for place, column in enumerate(np.flatnonzero(categorical)):
                below = np.minimum(table[:, column], np.nextafter(1.0, 0.0))
                table[:, column] = np.searchsorted(self.reach[chain, place], below, side="right")
        return Rows(values)

    def save(self, folder: Path) -> None:
        """Write levels.json, knots.npy, places.npy, reach.npy and factor.npy."""
        (folder / "levels.json").write_text(json.dumps({"levels": self.levels}) + "\n", encoding="utf-8")
        for name in ("knots", "places", "reach", "factor"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)


def _shared(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the (n, d) rows of one chain, all of them present, and the share of each in their weight, (n,)."""
    weights = rows.filled_weights()[0]
    return rows.values[0], weights / weights.sum()


def _reach(values: FloatArray, shares: FloatArray, columns: Sequence[Column]) -> FloatArray:
    """Return the share of the weight up to and with each level, (v, k), 1 from the last one on.

    Raises:
        ValueError: if a value is no level of its column.
    """
    widest, found = max(len(column.levels) for column in columns), []
    for column, own in zip(columns, values.T, strict=True):
        if not column.categorical:
            continue
        strange = own[~np.isin(own, range(len(column.levels)))]
        if strange.size:
            raise ValueError(f"{strange[0]:g} is no level of column {column.name}: it has {len(column.levels)}")
        reach = np.cumsum(np.bincount(own.astype(np.int64), shares, minlength=widest))
        found.append(reach / reach[-1])
    return np.array(found).reshape(len(found), widest)


def _level_scores(reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of a standard normal in the interval of each level, (c, v, k), and the scores' coefficients.

    The coefficients, (c, v, terms), are those on the normalised Hermite polynomials 1, 2, ...; the first is the
    variance of the score. The integral of the k-th polynomial under the normal density f, from a to b, is that of the
    one before it, times f, at a less that at b, over sqrt(k).
    """
    from scipy.special import ndtri

    shares = np.diff(reach, prepend=0.0)
    inside = (reach > 0) & (reach < 1)
    ends = np.where(inside, ndtri(np.where(inside, reach, 0.5)), 0.0)
    density = np.where(inside, np.exp(-0.5 * ends**2) / np.sqrt(2 * np.pi), 0.0)
    means = -np.diff(density, prepend=0.0)
    scores = np.divide(means, shares, out=np.zeros_like(means), where=shares > 0)
    series, before, polynomial = np.zeros((*reach.shape[:2], _TERMS)), np.zeros_like(ends), np.ones_like(ends)
    for term in range(_TERMS):
        areas = -np.diff(polynomial * density, prepend=0.0) / np.sqrt(term + 1)
        series[..., term] = (scores * areas).sum(axis=2)
        following = (ends * polynomial - np.sqrt(term) * before) / np.sqrt(term + 1)
        before, polynomial = polynomial, following
    return scores, series


def _table(
    values: FloatArray, shares: FloatArray, levels: IntArray, means: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the numbers of one chain's rows in order, their places, and the covariance of all scores, (d, d).

    Scores of numbers have a variance of 1, or 0 where nothing varies.
    """
    numbers, scores = values[:, levels == 0], np.empty(values.shape)
    order = np.argsort(numbers, axis=0, kind="stable")
    own = shares[order]
    for column in np.flatnonzero(levels == 0):
        scores[:, column] = _number_scores(values[:, column], shares)
    for place, column in enumerate(np.flatnonzero(levels)):
        scores[:, column] = means[place, values[:, column].astype(np.int64)]
    knots, places = np.take_along_axis(numbers, order, axis=0), np.cumsum(own, axis=0) - 0.5 * own
    return knots, places, scores.T @ (shares[:, None] * scores)


def _number_scores(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the normal scores of a column, mean 0 and variance 1, (n,); 0 where nothing varies."""
    from scipy.special import ndtri

    _, own = np.unique(values, return_inverse=True)
    weights = np.bincount(own, shares)
    scores = ndtri((np.cumsum(weights) - 0.5 * weights) / weights.sum())[own]
    scores -= shares @ scores
    deviation = np.sqrt(shares @ scores**2)
    return scores / deviation if len(weights) > 1 and deviation > 0 else np.zeros_like(scores)


def _correlations(covariance: FloatArray, series: FloatArray, categorical: Array) -> FloatArray:
    """Return the correlations of the normals at which the scores have these covariances, (c, d, d)."""
    scale = series[:, :, None, 0] * series[:, None, :, 0]
    found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    both = categorical[:, None] & categorical[None, :] & (scale > 0)
    chains, first, second = np.nonzero(both)
    found[both] = _root(series[chains, first] * series[chains, second], covariance[both])
    found = np.clip(found, -_LARGEST, _LARGEST)
    found[:, range(len(categorical)), range(len(categorical))] = 1.0
    return found


def _root(products: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return where each rising power series, (m, terms), has the value wanted, (m,); an end of -1..1 if beyond."""
    low, high = -np.ones_like(wanted), np.ones_like(wanted)
    for _ in range(40):
        middle = 0.5 * (low + high)
        total = np.zeros_like(middle)
        for term in reversed(range(_TERMS)):
            total = (total + products[:, term]) * middle
        low, high = np.where(total < wanted, middle, low), np.where(total < wanted, high, middle)
    return np.asarray(0.5 * (low + high))


def _proper(correlations: FloatArray) -> FloatArray:
    """Return correlation matrices without an eigenvalue below the smallest one; each pair was found by itself.

    Source: Rousseeuw and Molenberghs 1993, the transformation of non-positive semidefinite correlation matrices.
    """
    spectrum, axes = np.linalg.eigh(correlations)
    mended = (axes * np.maximum(spectrum, _SMALLEST)[:, None]) @ axes.swapaxes(1, 2)
    deviations = np.sqrt(np.diagonal(mended, axis1=1, axis2=2))
    return np.asarray(mended / (deviations[:, :, None] * deviations[:, None, :]))


def _lengthened(values: FloatArray, longest: int) -> FloatArray:
    """Return (n, u) knots with the last one repeated, (longest, u)."""
    return np.pad(values, ((0, longest - len(values)), (0, 0)), mode="edge")
