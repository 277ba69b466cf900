"""Precision, recall, density and coverage, as a frozen feature net sees samples and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Within
from dwindle.data.neighbours import balls
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["PrdcFeatures"]


@dataclass(frozen=True)
class PrdcFeatures:
    """The metric `prdc` of features in place of rows: shares of samples and held-out rows near each other.

    The features are those of `dwindle.nets.features`: a tiny net, trained once on generation 0's real rows.

    Args:
        neighbours: k, the neighbour that a ball reaches to. Source: Alemohammad et al. 2023 (MAD): k = 5.

    Source: Kynkaanniemi et al. 2019, section 3 (balls in the features of a classifier); Naeem et al. 2020, section 3.
    """

    neighbours: Annotated[int, Within(low=1, unit="rows")] = 5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "precision_features": Measure("higher", "fraction", "share of samples near a held-out row, in features"),
        "recall_features": Measure("higher", "fraction", "share of held-out rows near a sample, in features"),
        "density_features": Measure("as_anchor", "ratio", "held-out balls around a sample, in features"),
        "coverage_features": Measure("higher", "fraction", "share of held-out balls that hold a sample, in features"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for too few rows and held-out rows whose features are all alike."""
        from dwindle.nets.features import feature_net  # loads torch

        net, samples = feature_net(evidence), evidence.samples.values
        usable = usable_chains(samples)
        values = np.full((len(self.measures), len(samples)), np.nan)
        held_out = net.features(evidence.held_out.values)[0]
        values[:, usable], obstacle = balls(net.features(samples[usable]), held_out, self.neighbours)
        reason = obstacle or ("" if usable.all() else NOT_FINITE)
        return {name: Measurement(row, reason, net.detail) for name, row in zip(self.measures, values, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(neighbours=3)
