"""`dwindle threshold`: the largest synthetic ratio of a sweep that stays stable, and the least share of real rows.

Lineages that differ in their synthetic ratio are judged together, in groups: fresh, replayed and fixed real rows are
never pooled. Those that differ in their seed alone are, chain by chain. Pure replacement is the ratio 1 of every group
of otherwise equal settings. The control is the sweep's all-real lineage, else the group's own ratio 0, else what the
lineages were at generation 0. What stable means stands in `profile/criteria.py` and `profile/threshold.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dwindle.plan import Plan, read_plan
from dwindle.profile.threshold import Judged, Threshold
from dwindle.report.ratio_findings import Asked, Finding, findings
from dwindle.report.text_table import TextTable, print_table

__all__ = ["answers", "show_thresholds", "tables_of", "threshold_tables"]

_NONE = "-"


def threshold_tables(plan: Plan, root: Path, asked: Asked | None = None) -> list[TextTable]:
    """Return the largest stable ratios of a sweep, and what every ratio that was tried came to.

    Args:
        plan: the plan.
        root: the workspace.
        asked: what is asked; None for the defaults.

    Raises:
        BadInput: see `findings`.
    """
    return tables_of(findings(root, plan, asked))


def tables_of(found: Sequence[Finding]) -> list[TextTable]:
    """Return the tables of what was found."""
    return [_ratios(found), _tried(found)]


def show_thresholds(params: Path, *, measure: str, limit: float | None, window: float) -> None:
    """Print the tables of a sweep, and draw `plots/<sweep>/threshold.png`.

    Args:
        params: the sweep's file.
        measure: the measure to judge by; empty: one for each definition that was measured.
        limit: in place of its default.
        window: share of the generations, the last ones, that are averaged.

    Raises:
        BadInput: see `findings`.
    """
    from dwindle.report.threshold_figure import draw_threshold

    root = params.resolve().parent
    plan, asked = read_plan(root), Asked(measure, limit, window)
    found = findings(root, plan, asked)
    for table in tables_of(found):
        print_table(table)
    print(f"\npicture   {draw_threshold(root, plan, found)}")


def answers(found: Sequence[Finding]) -> list[str]:
    """Return one line a group: the strictest of its criteria, as a largest ratio and as a least real share.

    A criterion that is unstable at every ratio tried is the strictest of all; one without a control says nothing.
    """
    lines = []
    for group in dict.fromkeys(one.group.name for one in found):
        own = [one for one in found if one.group.name == group]
        known = [one for one in own if one.threshold.nowhere or not math.isnan(one.threshold.value)]
        if known:
            lines.append(_answer(min(known, key=_strictness), len(known)))
    return lines


def _strictness(finding: Finding) -> tuple[float, float]:
    found = finding.threshold
    return -math.inf if found.nowhere else found.value, found.low


def _answer(finding: Finding, criteria: int) -> str:
    found, group = finding.threshold, finding.group
    strictest = f", the strictest of {criteria} criteria" if criteria > 1 else ""
    by = f"by {found.criterion.measure}{strictest}, after {finding.generations[1]} generations"
    if not math.isfinite(found.value):
        return f"{group.name}: {found.reason}; {by}"
    ratio, share = _ratio(found), _share(found)
    real = f"a share of at least {share} {group.real} real rows"
    return f"{group.name}: stable up to a synthetic ratio of {ratio}, so with {real}; {by}"


def _ratios(found: Sequence[Finding]) -> TextTable:
    columns = (
        "real rows",
        "stable while",
        "largest stable ratio",
        "least real share",
        "stable, unstable at",
        "closed form",
        "remarks",
    )
    rows = tuple(
        (
            one.group.name,
            one.threshold.criterion.rule,
            _ratio(one.threshold),
            _share(one.threshold),
            _bracket(one.threshold),
            _theory(one),
            "; ".join(_remarks(one)),
        )
        for one in found
    )
    notes = [*answers(found), *_judged_by(found), *dict.fromkeys(note for one in found for note in one.notes)]
    return TextTable(
        "threshold", "largest synthetic ratio that stays stable [95 % interval]", columns, rows, tuple(notes)
    )


def _judged_by(found: Sequence[Finding]) -> Iterator[str]:
    """Yield what was averaged and compared, a line for each different way."""
    for first, last, beside in dict.fromkeys((*one.generations, one.beside) for one in found):
        averaged = f"generations {first} to {last}" if first < last else f"generation {last}"
        yield f"each chain by its mean over {averaged}, beside {beside}"
    if any(one.threshold.moving for one in found):
        yield "still moving: harm grew over the second half of the generations, so more of them may lower the ratio"
    yield "intervals: 95 % over chains, and over three ways to draw a line between the ratios that were tried"


def _remarks(finding: Finding) -> Iterator[str]:
    found = finding.threshold
    if found.reason:
        yield found.reason
    if found.moving:
        ratios = ", ".join(f"{ratio:g}" for ratio in found.moving)
        yield f"still moving at {ratios}"


def _ratio(found: Threshold) -> str:
    """Spell a ratio and its interval: `0.709 [0.674, 0.741]`, `> 0.95`; `1` where not even pure replacement crosses."""
    low, high = _end(found, found.low), _end(found, found.high)
    return _with_interval(_end(found, found.value), low, high)


def _share(found: Threshold) -> str:
    """Spell the least share of real rows: what is left of the ratio."""
    low, high = _end(found, found.high, left=True), _end(found, found.low, left=True)
    return _with_interval(_end(found, found.value, left=True), low, high)


def _with_interval(value: str, low: str, high: str) -> str:
    told = _NONE not in (value, low, high) and not value == low == high
    return f"{value} [{low}, {high}]" if told else value


def _end(found: Threshold, ratio: float, *, left: bool = False) -> str:
    """Spell one number as a ratio or, as what is `left` beside it, as a share of real rows."""
    if math.isnan(ratio):
        return _NONE
    if math.isinf(ratio):
        most = found.judged[-1].ratio
        bound, sign = (f"{1 - most:.3g}", "< ") if left else (f"{most:g}", "> ")
        return bound if most == 1 else sign + bound
    half = (found.high - found.low) / 2
    places = 3 if not (math.isfinite(half) and half > 0) else min(5, max(2, 1 - math.floor(math.log10(half))))
    return f"{1 - ratio if left else ratio:.{places}f}"


def _bracket(found: Threshold) -> str:
    stable = f"{found.stable:g}" if math.isfinite(found.stable) else "none"
    return f"{stable}, {found.unstable:g}" if math.isfinite(found.unstable) else f"{stable}, none"


def _theory(finding: Finding) -> str:
    if math.isnan(finding.exact):
        return _NONE
    exact = "every ratio" if math.isinf(finding.exact) else f"{finding.exact:.4f}"
    return f"{exact} (z {finding.score:+.1f})" if math.isfinite(finding.score) else exact


def _tried(found: Sequence[Finding]) -> TextTable:
    rows = tuple(
        (
            finding.group.name,
            finding.threshold.criterion.measure,
            f"{one.ratio:g}",
            ", ".join(finding.group.lineages.get(one.ratio, (finding.beside,))),
            _beside(one),
            _expected(finding, one.ratio),
            one.answer,
            "; ".join(filter(None, ("still moving" if one.moving else "", one.reason))),
        )
        for finding in found
        for one in finding.threshold.judged
    )
    columns = ("real rows", "measure", "ratio", "lineages", "beside the control", "theory", "answer", "remarks")
    return TextTable("threshold-tried", "every synthetic ratio that was tried [95 % interval]", columns, rows)


def _beside(one: Judged) -> str:
    told = math.isfinite(one.high - one.low) and not one.low == one.value == one.high
    return f"{one.value:.3g} [{one.low:.3g}, {one.high:.3g}]" if told else f"{one.value:.3g}"


def _expected(finding: Finding, ratio: float) -> str:
    harm = finding.law.harm(round(ratio * finding.group.recipe.budget))
    return f"{float(finding.threshold.criterion.told(harm)):.3g}" if math.isfinite(harm) else _NONE
