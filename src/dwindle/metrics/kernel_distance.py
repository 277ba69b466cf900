"""The kernel distance between samples and held-out rows, as a frozen feature net sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement
from dwindle.data.kernels import CubicKernel, discrepancies
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["KernelDistance"]


@dataclass(frozen=True)
class KernelDistance:
    """Squared discrepancy of samples and held-out rows under (x . y / k + 1)^3 of their k features, unbiased.

    The kernel inception distance with the net of `dwindle.nets.features`, trained once on generation 0's real rows, in
    place of Inception, and with all rows at once in place of a mean over subsets. Unlike the Frechet distance it has no
    bias that depends on the number of rows: samples of the real law have 0 on average, and may have less.

    Source: Binkowski et al. 2018, section 4 (KID).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "kernel_distance": Measure(
            "lower", "squared kernel units", "kernel distance to the held-out rows, in features"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for single rows."""
        from dwindle.nets.features import feature_net  # loads torch

        net, samples = feature_net(evidence), evidence.samples.values
        if min(samples.shape[1], evidence.held_out.count) < 2:
            return {"kernel_distance": Measurement.undefined(len(samples), "a pair takes two rows")}
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        held_out = net.features(evidence.held_out.values)[0]
        values[usable] = discrepancies(net.features(samples[usable]), held_out, CubicKernel(held_out.shape[1]))
        return {"kernel_distance": Measurement(values, "" if usable.all() else NOT_FINITE, net.detail)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()
