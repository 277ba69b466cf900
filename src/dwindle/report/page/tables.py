"""Tables of the page: a caption, headings with a scope, and a region of its own that scrolls where they are wide."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dwindle.profile import Verdict
from dwindle.report.page.markup import Markup, Part, listed, tag
from dwindle.report.text_table import TextTable

__all__ = ["ANSWERS", "Cell", "Column", "chip", "number", "table", "text_table", "verdict_chip", "wide"]

ANSWERS = {"yes": "●", "no": "○", "undecided": "◐", "undefined": "\N{EN DASH}"}
"""The symbol of each answer: a second cue beside its colour."""

_TALL = 20
"""Lines from which on a table scrolls by itself."""


@dataclass(frozen=True)
class Column:
    """A heading.

    Args:
        title: its words.
        group: the heading above it, shared with its neighbours; empty for none.
        numeric: whether numbers stand below it.
        about: what it means: said below the table, and where the pointer rests.
    """

    title: str
    group: str = ""
    numeric: bool = False
    about: str = ""


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table.

    Args:
        shown: what is seen.
        order: what the column is sorted by; a text sorts by itself.
        about: what is behind it: said below the table, and where the pointer rests.
    """

    shown: Part
    order: float | str | None = None
    about: str = ""


def number(shown: str, order: float) -> Cell:
    """Return a cell with a number; what is undefined sorts last."""
    return Cell(shown, order)


def chip(answer: str, *, detail: str = "", about: str = "") -> Cell:
    """Return a cell with a verdict: symbol, word, and what it was read from."""
    place = list(ANSWERS).index(answer)
    mark = tag("span", ANSWERS[answer], class_="mark", aria_hidden="true")
    shown = tag("span", mark, answer, class_=f"chip {answer}")
    return Cell((shown, tag("span", detail, class_="detail") if detail else None), place, about)


def verdict_chip(verdict: Verdict) -> Cell:
    """Return a cell with a verdict of the collapse profile, its statistic and interval."""
    detail = ""
    if math.isfinite(verdict.value):
        detail = f"{verdict.value:.3g}"
        if math.isfinite(verdict.high - verdict.low) and not verdict.low == verdict.value == verdict.high:
            detail += f" [{verdict.low:.3g}, {verdict.high:.3g}]"
    told = f"{verdict.measure}: {verdict.statistic}" if verdict.measure else ""
    return chip(verdict.verdict, detail=detail, about="; ".join(part for part in (told, verdict.reason) if part))


def wide(label: str, *parts: Part, tall: bool = False) -> Markup:
    """Return what may be wider than the screen, or taller: it scrolls by itself, and the keyboard reaches it."""
    style = "wide tall" if tall else "wide"
    return tag("div", *parts, class_=style, role="region", aria_label=label, tabindex=0)


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    notes: Sequence[str] = (),
    total: Sequence[Cell] | None = None,
) -> Markup:
    """Return a table in a region of its own; the first cell of each row is its heading.

    Args:
        caption: what it shows.
        columns: headings.
        rows: cells, line by line.
        notes: lines below it.
        total: a line at its foot that is never sorted.
    """
    rows = list(rows)
    head = tag("thead", _groups(columns), tag("tr", [_heading(column) for column in columns]))
    lines = [_row(columns, row) for row in rows]
    body = tag("tbody", lines)
    foot = tag("tfoot", _row(columns, total)) if total is not None else None
    drawn = tag("table", tag("caption", tag("span", caption)), head, body, foot, class_="sortable")
    told = tag("ul", [tag("li", note) for note in notes], class_="notes") if notes else None
    return tag("div", wide(caption, drawn, tall=len(lines) > _TALL), told, _behind(caption, columns, rows))


def _behind(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Markup | None:
    """Return what headings mean and cells rest on, for those who have no pointer; equal words of many rows once."""
    found: dict[tuple[str, str], list[str]] = {(one.title, one.about): [] for one in columns if one.about}
    for row in rows:
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell.about:
                found.setdefault((column.title, cell.about), []).append(str(row[0].order))
    places = {column.title: place for place, column in enumerate(columns)}
    told = [
        tag("li", tag("b", title), f" of {listed(names, most=len(names))}" if names else None, f": {about}")
        for (title, about), names in sorted(found.items(), key=lambda item: places[item[0][0]])
    ]
    summary = tag("summary", f"What is behind “{caption}”")
    return tag("details", summary, tag("ul", told, class_="notes")) if told else None


def _heading(column: Column) -> Markup:
    style = "number" if column.numeric else None
    return tag("th", column.title, scope="col", class_=style, title=column.about or None)


def _groups(columns: Sequence[Column]) -> Markup | None:
    if not any(column.group for column in columns):
        return None
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    cells = [
        tag("th", group, scope="colgroup", colspan=span) if group else tag("td", colspan=span) for group, span in spans
    ]
    return tag("tr", cells, class_="groups")


def _row(columns: Sequence[Column], row: Sequence[Cell]) -> Markup:
    first, *rest = row
    cells = [
        tag(
            "td",
            cell.shown,
            class_="number" if column.numeric else None,
            data_order=_order(cell.order),
            title=cell.about or None,
        )
        for column, cell in zip(columns[1:], rest, strict=True)
    ]
    return tag("tr", tag("th", first.shown, scope="row", data_order=_order(first.order)), cells)


def _order(order: float | str | None) -> str | None:
    if isinstance(order, float):
        return f"{order:.6g}" if not math.isnan(order) else "nan"
    return None if order is None else str(order)


def text_table(found: TextTable) -> Markup:
    """Return a table of texts as the terminal has it."""
    columns = [Column(column) for column in found.columns]
    rows = [[Cell(cell) for cell in row] for row in found.rows]
    return table(found.title, columns, rows, notes=found.notes)
