"""Definitions 1 to 3 and 5: what the population risk does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.intervals import Summary, summarize
from dwindle.profile.contrasts import LEAST_CHAINS, beside, ratio, reference
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory, linear_parts, second_half, slopes
from dwindle.profile.verdicts import CANDIDATES, DEFINITIONS, Verdict, above, apart, candidate, undefined

__all__ = ["any_increase", "by_ratio", "catastrophic", "diverging", "scaling_law"]

_ADD = "add the metric risk, parameter_error, frechet or sliced_wasserstein"


def by_ratio(trajectory: Trajectory) -> bool:
    """Say whether a risk is compared by ratio: where every value is positive and the unit is not nats.

    A risk in nats is a logarithm already, and that of a density changes with the unit of the rows: its differences
    mean the same in every unit, and agree with the ratios of the perplexity.
    """
    if trajectory.unit.startswith("nats"):
        return False
    values = trajectory.values[np.isfinite(trajectory.values)]
    return trajectory.scale == "log" or bool((values >= 0).all() and (values > 0).any())


def growth(trajectory: Trajectory, control: Trajectory | None, *, paired: bool) -> tuple[Summary, str, bool]:
    """Return how the risk has grown by the last generation, the statistic's name, and whether it is a ratio.

    Args:
        trajectory: the risk.
        control: the control's, or None to compare with generation 0.
        paired: whether chain i of both starts from the same rows.
    """
    other = reference(trajectory, control, paired=paired)
    if not by_ratio(trajectory):
        found = beside(trajectory.values[-1], other.values, paired=other.paired)
        return found, f"last generation minus {other.name}", False
    statistic = f"last generation over {other.name}"
    if trajectory.scale == "log":
        return _exponential(beside(trajectory.points[-1], other.points, paired=other.paired)), statistic, True
    return ratio(trajectory.values[-1], other.values, paired=other.paired), statistic, True


def _exponential(found: Summary) -> Summary:
    with np.errstate(over="ignore"):
        mean, low, high = (float(np.exp(end)) for end in (found.mean, found.low, found.high))
    return Summary(mean, low, high, found.chains, found.reason)


def catastrophic(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether the risk has at least doubled, or a real row become half as likely, since generation 0."""
    definition = DEFINITIONS[0]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, f"no risk was measured at two generations: {_ADD}")
    name, trajectory = chosen
    found, statistic, relative = growth(trajectory, control.get(name), paired=paired)
    threshold = limits.catastrophe if relative else math.log(limits.catastrophe)
    how = (
        ""
        if relative
        else f"risks that can be negative or are in nats are compared by differences: log {limits.catastrophe:g}"
    )
    return above(Verdict(definition, "undecided", name, statistic, reason=how), found, threshold)


def any_increase(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether the risk has increased at all; an increase is denied where it is below the tolerance."""
    definition = DEFINITIONS[1]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, f"no risk was measured at two generations: {_ADD}")
    name, trajectory = chosen
    found, statistic, relative = growth(trajectory, control.get(name), paired=paired)
    how = f"denied where the interval lies below a tolerance of {limits.tolerance:g}"
    verdict = Verdict(definition, "undecided", name, statistic, reason=how)
    return above(verdict, found, 1.0 if relative else 0.0, margin=limits.tolerance)


def diverging(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether the risk goes on growing beyond what a saturating one, a - b / t, does over the second half.

    The statistic is what its linear term rises over the second half. It must lie above 0 while the risk itself rises;
    divergence is denied where either rise is negligible beside the risk of generation 0 (or of the control, whose
    own rises are taken off). A risk that saturates more
    slowly than 1 / t cannot be told from a diverging one.
    """
    definition = DEFINITIONS[2]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, f"no risk was measured at two generations: {_ADD}")
    name, trajectory = chosen
    statistic = "linear part of the rise over the second half, less that of a - b / t"
    verdict = Verdict(definition, "undecided", name, statistic)
    half = second_half(trajectory)
    if len(half.generations) < 4:
        return verdict.doubted(f"the second half has {len(half.generations)} generations; the comparison takes four")
    other, unit = _comparable(control.get(name), half), _unit(trajectory, control.get(name))
    linear = beside(_linear(half), None if other is None else _linear(other), paired=paired)
    rise = beside(_rises(half), None if other is None else _rises(other), paired=paired)
    judged = above(verdict, _scaled(linear, unit), 0.0, margin=limits.tolerance)
    if rise.high < limits.tolerance * unit and rise.chains >= LEAST_CHAINS and not rise.reason:
        flat = f"the risk rises by less than the tolerance of {limits.tolerance:g} over the second half"
        return Verdict(definition, "no", name, statistic, judged.value, judged.low, judged.high, 0.0, flat)
    if judged.verdict == "yes" and not rise.low > 0:
        return judged.doubted("the risk itself is not shown to rise over the second half")
    return judged


def _comparable(control: Trajectory | None, half: Trajectory) -> Trajectory | None:
    """Return the generations of the control that the lineage's second half covers, or None if they are too few."""
    if control is None:
        return None
    covered = np.isin(control.generations, half.generations)
    if covered.sum() < len(half.generations):
        return None
    return replace(control, generations=control.generations[covered], chains=control.chains[covered])


def _unit(trajectory: Trajectory, control: Trajectory | None) -> float:
    """Return what a rise is told in: the mean risk of the reference for ratios, 1 for differences."""
    if not by_ratio(trajectory):
        return 1.0
    values = reference(trajectory, control, paired=False).values
    level = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    return level if level > 0 else 1.0


def _scaled(found: Summary, unit: float) -> Summary:
    return Summary(found.mean / unit, found.low / unit, found.high / unit, found.chains, found.reason)


def _linear(half: Trajectory) -> FloatArray:
    """Return the linear part of each chain, on the values themselves: a logarithm would bend the line."""
    return linear_parts(half.generations, half.values)


def _rises(half: Trajectory) -> FloatArray:
    span = float(half.generations[-1] - half.generations[0])
    return slopes(half.generations, half.values) * span


def scaling_law(sweep: Mapping[float, Trajectories], limits: Thresholds) -> Verdict:
    """Judge whether the exponent of the risk in the budget has changed from generation 0 to the last.

    Args:
        sweep: the trajectories of lineages that differ only in their budget, by budget in rows.
        limits: the change that is negligible.
    """
    definition = DEFINITIONS[4]
    if len(sweep) < 2:
        return undefined(definition, "a scaling law takes lineages that differ only in their budget")
    for name in CANDIDATES[definition]:
        sized = {size: measures[name] for size, measures in sweep.items() if name in measures}
        if len(sized) == len(sweep) and all(_positive(one) for one in sized.values()):
            return _exponents(definition, name, sized, limits)
    return undefined(definition, "no positive risk was measured in every lineage of the sweep: " + _ADD)


def _positive(trajectory: Trajectory) -> bool:
    ends = trajectory.values[[0, -1]]
    return len(trajectory.generations) > 1 and bool((ends > 0).any(axis=1).all() and not (ends <= 0).any())


def _exponents(definition: str, name: str, sized: Mapping[float, Trajectory], limits: Thresholds) -> Verdict:
    """Compare the slopes of log risk on log budget; chain i of every lineage makes one replicate of the sweep."""
    chains = min(one.count for one in sized.values())
    budgets = np.log(np.array(list(sized), dtype=np.float64))
    first, last = (np.log(np.stack([one.values[end, :chains] for one in sized.values()])) for end in (0, -1))
    weights = (budgets - budgets.mean()) / ((budgets - budgets.mean()) ** 2).sum()
    found = summarize(weights @ last - weights @ first)
    verdict = Verdict(definition, "undecided", name, "slope of log risk on log budget, last minus first generation")
    return apart(verdict, found, limits.exponent)
