"""Whether the columns of a table still belong together as they do in the real rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Column, Evidence, FloatArray, Kind, Measure, Measurement, Tabular
from dwindle.data.marginals import levels_in
from dwindle.data.summaries import NOT_FINITE, chain_blocks, usable_chains

__all__ = ["CorrelationDistance"]

_ROUNDING = 1e-12
"""A column whose deviation is a smaller share of its root mean square does not vary: that is rounding."""


@dataclass(frozen=True)
class CorrelationDistance:
    """Root mean square difference between the associations of the samples' columns and of the held-out rows'.

    Every pair of columns has one number: two numeric columns their correlation, from -1 to 1; a numeric and a
    categorical one the correlation ratio, the root of the share of the numeric column's variance that lies between the
    levels; two categorical ones Cramer's V, over the levels that occur. The last two are from 0 to 1 and have no sign.
    Values that are no level are one more level. A column that does not vary tells nothing of another one, so its
    associations are 0: a model that has lost all levels but one has lost what went with them.

    Source: Pearson 1895 (correlation), Pearson 1905 (correlation ratio), Cramer 1946, section 21.9 (V).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "correlation_distance": Measure("lower", "correlation", "how far the associations of columns are off"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for one column, and where the source does not say what they are."""
        samples, source = evidence.samples.values, evidence.source
        reason = "" if isinstance(source, Tabular) else "the source does not say what its columns are"
        reason = reason or ("" if samples.shape[2] > 1 else "one column has no associations")
        reason = reason or ("" if samples.shape[1] and evidence.held_out.count else "there are no rows")
        if reason or not isinstance(source, Tabular):
            return {"correlation_distance": Measurement.undefined(len(samples), reason)}
        usable, columns = usable_chains(samples), source.columns()
        gaps = _associations(samples[usable], columns) - _associations(evidence.held_out.values, columns)
        distances = np.full(len(samples), np.nan)
        first, second = np.triu_indices(len(columns), 1)
        distances[usable] = np.sqrt((gaps[:, first, second] ** 2).mean(axis=1))
        return {"correlation_distance": Measurement(distances, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _associations(values: Array, columns: Sequence[Column]) -> FloatArray:
    """Return the association of each pair of columns, (c, d, d); the diagonal means nothing."""
    found = np.zeros((len(values), len(columns), len(columns)))
    places = np.cumsum([0, *(len(column.levels) + 1 if column.categorical else 1 for column in columns)])
    for block in chain_blocks(len(values), values.shape[1] * int(places[-1])):
        points = np.concatenate([_spread_out(values[block], place, c) for place, c in enumerate(columns)], axis=2)
        products = points.swapaxes(1, 2) @ points / values.shape[1]
        for i, first in enumerate(columns):
            for j, second in enumerate(columns[:i]):
                own, other = (slice(places[k], places[k + 1]) for k in (i, j))
                found[block, i, j] = found[block, j, i] = _association(products, own, other, first, second)
    return found


def _spread_out(values: Array, place: int, column: Column) -> FloatArray:
    """Return a column as (c, n, k) numbers: units of deviation around the mean, or a 1 at the level."""
    own = values[..., place]
    if column.categorical:
        return np.asarray(levels_in(own, column)[..., None] == np.arange(len(column.levels) + 1), dtype=np.float64)
    centred = own - own.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    varies = variance > _ROUNDING**2 * (own * own).mean(axis=1, keepdims=True)
    return np.asarray(np.where(varies, centred / np.sqrt(np.where(varies, variance, 1.0)), 0.0)[..., None])


def _association(products: FloatArray, own: slice, other: slice, first: Column, second: Column) -> FloatArray:
    """Return the association of two columns, (c,), from the mean products of what they were spread out to."""
    together = products[:, own, other]
    rows, columns = (np.diagonal(products, axis1=1, axis2=2)[:, part] for part in (own, other))
    if not (first.categorical or second.categorical):
        return np.asarray(together[:, 0, 0])
    if first.categorical and second.categorical:
        return _cramer(together, rows, columns)
    shares, sums = (rows, together[:, :, 0]) if first.categorical else (columns, together[:, 0])
    # The variance is 1, so that between the levels is the share of it.
    return np.asarray(np.sqrt((sums * sums / np.where(shares > 0, shares, 1.0)).sum(axis=1)))


def _cramer(together: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return Cramer's V, (c,), of tables of shares, (c, r, s), with their margins."""
    margins = rows[:, :, None] * columns[:, None, :]
    squared = (together**2 / np.where(margins > 0, margins, 1.0)).sum(axis=(1, 2)) - 1.0
    fewer = np.minimum((rows > 0).sum(axis=1), (columns > 0).sum(axis=1)) - 1
    return np.sqrt(np.where(fewer > 0, np.maximum(squared, 0.0) / np.maximum(fewer, 1), 0.0))
