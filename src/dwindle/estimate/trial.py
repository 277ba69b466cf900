"""A trial: the first generations of a lineage, grown in a workspace of their own to see what they cost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from dwindle.errors import DwindleError, StageFailed
from dwindle.estimate.figures import Figures
from dwindle.estimate.measured import note_measured
from dwindle.estimate.outlook import Outlook, outlooks
from dwindle.plan import STAGES, Plan
from dwindle.stages.glance import Glance
from dwindle.stages.runner import run_stage

__all__ = ["note_trials"]

_LOADING = 30.0
"""Seconds in which a process has loaded what it needs; a generation 0 that took longer need not be timed again."""


def note_trials(figures: Figures, plan: Plan, found: Iterable[Outlook]) -> list[str]:
    """Grow generations 0 and 1 of one unfinished lineage of each kind without figures, and note what they cost.

    Of each kind it is the first of those that train on most rows, for then the two differ in rows. What was grown is
    removed.

    Args:
        figures: where to note it.
        plan: the plan of the sweep.
        found: its lineages.

    Returns:
        A line for each kind that could not be grown.
    """
    broken = []
    for outlook in _tried(figures, found):
        try:
            _note_trial(figures, _beginning(plan, outlook.name))
        except StageFailed as error:
            broken.append(f"the trial of {outlook.name} ended early: {error}")
        except DwindleError:
            raise
        except Exception as error:  # of a component: it ends a lineage, and the others are still worth a trial
            broken.append(f"the trial of {outlook.name} ended early: {type(error).__name__}: {error}")
    return broken


def _tried(figures: Figures, found: Iterable[Outlook]) -> Iterable[Outlook]:
    tried: dict[str, Outlook] = {}
    for outlook in found:
        if not outlook.grown and not figures.own(outlook.kind):
            known = tried.setdefault(outlook.kind.name, outlook)
            if outlook.rows.trained[:2].sum() > known.rows.trained[:2].sum():
                tried[outlook.kind.name] = outlook
    return tried.values()


def _beginning(plan: Plan, name: str) -> Plan:
    """Return the plan of one lineage's first two generations."""
    chain = {key: plan.chain[key] for key in plan.generations(name)[:2]}
    start = next(iter(chain.values()))["real"]
    real = {key: entry for key, entry in plan.real.items() if entry["folder"] == start}
    return Plan(plan.sweep, real, chain, {name: plan.recipes[name]}, plan.compare)


def _note_trial(figures: Figures, plan: Plan) -> None:
    with tempfile.TemporaryDirectory(prefix="dwindle-trial-") as folder:
        root, begun = Path(folder, "first"), time.monotonic()
        _grow(root, plan, list(plan.chain)[:1])
        if time.monotonic() - begun < _LOADING:
            root = Path(folder, "again")
        _grow(root, plan, plan.chain)
        glance = Glance(root, plan)
        note_measured(figures, glance, outlooks(glance))


def _grow(root: Path, plan: Plan, keys: Iterable[str]) -> None:
    root.mkdir(exist_ok=True)
    for name in (*(f"draw@{key}" for key in plan.real), *(f"{stage}@{key}" for key in keys for stage in STAGES)):
        run_stage(root, name, plan=plan)
