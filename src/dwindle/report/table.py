"""The sweep's table: one line a lineage, each headline measure from first to last generation, with intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dwindle.plan import Plan
from dwindle.report.panels import Panel, panels_of
from dwindle.report.series import Series
from dwindle.report.wording import UNDEFINED, heading, quoted
from dwindle.stages.results import collapsed

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Change", "Quote", "SweepTable", "as_markdown", "as_rich", "collapses", "sweep_table"]

_WIDEST = 6  # measures


@dataclass(frozen=True)
class Quote:
    """A measure at one generation.

    Args:
        generation: t.
        mean: mean over chains, nan where undefined.
        low: lower end of its 95 % interval.
        high: upper end.
        reason: why the mean, the interval or some chains are undefined.
    """

    generation: int
    mean: float
    low: float
    high: float
    reason: str = ""

    def spelled(self, *, interval: bool = True) -> str:
        """Spell the number; a star refers to the notes."""
        text = quoted(self.mean, self.low, self.high, interval=interval)
        return f"{text}*" if self.reason and math.isfinite(self.mean) else text


@dataclass(frozen=True)
class Change:
    """A measure of one lineage from its first to its last generation.

    Args:
        lineage: the lineage.
        measure: the measure.
        first: the first generation that was evaluated.
        last: the last one.
    """

    lineage: str
    measure: str
    first: Quote
    last: Quote

    @property
    def ends(self) -> tuple[Quote, ...]:
        """First and last generation, or the only one."""
        return (self.first, self.last) if self.first.generation < self.last.generation else (self.last,)

    def spelled(self, *, brief: bool = False) -> str:
        """Spell the change: `0.033 ±0.002 → 0.129 ±0.004`; in brief, without the first interval."""
        if len(self.ends) == 1:
            return self.last.spelled()
        return f"{self.first.spelled(interval=not brief)} → {self.last.spelled()}"


@dataclass(frozen=True)
class SweepTable:
    """A sweep in numbers.

    Args:
        title: sweep and generations.
        columns: headings: `lineage`, then name, better direction and unit of each measure.
        lineages: label of each line.
        changes: for each line, one change a measure; None where nothing was measured.
        notes: why something is undefined, and how far chains are from theory, one line each.
    """

    title: str
    columns: tuple[str, ...]
    lineages: tuple[str, ...]
    changes: tuple[tuple[Change | None, ...], ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The lines of the table as text, both intervals spelled out."""
        return tuple(self._spelled(brief=False))

    @property
    def brief_rows(self) -> tuple[tuple[str, ...], ...]:
        """The lines of the table as text, with the interval of the last generation only."""
        return tuple(self._spelled(brief=True))

    def _spelled(self, *, brief: bool) -> Iterator[tuple[str, ...]]:
        for label, line in zip(self.lineages, self.changes, strict=True):
            yield label, *(UNDEFINED if change is None else change.spelled(brief=brief) for change in line)


def sweep_table(root: Path, plan: Plan, *, measures: Sequence[str] | None = None) -> SweepTable:
    """Return the table of a sweep.

    Args:
        root: the workspace.
        plan: its plan.
        measures: names to show, in this order; None: the headlines, then what theory speaks of, six at most.

    Raises:
        BadInput: if nothing was evaluated, or a wanted measure was not.
    """
    panels = panels_of(root, plan, measures)[: _WIDEST if measures is None else None]
    lines = {lineage: tuple(_change(panel, lineage) for panel in panels) for lineage in plan.recipes}
    spans = {lineage: _span(line) for lineage, line in lines.items()}
    widest = (min(span[0] for span in spans.values() if span), max(span[1] for span in spans.values() if span))
    return SweepTable(
        f"{plan.sweep}, generation {widest[0]} → {widest[1]}: mean over chains, 95 % interval",
        ("lineage", *(heading(panel.name, panel.measure, panel.real) for panel in panels)),
        tuple(_label(lineage, span, widest) for lineage, span in spans.items()),
        tuple(lines.values()),
        (
            *collapses(root, plan, {lineage: span[1] for lineage, span in spans.items() if span}),
            *_notes([change for line in lines.values() for change in line if change is not None]),
            *_closeness(panels),
        ),
    )


def collapses(root: Path, plan: Plan, reached: Mapping[str, int]) -> list[str]:
    """Return a line on lineages whose last rows are left without any variety, for each way to have come to that.

    Args:
        root: the workspace.
        plan: its plan.
        reached: the last generation of each lineage that was evaluated.
    """
    found: dict[str, list[str]] = {}
    for lineage, generation in reached.items():
        if told := collapsed(root, plan, lineage, generation):
            found.setdefault(told, []).append(f"{lineage} (generation {generation})")
    return [f"collapsed: in {', '.join(lineages)} {told}" for told, lineages in found.items()]


def _change(panel: Panel, lineage: str) -> Change | None:
    series = panel.series.get(lineage)
    return None if series is None else Change(lineage, panel.name, _quote(series, 0), _quote(series, -1))


def _quote(series: Series, place: int) -> Quote:
    mean, low, high = (float(part[place]) for part in (series.mean, series.low, series.high))
    return Quote(int(series.generations[place]), mean, low, high, series.reasons[place])


def _span(line: tuple[Change | None, ...]) -> tuple[int, int] | None:
    known = [change for change in line if change is not None]
    return (known[0].first.generation, known[0].last.generation) if known else None


def _label(lineage: str, span: tuple[int, int] | None, widest: tuple[int, int]) -> str:
    """Return the lineage's name, and how far it has grown if not as far as the others."""
    if span == widest:
        return lineage
    return f"{lineage} (not evaluated)" if span is None else f"{lineage} ({span[0]} → {span[1]})"


def _notes(changes: Sequence[Change]) -> Iterator[str]:
    """Yield each reason with the places that it explains, lineages and measures with the same fate in one line."""
    fates: dict[tuple[str, str, str, str], list[str]] = {}  # mark, generation, reason, lineage: measures
    for change in changes:
        for quote in change.ends:
            if quote.reason:
                mark = "*" if math.isfinite(quote.mean) else UNDEFINED
                fates.setdefault((mark, f"{quote.generation}", quote.reason, change.lineage), []).append(change.measure)
    shared: dict[tuple[str, str, str, str], list[str]] = {}
    for (mark, generation, reason, lineage), measures in fates.items():
        shared.setdefault((mark, generation, reason, ", ".join(measures)), []).append(lineage)
    for (mark, generation, reason, whose), lineages in shared.items():
        yield f"{mark} {whose} of {', '.join(lineages)} at generation {generation}: {reason}"


def _closeness(panels: Sequence[Panel]) -> Iterator[str]:
    """Yield how far the chains are from theory, for each measure that it speaks of."""
    for panel in panels:
        if far := panel.closeness():
            yield f"{panel.name}: {far}"
    lineages = dict.fromkeys(lineage for panel in panels for lineage in panel.series)
    unknown = [name for name in lineages if not any(name in panel.theory for panel in panels)]
    if unknown:
        yield f"no closed form is known for {', '.join(unknown)}"


def as_rich(table: SweepTable) -> Table:
    """Return the table for a terminal, in brief: five measures fit 120 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    notes = Text("\n".join(table.notes)) if table.notes else None
    drawn = Table(
        title=Text(table.title),
        caption=notes,
        caption_justify="left",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        min_width=len(table.title),
    )
    rows = table.brief_rows
    for place, column in enumerate(table.columns):
        # A heading is never wider than what stands below it, or it would take the room of other columns' numbers.
        name, bracket, unit = column.partition(" [")
        width = max(len(name), *(len(row[place]) for row in rows))
        head = Text("\n".join((name, *textwrap.wrap(bracket + unit, width))))
        drawn.add_column(head, justify="left" if place == 0 else "right", no_wrap=place == 0, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    return drawn


def as_markdown(table: SweepTable) -> str:
    """Return the table as Markdown, with the notes below it."""
    lines = [table.columns, ("---", *("---:" for _ in table.columns[1:])), *table.rows]
    drawn = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    notes = "".join(f"\n- {note}" for note in table.notes)
    return f"**{table.title}**\n\n{drawn}\n" + (f"{notes}\n" if notes else "")
