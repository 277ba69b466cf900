"""The largest synthetic ratio that stays stable, with an interval over chains: numbers of a sweep in, a ratio out.

A ratio is stable if what its chains average over the last part of the generations keeps a criterion beside the all-real
control. Between the ratios tried, harm is a line that never falls, and the threshold is where it crosses the limit.
Whole chains are drawn again for the interval, those that start from the same real rows together. What harm does between
two ratios is not known: the line is drawn in three ways and the interval takes in the outermost, and the bracket of the
ratios that are shown stable and unstable stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dwindle.data.rows import FloatArray, IntArray
from dwindle.profile.contrasts import LEAST_CHAINS, beside
from dwindle.profile.criteria import Criterion
from dwindle.profile.crossing import crossings, means, memory, quantiles, resampled
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectory, mean_over_chains, second_half, slopes
from dwindle.seeds import Seed

__all__ = ["RESAMPLES", "WINDOW", "Judged", "Threshold", "Tried", "late", "threshold", "tried"]

WINDOW = 0.25
"""Share of the generations, the last ones, that a lineage's level is averaged over."""

RESAMPLES = 2_000
"""Resamples of the chains for an interval."""

_SEED = Seed(0, ("threshold",))
_MOST_CHAINS = 10_000_000  # of one seed


@dataclass(frozen=True, eq=False)
class Tried:
    """What the chains of one synthetic ratio came to, (c,) each.

    Args:
        ratio: synthetic rows over all training rows.
        level: mean of each chain over the last part of the generations, on the criterion's scale; nan where undefined.
        rise: what each chain's harm rose by over the second half of the generations.
        start: chains of equal numbers, here or at another ratio, start from the same real rows.
    """

    ratio: float
    level: FloatArray
    rise: FloatArray
    start: IntArray

    @property
    def count(self) -> int:
        """Number of chains that have a value."""
        return int(np.isfinite(self.level).sum())


@dataclass(frozen=True)
class Judged:
    """One ratio beside the control; numbers are in the unit of the criterion's limit.

    Args:
        ratio: the synthetic ratio.
        value: the ratio to the control, or the difference from it.
        low: end of its 95 % interval; nan with fewer than three chains.
        high: the other end.
        answer: stable or unstable where the whole interval lies on one side of the limit; the control beside itself,
            or an all-real lineage that drew the same rows, is neither.
        moving: whether harm still grows over the second half: its interval lies above the tolerance.
        reason: what was undefined, and why there is no answer.
    """

    ratio: float
    value: float
    low: float
    high: float
    answer: Literal["stable", "unstable", "undecided"]
    moving: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Threshold:
    """The largest stable ratio.

    Args:
        criterion: what stable means.
        value: where harm crosses the limit; infinite where it does not up to the largest ratio tried, nan if undefined.
        low: lower end of its 95 % interval over chains.
        high: upper end; infinite where it lies beyond the largest ratio tried.
        error: standard error over chains on the scale of `memory`; nan where some resamples do not cross.
        judged: every ratio tried, ascending.
        reason: why a number is infinite or undefined.
    """

    criterion: Criterion
    value: float
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan
    judged: tuple[Judged, ...] = ()
    reason: str = ""

    @property
    def stable(self) -> float:
        """The largest ratio that is shown to be stable and lies below all unstable ones; nan if none is."""
        return max((r.ratio for r in self.judged if r.answer == "stable" and r.ratio < self.unstable), default=math.nan)

    @property
    def unstable(self) -> float:
        """The smallest ratio that is shown to be unstable; infinite if none is."""
        return min((r.ratio for r in self.judged if r.answer == "unstable"), default=math.inf)

    @property
    def nowhere(self) -> bool:
        """Whether harm exceeds the limit at the smallest ratio tried already."""
        return math.isnan(self.value) and bool(self.judged)

    @property
    def moving(self) -> tuple[float, ...]:
        """The ratios, up to the first unstable one, at which harm still grows: the threshold may fall later."""
        return tuple(one.ratio for one in self.judged if one.moving and one.ratio <= self.unstable)


def late(trajectory: Trajectory, window: float = WINDOW) -> Trajectory:
    """Return the last part of the generations, at least the last one.

    Args:
        trajectory: the measure.
        window: share of the generations after the first, above 0 and at most 1.
    """
    first, last = int(trajectory.generations[0]), int(trajectory.generations[-1])
    seen = trajectory.generations > last - window * (last - first)
    seen[-1] = True
    return replace(trajectory, generations=trajectory.generations[seen], chains=trajectory.chains[seen])


def tried(ratio: float, parts: Sequence[tuple[int, Trajectory]], criterion: Criterion, window: float = WINDOW) -> Tried:
    """Return what lineages of one ratio came to, their chains one beside the other.

    Args:
        ratio: their synthetic ratio.
        parts: of each lineage a number for its seed, and its trajectory.
        criterion: what will be judged.
        window: share of the generations that a chain is averaged over.
    """
    level = [mean_over_chains(criterion.points(late(one, window)).T) for _, one in parts]
    start = [place * _MOST_CHAINS + np.arange(one.count) for place, one in parts]
    rise = [_rises(one, criterion) for _, one in parts]
    return Tried(ratio, np.concatenate(level), np.concatenate(rise), np.concatenate(start))


def _rises(trajectory: Trajectory, criterion: Criterion) -> FloatArray:
    """Return what each chain's harm rose by over the second half, (c,); for ratios relative to the mean level."""
    half = second_half(trajectory)
    points = criterion.points(half)
    span = float(half.generations[-1] - half.generations[0])
    rise = slopes(half.generations, points) * span * (-1.0 if criterion.falls else 1.0)
    if criterion.kind != "ratio":
        return rise
    level = float(np.nanmean(points)) if np.isfinite(points).any() else math.nan
    return rise / level if level > 0 else np.full_like(rise, np.nan)


def threshold(
    sweep: Sequence[Tried],
    control: Tried,
    criterion: Criterion,
    *,
    horizon: int,
    seed: Seed = _SEED,
    tolerance: float = Thresholds.tolerance,
) -> Threshold:
    """Return the largest stable ratio of a sweep.

    Args:
        sweep: what was tried, one a ratio.
        control: the all-real lineage, or generation 0; may be one of the sweep. It stands at ratio 0 where nothing was
            tried there.
        criterion: what stable means.
        horizon: the last generation.
        seed: address of the draws.
        tolerance: growth of harm over the second half that is negligible.
    """
    known = [one for one in sweep if one.count]
    known = sorted(known if any(one.ratio == 0 for one in known) else [control, *known], key=lambda one: one.ratio)
    levels, starts = zip(*((one.level, one.start) for one in (*known, control)), strict=True)
    whole = means(levels)[None]
    harm = criterion.harm(whole[:, :-1], whole[:, -1:])
    if np.isnan(harm).any():
        return Threshold(criterion, math.nan, reason="the control has no value, or none that a ratio can be taken to")
    again = resampled(levels, starts, RESAMPLES, seed)
    drawn = criterion.harm(again[:, :-1], again[:, -1:])
    # A resample of chains without a value, or a control of 0, tells nothing; the limit is never as far as 1e3.
    harm, drawn = (np.clip(np.where(np.isnan(part), harm, part), -1e3, 1e3) for part in (harm, drawn))
    judged = tuple(
        _judged(one, control, criterion, float(harm[0, place]), drawn[:, place], tolerance)
        for place, one in enumerate(known)
    )
    ratios, weights = (
        np.array(part, dtype=np.float64) for part in zip(*((r.ratio, r.count) for r in known), strict=True)
    )
    found, crossed = (crossings(ratios, part, weights, criterion.bar, horizon) for part in (harm, drawn))
    chains = min(one.count for one in (*known, control))
    return _threshold(Threshold(criterion, float(found[0, 0]), judged=judged), crossed, chains, horizon)


def _judged(
    one: Tried, control: Tried, criterion: Criterion, harm: float, drawn: FloatArray, tolerance: float
) -> Judged:
    chains = min(one.count, control.count)
    low, high = quantiles(drawn, chains) if chains >= LEAST_CHAINS else (math.nan, math.nan)
    answer: Literal["stable", "unstable", "undecided"] = "undecided"
    if low > criterion.bar:
        answer = "unstable"
    elif high <= criterion.bar:
        answer = "stable"
    lost = len(one.level) - one.count
    reason = f"{lost} of {len(one.level)} chains undefined" if lost else ""
    if one is control or (one.ratio == 0 and np.array_equal(one.level, control.level, equal_nan=True)):
        answer, reason = "undecided", "; ".join(filter(None, ("the yardstick itself", reason)))
    elif lost and answer == "stable":
        answer = "undecided"  # a chain whose risk is infinite has no number: those that are left look better than all
    ends = sorted(criterion.told(np.array([low, high])).tolist())
    told = float(criterion.told(harm))
    growth = beside(one.rise, control.rise if len(control.rise) else None, paired=False)
    moving = one is not control and growth.chains >= LEAST_CHAINS and growth.low > 0 and growth.mean > tolerance
    return Judged(one.ratio, told, ends[0], ends[1], answer, moving, reason)


def _threshold(found: Threshold, crossed: FloatArray, chains: int, horizon: int) -> Threshold:
    """Fill in the interval over resamples, (3, b) ways of drawing the line, and say why a number is none."""
    reason = _beyond(found)
    found = replace(found, value=math.nan) if found.value == -math.inf else found
    if chains < LEAST_CHAINS:
        return replace(found, reason="; ".join(filter(None, (reason, f"{chains} chains have no interval"))))
    low, high = quantiles(crossed.min(axis=0), chains)[0], quantiles(crossed.max(axis=0), chains)[1]
    all_cross = bool(np.isfinite(crossed).all())
    error = float(memory(crossed[0], horizon).std(ddof=1)) if all_cross else math.nan
    return replace(found, low=max(low, 0.0), high=high, error=error, reason=reason)


def _beyond(found: Threshold) -> str:
    """Say on which side of all ratios tried the limit is crossed, and whether the ratio there is shown to be so."""
    least, most = found.judged[0], found.judged[-1]
    if found.value == -math.inf:
        where = f"{least.ratio:g} already, the smallest ratio tried"
        shown = least.answer == "unstable"
        return f"unstable at {where}" if shown else f"beyond the limit at {where}, which is not shown unstable"
    if found.value == math.inf:
        where = f"{most.ratio:g}, the largest ratio tried"
        shown = found.stable == most.ratio
        return f"stable up to {where}" if shown else f"no crossing up to {where}, which is not shown stable"
    return ""
