"""An endless source of vectors in two dimensions whose law has separate, equal modes on a circle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Ring"]

_REACH = 3.0  # deviations from its centre at which a row still counts as on a mode


@dataclass(frozen=True)
class Ring(OfLaw):
    """Equal round Gaussians, evenly spaced on a circle around the origin, in two dimensions; no end.

    A row counts as on a mode within 3 deviations of its centre, which 98.9 % of the rows are.
    Source: Srivastava et al. 2017 (VEEGAN), section 5, for the 3 deviations.

    Args:
        centres: number of modes k; mode i lies at the angle 2 pi i / k.
        radius: of the circle.
            Source: Lin et al. 2018 (PacGAN), the ring of 8 with radius 1 and variance 0.0001.
        deviation: standard deviation of each mode, at most a sixth of the distance of neighbours, so that modes stay
            apart.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "vectors"

    centres: Annotated[int, Within(low=1, high=1000, unit="modes")] = 8
    radius: Annotated[float, Within(low=1e-9, unit="source units")] = 1.0
    deviation: Annotated[float, Within(low=1e-9, unit="source units")] = 0.01
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def __post_init__(self) -> None:
        apart = 2 * self.radius * math.sin(math.pi / self.centres)  # 0 for a single mode, up to rounding
        if self.centres > 1 and 2 * _REACH * self.deviation > apart:
            widest = apart / (2 * _REACH)
            raise ValueError(f"modes {apart:g} apart overlap unless their deviation is {widest:g} or less")

    def mean(self) -> FloatArray:
        """Return the true mean, (1, 2)."""
        return np.asarray(self.modes().mean(axis=0, keepdims=True))

    def covariance(self) -> FloatArray:
        """Return the true covariance, within and between modes, (1, 2, 2)."""
        apart = self.modes() - self.mean()
        return np.asarray(self.deviation**2 * np.eye(2) + apart.T @ apart / self.centres)[None]

    def modes(self) -> FloatArray:
        """Return the centre of each mode, (k, 2), anticlockwise from the right."""
        angles = 2 * math.pi * np.arange(self.centres) / self.centres
        return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def mode_radius(self) -> float:
        """Return 3 deviations, source units."""
        return _REACH * self.deviation

    @classmethod
    def smallest(cls) -> Self:
        """Return three modes and few held-out rows."""
        return cls(centres=3, held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        centres = self.modes()[seed.at("modes").numpy().integers(0, self.centres, (chains, count))]
        values = centres + self.deviation * seed.at("noise").numpy().standard_normal(centres.shape)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
