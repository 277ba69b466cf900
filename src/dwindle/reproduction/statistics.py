"""Statistics of a sweep and their standard errors, by leaving out a group of chains at a time.

Chains are the unit. A group is left out of all lineages at once, so that chains that share their real rows stay paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dwindle.contracts import FloatArray

__all__ = ["Estimate", "argmin", "crossing", "jackknifed", "slope"]

_GROUPS = 40
Statistic = Callable[[Sequence[FloatArray]], float]
Estimate = tuple[float, float]
"""A value and its standard error; nan where there are too few chains to tell."""


def jackknifed(statistic: Statistic, chains: Sequence[FloatArray]) -> Estimate:
    """Return a statistic of arrays (g, c), one a lineage, with its standard error.

    Source: the delete-a-group jackknife; Quenouille 1949, Tukey 1958.

    Args:
        statistic: what is made of the arrays.
        chains: the values of every chain.
    """
    count = min(array.shape[1] for array in chains)
    value = statistic(chains)
    groups = min(_GROUPS, count)
    if groups < 2:
        return value, math.nan
    left_out = np.arange(count) % groups
    parts = np.array(
        [statistic([array[:, :count][:, left_out != group] for array in chains]) for group in range(groups)]
    )
    spread = (groups - 1) / groups * float(((parts - parts.mean()) ** 2).sum())
    return value, math.sqrt(spread)


def slope(values: FloatArray, times: FloatArray) -> float:
    """Return the least-squares slope of log values on log times."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = np.log(times), np.log(values)
    return float(np.polyfit(x, y, 1)[0]) if np.isfinite([x, y]).all() and len(y) > 1 else math.nan


def argmin(settings: FloatArray, values: FloatArray) -> float:
    """Return where the parabola through the smallest value and its neighbours has its minimum; the end if it is one."""
    order = np.argsort(settings)
    x, y = settings[order], values[order]
    place = int(np.argmin(y))
    if not np.isfinite([x, y]).all():
        return math.nan
    if place in (0, len(y) - 1):
        return float(x[place])
    a, b, _ = np.polyfit(x[place - 1 : place + 2], y[place - 1 : place + 2], 2)
    return float(-b / (2 * a))


def crossing(settings: FloatArray, values: FloatArray, level: float) -> float:
    """Return the setting at which the values first cross a level, by straight lines; nan if they never do."""
    order = np.argsort(settings)
    x, y = settings[order], values[order] - level
    for left in range(len(x)):
        if y[left] == 0:
            return float(x[left])
        if left + 1 < len(x) and y[left] * y[left + 1] < 0:
            return float(x[left] - y[left] * (x[left + 1] - x[left]) / (y[left + 1] - y[left]))
    return math.nan
