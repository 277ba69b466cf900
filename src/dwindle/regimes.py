"""Regimes: what trains generation t. All of them, side by side; counts in, plan out.

Their names in params.yaml are the class names in snake case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from dwindle.contracts import FRESH, REAL, Origin, Regime, Take, TrainingPlan, Within

__all__ = ["Accumulate", "AccumulateSubsample", "Blend", "Fresh", "Mixture", "Replace", "Switched", "Web"]

Ratio = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]
Generations = Annotated[int, Within(low=1, high=1_000_000, unit="generations")]


@dataclass(frozen=True)
class Replace:
    """The newest synthetic rows alone train the next generation.

    Source: Shumailov et al. 2024, the fully synthetic loop of Alemohammad et al. 2023.
    """

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for a budget of synthetic rows."""
        return {generation: budget}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on the newest synthetic rows."""
        return TrainingPlan((Take(generation, min(budget, available[generation])),))


@dataclass(frozen=True)
class Accumulate:
    """The anchor and all synthetic rows so far train the next generation; the training set grows.

    Source: Gerstgrasser et al. 2024, section 2.
    """

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for a budget of synthetic rows."""
        return {generation: budget}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on everything within reach, and keep it there."""
        takes = _everything(generation, available, budget)
        return TrainingPlan(takes, keep=tuple(take.origin for take in takes))


@dataclass(frozen=True)
class AccumulateSubsample:
    """A budget-sized draw of the anchor and all synthetic rows so far trains the next generation.

    Args:
        replacement: draw with replacement. The two are different workflows: their error ratios tend to pi^2/2 - 2
            (without) and pi^2/3 - 1/4 (with, after a generation 0 that takes the whole anchor).

    Source: Kazdan et al. 2024, accumulate-subsample.
    """

    replacement: bool = False

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for a budget of synthetic rows."""
        return {generation: budget}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on a draw of everything within reach, and keep all of it there."""
        takes = _everything(generation, available, budget)
        keep = tuple(take.origin for take in takes)
        return TrainingPlan(takes, draw=budget, replacement=self.replacement, keep=keep)


@dataclass(frozen=True)
class Blend:
    """Replayed anchor rows and the newest synthetic rows train the next generation at a fixed synthetic ratio.

    Args:
        synthetic_ratio: synthetic rows over all training rows. The anchor rows are drawn anew each generation.

    Source: Shumailov et al. 2024, 10 % of the original data kept.
    """

    synthetic_ratio: Ratio = 0.5

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for the synthetic share of the budget."""
        return {generation: round(self.synthetic_ratio * budget)}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on both shares."""
        synthetic = round(self.synthetic_ratio * budget)
        return _shares({REAL: budget - synthetic, generation: synthetic}, available)


@dataclass(frozen=True)
class Fresh:
    """New real rows and the newest synthetic rows train the next generation at a fixed synthetic ratio.

    Args:
        synthetic_ratio: synthetic rows over all training rows.

    Source: Alemohammad et al. 2023, the fresh data loop.
    """

    synthetic_ratio: Ratio = 0.9

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for both shares of the budget."""
        synthetic = round(self.synthetic_ratio * budget)
        return {FRESH: budget - synthetic, generation: synthetic}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on both shares."""
        return _shares(self.asks(generation, budget=budget), available)


@dataclass(frozen=True)
class Mixture:
    """Real and synthetic rows at any ratio, weight, reach and size: the general point of which the others are corners.

    Args:
        synthetic_ratio: synthetic rows over all training rows, at the end of the schedule.
        real: which real rows: new ones (`fresh`), anchor rows drawn anew each generation (`replayed`), or always the
            same first anchor rows (`fixed`).
            Source: fresh and fixed are the loops of Alemohammad et al. 2023, replayed that of Shumailov et al. 2024.
        window: the synthetic rows come in equal shares from the newest so many generations.
        real_weight: share of the total weight in training that the real rows have together; null: every row weighs
            the same. Source: He et al. 2025, arXiv 2502.18049; (sqrt(k^2 + 4 k) - k) / 2 is best, k real rows a
            synthetic row.
        growth: generation t trains on budget x (t + 1)^growth rows.
            Source: Xu et al. 2025, arXiv 2505.13947; above 1 the total drift of pure replacement stays finite.
        schedule: how the synthetic ratio comes to be: at once (`constant`), from 0 in a straight line (`linear`) or as
            a logistic curve, or from 1 when real rows come at last (`late_real`), which asks whether they heal.
        ramp: generations that the schedule takes; the logistic one is half way up after half of them.
    """

    synthetic_ratio: Ratio = 0.9
    real: Literal["fresh", "replayed", "fixed"] = "fresh"
    window: Generations = 1
    real_weight: Annotated[float, Within(low=1e-6, high=1 - 1e-6, unit="fraction of weight")] | None = None
    growth: Annotated[float, Within(low=0.0, high=10.0)] = 0.0
    schedule: Literal["constant", "linear", "logistic", "late_real"] = "constant"
    ramp: Generations = 10

    def rows(self, generation: int, budget: int) -> int:
        """Return how many rows train generation t."""
        return round(budget * math.pow(generation + 1, self.growth))

    def ratio(self, generation: int) -> float:
        """Return the synthetic ratio of generation t."""
        if self.schedule == "late_real":
            return 1.0 if generation < self.ramp else self.synthetic_ratio
        return self.synthetic_ratio * _risen(self.schedule, generation, self.ramp)

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for the synthetic share, and for the real one if it is fresh."""
        synthetic, real = self._counts(generation, budget)
        return {generation: synthetic} | ({FRESH: real} if self.real == "fresh" else {})

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on both shares, weighted if asked to; keep what the window still reaches."""
        synthetic, real = self._counts(generation, budget)
        within = sorted((o for o in available if o > REAL and o > generation - self.window), reverse=True)
        source = FRESH if self.real == "fresh" else REAL
        wanted = {source: real} | dict(zip(within, _even(synthetic, len(within)), strict=True))
        counts = {origin: min(count, available.get(origin, 0)) for origin, count in wanted.items()}
        weights = self._weights(counts.get(source, 0), sum(counts.values()))
        takes = tuple(
            Take(origin, count, weights[origin == source], fixed=self.real == "fixed" and origin == source)
            for origin, count in counts.items()
            if count
        )
        keep = tuple(o for o in (*([REAL] if source == REAL else []), *sorted(within)) if o in available)
        return TrainingPlan(takes or (Take(generation, 0),), keep=keep if self.window > 1 else ())

    def _counts(self, generation: int, budget: int) -> tuple[int, int]:
        """Return how many synthetic and how many real rows train generation t."""
        rows = self.rows(generation, budget)
        synthetic = round(self.ratio(generation) * rows)
        return synthetic, rows - synthetic

    def _weights(self, real: int, rows: int) -> tuple[float, float]:
        """Return the weight of a synthetic row and that of a real one; on average a row weighs 1."""
        if self.real_weight is None or real in (0, rows):
            return 1.0, 1.0
        return (1.0 - self.real_weight) * rows / (rows - real), self.real_weight * rows / real


@dataclass(frozen=True)
class Switched:
    """One regime up to a generation, another one after it: when real rows come late, and whether they heal.

    Args:
        before: the regime up to generation `until`.
        after: the regime from there on. One that pools finds the anchor, and what else trained generation `until` where
            the first one kept no pool.
        until: the last generation of the first regime.
    """

    before: Regime = field(default_factory=Replace)
    after: Regime = field(default_factory=Fresh)
    until: Annotated[int, Within(low=0, high=1_000_000, unit="generations")] = 5

    def at(self, generation: int) -> Regime:
        """Return the regime of generation t."""
        return self.before if generation <= self.until else self.after

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for what the regime of the generation asks for."""
        return self.at(generation).asks(generation, budget=budget)

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on what the regime of the generation trains on."""
        return self.at(generation).plan(generation, available, budget=budget)


@dataclass(frozen=True)
class Web:
    """A crawl of the web, which fills with synthetic rows, and an archive from before it did train the next generation.

    Who came first has an archive; a latecomer has the crawl alone.

    Args:
        archive_share: share of the budget that rows of the archive, which is the anchor, have in every generation.
        archive: always the same first anchor rows (`fixed`), or ones drawn anew each generation (`replayed`).
        synthetic_ratio: synthetic rows over all rows of the crawl, at the end of the schedule.
        schedule: how the synthetic ratio comes to be: at once (`constant`), from 0 in a straight line (`linear`) or as
            a logistic curve.
        ramp: generations that the schedule takes; the logistic one is half way up after half of them.
        supply: real rows that a crawl finds for each one that the crawl before found; below 1 the supply shrinks.
        fill: whether synthetic rows take the places of the real ones that are gone; else the training set shrinks.

    Source: the mixtures of Shumailov et al. 2024 and Alemohammad et al. 2023, with a synthetic ratio that rises as a
        shared web is polluted: the supply of human text that Villalobos et al. 2024 see run out.
    """

    archive_share: Ratio = 0.0
    archive: Literal["fixed", "replayed"] = "fixed"
    synthetic_ratio: Ratio = 0.9
    schedule: Literal["constant", "linear", "logistic"] = "logistic"
    ramp: Generations = 10
    supply: Annotated[float, Within(low=1e-3, high=1.0, unit="rows per row")] = 1.0
    fill: bool = True

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Ask for the rows of the crawl."""
        crawled = budget - self._archived(budget)
        synthetic = round(self.synthetic_ratio * _risen(self.schedule, generation, self.ramp) * crawled)
        left = round((crawled - synthetic) * math.pow(self.supply, generation))
        return {generation: crawled - left if self.fill else synthetic, FRESH: left}

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Train on the archive and on what is left of the crawl."""
        wanted = {REAL: self._archived(budget), **self.asks(generation, budget=budget)}
        plan = _shares(wanted, available)
        fixed = tuple(replace(take, fixed=take.origin == REAL and self.archive == "fixed") for take in plan.takes)
        return replace(plan, takes=fixed)

    def _archived(self, budget: int) -> int:
        """Return how many rows the archive gives."""
        return round(self.archive_share * budget)


def _risen(schedule: str, generation: int, ramp: int) -> float:
    """Return how much of its way a schedule has gone at generation t, from 0 to 1."""
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return min(1.0, generation / ramp)
    return 1.0 / (1.0 + math.exp(4.0 - 8.0 * generation / ramp))


def _even(count: int, parts: int) -> list[int]:
    """Split a count into parts that differ by one at most, the larger ones first."""
    return [count // parts + (place < count % parts) for place in range(parts)] if parts else []


def _everything(generation: int, available: Mapping[Origin, int], budget: int) -> tuple[Take, ...]:
    """Take all rows within reach, but of the newest no more than the budget."""
    limits = {origin: count if origin != generation else min(count, budget) for origin, count in available.items()}
    return tuple(Take(origin, count) for origin, count in limits.items() if count)


def _shares(wanted: Mapping[Origin, int], available: Mapping[Origin, int]) -> TrainingPlan:
    """Take what is wanted of each origin, or what is left of it; where nothing is left, no rows of the newest one."""
    counts = {origin: min(count, available.get(origin, 0)) for origin, count in wanted.items()}
    takes = tuple(Take(origin, count) for origin, count in counts.items() if count)
    return TrainingPlan(takes or (Take(max(wanted), 0),))
