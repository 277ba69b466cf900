"""The frontier as a table and as a picture: generations as paths, and the front that none of them gets beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.judging.frontier import Frontier, Point
from dwindle.judging.key import beside_key, draw_key
from dwindle.report.canvas import INK, QUIET, colours, markers, plots_folder, save, styled
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_frontier", "frontier_figure", "frontier_table"]

_NAMED = 3
"""Lineages of a shared generation that the table names one by one."""


def frontier_table(found: Frontier) -> TextTable:
    """Return the generations on the front, the most private one first."""
    lineages = {point.lineage for point in found.points}
    front = _shared(found.front)
    rows = tuple(
        (
            _whose([point.lineage for point in alike], len(lineages)),
            f"{alike[0].generation}",
            quoted(*alike[0].privacy),
            quoted(*alike[0].utility),
            UNDEFINED if math.isnan(alike[0].share) else f"{alike[0].share:.0%}",
        )
        for alike in front
    )
    columns = ("lineage", "generation", *found.headings, "on the front")
    unsure = len(_shared([point for point in found.points if point.share >= 0.05 and not point.on_front]))
    notes = [
        f"{len(front)} of {len(_shared(found.points))} generations, shared ones counted once, are on the front, by "
        "their means; the last column says in how many of the resamples of chains",
    ]
    notes += [f"generations beside these that are on it in at least 5 % of the resamples: {unsure}"] if unsure else []
    title = "frontier of privacy and utility: no generation is better in both [95 % interval over chains]"
    return TextTable("frontier", title, columns, rows, (*notes, *found.notes))


def _shared(points: Sequence[Point]) -> list[list[Point]]:
    """Return the points, those together that lineages share, as they share generation 0."""
    same: dict[str, list[Point]] = {}
    for point in points:
        place = f"{point.generation} {point.privacy} {point.utility}"  # as text, because nan does not equal itself
        same.setdefault(place, []).append(point)
    return list(same.values())


def _whose(names: Sequence[str], lineages: int) -> str:
    """Spell the lineages of a shared generation: all of them as `all`, and of many the first ones."""
    if len(names) == lineages > 1:
        return "all"
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def draw_frontier(root: Path, sweep: str, found: Frontier) -> Path:
    """Draw the frontier into `plots/<sweep>/frontier.png`."""
    with styled():
        return save(frontier_figure(sweep, found), plots_folder(root, sweep) / "frontier.png")


def frontier_figure(sweep: str, found: Frontier) -> Figure:
    """Return the figure: a path a lineage through its generations, and the front."""
    names = list(dict.fromkeys(point.lineage for point in found.points))
    figure, axes = beside_key(names, 5.0)
    figure.text(0.015, 0.98, f"{sweep}: what does privacy cost?", size=13, weight="bold", va="top", color=INK)
    about = "a path is a lineage, ○ generation 0; crosses: 95 % intervals over chains on the front; dashed: the front"
    figure.text(0.015, 0.925, about, size=7.8, color=QUIET, va="top")
    _draw_paths(axes, found, names)
    _draw_front(axes, found)
    axes.set(xlabel=found.headings[0], ylabel=found.headings[1])
    _turn(axes, found)
    draw_key(axes, names)
    return figure


def _draw_paths(axes: Axes, found: Frontier, names: list[str]) -> None:
    palette, shapes = colours(names), markers(names)
    for name in names:
        own = [point for point in found.points if point.lineage == name]
        x, y = ([numbers[0] for numbers in part] for part in ([p.privacy for p in own], [p.utility for p in own]))
        axes.plot(x, y, color=palette[name], linewidth=1.2, alpha=0.7, marker=shapes[name], markersize=4, label=name)
        axes.plot(x[:1], y[:1], marker="o", markersize=8, color="none", markeredgecolor=palette[name])
        axes.annotate(f"{own[-1].generation}", (x[-1], y[-1]), (4, 3), textcoords="offset points", size=7, color=INK)
        for point in own:
            if point.on_front:
                _draw_cross(axes, point.privacy, point.utility, palette[name])


def _draw_cross(axes: Axes, first: tuple[float, ...], second: tuple[float, ...], colour: str) -> None:
    if math.isfinite(first[2] - first[1]):
        axes.plot(first[1:], [second[0]] * 2, color=colour, linewidth=0.9)
    if math.isfinite(second[2] - second[1]):
        axes.plot([first[0]] * 2, second[1:], color=colour, linewidth=0.9)


def _draw_front(axes: Axes, found: Frontier) -> None:
    """Draw the front as stairs: beyond a point, only what is worse in one of both is there for certain."""
    if None in found.higher:  # nearer to a value is no direction
        return
    x, y = (np.array([numbers[0] for numbers in part]) for part in _both(found))
    if len(x) > 1:
        axes.step(x, y, where="post", color=INK, linestyle="--", linewidth=1.0, gid="front")
    else:
        axes.plot(x, y, color=INK, marker="x", gid="front")


def _both(found: Frontier) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    return [point.privacy for point in found.front], [point.utility for point in found.front]


def _turn(axes: Axes, found: Frontier) -> None:
    """Turn axes so that good lies to the right and at the top."""
    if found.higher[0] is False:
        axes.invert_xaxis()
    if found.higher[1] is False:
        axes.invert_yaxis()
