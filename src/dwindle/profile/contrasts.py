"""Contrasts between generations and lineages, one number a chain: chains are the unit of every interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.intervals import LEVEL, Summary, summarize
from dwindle.profile.trajectories import Trajectory, mean_over_chains, second_half

__all__ = ["LEAST_CHAINS", "Reference", "beside", "ratio", "reference", "welch"]

LEAST_CHAINS = 3
"""Chains from which on a verdict is ventured."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What the last generation of a lineage is compared with.

    Args:
        points: (c',) on the measure's scale.
        values: (c',) as they are.
        paired: whether chain i of both starts from the same rows.
        name: how it is called in the name of a statistic.
    """

    points: FloatArray
    values: FloatArray
    paired: bool
    name: str


def reference(trajectory: Trajectory, control: Trajectory | None, *, paired: bool) -> Reference:
    """Return the control, each chain by its mean over the second half, or generation 0 where there is no control.

    Lineage and control have the same law at generation 0, so the control's many generations are the better yardstick,
    and if the restarts themselves drift they drift in it too.
    """
    if control is None:
        return Reference(trajectory.points[0], trajectory.values[0], True, "generation 0")
    half = second_half(control)
    points, values = (mean_over_chains(part.T) for part in (half.points, half.values))
    return Reference(points, values, paired, "the control")


def beside(values: FloatArray, control: FloatArray | None, *, paired: bool) -> Summary:
    """Return the mean over chains of a contrast, less the control's, with its interval.

    Args:
        values: (c,) contrast of each chain.
        control: (c',) the same contrast of the control's chains; None takes nothing off.
        paired: whether chain i of both starts from the same rows. Unequal numbers of chains are never paired.
    """
    if control is None:
        return summarize(values)
    if paired and len(values) == len(control):
        return summarize(values - control)
    return welch(values, control)


def welch(first: FloatArray, second: FloatArray) -> Summary:
    """Return the difference of two means with Welch's interval; undefined with fewer than two values on a side.

    Args:
        first: (c,), nan where a chain has no value.
        second: (c',).

    Source: Welch 1947 (degrees of freedom of a difference of means of unequal variances).
    """
    sides = [side[np.isfinite(side)] for side in (first, second)]
    fewest = min(len(side) for side in sides)
    if fewest == 0:
        return Summary(math.nan, math.nan, math.nan, 0, "one side has no chain with a value")
    difference = float(sides[0].mean() - sides[1].mean())
    if fewest == 1:
        return Summary(difference, math.nan, math.nan, 1, "one chain has no interval")
    parts = np.array([side.var(ddof=1) / len(side) for side in sides])
    margin = _margin(parts, np.array([len(side) - 1 for side in sides])) if parts.sum() > 0 else 0.0
    lost = len(first) + len(second) - len(sides[0]) - len(sides[1])
    reason = f"{lost} of {len(first) + len(second)} chains undefined" if lost else ""
    return Summary(difference, difference - margin, difference + margin, fewest, reason)


def _margin(parts: FloatArray, freedom: FloatArray) -> float:
    from scipy.special import stdtrit

    joint = parts.sum() ** 2 / (parts**2 / freedom).sum()
    return float(stdtrit(joint, 0.5 + LEVEL / 2)) * math.sqrt(parts.sum())


def ratio(values: FloatArray, reference: FloatArray, *, paired: bool) -> Summary:
    """Return the ratio of two arithmetic means with its interval, by the linear approximation of its logarithm.

    A mean of 0 over a positive one is a ratio of 0 without any width. Undefined unless the reference is positive.

    Args:
        values: (c,), nan where a chain has no value.
        reference: (c',) what they are divided by.
        paired: whether chain i of both starts from the same rows. Unequal numbers of chains are never paired.

    Source: Cochran 1977, Sampling Techniques, section 6.3 (variance of a ratio of means).
    """
    if paired and len(values) == len(reference):
        both = np.isfinite(values) & np.isfinite(reference)
        values, reference = (np.where(both, side, np.nan) for side in (values, reference))
    over, under = (
        float(side[np.isfinite(side)].mean()) if np.isfinite(side).any() else np.nan for side in (values, reference)
    )
    if not (under > 0 and over >= 0):
        why = "no chain has a value" if math.isnan(under + over) else "a ratio takes a positive mean to compare with"
        return Summary(math.nan, math.nan, math.nan, 0, why)
    relative = beside(
        values / over if over else 0.0 * values, reference / under if over else 0.0 * reference, paired=paired
    )
    margin = (relative.high - relative.low) / 2
    found = over / under
    with np.errstate(over="ignore"):
        low, high = (float(found * np.exp(sign * margin)) for sign in (-1, 1))
    return Summary(found, low, high, relative.chains, relative.reason)
