"""What a report says of fidelity and cost: small tables, as far as they take no time."""

from __future__ import annotations

from pathlib import Path

from dwindle.config.prices import Prices
from dwindle.errors import BadInput, DataDamaged
from dwindle.judging.cost_tables import cost_table
from dwindle.judging.costs import costs
from dwindle.judging.fidelity import WIDE, Fidelity, fidelity
from dwindle.judging.fidelity_tables import summary_table
from dwindle.plan import Plan
from dwindle.report.text_table import TextTable

__all__ = ["newest_cost", "newest_fidelity"]

_CELLS, _NUMBERS = 3_000, 4_000_000
"""Chains times columns, and numbers to read, of all lineages, from which on it would take a second."""


def newest_fidelity(root: Path, plan: Plan) -> list[TextTable]:
    """Return the fidelity of the newest rows of each lineage; nothing where it would take long, or no rows are here."""
    if _weight(plan) > 1:
        return []
    found = [one for name in plan.recipes if (one := _fidelity(root, plan, name)) is not None]
    return [summary_table(found)] if found else []


def newest_cost(root: Path, plan: Plan, prices: Prices) -> list[TextTable]:
    """Return what each lineage cost where there are prices; without, the report says as much already."""
    found = costs(root, plan, prices, list(plan.recipes)) if prices.known else []
    return [cost_table(found, prices)] if found else []


def _fidelity(root: Path, plan: Plan, name: str) -> Fidelity | None:
    try:
        return fidelity(root, plan, name)
    except (BadInput, DataDamaged):  # nothing is grown, or its rows are elsewhere
        return None


def _weight(plan: Plan) -> float:
    """Return how heavy the work is, 1 for a second, by what recipes say of rows; those of a source count as wide."""
    recipes = [plan.recipe(name) for name in plan.recipes]
    cells = sum(recipe.chains * WIDE for recipe in recipes)
    numbers = sum(recipe.chains * recipe.budget * WIDE for recipe in recipes)
    return max(cells / _CELLS, numbers / _NUMBERS)
