"""Lineages as an estimate sees them: their kind, the rows that their costs follow, and what they still have to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.data.rows import FloatArray
from dwindle.estimate.figures import BYTES, Figures, Kind, kind_of
from dwindle.estimate.rows import LineageRows, lineage_rows
from dwindle.plan import STAGES, Plan
from dwindle.stages.glance import Glance, Pending

__all__ = ["Cost", "Outlook", "cost_to_go", "outlooks", "same_beginnings"]


@dataclass(frozen=True, eq=False)
class Outlook:
    """A lineage before it is grown, or while it grows.

    Args:
        name: its name.
        recipe: its recipe.
        kind: whose figures judge it.
        rows: its rows a chain, by generation.
        pending: what it still has to do.
    """

    name: str
    recipe: Recipe
    kind: Kind
    rows: LineageRows
    pending: Pending

    @property
    def drivers(self) -> dict[str, FloatArray]:
        """The rows of all chains by which each cost grows, by generation; held-out rows are as many everywhere."""
        chains = float(self.recipe.chains)
        trained, constant = chains * self.rows.trained, np.full(self.rows.trained.size, chains)
        stages = dict(zip(STAGES, (chains * self.rows.sampled, trained, trained, constant), strict=True))
        return stages | {"data": chains * self.rows.written, "models": trained}

    @property
    def wanted(self) -> int:
        """Number of the last generation that the plan asks for."""
        return self.rows.trained.size - 1

    @property
    def grown(self) -> bool:
        """Whether nothing is left to do."""
        return not self.pending.next_stage


@dataclass(frozen=True)
class Cost:
    """What a lineage still costs.

    Args:
        seconds: compute; None where nothing like it was timed.
        size: bytes to be written; None where nothing like it was weighed.
    """

    seconds: float | None
    size: float | None


def outlooks(glance: Glance) -> list[Outlook]:
    """Return the outlook of every lineage of a plan."""
    known: dict[tuple[str, float, int], LineageRows] = {}
    found = []
    for name in glance.plan.recipes:
        recipe, last = glance.plan.recipe(name), len(glance.plan.generations(name)) - 1
        kind = kind_of(recipe)
        key = (kind.shape, recipe.sampler.oversample, last)
        if key not in known:
            known[key] = lineage_rows(recipe, last)
        found.append(Outlook(name, recipe, kind, known[key], glance.pending(name)))
    return found


def same_beginnings(plan: Plan) -> list[list[str]]:
    """Return the lineages of a plan, those together whose generation 0 is the same work."""
    groups: list[list[str]] = []
    seen: set[str] = set()
    for name in plan.recipes:
        first = plan.generations(name)[0]
        if first not in seen:
            together = [first, *plan.twins(first)]
            seen.update(together)
            groups.append([str(plan.chain[key]["lineage"]) for key in together])
    return groups


def cost_to_go(glance: Glance, figures: Figures, found: Iterable[Outlook]) -> dict[str, Cost]:
    """Return what each lineage still costs; what several share is put down to the first that needs it."""
    plan, by_name = glance.plan, {outlook.name: outlook for outlook in found}
    spared: set[str] = set()
    for group in same_beginnings(plan):
        made = any(0 not in by_name[name].pending.stages["train"] for name in group)
        spared.update(group if made else group[1:])
    drawing = {plan.drawn_for(key) for key in plan.real if not glance.is_done(f"draw@{key}")}
    return {
        name: _cost(outlook, figures, spared=name in spared, draws=name in drawing) for name, outlook in by_name.items()
    }


def _cost(outlook: Outlook, figures: Figures, *, spared: bool, draws: bool) -> Cost:
    left = {
        stage: [generation for generation in generations if generation or not spared]
        for stage, generations in outlook.pending.stages.items()
    }
    sizes = dict(zip(BYTES, (left["curate"], left["train"]), strict=True))
    drawn = ("draw", "real") if draws else ("", "")
    return Cost(_sum(outlook, figures, left, drawn[0]), _sum(outlook, figures, sizes, drawn[1]))


def _sum(outlook: Outlook, figures: Figures, left: Mapping[str, Sequence[int]], first: str) -> float | None:
    """Add up costs over the generations where they are still to come, and that of the real rows if it is known."""
    wanted, drivers = tuple(cost for cost, generations in left.items() if generations), outlook.drivers
    lines = figures.lines(outlook.kind, wanted)
    if lines is None:
        return None
    drawn = figures.lines(outlook.kind, (first,)) if first else None
    total = float(drawn[first].at(drivers["models"])[0]) if drawn else 0.0
    return total + sum(float(lines[cost].at(drivers[cost])[list(left[cost])].sum()) for cost in wanted)
