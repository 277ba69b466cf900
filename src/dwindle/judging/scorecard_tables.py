"""The scorecard in words: what got better and worse on each axis, every measure, and what did not count and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from dwindle.intervals import Summary
from dwindle.judging.axes import Axis
from dwindle.judging.scorecard import Score, Scorecard
from dwindle.purposes import PURPOSES
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, quoted

__all__ = ["scorecard_tables"]


def scorecard_tables(found: Scorecard) -> list[TextTable]:
    """Return the summary, and a table an axis."""
    return [_summary(found), *(_axis(found, axis) for axis in get_args(Axis))]


def _summary(found: Scorecard) -> TextTable:
    rows = tuple(
        (
            name,
            f"{generation}",
            found.purposes[name] or "none",
            *(_tally(found.of(name, axis)) for axis in get_args(Axis)),
        )
        for name, generation in found.generations.items()
    )
    columns = ("lineage", "generation", "purpose", *get_args(Axis))
    title = "scorecard: measures that count, beside generation 0 (whole 95 % interval over chains on one side)"
    return TextTable("scorecard", title, columns, rows, tuple(_notes(found)))


def _tally(scores: list[Score]) -> str:
    counts = Counter(one.change for one in scores)
    return ", ".join(f"{counts[word]} {word}" for word in ("better", "worse", "same", "undefined") if counts[word])


def _notes(found: Scorecard) -> Iterator[str]:
    """Yield for each purpose what counted, and what was left out and why; last, which lineages are."""
    for purpose in dict.fromkeys(found.purposes.values()):
        names = {name for name, own in found.purposes.items() if own == purpose}
        scores = [one for one in found.scores if one.lineage in names and one.axis != "scale"]
        counted = dict.fromkeys(one.measure for one in scores if not one.left_out)
        whose = f"{purpose} ({PURPOSES[purpose].about})" if purpose else "without a purpose every measure"
        yield f"{whose} counts: {', '.join(counted) or 'none of the measures'}"
        reasons: dict[str, dict[str, None]] = {}
        for one in scores:
            if one.left_out:
                reasons.setdefault(one.left_out, {})[one.measure] = None
        for reason, measures in reasons.items():
            yield f"{purpose} leaves out {', '.join(measures)}: {reason}"
    yield from found.notes


def _axis(found: Scorecard, axis: Axis) -> TextTable:
    scores = [score for name in found.generations for score in found.of(name, axis)]
    order = list(dict.fromkeys(one.measure for one in scores))
    scores.sort(key=lambda one: order.index(one.measure))  # lineages stay in their order
    rows = tuple((one.heading, one.lineage, _number(one.value), _relative(one), one.change) for one in scores)
    columns = ("measure", "lineage", "value", "beside generation 0", "change")
    return TextTable(f"scorecard-{axis}", axis, columns, rows, tuple(_reasons(scores)))


def _number(value: Summary) -> str:
    if value.low == value.mean == value.high and value.mean == round(value.mean):
        return f"{value.mean:,.0f}"  # a count that every chain agrees in
    return quoted(value.mean, value.low, value.high)


def _relative(one: Score) -> str:
    told = _number(one.relative)
    return told if told == UNDEFINED else f"times {told}" if one.is_ratio else f"plus {told}"


def _reasons(scores: list[Score]) -> Iterator[str]:
    told: dict[str, dict[str, None]] = {}
    for one in scores:
        if one.value.reason:
            told.setdefault(one.value.reason, {})[f"{one.measure} of {one.lineage}"] = None
    for reason, places in told.items():
        yield f"{', '.join(places)}: {reason}"
