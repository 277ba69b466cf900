"""The Frechet distance between samples and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement
from dwindle.data.summaries import NOT_FINITE, frechet_distances, usable_chains

__all__ = ["Frechet"]


@dataclass(frozen=True)
class Frechet:
    """Squared Frechet distance between Gaussians fitted to samples and held-out rows, over the real total variance.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), divided by tr S2, with unbiased covariances of as many samples
    as held-out rows: the distance is biased upwards by an amount that depends on that number.

    Source: Dowson and Landau 1982 (distance between normal laws); Heusel et al. 2017, section 4 (FID).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "frechet": Measure("lower", "fraction of real variance", "squared Frechet distance to the held-out rows"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for symbols, single rows and held-out rows that do not vary."""
        samples = evidence.samples.values
        if samples.ndim == 2:
            return {"frechet": Measurement.undefined(len(samples), "symbols have no Frechet distance")}
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        values[usable], obstacle = frechet_distances(samples[usable], evidence.held_out.values)
        return {"frechet": Measurement(values, obstacle or ("" if usable.all() else NOT_FINITE))}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
