"""Definitions 4 and 6 to 8: what of the real distribution is lost, and what is there that should not be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.profile.contrasts import beside, ratio, reference
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory, changes, second_half, slopes
from dwindle.profile.verdicts import CANDIDATES, DEFINITIONS, Verdict, above, below, candidate, undefined

__all__ = ["collapsing_variance", "entangled", "hallucinated", "logarithmic", "lost_tails"]


def logarithmic(name: str, trajectory: Trajectory) -> Trajectory:
    """Return a variance-like measure on the log scale: a log variance is there already."""
    return replace(trajectory, scale="linear" if name == "log_variance" else "log")


def collapsing_variance(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether the variance goes to 0: it falls, and what is left of it, if it falls on so, is below the limit.

    The slope of the log variance over the second half carries on for `projection` times the generations so far. That
    of an accumulating lineage fades as 1 / t^2 and leads nowhere.
    """
    definition = DEFINITIONS[3]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, "no variance was measured at two generations: add the metric moments")
    name, trajectory = chosen[0], logarithmic(*chosen)
    other = logarithmic(name, control[name]) if name in control else None
    slope = beside(_slopes(trajectory), None if other is None else _slopes(other), paired=paired)
    share = beside(changes(trajectory.points), None if other is None else changes(other.points), paired=paired)
    ahead = _ahead(trajectory, limits)
    projected = beside(
        _projected(trajectory, ahead), None if other is None else _projected(other, ahead), paired=paired
    )
    statistic = f"log share left {round(ahead)} generations on at the present decay"
    now = f"log share left now {share.mean:.3g}" if math.isfinite(share.mean) else ""
    verdict = below(Verdict(definition, "undecided", name, statistic, reason=now), projected, math.log(limits.variance))
    if verdict.verdict == "yes" and not slope.high < 0:
        return verdict.doubted(
            f"the slope of the log variance, {slope.mean:.3g} a generation, is not shown to be below 0"
        )
    return verdict


def _slopes(trajectory: Trajectory) -> FloatArray:
    return slopes(trajectory.generations, trajectory.points)


def _ahead(trajectory: Trajectory, limits: Thresholds) -> float:
    span = float(trajectory.generations[-1] - trajectory.generations[0])
    return span * max(0.0, limits.projection - 1)


def _projected(trajectory: Trajectory, ahead: float) -> FloatArray:
    """Return the log of the share that would be left of each chain's variance, (c,)."""
    half = second_half(trajectory)
    pace = slopes(half.generations, half.points) if len(half.generations) > 1 else _slopes(trajectory)
    return np.asarray(changes(trajectory.points) + ahead * pace, dtype=np.float64)


_NO_TAIL = "no tail was measured at two generations: add the metric tail_mass, prdc or perplexity_by_frequency"


def lost_tails(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether the tail of the real distribution is thinner than at generation 0."""
    definition = DEFINITIONS[5]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, _NO_TAIL)
    name, trajectory = chosen
    present = _covered(name, trajectory)
    other = reference(present, _covered(name, control[name]) if name in control else None, paired=paired)
    found = ratio(present.values[-1], other.values, paired=other.paired)
    statistic = f"share of the tail left, beside {other.name}"
    return below(Verdict(definition, "undecided", name, statistic), found, limits.tail)


def _covered(name: str, trajectory: Trajectory) -> Trajectory:
    """Return what is there of the tail: missing mass counts what is not."""
    values = 1.0 - trajectory.values if name == "missing_mass" else trajectory.values
    return replace(trajectory, chains=values, scale="linear")


def entangled(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether samples have come to lie between the modes."""
    definition = DEFINITIONS[6]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        return undefined(definition, "the share of samples on a mode was not measured: add the metric modes")
    statistic = "rise of the share of samples on no mode"
    return _off(Verdict(definition, "undecided", chosen[0], statistic), chosen[1], control, limits.entangled, paired)


def hallucinated(measures: Trajectories, control: Trajectories, limits: Thresholds, *, paired: bool) -> Verdict:
    """Judge whether samples have come to lie where no real rows do."""
    definition = DEFINITIONS[7]
    chosen = candidate(measures, CANDIDATES[definition])
    if chosen is None:
        missing = "no share of samples off the real support: add the metric prdc, modes or fact_recall"
        return undefined(definition, missing)
    same = "the same evidence as that on entanglement" if chosen[0] == "on_mode" else ""
    verdict = Verdict(
        definition, "undecided", chosen[0], "rise of the share of samples off the real support", reason=same
    )
    return _off(verdict, chosen[1], control, limits.hallucinated, paired)


def _off(verdict: Verdict, on: Trajectory, control: Trajectories, threshold: float, paired: bool) -> Verdict:
    # Hallucinations count the samples off the support, the other measures those on it.
    sign = 1.0 if verdict.measure == "hallucinations" else -1.0
    other = reference(on, control.get(verdict.measure), paired=paired)
    found = beside(sign * on.values[-1], sign * other.values, paired=other.paired)
    return above(replace(verdict, statistic=f"{verdict.statistic}, beside {other.name}"), found, threshold)
