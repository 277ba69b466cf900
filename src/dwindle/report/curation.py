"""What curation has cost each lineage, and which gates have fired: tables for the terminal, MLflow and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dwindle.data.manifest import read_manifest
from dwindle.plan import Plan
from dwindle.policies import Finding, Gate
from dwindle.report.text_table import TextTable
from dwindle.report.wording import quoted
from dwindle.stages.results import evaluations, fired, is_done
from dwindle.stages.steps import output

__all__ = ["curation_tables", "quoted_bias"]

_BIAS = {
    "variance_factor": "variance x",
    "tail_removed": "tail removed",
    "group_shift": "groups moved",
    "effective_rows": "rows in effect",
}
"""How the measures of a curator's bias are headed, which `dwindle.data.biases` defines."""

_PLACES = 12
"""Decimal places beyond which a measure of bias is what rounding has left."""


@dataclass
class _Work:
    """What a curator has done in a lineage: rows over all generations and chains, and its bias in the last one."""

    shown: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    added: int = 0
    alarms: int = 0
    generations: int = 0
    bias: Mapping[str, Any] = field(default_factory=dict)


def curation_tables(root: Path, plan: Plan) -> list[TextTable]:
    """Return what curators dropped, for which reason, how they bent the law of the rows, and the gates that fired.

    A table that would be empty is left out.
    """
    works = {name: _works(root, plan, name) for name in plan.recipes}
    tables = [_drops(works), _biases(works), _gates(root, plan)]
    return [table for table in tables if table.rows]


def _works(root: Path, plan: Plan, lineage: str) -> dict[str, _Work]:
    """Return what each curator of a lineage has done so far, in their order."""
    works: dict[str, _Work] = {}
    for facts in _reports(root, plan, lineage):
        seen = set()
        for line in facts:
            work = works.setdefault(line["curator"], _Work())
            work.shown += line["shown"]
            work.added += line["added"]
            for counts, known in ((line["dropped"], work.dropped), (line["repaired"], work.repaired)):
                for reason, count in counts.items():
                    known[reason] = known.get(reason, 0) + count
            work.bias = line["bias"] or work.bias
            work.alarms += bool(line["alarms"]) and line["curator"] not in seen
            work.generations += line["curator"] not in seen
            seen.add(line["curator"])
    return works


def _reports(root: Path, plan: Plan, lineage: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the report of each generation that was evaluated, and of one behind them that did not train."""
    keys = plan.generations(lineage)
    grown = sum(1 for _ in evaluations(root, plan, lineage))
    for generation, key in enumerate(keys[: grown + 1]):
        name = f"curate@{key}"
        if generation == grown and not is_done(root, name, plan, whole=False):
            return
        manifest = read_manifest(root / output(name, plan))
        if manifest is not None:
            yield manifest.facts.get("curation", [])


def _drops(works: Mapping[str, Mapping[str, _Work]]) -> TextTable:
    lines = []
    for lineage, by_curator in works.items():
        for curator, work in by_curator.items():
            told = {**work.dropped, **{f"repaired: {kind}": count for kind, count in work.repaired.items()}}
            told |= {"added": work.added} if work.added else {}
            for reason, count in ((reason, count) for reason, count in told.items() if count):
                share = f"{count / work.shown:.1%}" if work.shown else ""
                lines.append((lineage, curator, reason, f"{count}", share))
    return TextTable(
        "curation",
        "What curators dropped, repaired and added",
        ("lineage", "curator", "reason", "rows", "of those shown"),
        tuple(lines),
        ("rows of all chains and generations",),
    )


def _biases(works: Mapping[str, Mapping[str, _Work]]) -> TextTable:
    lines = []
    for lineage, by_curator in works.items():
        for curator, work in by_curator.items():
            if work.bias:
                told = [quoted_bias(work.bias.get(measure)) for measure in _BIAS]
                alarms = f"{work.alarms} of {work.generations}" if work.alarms else ""
                lines.append((lineage, curator, *told, alarms))
    return TextTable(
        "curation_bias",
        "How curators bent the law of the rows they were shown, in the last generation",
        ("lineage", "curator", *_BIAS.values(), "alarms in generations"),
        tuple(lines),
        ("mean over chains with its 95 % interval; a curator that leaves the law alone has 1, 0, 0 and 1",),
    )


def quoted_bias(measured: Mapping[str, Any] | None) -> str:
    """Return a measure of a curator's bias with its interval; `undefined` where it is, or was not taken."""
    if measured is None or measured["mean"] is None:
        return "undefined"
    ends = [float("nan") if measured[end] is None else measured[end] for end in ("low", "high")]
    return quoted(*(round(end, _PLACES) for end in (measured["mean"], *ends)))


def _gates(root: Path, plan: Plan) -> TextTable:
    lines = []
    for lineage in plan.recipes:
        found: dict[Gate, list[Finding]] = {}
        for generation, _ in evaluations(root, plan, lineage):
            for finding in fired(root, plan, lineage, generation):
                found.setdefault(finding.gate, []).append(finding)
        for findings in found.values():
            lines.append(
                (lineage, findings[0].bounded, f"{findings[0].generation}", f"{len(findings)}", f"{findings[-1]}")
            )
    columns = ("lineage", "bound", "first at", "times", "last")
    return TextTable("gates", "Gates that fired", columns, tuple(lines))
