"""The panels of a sweep's curves as plain data: measures, series, what theory expects, where the real value lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dwindle.config.arms import controls
from dwindle.contracts import Curve, FloatArray, Measure
from dwindle.expectations import expected, z_scores
from dwindle.plan import Plan
from dwindle.report.profiles import passages, profiles
from dwindle.report.series import Gathered, Series, chosen, gather, measure_in, real_in

__all__ = ["Distance", "Panel", "panels_of"]


@dataclass(frozen=True)
class Distance:
    """How far chains are from theory at most.

    Args:
        score: the largest |z| over all generations and lineages.
        lineage: whose it is.
        count: how many scores it is the largest of: some of many are large by chance.
        chains: chains that its standard error was estimated from; 0 where the closed form knows it.
    """

    score: float
    lineage: str
    count: int
    chains: int


@dataclass(frozen=True, eq=False)
class Panel:
    """One measure over the generations.

    Args:
        name: the measure's name.
        measure: what it means.
        series: what was measured, by lineage.
        theory: what a closed form expects, by lineage, where there is one.
        real: the value on real rows, where it is known and good.
        passages: the generation at which each lineage left the control's band, where there is a control and it did.
    """

    name: str
    measure: Measure
    series: Mapping[str, Series]
    theory: Mapping[str, Curve]
    real: float | None
    passages: Mapping[str, int] = field(default_factory=dict)

    @property
    def logarithmic(self) -> bool:
        """Whether the axis is logarithmic: a positive quantity that spans more than a decade."""
        drawn = [part for series in self.series.values() for part in (series.mean, series.low, series.high)]
        values = np.concatenate([*drawn, *(curve.mean for curve in self.theory.values())])
        values = values[np.isfinite(values) & (values > 0)]
        return self.measure.scale == "log" and values.size > 0 and bool(values.max() > 10 * values.min())

    @property
    def why_empty(self) -> str:
        """Why no lineage has a value at any generation; empty where there is something to draw."""
        if any(np.isfinite(series.mean).any() for series in self.series.values()):
            return ""
        return "; ".join(dict.fromkeys(reason for series in self.series.values() for reason in series.reasons))

    def distance(self) -> Distance | None:
        """Return how far chains are from theory at most, over all generations and lineages; None without theory."""
        scores = {name: np.abs(_scores(self.series[name], curve)) for name, curve in self.theory.items()}
        known = {name: one[np.isfinite(one)] for name, one in scores.items() if np.isfinite(one).any()}
        if not known:
            return None
        score, lineage = max((float(one.max()), name) for name, one in known.items())
        chains = 0 if self.theory[lineage].deviation is not None else self.series[lineage].chains.shape[1]
        return Distance(score, lineage, sum(map(len, known.values())), chains)

    def closeness(self) -> str:
        """Say how far chains are from theory at most, and what that is worth; empty without theory."""
        far = self.distance()
        if far is None:
            return ""
        errors = f"standard errors from its {far.chains} chains, too small where chains are few and skewed"
        told = errors if far.chains else "standard errors of the closed form"
        whose = f"{far.lineage}, the largest of {far.count:,}"
        return f"at most |z| = {far.score:.1f} from the closed form ({whose}; {told})"


def _scores(series: Series, curve: Curve) -> FloatArray:
    """Return z-scores by generation, (g,); nan at generations that were not evaluated."""
    by_generation = np.full((len(curve.mean), series.chains.shape[1]), np.nan)
    known = series.generations < len(curve.mean)
    by_generation[series.generations[known]] = series.chains[known]
    return z_scores(curve, by_generation)


def panels_of(root: Path, plan: Plan, measures: Sequence[str] | None = None) -> tuple[Panel, ...]:
    """Return the panels of a sweep.

    Args:
        root: the workspace.
        plan: its plan.
        measures: names to show; None: the headlines, then the measures that theory speaks of.

    Raises:
        BadInput: if nothing was evaluated, or a wanted measure was not.
    """
    gathered = gather(root, plan)
    theory = _theory(plan, gathered)
    names = chosen(plan, gathered, measures)
    if measures is None:
        names = (*names, *(name for name in gathered if theory[name] and name not in names))
    left = _passages(root, plan)
    return tuple(_panel(plan, gathered, name, theory[name], left) for name in names)


def _passages(root: Path, plan: Plan) -> dict[str, dict[str, float]]:
    """Return when each measure of each lineage left the band of the control; nothing where there is none."""
    found = profiles(root, plan) if controls(plan.recipes) else {}
    return {lineage: passages(profile) for lineage, profile in found.items()}


def _theory(plan: Plan, gathered: Gathered) -> dict[str, dict[str, Curve]]:
    """Return what theory expects of each gathered measure, by lineage.

    A closed form expects the arithmetic mean over chains; a measure on the log scale shows the geometric one, which may
    lie far below, so theory stays out of its panel.
    """
    last = {lineage: len(plan.generations(lineage)) - 1 for lineage in plan.recipes}
    curves = {lineage: expected(plan.recipe(lineage), last[lineage]) for lineage in plan.recipes}
    linear = {name for name in gathered if measure_in(plan, gathered, name).scale == "linear"}
    return {
        name: {lineage: curves[lineage][name] for lineage in series if name in linear and name in curves[lineage]}
        for name, series in gathered.items()
    }


def _panel(
    plan: Plan,
    gathered: Gathered,
    name: str,
    theory: Mapping[str, Curve],
    left: Mapping[str, Mapping[str, float]],
) -> Panel:
    own = {lineage: int(found[name]) for lineage, found in left.items() if name in found}
    measure, real = measure_in(plan, gathered, name), real_in(plan, gathered, name)
    return Panel(name, measure, gathered[name], theory, real, own)
