"""Precision, recall, density and coverage by nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Within
from dwindle.data.neighbours import balls
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Prdc"]


@dataclass(frozen=True)
class Prdc:
    """Precision, recall, density and coverage of the samples, by balls that reach to the k-th nearest neighbour.

    Precision is the share of samples inside any ball around a held-out row, recall the share of held-out rows inside
    any ball around a sample, density the mean number of held-out balls around a sample over k, coverage the share of
    held-out balls that hold a sample. Balls are closed. A model that has collapsed onto a point has recall 0.

    Args:
        neighbours: k, the neighbour that a ball reaches to. Source: Alemohammad et al. 2023 (MAD): k = 5.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2 (precision, recall); Naeem et al. 2020, section 3 (density,
        coverage).
    """

    neighbours: Annotated[int, Within(low=1, unit="rows")] = 5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "precision": Measure("higher", "fraction", "share of samples near a held-out row"),
        "recall": Measure("higher", "fraction", "share of held-out rows near a sample"),
        "density": Measure("as_anchor", "ratio", "held-out balls around a sample, over the neighbours"),
        "coverage": Measure("higher", "fraction", "share of held-out balls that hold a sample"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for symbols, too few rows and held-out rows in one place."""
        samples = evidence.samples.values
        if samples.ndim == 2:
            return {name: Measurement.undefined(len(samples), "symbols have no distances") for name in self.measures}
        usable = usable_chains(samples)
        values = np.full((len(self.measures), len(samples)), np.nan)
        values[:, usable], obstacle = balls(samples[usable], evidence.held_out.values[0], self.neighbours)
        reason = obstacle or ("" if usable.all() else NOT_FINITE)
        return {name: Measurement(row, reason) for name, row in zip(self.measures, values, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(neighbours=3)
