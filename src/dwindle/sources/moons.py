"""An endless source of vectors along two curves that no Gaussian fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Moons"]


@dataclass(frozen=True)
class Moons(OfLaw):
    """Two interleaving half circles of radius 1 with Gaussian noise, in two dimensions; no end.

    A row lies, with equal chance, on (cos a, sin a) or on (1 - cos a, 1/2 - sin a), a uniform on 0 .. pi.

    Source: the moons of Kazdan et al. 2024, there as scikit-learn lays them out; angles are random here, not even.

    Args:
        deviation: standard deviation of the noise in each dimension.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "vectors"

    deviation: Annotated[float, Within(low=0.0, unit="source units")] = 0.1
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def mean(self) -> FloatArray:
        """Return the true mean, (1, 2)."""
        return np.array([[0.5, 0.25]])

    def covariance(self) -> FloatArray:
        """Return the true covariance, (1, 2, 2): within the half circles, between them, and the noise."""
        apart = np.array([-0.5, 2 / math.pi - 0.25])  # from the common mean to that of the upper half circle
        within = np.diag([0.5, 0.5 - 4 / math.pi**2])
        return np.asarray(within + np.outer(apart, apart) + self.deviation**2 * np.eye(2))[None]

    @classmethod
    def smallest(cls) -> Self:
        """Return few held-out rows."""
        return cls(held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        angles = math.pi * seed.at("angles").numpy().random((chains, count))
        upper = np.stack([np.cos(angles), np.sin(angles)], axis=2)
        lower = seed.at("sides").numpy().integers(0, 2, (chains, count, 1)).astype(bool)
        values = np.where(lower, np.array([1.0, 0.5]) - upper, upper)
        values += self.deviation * seed.at("noise").numpy().standard_normal(values.shape)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
