"""Hold the checks of a preset to the evaluations of its sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dwindle.config.preset import Check, Preset
from dwindle.config.recipe import Recipe
from dwindle.contracts import FloatArray
from dwindle.errors import BadInput, nearest
from dwindle.expectations import expected, z_scores
from dwindle.plan import Plan
from dwindle.report.profiles import profile_in
from dwindle.report.series import Gathered, gather
from dwindle.reproduction.statistics import argmin, crossing, jackknifed, slope

__all__ = ["Finding", "Outcome", "check_sweep"]

LIMIT = 4.0
"""Standard errors that a measured value may lie from the expected one."""


@dataclass(frozen=True)
class Finding:
    """What became of one check.

    Args:
        claim: what was claimed.
        expected: the value, range, order or answer that the paper or theory gives, as text.
        measured: the value that was measured; nan for an order or an answer.
        error: its standard error over chains; nan if unknown.
        z: standard errors from the expected value; nan where none is expected or known.
        reproduced: whether the claim holds here; None if it cannot be told.
        told: the measured order or answer, or why it cannot be told.
    """

    claim: str
    expected: str
    measured: float
    error: float
    z: float
    reproduced: bool | None
    told: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a preset.

    Args:
        name: the preset.
        preset: its paper, claim and checks.
        findings: one a check.
    """

    name: str
    preset: Preset
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """`reproduced` if every check holds, `not reproduced` if one does not, else `undecided`."""
        answers = [finding.reproduced for finding in self.findings]
        if False in answers:
            return "not reproduced"
        return "undecided" if None in answers or not answers else "reproduced"


def check_sweep(root: Path, plan: Plan, preset: Preset) -> Outcome:
    """Hold every check of a preset to what was evaluated.

    Args:
        root: the workspace.
        plan: its plan.
        preset: what it should reproduce.

    Raises:
        BadInput: if a check names a measure that no lineage has.
    """
    gathered = gather(root, plan)
    return Outcome(plan.sweep, preset, tuple(_found(check, plan, gathered) for check in preset.checks))


def _found(check: Check, plan: Plan, gathered: Gathered) -> Finding:
    if check.statistic == "verdict":
        return _answered(check, plan, gathered)
    if check.measure not in gathered:
        raise BadInput(f"preset {plan.sweep}: '{check.measure}' was not measured{nearest(check.measure, gathered)}")
    lineages = check.lineages or tuple(gathered[check.measure])
    if check.statistic == "theory":
        return _against_theory(check, plan, gathered, lineages)
    named = (*lineages, *([check.against] if check.against else []))
    missing = [name for name in named if name not in gathered[check.measure]]
    if missing:
        return _untold(check, f"{', '.join(missing)} was not evaluated")
    chains = [gathered[check.measure][name].chains for name in named]
    if check.statistic == "order":
        return _ordered(check, lineages, chains)
    value, error = jackknifed(_statistic(check, plan, lineages), chains)
    return _judged(check, value, error)


def _untold(check: Check, why: str) -> Finding:
    return Finding(check.claim, _wanted(check), math.nan, math.nan, math.nan, None, why)


def _at(check: Check, array: FloatArray) -> int:
    last = len(array) - 1
    return last if check.generation is None else min(check.generation, last)


def _mean(array: FloatArray, generation: int) -> float:
    here = array[generation]
    return float(np.nanmean(here)) if np.isfinite(here).any() else math.nan


def _statistic(check: Check, plan: Plan, lineages: Sequence[str]) -> Callable[[Sequence[FloatArray]], float]:
    if check.statistic in ("argmin", "crossing", "scaling"):
        settings = np.array([_setting(plan.recipe(name), str(check.over)) for name in lineages])
        return partial(_between_lineages, check, settings)
    return {"mean": _of_mean, "geometric_mean": _of_logs, "ratio": _of_ratio, "slope": _of_slope}[check.statistic](
        check
    )


def _of_mean(check: Check) -> Callable[[Sequence[FloatArray]], float]:
    return lambda chains: _mean(chains[0], _at(check, chains[0]))


def _of_logs(check: Check) -> Callable[[Sequence[FloatArray]], float]:
    def statistic(chains: Sequence[FloatArray]) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            return math.exp(_mean(np.log(chains[0]), _at(check, chains[0])))

    return statistic


def _of_ratio(check: Check) -> Callable[[Sequence[FloatArray]], float]:
    def statistic(chains: Sequence[FloatArray]) -> float:
        here = _at(check, chains[0])
        below = _mean(chains[1], here) if check.against else _mean(chains[0], check.since)
        return _mean(chains[0], here) / below if below else math.nan

    return statistic


def _of_slope(check: Check) -> Callable[[Sequence[FloatArray]], float]:
    def statistic(chains: Sequence[FloatArray]) -> float:
        places = np.arange(check.since, _at(check, chains[0]) + 1)
        means = np.array([_mean(chains[0], int(place)) for place in places])
        return slope(means, np.asarray(places + 1.0, dtype=np.float64))

    return statistic


def _between_lineages(check: Check, settings: FloatArray, chains: Sequence[FloatArray]) -> float:
    means: FloatArray = np.array([_mean(array, _at(check, array)) for array in chains])
    if check.statistic == "scaling":
        return slope(means, settings)
    if check.statistic == "argmin":
        return argmin(settings, means)
    return crossing(settings, means, float(check.level or 0))


def _setting(recipe: Recipe, key: str) -> float:
    found: object = recipe.settings
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else math.nan


def _judged(check: Check, value: float, error: float) -> Finding:
    """Hold a number to what is expected of it."""
    wanted = _wanted(check)
    if not math.isfinite(value):
        return _untold(check, "undefined")
    if check.expected is not None:
        gap = value - check.expected
        z = gap / error if error > 0 else math.nan
        return Finding(check.claim, wanted, value, error, z, _close(check, gap, error))
    low, high = (end if end is not None else limit for end, limit in ((check.low, -math.inf), (check.high, math.inf)))
    return Finding(check.claim, wanted, value, error, math.nan, low <= value <= high)


def _close(check: Check, gap: float, error: float) -> bool | None:
    """Say whether a value is what was expected; None where neither a tolerance nor an error can tell."""
    if check.within is not None:
        return abs(gap) <= check.within
    if error == 0:  # all chains agree, as they do on a quantity that is not random
        return math.isclose(gap, 0.0, abs_tol=1e-9 * max(1.0, abs(check.expected or 0.0)))
    return abs(gap) < LIMIT * error if math.isfinite(error) else None


def _wanted(check: Check) -> str:
    if check.statistic == "theory":
        return f"|z| < {check.within or LIMIT:g}"
    if check.statistic == "order":
        return " > ".join(check.lineages)
    if check.statistic == "verdict":
        return str(check.answer)
    if check.expected is not None:
        return f"{check.expected:.4g}" + (f" +- {check.within:g}" if check.within is not None else "")
    if check.low is not None and check.high is not None:
        return f"{check.low:g} .. {check.high:g}"
    return f">= {check.low:g}" if check.low is not None else f"<= {check.high:g}" if check.high is not None else "?"


def _against_theory(check: Check, plan: Plan, gathered: Gathered, lineages: Sequence[str]) -> Finding:
    """Return the largest |z| over generations and lineages of which theory speaks."""
    scores: list[tuple[float, str]] = []
    for name in lineages:
        series = gathered[check.measure].get(name)
        last = len(series.chains) - 1 if series is not None else 0
        curve = expected(plan.recipe(name), last).get(check.measure)
        if series is None or curve is None:
            return _untold(check, f"no closed form of {check.measure} is known for {name}")
        first = check.since
        found = np.abs(z_scores(curve, series.chains))[first:]
        if np.isfinite(found).any():
            scores.append((float(np.nanmax(found)), f"{name} at generation {first + int(np.nanargmax(found))}"))
    if not scores:
        return _untold(check, "no z-score is defined")
    worst, where = max(scores)
    return Finding(check.claim, _wanted(check), worst, math.nan, worst, worst < (check.within or LIMIT), where)


def _ordered(check: Check, lineages: Sequence[str], chains: Sequence[FloatArray]) -> Finding:
    """Say whether the means fall from each lineage to the next, each step by two standard errors at least."""
    means = [_mean(array, _at(check, array)) for array in chains]
    told = " > ".join(f"{means[place]:.4g}" for place in range(len(means)))
    if not all(map(math.isfinite, means)):
        return _untold(check, "undefined")
    steps = [jackknifed(partial(_step, check), chains[place : place + 2]) for place in range(len(chains) - 1)]
    if any(math.isnan(error) for _, error in steps):
        return _untold(check, f"{told}, but one chain has no error")
    smallest = min((gap / error if error > 0 else math.inf if gap > 0 else -math.inf) for gap, error in steps)
    return Finding(check.claim, _wanted(check), math.nan, math.nan, math.nan, smallest > 2.0, told)


def _step(check: Check, chains: Sequence[FloatArray]) -> float:
    return _mean(chains[0], _at(check, chains[0])) - _mean(chains[1], _at(check, chains[1]))


def _answered(check: Check, plan: Plan, gathered: Gathered) -> Finding:
    """Ask the collapse profile."""
    (lineage,) = check.lineages
    verdicts = {verdict.definition: verdict for verdict in profile_in(plan, gathered, lineage).verdicts}
    if check.measure not in verdicts:
        raise BadInput(f"preset {plan.sweep}: no definition '{check.measure}'{nearest(check.measure, verdicts)}")
    verdict = verdicts[check.measure]
    return Finding(
        check.claim, _wanted(check), verdict.value, math.nan, math.nan, verdict.verdict == check.answer, verdict.verdict
    )
