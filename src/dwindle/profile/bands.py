"""The control band: where the mean over chains of an all-real lineage stays, for all generations at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dwindle.data.rows import Array, FloatArray
from dwindle.profile.contrasts import LEAST_CHAINS
from dwindle.profile.trajectories import Scale, Trajectory
from dwindle.seeds import Seed

__all__ = ["ALPHA", "PERSISTENCE", "Band", "control_band", "first_runs", "outside"]

ALPHA = 0.05
"""Chance that a lineage without drift is ever said to have left its band."""

PERSISTENCE = 2
"""Consecutive generations that a lineage must stay out of its band to have left it."""

_NUMBERS = 1_000_000
_REPLICATES = (2_000, 4_000)


@dataclass(frozen=True)
class Band:
    """Where a lineage without drift stays; ends are on the measure's scale.

    Args:
        centre: mean of the control; nan where there is no band.
        reach: how far the mean over chains strays to either side.
        chain_reach: how far a single chain strays.
        scale: of the ends: logarithms where `log`.
        persistence: consecutive generations outside that count as having left.
        alpha: chance, over all generations, that a lineage without drift leaves it; of a single chain likewise.
        reason: what the band was taken from, and why there is none.
    """

    centre: float
    reach: float
    chain_reach: float
    scale: Scale
    persistence: int = PERSISTENCE
    alpha: float = ALPHA
    reason: str = ""

    @property
    def ends(self) -> tuple[float, float]:
        """The ends for the mean over chains in the measure's own unit."""
        low, high = self.centre - self.reach, self.centre + self.reach
        return (math.exp(low), math.exp(high)) if self.scale == "log" else (low, high)


@dataclass(frozen=True)
class _Spread:
    """How the control's chains scatter: an effect of each chain that stays, and noise that is new each generation."""

    generations: int
    chains: int
    between: float
    within: float

    @property
    def one(self) -> float:
        """Variance of one chain at one generation."""
        return self.within * (1 - 1 / self.generations) + self.between / self.generations

    @property
    def centre(self) -> float:
        """Variance of the mean over all generations and chains."""
        return self.between / (self.generations * self.chains)

    @property
    def shared(self) -> float:
        """Share of the variance that stays with the chain."""
        if not self.one > 0:
            return 0.0
        return min(1.0, max(0.0, (self.between - self.within) / self.generations / self.one))


def control_band(
    trajectory: Trajectory,
    control: Trajectory | None,
    *,
    seed: Seed,
    alpha: float = ALPHA,
    persistence: int = PERSISTENCE,
) -> Band:
    """Return the band that a lineage leaves with chance `alpha`, over all its generations, if it does not drift.

    An all-real lineage has no memory beyond its anchor, so each of its chains is an effect that stays plus noise that
    is new each generation; both variances are estimated. The reach is the (1 - alpha) quantile of the largest departure
    that lasts for `persistence` generations, over all generations, under that law, which also counts the error of the
    control's own mean and variances. Where control and lineage share their anchors the true rate is lower. Without a
    control the chains of generation 0 stand in for it.

    Args:
        trajectory: the lineage to be watched.
        control: the all-real lineage with the same restarts, or None.
        seed: address of the draws of the law.
        alpha: chance of a false alarm over all generations.
        persistence: consecutive generations outside that count as having left.
    """
    taken = "the control lineage" if control is not None else "generation 0 of the lineage itself: there is no control"
    points = control.points if control is not None else trajectory.points[:1]
    watched = len(trajectory.generations) - (control is None)
    complete = points[:, np.isfinite(points).all(axis=0)]
    if complete.shape[1] < LEAST_CHAINS or watched < persistence:
        why = f"fewer than {LEAST_CHAINS} chains" if complete.shape[1] < LEAST_CHAINS else "too few generations"
        nothing = math.nan
        return Band(nothing, nothing, nothing, trajectory.scale, persistence, alpha, f"{why}; taken from {taken}")
    spread = _spread(complete)
    mean_reach, chain_reach = (
        _reach(spread, chains, watched, alpha=alpha, persistence=persistence, seed=seed.at("band", chains))
        for chains in (trajectory.count, 1)
    )
    flat = "" if spread.one > 0 else ", which does not vary"
    centre, reason = float(complete.mean()), f"taken from {taken}{flat}"
    return Band(centre, mean_reach, chain_reach, trajectory.scale, persistence, alpha, reason)


def _spread(points: FloatArray) -> _Spread:
    """Split the variance of complete points, (g, c), between chains and within them."""
    generations, chains = points.shape
    means = points.mean(axis=0)
    within = float(((points - means) ** 2).sum()) / (chains * (generations - 1)) if generations > 1 else 0.0
    return _Spread(generations, chains, generations * float(means.var(ddof=1)), within)


@lru_cache(maxsize=256)  # lineages of one control, or of one generation 0, share it
def _reach(spread: _Spread, chains: int, watched: int, *, alpha: float, persistence: int, seed: Seed) -> float:
    """Return how far the mean of `chains` chains strays from the control's with chance `alpha`, in `watched` ones."""
    error = math.sqrt(spread.one / chains + spread.centre)
    if not error > 0:
        return 0.0
    replicates = int(np.clip(_NUMBERS // watched, *_REPLICATES))
    departures = _departures(spread, chains, (replicates, watched), seed.numpy())
    lasting = np.maximum(_lasting(departures, persistence), _lasting(-departures, persistence)).max(axis=1)
    return max(0.0, float(np.quantile(lasting, 1 - alpha, method="higher"))) * error


def _lasting(departures: FloatArray, persistence: int) -> FloatArray:
    """Return the height that is kept up for `persistence` generations from each on, (replicates, g)."""
    kept = departures
    for later in range(1, persistence):
        kept = np.minimum(kept[:, :-1], departures[:, later:])
    return kept


def _departures(spread: _Spread, chains: int, shape: tuple[int, int], draw: np.random.Generator) -> FloatArray:
    """Draw how far a lineage without drift lies from its control in standard errors, (replicates, generations)."""
    generations, controls, stays = spread.generations, spread.chains, spread.shared
    between = 1 - stays + generations * stays  # expected, in units of the variance of one chain
    effect = draw.standard_normal((shape[0], 1)) * math.sqrt(stays / chains)
    noise = draw.standard_normal(shape) * math.sqrt((1 - stays) / chains)
    centre = draw.standard_normal((shape[0], 1)) * math.sqrt(between / (generations * controls))
    estimated = between * draw.chisquare(controls - 1, (shape[0], 1)) / (controls - 1)
    freedom = controls * (generations - 1)
    rest = (1 - stays) * draw.chisquare(freedom, (shape[0], 1)) / freedom if freedom else np.zeros((shape[0], 1))
    one = rest * (1 - 1 / generations) + estimated / generations
    error = np.sqrt(one / chains + estimated / (generations * controls))
    return np.asarray((effect + noise - centre) / error, dtype=np.float64)


def outside(points: FloatArray, centre: float, reach: float) -> Array:
    """Say where points lie above (1), below (-1) or in a band (0); undefined points count as in it."""
    departure = points - centre
    slack = reach + 1e-9 * abs(centre)  # rounding is no drift where the control does not vary
    return np.asarray((departure > slack).astype(np.int8) - (departure < -slack).astype(np.int8))


def first_runs(sides: Array, persistence: int) -> Array:
    """Return where the first run of `persistence` equal non-zero sides starts in each column; g where there is none.

    Args:
        sides: (g, c) of -1, 0 and 1.
        persistence: length of the run.
    """
    generations = len(sides)
    if generations < persistence:
        return np.full(sides.shape[1], generations)
    windows = np.lib.stride_tricks.sliding_window_view(sides, persistence, axis=0)
    runs = (windows.min(axis=2) == 1) | (windows.max(axis=2) == -1)
    return np.where(runs.any(axis=0), runs.argmax(axis=0), generations)
