"""First passage: the generation from which a measure is out of its control band, for the mean and for each chain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.intervals import LEVEL
from dwindle.profile.bands import Band, first_runs, outside
from dwindle.profile.trajectories import Trajectory

__all__ = ["Passage", "median_interval", "passage", "plain"]


@dataclass(frozen=True, eq=False)
class Passage:
    """When a measure left its control band.

    Args:
        generation: first generation from which the mean over chains stays out for as long as the band asks; inf if it
            never does, nan if undefined.
        side: 1 above the band, -1 below it, 0 if it never left.
        harmful: whether that is the bad side.
        median: median over chains of the first passage of each chain through the band of a single chain; inf if half of
            them never left.
        low: lower end of the 95 % interval of the median; nan where the chains are too few.
        high: its upper end; inf where it is censored.
        left: chains that left the band of a single chain.
        chains: chains that could be watched.
        band: the band.
        reason: why a number is undefined or infinite.
    """

    generation: float
    side: int
    harmful: bool
    median: float
    low: float
    high: float
    left: int
    chains: int
    band: Band
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is undefined or never happened is null, with its reason."""
        numbers = {name: plain(getattr(self, name)) for name in ("generation", "median", "low", "high")}
        counts = {"side": self.side, "harmful": self.harmful, "left": self.left, "chains": self.chains}
        ends = dict(zip(("band_low", "band_high"), map(plain, self.band.ends), strict=True))
        return {**numbers, **counts, **ends, "alpha": self.band.alpha, "reason": self.reason}


def plain(number: float) -> float | None:
    """Return a number for JSON, which has no nan and no infinity."""
    return float(number) if math.isfinite(number) else None


def passage(trajectory: Trajectory, band: Band) -> Passage:
    """Return the first generation from which the mean over chains is out of the band, and that of each chain.

    Generation 0 is fitted on real rows alone, so nothing can have left by then.

    Args:
        trajectory: the lineage.
        band: its band, by `control_band` of the same trajectory: the rate of false alarms counts its generations.
    """
    if math.isnan(band.centre):
        return Passage(math.nan, 0, False, math.nan, math.nan, math.nan, 0, 0, band, f"no band: {band.reason}")
    sides = outside(trajectory.mean, band.centre, band.reach) * (trajectory.generations > 0)
    start = int(first_runs(sides[:, None], band.persistence)[0])
    found = start < len(sides)
    side = int(sides[start]) if found else 0
    generation = float(trajectory.generations[start]) if found else math.inf
    watched = np.isfinite(trajectory.points).any(axis=0)
    each = _of_chains(trajectory, band)[watched]
    median, low, high, why = median_interval(each)
    reasons = (band.reason, "" if found else _never(sides, trajectory), _missing(trajectory), why)
    reason = "; ".join(part for part in reasons if part)
    left = int(np.isfinite(each).sum())
    return Passage(generation, side, _bad(side, trajectory), median, low, high, left, len(each), band, reason)


def _bad(side: int, trajectory: Trajectory) -> bool:
    good = {"higher": 1, "lower": -1, "as_anchor": 0}[trajectory.better]
    return side != 0 and side != good


def _never(sides: FloatArray, trajectory: Trajectory) -> str:
    last = int(trajectory.generations[-1])
    late = sides[-1] != 0
    return f"not out for long enough by generation {last}" + (", though out at the last ones" if late else "")


def _missing(trajectory: Trajectory) -> str:
    undefined = int((~np.isfinite(trajectory.points)).any(axis=0).sum())
    return (
        f"{undefined} of {trajectory.count} chains have undefined generations, which count as in" if undefined else ""
    )


def _of_chains(trajectory: Trajectory, band: Band) -> FloatArray:
    """Return the first passage of each chain through the band of a single chain, (c,); inf where it never left."""
    later = (trajectory.generations > 0)[:, None]
    starts = first_runs(outside(trajectory.points, band.centre, band.chain_reach) * later, band.persistence)
    return np.append(trajectory.generations.astype(np.float64), np.inf)[starts]


def median_interval(values: FloatArray) -> tuple[float, float, float, str]:
    """Return the median, the ends of its 95 % interval, and why there is none.

    The ends are order statistics, whatever the law, and censored values stay where they are: at infinity.

    Args:
        values: (c,), inf where censored.

    Source: the binomial interval of a median, David and Nagaraja 2003, Order Statistics, section 7.1.
    """
    from scipy.special import bdtr

    count = len(values)
    if not count:
        return math.nan, math.nan, math.nan, "no chain has a value"
    ordered = np.sort(values)
    median = float(ordered[(count - 1) // 2 : count // 2 + 1].mean())
    rank = int(np.searchsorted(bdtr(np.arange(count), count, 0.5), (1 - LEVEL) / 2, side="right"))
    if rank == 0:
        return median, math.nan, math.nan, f"{count} chains are too few for an interval of the median"
    censored = "half of the chains never left" if math.isinf(median) else ""
    return median, float(ordered[rank - 1]), float(ordered[count - rank]), censored
