"""The evaluations of a sweep as arrays: one series for each measure and lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import FloatArray, IntArray, Measure
from dwindle.errors import BadInput, nearest
from dwindle.plan import STAGES, Plan
from dwindle.report.wording import real_value
from dwindle.stages.results import evaluations
from dwindle.stages.steps import output

__all__ = ["HEADLINES", "ByState", "Gathered", "Series", "chosen", "gather", "measure_in", "measure_of", "real_in"]

HEADLINES: Mapping[str, tuple[str, ...]] = {
    "vectors": ("frechet", "precision", "recall", "modes_covered", "on_mode", "tail_mass", "variance_ratio"),
    "symbols": ("heterozygosity", "support", "tail_mass", "missing_mass"),
    "pairs": ("parameter_error", "accuracy", "risk"),
    "sequences": (
        "perplexity",
        "perplexity_rare",
        "generated_perplexity",
        "distinct_2",
        "vocabulary_used",
        "self_bleu",
        "repeated_tokens",
    ),
    "tables": ("column_distance", "correlation_distance", "downstream_accuracy", "smallest_share", "record_distance"),
}
"""The measures that a report shows unless it is asked for others, by the kind of rows."""

_AT_MOST = 5


@dataclass(frozen=True, eq=False)
class Series:
    """One measure of one lineage, generation by generation; generations that were not evaluated are left out.

    Args:
        lineage: the lineage's name.
        generations: (g,) ascending.
        mean: (g,) mean over chains, by logarithms where the measure's scale says so; nan where undefined.
        low: (g,) lower end of the 95 % interval of the mean.
        high: (g,) its upper end.
        chains: (g, c) the value of each chain.
        reasons: (g,) why a mean, an interval or some chains are undefined; empty where nothing is.
    """

    lineage: str
    generations: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    chains: FloatArray
    reasons: tuple[str, ...]


Gathered = Mapping[str, Mapping[str, Series]]
"""Series by measure, then by lineage, in the order of params.yaml."""


def gather(root: Path, plan: Plan) -> Gathered:
    """Gather what was evaluated so far.

    Args:
        root: the workspace.
        plan: its plan.

    Returns:
        Series of the measures that the recipes name; measures and lineages without any evaluation are left out.
    """
    return _gathered(root, ByState.now(root, plan))


@dataclass(frozen=True)
class ByState:
    """A plan that equals another one if what both describe stands on the disk in the same state."""

    plan: Plan = field(compare=False)
    state: tuple[Any, ...]

    @staticmethod
    def now(root: Path, plan: Plan) -> ByState:
        """Return the plan in the state that the disk is in now."""
        return ByState(plan, _state(root, plan))


def _state(root: Path, plan: Plan) -> tuple[Any, ...]:
    """Return a value that changes whenever a stage of the plan, or what it published, does."""
    found: list[Any] = []
    for key, entry in plan.chain.items():
        for stage in STAGES:
            place = root / output(f"{stage}@{key}", plan)
            path = place if stage == "evaluate" else place / "manifest.json"
            try:
                known = path.stat()
                found.append((entry[stage], known.st_mtime_ns, known.st_ino, known.st_size))
            except OSError:
                found.append(entry[stage])
    return (plan.sweep, *found)


@lru_cache(maxsize=1)
def _gathered(root: Path, of: ByState) -> Gathered:
    plan = of.plan
    gathered: dict[str, dict[str, Series]] = {}
    for lineage in plan.recipes:
        evaluated = _evaluated(root, plan, lineage)
        for metric in plan.recipe(lineage).metrics:
            for name in metric.measures:
                of_measure = {t: measured[name] for t, measured in evaluated.items() if name in measured}
                if of_measure:
                    gathered.setdefault(name, {})[lineage] = _series(lineage, of_measure)
    return gathered


def _evaluated(root: Path, plan: Plan, lineage: str) -> dict[int, Mapping[str, Any]]:
    return dict(evaluations(root, plan, lineage))


def _series(lineage: str, measured: Mapping[int, Mapping[str, Any]]) -> Series:
    """Turn plain data, where null stands for undefined, into arrays."""
    columns = {part: _numbers([one[part] for one in measured.values()]) for part in ("mean", "low", "high", "chains")}
    reasons = tuple(str(one.get("reason", "")) for one in measured.values())
    return Series(lineage, np.array(list(measured), dtype=np.int64), **columns, reasons=reasons)


def _numbers(values: Sequence[Any]) -> FloatArray:
    return np.array(values, dtype=np.float64)  # None becomes nan


def measure_of(recipe: Recipe, name: str) -> Measure:
    """Return what a number means.

    Raises:
        BadInput: if no metric of the recipe measures it.
    """
    measures = {key: measure for metric in recipe.metrics for key, measure in metric.measures.items()}
    if name not in measures:
        raise BadInput(f"no metric of the recipe measures '{name}'{nearest(name, measures)}")
    return measures[name]


def measure_in(plan: Plan, gathered: Gathered, name: str) -> Measure:
    """Return what a gathered number means: the word of the first lineage that has it."""
    return measure_of(plan.recipe(next(iter(gathered[name]))), name)


def real_in(plan: Plan, gathered: Gathered, name: str) -> float | None:
    """Return the real value of a gathered number, where it is known and the same for every lineage that has it."""
    measure = measure_in(plan, gathered, name)
    known = {real_value(plan.recipe(lineage).source, name, measure) for lineage in gathered[name]}
    return known.pop() if len(known) == 1 else None


def chosen(plan: Plan, gathered: Gathered, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the measures to show.

    Args:
        plan: the plan.
        gathered: what was evaluated.
        wanted: names to show; None: the headlines for the kind of rows, or the first measures if there are none.

    Raises:
        BadInput: if nothing was evaluated, or a wanted measure was not.
    """
    if not gathered:
        raise BadInput(f"{plan.sweep}: nothing is evaluated yet; grow its lineages first")
    if wanted is not None:
        problems = [f"'{name}' was not measured{nearest(name, gathered)}" for name in wanted if name not in gathered]
        if problems:
            raise BadInput(*problems)
        return tuple(dict.fromkeys(wanted))
    kinds = dict.fromkeys(plan.recipe(lineage).source.kind for lineage in plan.recipes)
    headlines = dict.fromkeys(name for kind in kinds for name in HEADLINES[kind] if name in gathered)
    return tuple(headlines) or tuple(gathered)[:_AT_MOST]
