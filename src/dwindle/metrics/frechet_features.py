"""The Frechet distance between samples and held-out rows, as a frozen feature net sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement
from dwindle.data.summaries import NOT_FINITE, frechet_distances, usable_chains

__all__ = ["FrechetFeatures"]


@dataclass(frozen=True)
class FrechetFeatures:
    """The metric `frechet` of features in place of rows: squared distance over the real total variance.

    The features are those of `dwindle.nets.features`: a tiny net, trained once on generation 0's real rows. Its values
    compare generations and lineages of the same real rows, not data sets, nor with distances in another net.

    Source: Heusel et al. 2017, section 4 (FID); Alemohammad et al. 2023, section 3 (features of a small classifier for
        digits).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "frechet_features": Measure(
            "lower", "fraction of real variance", "squared Frechet distance to the held-out rows, in features"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for single rows and held-out rows whose features do not vary."""
        from dwindle.nets.features import feature_net  # loads torch

        net, samples = feature_net(evidence), evidence.samples.values
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        held_out = net.features(evidence.held_out.values)
        values[usable], obstacle = frechet_distances(net.features(samples[usable]), held_out)
        reason = obstacle or ("" if usable.all() else NOT_FINITE)
        return {"frechet_features": Measurement(values, reason, net.detail)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()
