"""The tables of reproductions: one line a preset, and one line a check where a preset is looked at closely."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dwindle.report.text_table import TextTable
from dwindle.reproduction.checking import Finding, Outcome

__all__ = ["findings_table", "outcomes_table"]

_ANSWERS = {True: "holds", False: "does not hold", None: "cannot be told"}


def outcomes_table(outcomes: Sequence[Outcome]) -> TextTable:
    """Return a line a preset: the first check that does not hold, else the first one, and how many of them hold."""
    columns = ("preset", "paper", "claim", "expected", "measured [95 %]", "z", "verdict")
    return TextTable("reproductions", "published results", columns, tuple(map(_line, outcomes)))


def _line(outcome: Outcome) -> tuple[str, ...]:
    findings = outcome.findings
    held = sum(finding.reproduced is True for finding in findings)
    shown = next((finding for finding in findings if finding.reproduced is not True), findings[0])
    verdict = f"{outcome.verdict} ({held} of {len(findings)})"
    return (outcome.name, outcome.preset.paper, shown.claim, shown.expected, _measured(shown), _z(shown), verdict)


def findings_table(outcome: Outcome) -> TextTable:
    """Return a line a check, with the paper, its claim and what differs from it."""
    rows = tuple((f.claim, f.expected, _measured(f), _z(f), _ANSWERS[f.reproduced]) for f in outcome.findings)
    title = f"{outcome.name}: {outcome.verdict}. {outcome.preset.paper}: {outcome.preset.claim}"
    notes = (f"differs from the paper: {outcome.preset.differs}",) if outcome.preset.differs else ()
    return TextTable("reproduction", title, ("claim", "expected", "measured [95 %]", "z", "verdict"), rows, notes)


def _measured(finding: Finding) -> str:
    """Spell what was measured with its 95 % interval."""
    if not math.isfinite(finding.measured):
        return finding.told or "undefined"
    interval = ""
    if math.isfinite(finding.error):
        low, high = (finding.measured + side * 1.96 * finding.error for side in (-1, 1))
        interval = f" [{low:.4g}, {high:.4g}]"
    return f"{finding.measured:.4g}{interval}" + (f" ({finding.told})" if finding.told else "")


def _z(finding: Finding) -> str:
    return f"{finding.z:+.1f}" if math.isfinite(finding.z) else ""
