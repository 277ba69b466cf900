"""Gaussian, a pool that several producers write and a detector cleans: exact second moments of who trains on it.

A detector's verdict does not ask for a row's values, so it leaves a binomial number of each origin, anew in each
generation. Given these numbers second moments are linear in those before, so that their expectation follows from that
of a handful of ratios. Of the rows of the last generation the recursion knows E|x - mu|^2 and the kinship
E (x - mu)(y - mu) of two rows of one producer, of two producers, and of a row and one of the archive; relative to the
true variance, in any number of dimensions. m producers fit disjoint parts of the pool, dealt out at random, of k rows
each: a fit has E|m_j|^2 = A/k + (1 - 1/k) B, A the second moment of a row of the pool and B the kinship of two, and
rows of two producers have the kinship B. A pool of n rows that m producers replace loses (1 - 1/k)/(n - 1) of its
variance a generation, no more than the 1/n of one producer with all of it; alone with k rows each would lose 1/k.

Source: derived here; the island model of Wright 1931 with as many migrants as rows, by the kinship of Malécot 1948.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwindle.contracts import FRESH, Conditions, Curve, FloatArray, IntArray
from dwindle.theory.matching import gaussian, is_component, spread_alone, spread_of

__all__ = ["applies", "curves"]

_DETECTOR = "curators.detector.Detector"
_SOURCE = "kinship of rows of several producers behind a detector, after Malécot 1948: exact"
_EFFECTIVE = "Kanabar and Gastpar 2026, n a^2, expected over what the detector leaves: exact"


def applies(conditions: Conditions) -> bool:
    """Say whether Gaussian producers, or one behind a detector, train on new rows and an archive at most."""
    several = is_component(conditions.family, "families.producers.Producers")
    several = several and is_component(conditions.source, "sources.gaussian.Gaussian")
    judged = sum(is_component(curator, _DETECTOR) for curator in conditions.curators)
    known = (several and judged <= 1) or (gaussian(conditions) and judged == 1)
    return known and spread_alone(conditions, besides=_DETECTOR) and _memoryless(conditions.regime)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance, mean_error, real_share and effective_real_rows at generations 0 .. `generations`."""
    covariance = conditions.source.covariance()[0]
    scale = float(np.trace(covariance)) / len(covariance)
    found = np.array(list(_fits(conditions, generations))).T
    names = ("variance", "mean_error", "real_share", "effective_real_rows")
    scales, sources = (scale, scale, 1.0, 1.0), (_SOURCE, _SOURCE, _EFFECTIVE, _EFFECTIVE)
    return {name: Curve(by * row, said) for name, by, row, said in zip(names, scales, found, sources, strict=True)}


def _memoryless(regime: Any) -> bool:
    """Say whether a regime trains on the newest rows, fresh ones and an archive, all of one weight."""
    if is_component(regime, "regimes.Mixture"):
        return regime.real == "fresh" and regime.window == 1 and regime.real_weight is None
    return any(is_component(regime, f"regimes.{name}") for name in ("Fresh", "Replace", "Web"))


@dataclass(frozen=True)
class _Kinship:
    """What the recursion knows of the rows of a generation: relative expectations.

    Args:
        row: second moment of a row.
        same: kinship of two rows of one producer.
        other: kinship of rows of two producers.
        archived: kinship of a row and one of the archive.
    """

    row: float
    same: float
    other: float
    archived: float


@dataclass(frozen=True, eq=False)
class _Pool:
    """The rows that train a generation; arrays over what may be left of each origin, (f, s).

    Args:
        chance: probability of each pair of numbers.
        archive: rows of the archive.
        fresh: fresh rows.
        written: synthetic rows.
        akin: share of the pairs of synthetic rows that are of one producer.
    """

    chance: FloatArray
    archive: int
    fresh: IntArray
    written: IntArray
    akin: FloatArray


def _fits(conditions: Conditions, generations: int) -> Iterator[tuple[float, ...]]:
    """Yield variance, mean_error, real_share and effective_real_rows of each generation."""
    budget, regime = conditions.budget, conditions.regime
    one = np.ones((1, 1))
    archive = _archived(regime, budget)
    # Of an archive whose rows are drawn anew a given one trains now and then.
    there = archive / budget if getattr(regime, "archive", "fixed") == "replayed" else 1.0
    first = _Pool(one, 0, one.astype(np.int64) * budget, one.astype(np.int64) * 0, one * 0.0)
    found, kin = _fit(first, _Kinship(0.0, 0.0, 0.0, 0.0), conditions, 1.0)
    yield found
    pools: dict[tuple[int, int], _Pool] = {}
    for generation in range(1, generations + 1):
        asked = regime.asks(generation, budget=budget)
        wanted = (asked.get(generation, 0), asked.get(FRESH, 0))
        if wanted not in pools:
            pools[wanted] = replace(_left(conditions, *wanted), archive=archive)
        found, kin = _fit(pools[wanted], kin, conditions, there)
        yield found


def _archived(regime: Any, budget: int) -> int:
    """Return how many rows the archive gives to each generation."""
    return round(getattr(regime, "archive_share", 0.0) * budget)


def _fit(pool: _Pool, kin: _Kinship, conditions: Conditions, there: float) -> tuple[tuple[float, ...], _Kinship]:
    """Let the producers fit a pool; return what is measured, and the kinship of the rows that they write."""
    producers, ddof = getattr(conditions.family, "count", 1), int(conditions.family.ddof)
    written, real = pool.written, pool.archive + pool.fresh
    rows = np.maximum(written + real, producers * (ddof + 1))  # with fewer the lineage would have ended
    own = (real + written * kin.row) / rows
    within = written * (written - 1) * (pool.akin * kin.same + (1.0 - pool.akin) * kin.other)
    pair = (within + 2.0 * pool.archive * written * kin.archived) / (rows * np.maximum(rows - 1, 1))
    inverse, freedom = _parts(rows, producers, ddof)
    fitted = own * inverse + (1.0 - inverse) * pair
    inside = freedom * (own - pair)
    new = fitted + spread_of(conditions.sampler, conditions.source.dimensions) * inside
    together = fitted / producers + (1.0 - 1.0 / producers) * pair
    archived = (there + written * kin.archived) / rows
    measured = (inside + fitted - together, together, real / rows, real * real / rows)
    weighed = [float((pool.chance * part).sum()) for part in (*measured, new, fitted, pair, archived)]
    return tuple(weighed[:4]), _Kinship(*weighed[4:])


def _parts(rows: IntArray, producers: int, ddof: int) -> tuple[FloatArray, FloatArray]:
    """Return the means over the producers of 1/k and of (k - 1)/(k - ddof), k the rows of a producer's part."""
    small = rows // producers
    larger = (rows % producers) / producers
    inverse = larger / (small + 1) + (1.0 - larger) / small
    freedom = larger * small / (small + 1 - ddof) + (1.0 - larger) * (small - 1) / (small - ddof)
    return inverse, freedom


def _left(conditions: Conditions, wanted: int, fresh: int) -> _Pool:
    """Return what the detector, if there is one, leaves of new rows, and the regime takes of it."""
    written = np.arange(round(wanted * conditions.sampler.oversample))
    detector = next((curator for curator in conditions.curators if is_component(curator, _DETECTOR)), None)
    caught, mistaken = (0.0, 0.0) if detector is None else (detector.true_positive_rate, detector.false_positive_rate)
    marked = np.ones(len(written), dtype=np.bool_) if detector is None else detector.marks(written)
    owners = written % getattr(conditions.family, "count", 1)
    parts = [(np.bincount(owners[which], minlength=1), rate) for which, rate in ((marked, caught), (~marked, mistaken))]
    count, chance, akin = _taken(*_kept(parts), wanted)
    real, odds = _binomial(fresh, 1.0 - mistaken)
    return _Pool(odds[:, None] * chance, 0, real[:, None], count[None], akin[None])


def _kept(parts: list[tuple[IntArray, float]]) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return numbers of rows that may be left, their probabilities, and the expected pairs of one producer in each.

    Args:
        parts: the rows of each producer, and the probability that one goes, of the marked ones and of the others.
    """
    (marked, caught), (others, mistaken) = parts
    (a, p), (b, q) = _binomial(int(marked.sum()), 1.0 - caught), _binomial(int(others.sum()), 1.0 - mistaken)
    width = max(len(marked), len(others))
    marked, others = (np.pad(part, (0, width - len(part))) for part in (marked, others))
    pairs = _akin(marked) * np.convolve(p * a * (a - 1), q) + _akin(others) * np.convolve(p, q * b * (b - 1))
    across = float((marked * others).sum()) / max(1.0, float(marked.sum()) * float(others.sum()))
    pairs += 2.0 * across * np.convolve(p * a, q * b)
    chance = np.convolve(p, q)
    return a[0] + b[0] + np.arange(len(chance)), chance, pairs


def _akin(rows: IntArray) -> float:
    """Return the share of the pairs of rows, of which each producer has so many, that are of one producer."""
    total = float(rows.sum())
    return float((rows * (rows - 1)).sum()) / max(1.0, total * (total - 1.0))


def _taken(
    count: IntArray, chance: FloatArray, pairs: FloatArray, wanted: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return numbers of rows that the regime may take, their probabilities, and the share of pairs of one producer."""
    likely = chance > 0
    count, chance, pairs = count[likely], chance[likely], pairs[likely]
    akin = pairs / np.maximum(count * (count - 1), 1)
    enough = count >= wanted
    if not enough.any():
        return count, chance, akin / chance
    more = float(chance[enough].sum())
    taken = [np.append(part[~enough], last) for part, last in ((count, wanted), (chance, more))]
    return taken[0], taken[1], np.append(akin[~enough], akin[enough].sum()) / taken[1]


def _binomial(count: int, chance: float) -> tuple[IntArray, FloatArray]:
    """Return the likely numbers of successes, one after another, and their probabilities, which add up to 1."""
    from scipy.stats import binom

    reach = 1.0 + 10.0 * math.sqrt(count * chance * (1.0 - chance))
    low, high = max(0, math.floor(count * chance - reach)), min(count, math.ceil(count * chance + reach))
    numbers = np.arange(low, high + 1)
    odds = binom.pmf(numbers, count, chance)
    return numbers, np.asarray(odds / odds.sum())
