"""The frontier as a table and as a picture: generations as paths, and the front that none of them gets beyond."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.judging.frontier import Frontier, Point
from dwindle.report.canvas import INK, QUIET, colours, markers, plots_folder, save, styled
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_frontier", "frontier_figure", "frontier_table"]

_WITHIN = 10
"""Lineages that have a name at their line's end; with more there is a key."""


def frontier_table(found: Frontier) -> TextTable:
    """Return the generations on the front, the most private one first."""
    same: dict[tuple[object, ...], list[str]] = {}  # lineages share their generation 0
    for point in found.front:
        same.setdefault(_place(point), []).append(point.lineage)
    rows = tuple(
        (
            ", ".join(same[_place(point)]),
            f"{point.generation}",
            quoted(*point.privacy),
            quoted(*point.utility),
            UNDEFINED if math.isnan(point.share) else f"{point.share:.0%}",
        )
        for point in found.front
        if same[_place(point)][0] == point.lineage
    )
    columns = ("lineage", "generation", *found.headings, "on the front")
    unsure = sum(point.share >= 0.05 and not point.on_front for point in found.points)
    notes = [
        f"{len(found.front)} of {len(found.points)} generations are on the front, by their means; the last column says "
        "in how many of the resamples of chains",
    ]
    notes += [f"generations beside these that are on it in at least 5 % of the resamples: {unsure}"] if unsure else []
    title = "frontier of privacy and utility: no generation is better in both [95 % interval over chains]"
    return TextTable("frontier", title, columns, rows, (*notes, *found.notes))


def _place(point: Point) -> tuple[object, ...]:
    return point.generation, point.privacy, point.utility, point.share


def draw_frontier(root: Path, sweep: str, found: Frontier) -> Path:
    """Draw the frontier into `plots/<sweep>/frontier.png`."""
    with styled():
        return save(frontier_figure(sweep, found), plots_folder(root, sweep) / "frontier.png")


def frontier_figure(sweep: str, found: Frontier) -> Figure:
    """Return the figure: a path a lineage through its generations, and the front."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.0))
    axes = figure.add_axes((0.12, 0.11, 0.85, 0.73))
    figure.text(0.015, 0.98, f"{sweep}: what does privacy cost?", size=13, weight="bold", va="top", color=INK)
    about = "a path is a lineage, ○ generation 0; crosses: 95 % intervals over chains on the front; dashed: the front"
    figure.text(0.015, 0.925, about, size=7.8, color=QUIET, va="top")
    names = list(dict.fromkeys(point.lineage for point in found.points))
    _draw_paths(axes, found, names)
    _draw_front(axes, found)
    axes.set(xlabel=found.headings[0], ylabel=found.headings[1])
    _turn(axes, found)
    if len(names) <= _WITHIN:
        axes.legend(frameon=False, fontsize=7.5, loc="best")
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
