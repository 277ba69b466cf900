"""What a sweep says of its synthetic ratios: each group of lineages judged by each criterion, with theory beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dwindle.errors import BadInput, nearest
from dwindle.plan import Plan
from dwindle.profile.criteria import Criterion, criteria, criterion_for
from dwindle.profile.crossing import memory
from dwindle.profile.threshold import WINDOW, Threshold, Tried, late, threshold, tried
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory
from dwindle.report.profiles import trajectories
from dwindle.report.ratio_groups import Group, ratio_groups
from dwindle.report.ratio_theory import Law
from dwindle.report.series import Gathered, gather
from dwindle.seeds import Seed

__all__ = ["Asked", "Finding", "findings"]

_SEED = Seed(0, ("stable-ratio",))

_Grown = Mapping[str, Trajectories]


@dataclass(frozen=True)
class Asked:
    """What is asked of a sweep.

    Args:
        measure: the measure to judge by; empty: one for each definition of collapse that was measured.
        limit: in place of its default.
        window: share of the generations, the last ones, that are averaged.

    Raises:
        BadInput: if it makes no sense.
    """

    measure: str = ""
    limit: float | None = None
    window: float = WINDOW

    def __post_init__(self) -> None:
        problems = []
        if self.limit is not None and not self.measure:
            problems.append(f"--limit {self.limit:g}: name the measure that it is a limit of, with --measure")
        if not 0 < self.window <= 1:
            problems.append(f"--window {self.window:g}: expected a share of the generations, above 0 and at most 1")
        if problems:
            raise BadInput(*problems)


@dataclass(frozen=True, eq=False)
class Finding:
    """What one criterion says of one group.

    Args:
        group: the lineages.
        threshold: the largest stable ratio.
        generations: the first and the last of those that were averaged.
        beside: what the lineages were held against.
        law: what theory expects.
        exact: the exact ratio where a closed form knows it; infinite if every ratio is stable; else nan.
        notes: what was left out, and why.
    """

    group: Group
    threshold: Threshold
    generations: tuple[int, int]
    beside: str
    law: Law
    exact: float
    notes: tuple[str, ...]

    @property
    def score(self) -> float:
        """Standard errors from the exact ratio, on the scale of memory; nan where either is unknown."""
        found, horizon = self.threshold, self.generations[1]
        if not (math.isfinite(found.value) and math.isfinite(self.exact) and found.error > 0):
            return math.nan
        return float(memory(found.value, horizon) - memory(self.exact, horizon)) / found.error


def findings(root: Path, plan: Plan, asked: Asked | None = None) -> tuple[Finding, ...]:
    """Return what each criterion says of each group, groups in the order of the plan.

    Args:
        root: the workspace.
        plan: its plan.
        asked: what is asked; None for the defaults.

    Raises:
        BadInput: if no two lineages differ in their ratio alone, nothing is evaluated, or the measure or limit is none.
    """
    asked, groups, gathered = asked or Asked(), ratio_groups(plan), gather(root, plan)
    if asked.measure and asked.measure not in gathered:
        raise BadInput(f"--measure {asked.measure}: it was not measured{nearest(asked.measure, gathered)}")
    found = tuple(finding for group in groups for finding in _findings(plan, gathered, group, asked))
    if not found:
        wanted = asked.measure or "no measure that tells harm"
        raise BadInput(f"{plan.sweep}: {wanted} is not evaluated beyond generation 0 at two ratios; grow it first")
    return found


def _findings(plan: Plan, gathered: Gathered, group: Group, asked: Asked) -> Iterator[Finding]:
    """Yield what the criteria say of one group; nothing where fewer than two ratios have grown."""
    names = dict.fromkeys(name for part in (*group.lineages.values(), group.controls) for name in part)
    measured: _Grown = {name: trajectories(plan, gathered, name)[0] for name in names}
    grown = {name: found for name, found in measured.items() if _reached(found) > 0}
    notes = [f"{name} is not evaluated beyond generation 0 and left out" for name in names if name not in grown]
    if len([ratio for ratio, part in group.lineages.items() if any(name in grown for name in part)]) < 2:
        return
    for criterion in _criteria(grown, group, asked):
        trajectory = {name: one[criterion.measure] for name, one in grown.items()}
        yield _finding(plan, group, criterion, trajectory, asked, notes)


def _reached(measured: Trajectories) -> int:
    return max((int(one.generations[-1]) for one in measured.values()), default=0)


def _criteria(grown: _Grown, group: Group, asked: Asked) -> Iterator[Criterion]:
    """Yield criteria on the measures that every lineage has, as they are at the largest ratio."""
    largest = [name for part in group.lineages.values() for name in part if name in grown][-1]
    shared = {name: one for name, one in grown[largest].items() if all(name in other for other in grown.values())}
    if not asked.measure:
        yield from criteria(shared, Thresholds())
    elif asked.measure in shared:
        try:
            yield criterion_for(asked.measure, shared[asked.measure], limit=asked.limit)
        except ValueError as error:
            raise BadInput(str(error)) from error


def _finding(
    plan: Plan,
    group: Group,
    criterion: Criterion,
    grown: Mapping[str, Trajectory],
    asked: Asked,
    notes: Sequence[str],
) -> Finding:
    last = {name: int(one.generations[-1]) for name, one in grown.items()}
    horizon = min(last.values())
    cut = [f"judged up to generation {horizon}, where {min(last, key=last.__getitem__)} ends"]
    seen = {name: one.until(horizon) for name, one in grown.items()}
    seeds = {seed: place for place, seed in enumerate(dict.fromkeys(plan.recipe(name).seed for name in seen))}
    parts = {name: (seeds[plan.recipe(name).seed], one) for name, one in seen.items()}
    sweep = {
        ratio: tried(ratio, [parts[name] for name in part if name in parts], criterion, asked.window)
        for ratio, part in group.lineages.items()
        if any(name in parts for name in part)
    }
    controls = tuple(name for name in group.controls if name in parts)
    if controls == group.lineages.get(0.0) and controls:
        control = sweep[0.0]
    elif controls:
        control = tried(0.0, [parts[name] for name in controls], criterion, asked.window)
    else:
        control = _beginning(list(parts.values()), criterion)
    found = threshold(list(sweep.values()), control, criterion, horizon=horizon, seed=_SEED.at(criterion.measure))
    averaged = late(next(iter(seen.values())), asked.window).generations
    law = Law(group.recipe, plan.recipe(controls[0]) if controls else None, criterion, averaged, horizon)
    beside = ", ".join(controls) or "generation 0, for want of an all-real lineage with the same settings"
    told = (*notes, *(cut if max(last.values()) > horizon else ()))
    return Finding(group, found, (int(averaged[0]), horizon), beside, law, law.threshold(), told)


def _beginning(parts: Sequence[tuple[int, Trajectory]], criterion: Criterion) -> Tried:
    """Return the chains at generation 0, which no synthetic row has touched; those that several lineages share once."""
    first = [(seed, one.until(0)) for seed, one in parts if one.generations[0] == 0]
    if not first:
        return Tried(0.0, np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    found = tried(0.0, first, criterion)
    starts, places = np.unique(found.start, return_index=True)
    return replace(found, level=found.level[places], rise=np.empty(0), start=starts)
