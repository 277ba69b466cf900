"""How far the columns of a table, each by itself, are from the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Tabular
from dwindle.data.marginals import column_distances
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["ColumnFidelity"]


@dataclass(frozen=True)
class ColumnFidelity:
    """Distance of each column's law from that of the held-out rows, from 0 to 1: the mean over columns and the largest.

    Numeric columns are judged by the Kolmogorov-Smirnov statistic, categorical ones by the total variation of their
    levels' shares; both are the largest difference of probability that an event of its kind can have. Rows of the real
    law do not reach 0: the control shows how far chance alone goes.

    Source: the marginal fidelity of the Synthetic Data Vault's reports, Patki et al. 2016, as distances.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "column_distance": Measure("lower", "probability", "distance of a column's law to the held-out one, averaged"),
        "column_distance_max": Measure("lower", "probability", "distance of the column that is farthest off"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the source does not say what its columns are."""
        samples, source = evidence.samples.values, evidence.source
        if not isinstance(source, Tabular):
            reason = "the source does not say what its columns are"
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        if not (samples.shape[1] and evidence.held_out.count):
            return {name: Measurement.undefined(len(samples), "there are no rows") for name in self.measures}
        usable = usable_chains(samples)
        distances = np.full((len(samples), samples.shape[2]), np.nan)
        distances[usable] = column_distances(samples[usable], evidence.held_out.values[0], source.columns())
        found = {"column_distance": distances.mean(axis=1), "column_distance_max": distances.max(axis=1)}
        return {name: Measurement(values, "" if usable.all() else NOT_FINITE) for name, values in found.items()}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()
