"""What closed forms say of the largest stable ratio, under the same window, control and limit as the chains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import FloatArray, IntArray
from dwindle.expectations import expected
from dwindle.profile.criteria import Criterion
from dwindle.profile.crossing import memory
from dwindle.report.ratio_groups import at_ratio

__all__ = ["Law"]


@dataclass(frozen=True, eq=False)
class Law:
    """What theory expects of one criterion at any synthetic ratio.

    Args:
        recipe: of one lineage of the group; its regime has a synthetic ratio.
        control: the all-real recipe; None for generation 0 of the group's own.
        criterion: what stable means.
        generations: (w,) the ones that are averaged, of the lineage.
        horizon: the last generation.
    """

    recipe: Recipe
    control: Recipe | None
    criterion: Criterion
    generations: IntArray
    horizon: int

    def harm(self, synthetic: int) -> float:
        """Return the expected harm with so many synthetic rows in a budget; nan where no closed form speaks."""
        lineage = self._level(at_ratio(self.recipe, synthetic / self.recipe.budget), self.generations)
        if self.control is None:
            control = self._level(self.recipe, np.zeros(1, dtype=np.int64))
        else:
            control = self._level(self.control, self.generations)
        return float(self.criterion.harm(np.array(lineage), np.array(control)))

    def _level(self, recipe: Recipe, generations: IntArray) -> float:
        """Return the expected mean over generations; a geometric mean over chains is no expectation, and has none."""
        curve = expected(recipe, self.horizon).get(self.criterion.measure)
        if curve is None or self.criterion.kind == "geometric":
            return math.nan
        level = float(curve.mean[generations].mean())
        return 1.0 - level if self.criterion.covered else level

    def threshold(self) -> float:
        """Return the exact ratio at which harm crosses the limit, between whole rows on the scale of the chains' line.

        Infinite where even pure replacement is stable, nan where no closed form speaks or ratio 0 is unstable.
        """
        low, high, bar = 0, self.recipe.budget, self.criterion.bar
        ends = self.harm(low), self.harm(high)
        if math.isnan(sum(ends)) or ends[0] > bar:
            return math.nan
        if ends[1] <= bar:
            return math.inf
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.harm(middle) > bar else (middle, high)
        first, last = self.harm(low), self.harm(high)
        return (low + (bar - first) / (last - first)) / self.recipe.budget

    def curve(self, points: int = 40) -> tuple[FloatArray, FloatArray]:
        """Return ratios and the expected harm there, (p,) each; empty where no closed form speaks.

        Args:
            points: how many ratios at most, spread evenly on the scale of memory, in whole rows.
        """
        budget = self.recipe.budget
        if math.isnan(self.harm(0)) or math.isnan(self.harm(budget)):
            return np.empty(0), np.empty(0)
        low, high = memory(0.0, self.horizon).item(), memory(1.0, self.horizon).item()
        spread = 1.0 + 1.0 / (self.horizon + 1.0) - np.exp(-np.linspace(low, high, points))
        rows = np.unique(np.round(np.clip(spread, 0.0, 1.0) * budget).astype(np.int64))
        return rows / budget, np.array([self.harm(int(count)) for count in rows])
