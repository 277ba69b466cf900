"""An endless source of Gaussian rows, whose law is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(OfLaw):
    """Gaussian rows of known mean and covariance, every two dimensions equally correlated; no end.

    Args:
        dimensions: width d of a row.
        variance: variance of every dimension.
        correlation: correlation of every two dimensions, -1/(d - 1) or more.
        centre: mean of every dimension.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "vectors"

    dimensions: Annotated[int, Within(low=1, high=100_000, unit="dimensions")] = 1
    variance: Annotated[float, Within(low=0.0, unit="source units^2")] = 1.0
    correlation: Annotated[float, Within(low=-1.0, high=1.0)] = 0.0
    centre: Annotated[float, Within(unit="source units")] = 0.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def __post_init__(self) -> None:
        if self.correlation * (self.dimensions - 1) < -1.0:
            lowest = -1.0 / (self.dimensions - 1)
            raise ValueError(f"{self.dimensions} dimensions cannot all be correlated by less than {lowest:g}")

    def mean(self) -> FloatArray:
        """Return the true mean, (1, d)."""
        return np.full((1, self.dimensions), self.centre)

    def covariance(self) -> FloatArray:
        """Return the true covariance, (1, d, d)."""
        correlations = np.full((1, self.dimensions, self.dimensions), self.correlation)
        correlations[:, range(self.dimensions), range(self.dimensions)] = 1.0
        return self.variance * correlations

    @classmethod
    def smallest(cls) -> Self:
        """Return two correlated dimensions and few held-out rows."""
        return cls(dimensions=2, correlation=0.5, held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        noise = seed.numpy().standard_normal((chains, count, self.dimensions))
        # The root of (1 - r) I + r J, J all ones, is a I + b J: no matrix is needed.
        own = np.sqrt(1.0 - self.correlation)
        together = np.sqrt(max(0.0, 1.0 + self.correlation * (self.dimensions - 1)))
        shared = noise.sum(axis=2, keepdims=True) * ((together - own) / self.dimensions)
        values = self.centre + np.sqrt(self.variance) * (own * noise + shared)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
