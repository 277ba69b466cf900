"""What training rows are made of, by the regime's own plans: exact for any family, where no curator drops rows."""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import REAL, Conditions, Curve, Take, TrainingPlan
from dwindle.theory.gaussian_kinship import Loop, plans
from dwindle.theory.matching import all_kept, is_component

__all__ = ["applies", "curves"]

_SOURCE = "Kanabar and Gastpar 2026, n a^2 by the regime's plans: exact"


def applies(conditions: Conditions) -> bool:
    """Say whether a recipe measures the composition of its training rows, and keeps all new ones."""
    measured = getattr(conditions, "metrics", ())
    return all_kept(conditions) and any(is_component(one, "metrics.composition.Composition") for one in measured)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return real_share and effective_real_rows at generations 0 .. `generations`."""
    loop = Loop(conditions.regime, conditions.budget, oversample=conditions.sampler.oversample)
    planned = [TrainingPlan((Take(REAL, conditions.budget),)), *(plan for _, plan in plans(loop, generations))]
    share, effective = np.array([_composed(plan) for plan in planned]).T
    return {"real_share": Curve(share, _SOURCE), "effective_real_rows": Curve(effective, _SOURCE)}


def _composed(plan: TrainingPlan) -> tuple[float, float]:
    """Return the expected real share of the weight, and the effective real rows."""
    counts, weights = np.array([(take.count, take.weight) for take in plan.takes]).T
    real = np.array([take.origin <= REAL for take in plan.takes])
    mass, squares = float(counts @ weights), float(counts @ weights**2)
    if not mass:  # nothing is left to train on
        return math.nan, math.nan
    share, rows = float(counts[real] @ weights[real]) / mass, float(counts.sum())
    if plan.draw is None or (plan.draw >= rows and not plan.replacement):
        return share, (share * mass) ** 2 / squares
    # The number of real rows of a draw is hypergeometric, or binomial; drawn rows have one weight.
    left = 1.0 if plan.replacement else (rows - plan.draw) / (rows - 1.0)
    return share, share * (1.0 - share) * left + share * share * plan.draw
