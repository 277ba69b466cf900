"""Regimes: what trains generation t. All of them, side by side; counts in, plan out.

Their names in params.yaml are the class names in snake case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from dwindle.contracts import FRESH, REAL, Origin, Take, TrainingPlan, Within

__all__ = ["Accumulate", "AccumulateSubsample", "Blend", "Fresh", "Replace"]

Ratio = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]


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
        replacement: draw with replacement. The two are different workflows: their error ratios tend to
            pi^2/2 - 2 (without) and pi^2/3 (with).

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


def _everything(generation: int, available: Mapping[Origin, int], budget: int) -> tuple[Take, ...]:
    """Take all rows within reach, but of the newest no more than the budget."""
    limits = {origin: count if origin != generation else min(count, budget) for origin, count in available.items()}
    return tuple(Take(origin, count) for origin, count in limits.items() if count)


def _shares(wanted: Mapping[Origin, int], available: Mapping[Origin, int]) -> TrainingPlan:
    """Take what is wanted of each origin, or what is left of it; where nothing is left, no rows of the newest one."""
    counts = {origin: min(count, available.get(origin, 0)) for origin, count in wanted.items()}
    takes = tuple(Take(origin, count) for origin, count in counts.items() if count)
    return TrainingPlan(takes or (Take(max(wanted), 0),))
