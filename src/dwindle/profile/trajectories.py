"""One measure of one lineage as arrays, and the numbers that each of its chains gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dwindle.data.rows import FloatArray, IntArray

__all__ = ["Direction", "Scale", "Trajectories", "Trajectory", "changes", "linear_parts", "second_half", "slopes"]

Direction = Literal["higher", "lower", "as_anchor"]
"""Which way is good; `as_anchor` where any distance from the real value is bad."""

Scale = Literal["linear", "log"]
"""How chains are averaged: as they are, or by their logarithms."""

_LARGEST = 1e140


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One measure of one lineage, generation by generation.

    Args:
        generations: (g,) ascending; generations that were not evaluated are left out.
        chains: (g, c) the value of each chain, nan where undefined.
        better: which way is good.
        scale: `log` for positive quantities that are averaged by their logarithm.
        unit: the unit of the values. Those in nats are compared by differences, whatever their sign.

    Raises:
        ValueError: if the shapes do not fit, there is no generation, or the generations do not ascend.
    """

    generations: IntArray
    chains: FloatArray
    better: Direction = "lower"
    scale: Scale = "linear"
    unit: str = ""

    def __post_init__(self) -> None:
        if self.chains.ndim != 2 or self.generations.shape != self.chains.shape[:1]:
            raise ValueError(f"{self.generations.shape} generations do not fit values of shape {self.chains.shape}")
        if not self.generations.size or (np.diff(self.generations) <= 0).any():
            raise ValueError("generations must ascend, and there must be at least one")

    @property
    def count(self) -> int:
        """Number of chains c."""
        return int(self.chains.shape[1])

    @property
    def values(self) -> FloatArray:
        """The values, (g, c); nan where undefined, infinite or too large to square."""
        with np.errstate(invalid="ignore"):
            return np.where(np.abs(self.chains) < _LARGEST, self.chains, np.nan)

    @property
    def points(self) -> FloatArray:
        """The values on the measure's scale, (g, c): logarithms where it says so; nan where undefined.

        A value of 0 on the log scale is a chain that has collapsed wholly, not a missing one. It counts as the smallest
        positive value of the trajectory, or as rounding error of the largest if less: that is the most it can be.
        """
        return _logarithms(self.values) if self.scale == "log" else self.values

    @property
    def mean(self) -> FloatArray:
        """The mean over the chains that have a value, on the measure's scale, (g,); nan where none has."""
        return mean_over_chains(self.points)

    def until(self, generation: int) -> Trajectory:
        """Return the generations up to and including one.

        Raises:
            ValueError: if there is none.
        """
        seen = self.generations <= generation
        return replace(self, generations=self.generations[seen], chains=self.chains[seen])


Trajectories = Mapping[str, Trajectory]
"""Trajectories of one lineage by the name of the measure."""


def mean_over_chains(points: FloatArray) -> FloatArray:
    """Return the mean over the chains that have a value, (g,); nan where none has."""
    defined = np.isfinite(points)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, points, 0.0).sum(axis=1) / defined.sum(axis=1), dtype=np.float64)


def _logarithms(values: FloatArray) -> FloatArray:
    positive = values[values > 0]
    if not positive.size:
        return np.full_like(values, np.nan)
    floor = min(positive.min(), np.finfo(np.float64).eps * positive.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values < 0, np.nan, np.log(np.where(values == 0, floor, values)))


def changes(points: FloatArray) -> FloatArray:
    """Return the last point minus the first of each chain, (c,)."""
    return np.asarray(points[-1] - points[0], dtype=np.float64)


def slopes(generations: IntArray, points: FloatArray) -> FloatArray:
    """Return the least-squares slope of each chain, a generation, (c,); nan with fewer than two points.

    Args:
        generations: (g,).
        points: (g, c), nan where undefined; such generations are left out of the chain.
    """
    weights = np.isfinite(points).astype(np.float64)
    times = np.broadcast_to(generations[:, None].astype(np.float64), points.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = (times - (weights * times).sum(axis=0) / weights.sum(axis=0)) * weights
        slope = (centred * np.where(weights > 0, points, 0.0)).sum(axis=0) / (centred * times).sum(axis=0)
    return np.where(weights.sum(axis=0) >= 2, slope, np.nan)


def second_half(trajectory: Trajectory) -> Trajectory:
    """Return the generations from the middle of the range on."""
    middle = (int(trajectory.generations[0]) + int(trajectory.generations[-1])) / 2
    late = trajectory.generations >= middle
    return replace(trajectory, generations=trajectory.generations[late], chains=trajectory.chains[late])


def linear_parts(generations: IntArray, values: FloatArray) -> FloatArray:
    """Return what a + b k - d / k rises by its linear term over the range, for each chain, (c,).

    k = t + 1 counts the fits. A risk that saturates as a - d / k has a linear part of 0, one that grows in a straight
    line has all of its rise there. The term is a fixed linear combination of the values, so it is unbiased however
    noisy they are; the price is a wide interval over few chains.

    Args:
        generations: (g,), at least four.
        values: (g, c); a chain with an undefined generation has no linear part.

    Raises:
        ValueError: with fewer than four generations.
    """
    if len(generations) < 4:
        raise ValueError("three terms take four generations")
    fits = generations + 1.0
    design = np.stack([np.ones_like(fits), fits, -1.0 / fits], axis=1)
    # Scaled columns: the terms are nearly collinear over a short range.
    scales = np.abs(design).max(axis=0)
    rise = np.linalg.pinv(design / scales)[1] / scales[1] * (fits[-1] - fits[0])
    return np.asarray(rise @ np.where(np.isfinite(values), values, np.nan), dtype=np.float64)
