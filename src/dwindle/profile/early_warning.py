"""Early warning: from the first generations of a measure, the generation at which it will leave its control band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.data.rows import Array, FloatArray
from dwindle.profile.bands import Band, first_runs, outside
from dwindle.profile.contrasts import LEAST_CHAINS
from dwindle.profile.passage import plain
from dwindle.profile.trajectories import Trajectory
from dwindle.profile.walks import Seen, draw_paths
from dwindle.seeds import Seed

__all__ = ["LEAST_SEEN", "LEVEL", "Forecast", "forecast"]

LEVEL = 0.8
"""Level of a forecast's interval."""

LEAST_SEEN = 4
"""Generations that a forecast takes."""

_DRAWS = 2_000


@dataclass(frozen=True)
class Forecast:
    """When a measure will leave its control band.

    Args:
        generation: median of the forecast; inf if it lies beyond the horizon, nan if undefined.
        low: lower end of the interval at `level`; inf beyond the horizon.
        high: its upper end; inf beyond the horizon.
        level: level of the interval.
        upto: last generation that was seen.
        horizon: last generation that was looked at.
        beyond: chance that it does not leave by the horizon.
        reason: why a number is undefined or infinite, and what has happened already.
    """

    generation: float
    low: float
    high: float
    level: float
    upto: int
    horizon: int
    beyond: float = math.nan
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is undefined or beyond the horizon is null, with its reason."""
        numbers = {name: plain(getattr(self, name)) for name in ("generation", "low", "high", "beyond")}
        whole = {"level": self.level, "upto": self.upto, "horizon": self.horizon}
        return {**numbers, **whole, "reason": self.reason}


def forecast(
    trajectory: Trajectory, band: Band, *, upto: int, horizon: int, seed: Seed, level: float = LEVEL
) -> Forecast:
    """Forecast when the mean over chains leaves its control band, for as long as the band asks.

    On the measure's scale the mean path is a drift b (k^p - 1) / p, k = t + 1, plus a random walk plus noise that is
    new each generation. p runs from saturation (-1) through logarithm (0) and straight line (1) to acceleration (2),
    and the steps of the walk may shrink or grow with k. All is weighted by its likelihood; the chains' scatter around
    their mean gives the size of walk and noise. What is told are quantiles of the first passages of paths drawn so.

    A pull back to a level, as fresh real rows exert it, is not among the drifts: there the interval is too narrow.

    Args:
        trajectory: the lineage; generations after `upto` are not looked at.
        band: its control band.
        upto: the last generation that may be seen.
        horizon: the last generation to look ahead to.
        seed: address of the draws.
        level: level of the interval.

    Raises:
        ValueError: if no generation is seen or the horizon does not lie ahead.
    """
    if horizon <= upto:
        raise ValueError(f"the horizon {horizon} does not lie after generation {upto}")
    seen = trajectory.until(upto)
    complete = np.asarray(np.isfinite(seen.points).all(axis=0))
    why = _obstacle(seen, band, int(complete.sum()))
    if why:
        return Forecast(math.nan, math.nan, math.nan, level, upto, horizon, reason=why)
    sides = outside(seen.mean, band.centre, band.reach)
    start = int(first_runs(sides[:, None], band.persistence)[0])
    if start < len(sides):
        left = float(seen.generations[start])
        return Forecast(left, left, left, level, upto, horizon, 0.0, f"it has left already, at generation {left:g}")
    step = max(1, round(float(np.diff(seen.generations).mean())))
    ahead = np.arange(upto + step, horizon + 1, step)
    known = Seen(seen.generations.astype(np.float64) + 1, seen.points[:, complete])
    drawn = draw_paths(known, ahead.astype(np.float64) + 1, _DRAWS, seed.numpy())
    paths = np.concatenate([np.broadcast_to(seen.mean, (_DRAWS, len(sides))), drawn], axis=1)
    return _told(_passages(seen, ahead, paths, band), level, upto, horizon)


def _obstacle(seen: Trajectory, band: Band, complete: int) -> str:
    if math.isnan(band.centre):
        return f"no band: {band.reason}"
    if len(seen.generations) < LEAST_SEEN:
        return f"{len(seen.generations)} generations are seen; a forecast takes {LEAST_SEEN}"
    return f"{complete} chains are complete; a forecast takes {LEAST_CHAINS}" if complete < LEAST_CHAINS else ""


def _told(passed: FloatArray, level: float, upto: int, horizon: int) -> Forecast:
    """Return the quantiles of drawn passages, inf where censored."""
    ordered = np.sort(passed)
    places = [0.5, (1 - level) / 2, (1 + level) / 2]
    middle, low, high = (float(ordered[min(len(ordered) - 1, int(place * len(ordered)))]) for place in places)
    beyond = float(np.isinf(ordered).mean())
    reason = ""
    if math.isinf(low):
        reason = f"not before generation {horizon}"
    elif math.isinf(middle):
        reason = f"more likely than not after generation {horizon}"
    elif math.isinf(high):
        reason = f"the upper end lies after generation {horizon}"
    return Forecast(middle, low, high, level, upto, horizon, beyond, reason)


def _passages(seen: Trajectory, ahead: Array, paths: FloatArray, band: Band) -> FloatArray:
    """Return the first passage of each path, inf where it stays in the band to the horizon."""
    starts = first_runs(outside(paths, band.centre, band.reach).T, band.persistence)
    generations = np.concatenate([seen.generations, ahead, [np.inf]])
    return np.asarray(generations[starts], dtype=np.float64)
