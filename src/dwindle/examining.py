"""What a sweep has come to, all of it: the table, the pictures, the verdicts, the stable ratio, the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dwindle.config.sweep import Sweep
from dwindle.errors import BadInput
from dwindle.judging.newest import newest_cost, newest_fidelity
from dwindle.plan import Plan
from dwindle.profile import Profile
from dwindle.report.curation import curation_tables
from dwindle.report.page import Report, write_report
from dwindle.report.profiles import profile_tables, profiles
from dwindle.report.summary import Summary, summarize_sweep
from dwindle.report.text_table import TextTable
from dwindle.report.thresholds import threshold_tables
from dwindle.reproduction import check_sweep, findings_table

__all__ = ["Examined", "examine", "report_sweep"]

LARGEST = 64
"""Lineages up to which a sweep ends with its report; beyond it takes minutes, and `dwindle report` writes it."""

RATIOS = 3
"""Synthetic ratios from which on a sweep is taken to ask which of them are stable."""


@dataclass
class Examined:
    """A sweep at its end.

    Args:
        summary: its table, pictures and what to run next.
        profiles: the collapse profile of each lineage.
    """

    summary: Summary
    profiles: Mapping[str, Profile]


def examine(sweep: Sweep, plan: Plan, *, whole: bool, changed: bool, commands: Mapping[str, str]) -> Examined:
    """Compare the lineages of a sweep and draw what there is to see.

    Args:
        sweep: the sweep.
        plan: its plan.
        whole: whether all lineages were to be grown; a part of a preset proves nothing.
        changed: whether any measure changed since the pictures were drawn last.
        commands: what to run next in the first place, and what for.

    Raises:
        BadInput: if nothing was evaluated.
    """
    summary = summarize_sweep(sweep, plan, commands=commands, changed=changed)
    found = profiles(sweep.root, plan)
    summary.tables.extend([*curation_tables(sweep.root, plan), *profile_tables(sweep.root, plan, found)])
    checks, thresholds = _checks(sweep, plan) if whole else [], _thresholds(sweep, plan)
    fidelity, cost = newest_fidelity(sweep.root, plan), newest_cost(sweep.root, plan, sweep.prices)
    summary.tables.extend([*checks, *thresholds[:1], *fidelity, *cost])
    page = sweep.root / "plots" / sweep.name / "report" / "index.html"
    if len(sweep.lineages) > LARGEST:
        summary.notes.append(f"{len(sweep.lineages)} lineages: `dwindle report` writes the page that shows them")
    elif changed or not page.exists():
        page = write_report(sweep, plan, extra=thresholds, checks=checks, fidelity=fidelity, cost=cost).html
    summary.report = page if page.exists() else None
    return Examined(summary, found)


def report_sweep(sweep: Sweep, plan: Plan) -> Report:
    """Write the report of a sweep, as far as it is grown.

    Raises:
        BadInput: if nothing was evaluated.
    """
    profiles(sweep.root, plan)  # says what is missing, before checks and thresholds look for it
    fidelity, cost = newest_fidelity(sweep.root, plan), newest_cost(sweep.root, plan, sweep.prices)
    checks = _checks(sweep, plan)
    return write_report(sweep, plan, extra=_thresholds(sweep, plan), checks=checks, fidelity=fidelity, cost=cost)


def _checks(sweep: Sweep, plan: Plan) -> list[TextTable]:
    """Return whether a preset was reproduced."""
    return [] if sweep.preset is None else [findings_table(check_sweep(sweep.root, plan, sweep.preset))]


def _thresholds(sweep: Sweep, plan: Plan) -> list[TextTable]:
    """Return the largest stable synthetic ratio; nothing where the sweep hardly varies it."""
    ratios = {settings["regime"].get("synthetic_ratio") for settings in plan.recipes.values()} - {None}
    if len(ratios) < RATIOS:
        return []
    try:
        return threshold_tables(plan, sweep.root)
    except BadInput:
        return []
