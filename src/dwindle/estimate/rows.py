"""How many rows a lineage samples, trains on and writes, by the arithmetic of its regime alone.

What curators drop is not known before: these are the rows of a lineage whose curators keep all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dwindle.components import name_of
from dwindle.config.recipe import Recipe, fresh_rows
from dwindle.contracts import FRESH, REAL, Origin, TrainingPlan
from dwindle.data.rows import FloatArray
from dwindle.plan import sampled_rows

__all__ = ["LineageRows", "choosy", "lineage_rows"]

_ALL = 24
"""Up to so many generations all are worked out; of longer lineages twelve, and the others lie between them."""


@dataclass(frozen=True, eq=False)
class LineageRows:
    """Rows a chain of each generation, generation 0 first.

    Args:
        sampled: synthetic rows that are sampled.
        trained: rows that train.
        written: rows that are written anew, not linked from another folder.
    """

    sampled: FloatArray
    trained: FloatArray
    written: FloatArray


@dataclass(frozen=True)
class _Step:
    """One generation: what trains, what is written anew, and what stays within reach of the next, by origin."""

    trained: int
    written: int
    pool: Mapping[Origin, int]


def choosy(recipe: Recipe) -> bool:
    """Say whether any of a recipe's curators may drop or weigh rows."""
    return any(name_of(curator) != "keep_all" for curator in recipe.curators)


def lineage_rows(recipe: Recipe, generations: int) -> LineageRows:
    """Return the rows of a lineage.

    Args:
        recipe: the recipe.
        generations: number of the last generation.
    """
    sampled = [0, *(sampled_rows(recipe, t) for t in range(1, generations + 1))]
    steps = {0: _Step(recipe.budget, 0, {REAL: recipe.budget})}
    if generations <= _ALL:
        for t in range(1, generations + 1):
            reached = steps[t - 1].pool if recipe.pools(t) else {REAL: recipe.budget}
            steps[t] = _step(recipe, t, sampled[t], reached)
    else:
        for t in _some(generations):
            before = {REAL: recipe.budget} | dict(enumerate(sampled[1:t], 1))
            pool = _step(recipe, t - 1, 0, before).pool if t > 1 else before
            steps[t] = _step(recipe, t, sampled[t], pool if recipe.pools(t) else {REAL: recipe.budget})
    at = sorted(steps)
    between = [
        np.interp(range(generations + 1), at, values)
        for values in ([steps[t].trained for t in at], [steps[t].written for t in at])
    ]
    return LineageRows(np.array(sampled, dtype=float), between[0], between[1] + sampled)


def _some(generations: int) -> list[int]:
    """Return twelve generations: the first three, where most changes, and the others evenly."""
    spread = np.rint(np.linspace(1, generations, 10)).astype(int).tolist()
    return sorted({1, 2, 3, *spread})


def _step(recipe: Recipe, generation: int, sampled: int, reached: Mapping[Origin, int]) -> _Step:
    """Work out a generation as the curate stage does."""
    fresh = fresh_rows(recipe.regime, generation, recipe.budget)
    new = {generation: reached.get(generation, 0) + sampled} | ({FRESH: fresh} if fresh else {})
    available = {**reached, **new}
    plan = recipe.regime.plan(generation, available, budget=recipe.budget)
    takes = [min(take.count, available.get(take.origin, 0)) for take in plan.takes]
    drawn = plan.draw is not None and (plan.replacement or plan.draw < sum(takes))
    trained = plan.draw if drawn and plan.draw is not None else sum(takes)
    kept = plan.keep or tuple(take.origin for take in plan.takes)
    pool = {origin: available[origin] for origin in kept if available.get(origin)}
    return _Step(trained, trained if drawn else _anew(recipe, generation, plan, available), pool)


def _anew(recipe: Recipe, generation: int, plan: TrainingPlan, available: Mapping[Origin, int]) -> int:
    """Return how many of the rows that train stand in no other folder as they are: cut, weighted, fresh or judged."""
    judged = {FRESH, generation} if choosy(recipe) else {FRESH}
    return sum(
        min(take.count, available.get(take.origin, 0))
        for take in plan.takes
        if take.origin in judged or take.weight != 1.0 or take.count < available.get(take.origin, 0)
    )
