"""An endless source of vectors in two dimensions whose law has separate, equal modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["GridOfGaussians"]

_REACH = 3.0  # deviations from its centre at which a row still counts as on a mode


@dataclass(frozen=True)
class GridOfGaussians(OfLaw):
    """Equal round Gaussians on a square grid around the origin, in two dimensions; no end.

    A row counts as on a mode within 3 deviations of its centre, which 98.9 % of the rows are.
    Source: Srivastava et al. 2017 (VEEGAN), section 5, for the 3 deviations.

    Args:
        side: modes along each side of the grid; 5 makes 25 modes.
        spacing: distance between neighbouring centres.
            Source: Lin et al. 2018 (PacGAN), the grid of 25 at -4, -2 .. 4 with variance 0.0025.
        deviation: standard deviation of each mode, at most a sixth of the spacing, so that modes stay apart.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "vectors"

    side: Annotated[int, Within(low=1, high=1000, unit="modes")] = 5
    spacing: Annotated[float, Within(low=1e-9, unit="source units")] = 2.0
    deviation: Annotated[float, Within(low=1e-9, unit="source units")] = 0.05
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def __post_init__(self) -> None:
        if self.side > 1 and 2 * _REACH * self.deviation > self.spacing:
            widest = self.spacing / (2 * _REACH)
            raise ValueError(f"modes {self.spacing:g} apart overlap unless their deviation is {widest:g} or less")

    def mean(self) -> FloatArray:
        """Return the true mean, (1, 2)."""
        return np.zeros((1, 2))

    def covariance(self) -> FloatArray:
        """Return the true covariance, within and between modes, (1, 2, 2)."""
        between = self.spacing**2 * (self.side**2 - 1) / 12
        return (self.deviation**2 + between) * np.eye(2)[None]

    def modes(self) -> FloatArray:
        """Return the centre of each mode, (side^2, 2), row by row of the grid."""
        return self._centres(np.arange(self.side**2))

    def mode_radius(self) -> float:
        """Return 3 deviations, source units."""
        return _REACH * self.deviation

    @classmethod
    def smallest(cls) -> Self:
        """Return four modes and few held-out rows."""
        return cls(side=2, held_out=100)

    def _centres(self, numbers: IntArray) -> FloatArray:
        """Return the centre of each mode by its number, (..., 2)."""
        place = np.stack(np.divmod(numbers, self.side), axis=-1)
        return np.asarray(self.spacing * (place - (self.side - 1) / 2), dtype=np.float64)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        centres = self._centres(seed.at("modes").numpy().integers(0, self.side**2, (chains, count)))
        values = centres + self.deviation * seed.at("noise").numpy().standard_normal(centres.shape)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
