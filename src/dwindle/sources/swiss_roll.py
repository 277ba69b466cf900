"""An endless source of vectors along a rolled-up sheet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["SwissRoll"]

_FIRST, _LAST = 1.5 * math.pi, 4.5 * math.pi  # angles at which the roll begins and ends
_DEPTH = 21.0  # width of the sheet


@dataclass(frozen=True)
class SwissRoll(OfLaw):
    """A spiral, or a sheet that is rolled up along it, with Gaussian noise; no end.

    A row is (a cos a, a sin a), or (a cos a, b, a sin a) in three dimensions, the angle a uniform on 1.5 pi .. 4.5 pi
    and b on 0 .. 21.

    Source: Marsland 2009, Machine learning: an algorithmic perspective, chapter 10, as scikit-learn lays it out.

    Args:
        dimensions: 2 for the spiral, 3 for the sheet.
        deviation: standard deviation of the noise in each dimension.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "vectors"

    dimensions: Literal[2, 3] = 3
    deviation: Annotated[float, Within(low=0.0, unit="source units")] = 0.5
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def mean(self) -> FloatArray:
        """Return the true mean, (1, d)."""
        return self._placed(_spiral_mean()[None], np.array([_DEPTH / 2]))

    def covariance(self) -> FloatArray:
        """Return the true covariance, (1, d, d): of the spiral, of the sheet's width, and the noise."""
        spiral = _spiral_squares() - np.outer(_spiral_mean(), _spiral_mean())
        whole = self.deviation**2 * np.eye(self.dimensions)
        if self.dimensions == 3:
            whole[1, 1] += _DEPTH**2 / 12
        whole[:: self.dimensions - 1, :: self.dimensions - 1] += spiral
        return whole[None]

    @classmethod
    def smallest(cls) -> Self:
        """Return the spiral and few held-out rows."""
        return cls(dimensions=2, held_out=100)

    def _placed(self, spiral: FloatArray, across: FloatArray) -> FloatArray:
        """Return points of the spiral, (..., 2), at their place across the sheet, (...), as rows."""
        if self.dimensions == 2:
            return spiral
        return np.stack([spiral[..., 0], across, spiral[..., 1]], axis=-1)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        angles = seed.at("angles").numpy().uniform(_FIRST, _LAST, (chains, count))
        across = _DEPTH * seed.at("widths").numpy().random((chains, count))
        spiral = angles[..., None] * np.stack([np.cos(angles), np.sin(angles)], axis=2)
        values = self._placed(spiral, across)
        values = values + self.deviation * seed.at("noise").numpy().standard_normal(values.shape)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))


def _spiral_mean() -> FloatArray:
    """Return the means of a cos a and a sin a, from their antiderivatives, (2,)."""

    def whole(a: float) -> FloatArray:
        return np.array([a * math.sin(a) + math.cos(a), math.sin(a) - a * math.cos(a)])

    return np.asarray((whole(_LAST) - whole(_FIRST)) / (_LAST - _FIRST))


def _spiral_squares() -> FloatArray:
    """Return the means of the products of a cos a and a sin a, (2, 2).

    With cos^2 = (1 + cos 2a) / 2 and its kin, they are those of a^2 / 2, a^2 cos 2a / 2 and a^2 sin 2a / 2.
    """

    def whole(a: float) -> FloatArray:
        cosine, sine = math.cos(2 * a), math.sin(2 * a)
        return np.array(
            [
                a**3 / 6,
                a**2 * sine / 4 + a * cosine / 4 - sine / 8,
                -(a**2) * cosine / 4 + a * sine / 4 + cosine / 8,
            ]
        )

    plain, even, odd = (whole(_LAST) - whole(_FIRST)) / (_LAST - _FIRST)
    return np.array([[plain + even, odd], [odd, plain - even]])
