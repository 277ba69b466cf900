"""The sliced Wasserstein distance between samples and held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Within
from dwindle.data.summaries import NOT_FINITE, chain_blocks, usable_chains

__all__ = ["SlicedWasserstein"]


@dataclass(frozen=True)
class SlicedWasserstein:
    """Sliced 2-Wasserstein distance between the samples and the held-out rows: exact in one dimension.

    The square root of the mean, over random directions, of the squared distance between the sorted projections.
    Every chain and generation that is measured with the same seed is seen from the same directions.

    Args:
        projections: how many directions.

    Source: Bonneel et al. 2015, sliced Wasserstein distance of discrete measures, by sorting.
    """

    projections: Annotated[int, Within(low=1, unit="directions")] = 64

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "sliced_wasserstein": Measure("lower", "source units", "sliced 2-Wasserstein distance to the held-out rows"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for symbols and for unequal numbers of rows."""
        samples, held_out = evidence.samples.values, evidence.held_out.values
        reason = _obstacle(evidence)
        if reason:
            return {"sliced_wasserstein": Measurement.undefined(len(samples), reason)}
        directions = self._directions(evidence)
        real = _sorted_projections(held_out, directions)
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        values[usable] = _distances(samples[usable], real, directions)
        return {"sliced_wasserstein": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(projections=4)

    def _directions(self, evidence: Evidence) -> FloatArray:
        """Return unit vectors, (p, d)."""
        dimensions = evidence.held_out.values.shape[2]
        if dimensions == 1:
            return np.ones((1, 1))
        draws = evidence.seed.at("directions").numpy().standard_normal((self.projections, dimensions))
        return np.asarray(draws / np.linalg.norm(draws, axis=1, keepdims=True))


def _obstacle(evidence: Evidence) -> str:
    if evidence.samples.values.ndim == 2:
        return "symbols have no sliced Wasserstein distance"
    samples, real = evidence.samples.count, evidence.held_out.count
    return "" if samples == real > 0 else f"there are {samples} samples and {real} held-out rows"


def _sorted_projections(values: Array, directions: FloatArray) -> FloatArray:
    """Return the sorted projections of each chain, (c, p, n)."""
    projected = directions @ np.asarray(values, dtype=np.float64).swapaxes(1, 2)
    projected.sort(axis=2)
    return projected


def _distances(samples: Array, real: FloatArray, directions: FloatArray) -> FloatArray:
    """Return the distance of each chain, (c,)."""
    distances = np.empty(len(samples))
    for block in chain_blocks(len(samples), real.size):
        gaps = _sorted_projections(samples[block], directions)
        gaps -= real
        distances[block] = np.sqrt(np.einsum("cpn,cpn->c", gaps, gaps) / real.size)
    return distances
