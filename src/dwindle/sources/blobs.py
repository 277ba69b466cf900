"""An endless source of vectors whose law has separate, equal modes at random places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Blobs"]

_OUTSIDE = math.exp(-4.5)  # share of the rows beyond a mode's radius: that of two dimensions beyond 3 deviations
_TRIES = 1000


@dataclass(frozen=True)
class Blobs(OfLaw):
    """Equal round Gaussians around centres that are uniform in a cube around the origin and keep apart; no end.

    The centres depend on the settings alone, not on the sweep's seed. A row counts as on a mode within the distance of
    its centre that 98.9 % of the rows keep, which is 3 deviations in two dimensions; a centre that comes closer to
    another one than twice that is drawn anew.

    Source: scikit-learn's make_blobs, for centres in -10 .. 10 with a deviation of 1.

    Args:
        dimensions: width d of a row.
        centres: number of modes k.
        arrangement: which random centres; another number, other centres.
        reach: farthest coordinate of a centre.
        deviation: standard deviation of each mode in each dimension.
        held_out: number of held-out rows.
        labels: whether rows carry their mode.
    """

    kind: ClassVar[Kind] = "vectors"

    dimensions: Annotated[int, Within(low=1, high=10_000, unit="dimensions")] = 2
    centres: Annotated[int, Within(low=1, high=1000, unit="modes")] = 5
    arrangement: Annotated[int, Within(low=0)] = 0
    reach: Annotated[float, Within(low=1e-9, unit="source units")] = 10.0
    deviation: Annotated[float, Within(low=1e-9, unit="source units")] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000
    labels: bool = False

    def __post_init__(self) -> None:
        """Lay the centres out.

        Raises:
            ValueError: if there is no room for them.
        """
        self.modes()

    def mean(self) -> FloatArray:
        """Return the true mean, (1, d)."""
        return np.asarray(self.modes().mean(axis=0, keepdims=True))

    def covariance(self) -> FloatArray:
        """Return the true covariance, within and between modes, (1, d, d)."""
        apart = self.modes() - self.mean()
        return np.asarray(self.deviation**2 * np.eye(self.dimensions) + apart.T @ apart / self.centres)[None]

    def modes(self) -> FloatArray:
        """Return the centre of each mode, (k, d)."""
        return _centres(self.dimensions, self.centres, self.arrangement, self.reach, 2 * self.mode_radius()).copy()

    def mode_radius(self) -> float:
        """Return the distance that 98.9 % of a mode's rows keep, source units."""
        return self.deviation * _radius(self.dimensions)

    def label_names(self) -> tuple[str, ...]:
        """Return the numbers of the modes where rows carry theirs."""
        return tuple(str(number) for number in range(self.centres)) if self.labels else ()

    @classmethod
    def smallest(cls) -> Self:
        """Return three modes in three dimensions and few held-out rows."""
        return cls(dimensions=3, centres=3, held_out=100, labels=True)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        labels = seed.at("modes").numpy().integers(0, self.centres, (chains, count))
        centres = self.modes()[labels]
        values = centres + self.deviation * seed.at("noise").numpy().standard_normal(centres.shape)
        provenance = Provenance.of(REAL, chains, count, first=first)
        return Rows(values, None, provenance, labels if self.labels else None)


@lru_cache(maxsize=32)
def _radius(dimensions: int) -> float:
    from scipy.special import chdtri  # the root of a chi-square quantile

    return math.sqrt(chdtri(dimensions, _OUTSIDE))


@lru_cache(maxsize=32)
def _centres(dimensions: int, count: int, arrangement: int, reach: float, apart: float) -> FloatArray:
    draws = Seed(arrangement, ("blobs",)).numpy()
    found = np.empty((0, dimensions))
    for _ in range(count + _TRIES):
        candidate = draws.uniform(-reach, reach, dimensions)
        if (np.linalg.norm(found - candidate, axis=1) >= apart).all():
            found = np.vstack([found, candidate])
        if len(found) == count:
            return found
    told = f"{count} centres in a cube of {2 * reach:g} find no places {apart:g} apart"
    raise ValueError(f"{told}; take fewer, a larger reach or a smaller deviation")
