"""Exact second moments of a Gaussian loop under any regime: arithmetic that several Gaussian closed forms share.

A cohort is a set of rows that no draw can tell apart: the anchor, the fresh rows of a generation, the synthetic rows of
one. Of each the recursion knows E|x - mu|^2 of a row and, for every two cohorts, the kinship E (x - mu)(y - mu) of two
different rows, relative to the true variance; real rows have 1 and 0. A fit is linear in both, and so are the rows
sampled from it, which are kin by the mean that they share: nothing is neglected, in any number of dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.contracts import FRESH, REAL, Array, Conditions, Curve, FloatArray, Origin, Regime, Take, TrainingPlan
from dwindle.theory.matching import spread_of

__all__ = ["Loop", "Moments", "moment_curves", "moments", "plans"]


@dataclass(frozen=True)
class Loop:
    """A loop of Gaussian refits to all rows that the regime plans.

    Args:
        regime: what trains a generation. It takes all its anchor rows fixed or none, and weights none that it draws.
        budget: rows of the anchor, and rows that a generation may train on.
        ddof: what is taken from the divisor of the variance.
        spread: variance of what is sampled over that of what was fitted.
        oversample: rows sampled for each row that the regime asks for.
    """

    regime: Regime
    budget: int
    ddof: int = 0
    spread: float = 1.0
    oversample: float = 1.0


@dataclass(frozen=True, eq=False)
class Moments:
    """Expectations at each generation, relative to the true variance; arrays (g,).

    Args:
        variance: of the fitted variance.
        mean_error: of the squared error of the mean, a dimension.
    """

    variance: FloatArray
    mean_error: FloatArray


def moment_curves(conditions: Conditions, generations: int, source: str) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any number of dimensions.

    Args:
        conditions: a recipe whose family and source are Gaussian and whose new rows are all kept.
        generations: the last generation's number.
        source: paper and equation, for the curves.
    """
    covariance, sampler = conditions.source.covariance()[0], conditions.sampler
    spread, ddof = spread_of(sampler, len(covariance)), int(conditions.family.ddof)
    found = moments(Loop(conditions.regime, conditions.budget, ddof, spread, sampler.oversample), generations)
    scale = float(np.trace(covariance)) / len(covariance)
    return {
        "variance": Curve(scale * found.variance, source),
        "mean_error": Curve(scale * found.mean_error, source),
    }


def moments(loop: Loop, generations: int) -> Moments:
    """Return the expected variance and squared error of the mean at generations 0 .. `generations`, exact.

    Source: derived here. For rows of weights w that sum to 1, E|m|^2 is the sum of w w' over their kinships, and E S
        what is left of their own second moment, over 1 - ddof sum w^2; a new row has E|m|^2 + spread E S, and two of
        them the kinship E|m|^2. Population genetics reckons inbreeding so: Malécot 1948.
    """
    planned = list(plans(loop, generations))
    ledger = _Ledger(_blocks([plan for _, plan in planned], loop.budget), generations)
    found = [ledger.fit(TrainingPlan((Take(REAL, loop.budget),)), loop)]
    for generation, (sampled, plan) in enumerate(planned, start=1):
        ledger.join(generation, sampled)
        found.append(ledger.fit(plan, loop))
    variance, mean_error = np.array(found).T
    return Moments(variance, mean_error)


def plans(loop: Loop, generations: int) -> Iterator[tuple[Mapping[Origin, int], TrainingPlan]]:
    """Yield the new rows by origin and the plan of each generation, as the stages would let the regime make it."""
    pool: Mapping[Origin, int] = {REAL: loop.budget}
    for generation in range(1, generations + 1):
        asked = loop.regime.asks(generation, budget=loop.budget)
        new = {generation: round(asked.get(generation, 0) * loop.oversample)}
        new |= {FRESH: asked[FRESH]} if asked.get(FRESH) else {}
        available = {**pool, **new}
        plan = loop.regime.plan(generation, available, budget=loop.budget)
        yield new, plan
        pool = {origin: available[origin] for origin in plan.keep} or {REAL: loop.budget}


def _blocks(plans: Sequence[TrainingPlan], budget: int) -> list[int]:
    """Return the sizes of the parts of the anchor that always train together: one, unless its first rows are fixed."""
    ends = {min(take.count, budget) for plan in plans for take in plan.takes if take.origin == REAL and take.fixed}
    return [int(size) for size in np.diff([0, *sorted(ends | {budget})])]


class _Ledger:
    """Own moments, kinships and sizes of the cohorts: blocks of the anchor, fresh rows, one place a generation."""

    def __init__(self, blocks: Sequence[int], generations: int) -> None:
        self.blocks = len(blocks)
        places = self.blocks + 1 + generations
        self.own = np.ones(places)
        self.kin = np.zeros((places, places))
        self.size = np.array([*blocks, *[0] * (generations + 1)])
        self.last = (1.0, 0.0, np.zeros(places))

    def join(self, generation: int, new: Mapping[Origin, int]) -> None:
        """Let the rows sampled from the last fit join, and new real ones take the place of those before."""
        row, mean_error, kinship = self.last
        place = self.blocks + generation
        self.kin[place], self.kin[:, place] = kinship, kinship
        self.own[place], self.kin[place, place] = row, mean_error
        self.kin[self.blocks], self.kin[:, self.blocks] = 0.0, 0.0
        self.size[[place, self.blocks]] = new[generation], new.get(FRESH, 0)

    def fit(self, plan: TrainingPlan, loop: Loop) -> tuple[float, float]:
        """Fit what the plan says, and return the expected variance and squared error of the mean."""
        places, counts, weights = np.array([cohort for take in plan.takes for cohort in self._cohorts(take)]).T
        used, shares = places.astype(np.int64), counts * weights / (counts @ weights)
        alone = self.own[used] - self.kin[used, used]
        kinship = shares @ self.kin[used]  # symmetric: rows are faster than columns
        second, first = shares @ self.own[used], shares @ kinship[used] + shares**2 / counts @ alone
        kinship[used] += shares * alone / self.size[used]
        first, squares = _drawn(plan, second, first, counts, shares)
        variance = (second - first) / (1.0 - loop.ddof * squares)
        self.last = (first + loop.spread * variance, first, kinship)
        return variance, first

    def _cohorts(self, take: Take) -> Iterator[tuple[int, int, float]]:
        """Yield place, rows and weight of each cohort of a take; of the anchor's blocks those that come first."""
        if take.origin != REAL or self.blocks == 1:
            place = {REAL: 0, FRESH: self.blocks}.get(take.origin, self.blocks + take.origin)
            yield place, take.count, take.weight
            return
        for place in range(self.blocks):
            if self.size[: place + 1].sum() <= take.count:
                yield place, int(self.size[place]), take.weight


def _drawn(plan: TrainingPlan, second: float, first: float, counts: Array, shares: FloatArray) -> tuple[float, float]:
    """Return E|m|^2 and the sum of squared weights of the rows that train, from those of the union of the takes."""
    rows, draw = float(counts.sum()), plan.draw
    if draw is None or (draw >= rows and not plan.replacement):
        return first, float(shares**2 @ (1.0 / counts))
    # Two draws with replacement may be the same row; without it they are two different rows of the union.
    pair = first if plan.replacement else (rows * first - second) / (rows - 1.0)
    return second / draw + (1.0 - 1.0 / draw) * pair, 1.0 / draw
