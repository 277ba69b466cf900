"""Intervals over chains: the only way a number of dwindle is quoted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwindle.data.rows import FloatArray

__all__ = ["LEVEL", "Summary", "summarize"]

LEVEL = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True)
class Summary:
    """A mean over chains and its confidence interval.

    Args:
        mean: arithmetic mean, or geometric mean on the log scale; nan if undefined.
        low: lower end of the interval; nan with fewer than two chains.
        high: upper end.
        chains: how many chains had a value.
        reason: why the mean, the interval or the value of a chain is undefined; empty if all are defined.
    """

    mean: float
    low: float
    high: float
    chains: int
    reason: str = ""


def summarize(values: FloatArray, *, scale: Literal["linear", "log"] = "linear", reason: str = "") -> Summary:
    """Summarise one number a chain by Student's interval, on the logarithm for positive skewed quantities.

    Args:
        values: (c,), nan where a chain has no value.
        scale: `log` averages logarithms: the geometric mean, whose interval is right for variances.
        reason: why some values are undefined.
    """
    defined = values[np.isfinite(values)]
    if scale == "log":
        defined = defined[defined > 0]
    count = len(defined)
    if count == 0:
        return Summary(math.nan, math.nan, math.nan, 0, reason or "no chain has a value")
    points = np.log(defined) if scale == "log" else defined
    with np.errstate(over="ignore", invalid="ignore"):
        middle, margin = float(points.mean()), _margin(points)
    ends = (middle, middle - margin, middle + margin)
    mean, low, high = (_finite(_exp(end) if scale == "log" else end) for end in ends)
    why = reason or ("no positive number" if scale == "log" else "no finite number")
    missing = f"{len(values) - count} of {len(values)} chains undefined: {why}" if count < len(values) else ""
    alone = "one chain has no interval" if count == 1 else ""
    apart = "the chains lie too far apart for an interval" if math.isnan(high - low) else ""
    return Summary(mean, low, high, count, missing or alone or apart)


def _exp(end: float) -> float:
    return math.exp(end) if end < 709 else math.inf


def _finite(end: float) -> float:
    return end if math.isfinite(end) else math.nan


def _margin(points: FloatArray) -> float:
    if len(points) < 2:
        return math.nan
    from scipy.special import stdtrit

    error = float(points.std(ddof=1)) / math.sqrt(len(points))
    return float(stdtrit(len(points) - 1, 0.5 + LEVEL / 2)) * error
