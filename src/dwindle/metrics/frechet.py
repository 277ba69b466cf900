"""The Frechet distance between samples and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement
from dwindle.data.summaries import NOT_FINITE, chain_blocks, mean_and_covariance, squared_wasserstein, usable_chains

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
        samples, held_out = evidence.samples.values, evidence.held_out.values
        reason = _obstacle(evidence)
        if reason:
            return {"frechet": Measurement.undefined(len(samples), reason)}
        real_mean, real_covariance = mean_and_covariance(held_out)
        if not np.trace(real_covariance[0]) > 0:
            return {"frechet": Measurement.undefined(len(samples), "the held-out rows do not vary")}
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        values[usable] = _distances(samples[usable], real_mean[0], real_covariance[0])
        return {"frechet": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _obstacle(evidence: Evidence) -> str:
    if evidence.samples.values.ndim == 2:
        return "symbols have no Frechet distance"
    return "a covariance takes two rows" if min(evidence.samples.count, evidence.held_out.count) < 2 else ""


def _distances(samples: FloatArray, real_mean: FloatArray, real_covariance: FloatArray) -> FloatArray:
    """Return the squared distance of each chain over the real total variance, (c,)."""
    distances = np.empty(len(samples))
    for block in chain_blocks(len(samples), samples.shape[1] * samples.shape[2] + 2 * real_covariance.size):
        mean, covariance = mean_and_covariance(samples[block])
        distances[block] = squared_wasserstein(mean, covariance, real_mean, real_covariance)
    return np.asarray(distances / np.trace(real_covariance))
