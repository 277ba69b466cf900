"""The maximum mean discrepancy between samples and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Within
from dwindle.data.kernels import GaussianKernel, discrepancies, median_distance
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Mmd"]


@dataclass(frozen=True)
class Mmd:
    """Squared maximum mean discrepancy to the held-out rows, with a Gaussian kernel and without bias.

    0 on average for samples of the real law, and sometimes below; at most 2. The kernel's width is the median distance
    between rows of the anchor, so that it is the same in every generation of a lineage.

    Args:
        width: of the kernel, in units of that median distance.

    Source: Gretton et al. 2012, equation 3 and section 8 (median heuristic).
    """

    width: Annotated[float, Within(low=1e-3, high=1e3)] = 1.0

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "mmd": Measure("lower", "squared kernel units", "squared maximum mean discrepancy to the held-out rows"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for single rows and an anchor half of whose pairs coincide."""
        samples, width = evidence.samples.values, self.width * median_distance(evidence.anchor)
        if min(samples.shape[1], evidence.held_out.count) < 2:
            return {"mmd": Measurement.undefined(len(samples), "a pair takes two rows")}
        if not width > 0:
            return {"mmd": Measurement.undefined(len(samples), "the anchor's rows lie in so few places: no width")}
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        real = evidence.held_out.values[0]
        centre = real.mean(axis=0)  # rounding grows with the distance from 0
        values[usable] = discrepancies(samples[usable] - centre, real - centre, GaussianKernel(width))
        return {"mmd": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
