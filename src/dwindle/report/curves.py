"""The sweep's curves: one panel a measure, one colour a lineage, bands over chains, theory as dashed lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.components import name_of
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours, darker, markers, plain_ticks, plots_folder, save, styled
from dwindle.report.key import Sign, draw_key
from dwindle.report.panels import Panel, panels_of
from dwindle.report.series import Series
from dwindle.report.wording import heading, question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves_figure", "draw_curves"]

_COLUMNS = 3
_MARKED = 12  # markers on a line; many more would hide it
_CLEAR = 0.18  # of a panel's height, between a labelled line's end and any other
_EDGE = 0.1  # of a panel's height, at its top and bottom, where no label fits
_TOP = 0.62  # inches for the title


def draw_curves(root: Path, plan: Plan, *, measures: Sequence[str] | None = None) -> Path:
    """Draw a sweep's curves into `plots/<sweep>/curves.png`.

    Args:
        root: the workspace.
        plan: its plan.
        measures: names to show, in this order; None: the headlines, then the measures that theory speaks of.

    Raises:
        BadInput: if nothing was evaluated, or a wanted measure was not.
    """
    panels = panels_of(root, plan, measures)
    with styled():
        return save(curves_figure(plan, panels), plots_folder(root, plan.sweep) / "curves.png")


def curves_figure(plan: Plan, panels: Sequence[Panel]) -> Figure:
    """Return the figure: a grid of panels, the key in the cell after the last one."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(_COLUMNS, len(panels) + 1)
    lines = math.ceil((len(panels) + 1) / columns)
    height = 2.75 * lines + _TOP
    engine = ConstrainedLayoutEngine(
        rect=(0, 0, 1, 1 - _TOP / height), w_pad=0.09, h_pad=0.09, wspace=0.02, hspace=0.04
    )
    figure = Figure(figsize=(3.85 * columns, height), layout=engine)
    _draw_title(figure, plan, height)
    cells = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, panel in zip(cells, panels, strict=False):
        _draw_panel(axes, panel, plan)
    for axes in cells[len(panels) :]:
        axes.remove()
    first = len(panels) % columns
    free = figure.add_subplot(cells[0].get_gridspec()[lines - 1, first:])
    draw_key(free, plan, _signs(panels), columns=columns - first, **({} if first else {"top": 0.95}))
    return figure


def _draw_title(figure: Figure, plan: Plan, height: float) -> None:
    recipes = [plan.recipe(lineage) for lineage in plan.recipes]
    families = ", ".join(dict.fromkeys(name_of(recipe.family) for recipe in recipes))
    sources = ", ".join(dict.fromkeys(name_of(recipe.source).rpartition(":")[2] for recipe in recipes))
    budgets = _range([recipe.budget for recipe in recipes])
    figure.text(0.008, 1 - 0.11 / height, plan.sweep, size=14, weight="bold", color=INK, va="top")
    about = f"{families} on {sources}, budget {budgets} rows, {_range([recipe.chains for recipe in recipes])} chains"
    figure.text(0.008, 1 - 0.38 / height, about, size=8.5, color=QUIET, va="top")


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _draw_panel(axes: Axes, panel: Panel, plan: Plan) -> None:
    from matplotlib.ticker import MaxNLocator

    lineages = list(plan.recipes)
    palette, shapes = colours(lineages), markers(lineages)
    axes.set_gid(panel.name)
    if panel.logarithmic:
        axes.set_yscale("log")
    if panel.real is not None:
        axes.axhline(panel.real, color=QUIET, linewidth=0.9, linestyle=":", gid="real", zorder=1.5)
    for place, (lineage, series) in enumerate(panel.series.items()):
        _draw_series(axes, series, palette[lineage], shapes[lineage], order=3 - place / len(lineages))
    _draw_theory(axes, panel, palette)
    _draw_passages(axes, panel, palette)
    if panel.why_empty:
        text = textwrap.fill(f"undefined: {panel.why_empty}", 40)
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, gid="undefined")
    _label_ends(axes, panel, palette)
    if panel.logarithmic:
        plain_ticks(axes.yaxis)
    axes.set_title(question(panel.name, panel.measure))
    axes.set(xlabel=_below(panel), ylabel=heading(panel.name, panel.measure, panel.real))
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def _below(panel: Panel) -> str:
    far = panel.distance()
    if far is None:
        return "generation"
    errors = f", by {far.chains} chains" if far.chains else ""
    return f"generation; |z| to closed form ≤ {far.score:.1f} in {far.count:,}{errors}"


def _draw_series(axes: Axes, series: Series, colour: str, marker: str, *, order: float) -> None:
    """Draw mean and band; the first lineage lies on top, and nothing is drawn where a measure is undefined."""
    x = series.generations
    axes.fill_between(x, series.low, series.high, color=colour, alpha=0.13, linewidth=0, zorder=order - 1)
    axes.plot(
        x,
        series.mean,
        color=colour,
        marker=marker,
        markevery=max(1, round(len(x) / _MARKED)),
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.5,
        linewidth=1.7,
        zorder=order,
        gid=series.lineage,
    )


def _draw_theory(axes: Axes, panel: Panel, palette: dict[str, str]) -> None:
    for lineage, curve in panel.theory.items():
        x, dark = np.arange(len(curve.mean)), darker(palette[lineage])
        axes.plot(x, curve.mean, color=dark, linestyle=(0, (4, 2)), linewidth=1.3, zorder=4, gid=f"{lineage}.theory")


def _draw_passages(axes: Axes, panel: Panel, palette: dict[str, str]) -> None:
    """Mark where each line leaves the control's band."""
    for lineage, generation in panel.passages.items():
        series = panel.series[lineage]
        place = int(np.searchsorted(series.generations, generation))
        if place < len(series.mean) and math.isfinite(series.mean[place]):
            point = (series.generations[place], series.mean[place])
            style: Any = {
                "color": "white",
                "markeredgecolor": palette[lineage],
                "markeredgewidth": 1.6,
                "markersize": 7.0,
            }
            axes.plot(*point, marker="o", linestyle="", zorder=4.5, gid=f"{lineage}.passage", **style)


def _label_ends(axes: Axes, panel: Panel, palette: dict[str, str]) -> None:
    """Write the lineage's name at the end of each line that stays clear of all others, on the side that is free."""
    from matplotlib.patheffects import withStroke

    ends = {lineage: _end(axes, series) for lineage, series in panel.series.items()}
    known = {lineage: end for lineage, end in ends.items() if end is not None}
    for lineage, (x, y, height, rising) in known.items():
        gaps = [abs(height - other[2]) for name, other in known.items() if name != lineage]
        if not gaps or min(gaps) < _CLEAR or height < _EDGE:
            continue
        above = rising and height < 1 - _EDGE
        axes.annotate(
            lineage,
            (x, y),
            (0, 7 if above else -7),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            size=8,
            weight="bold",
            color=palette[lineage],
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=5,
            gid=f"{lineage}.label",
        )


def _end(axes: Axes, series: Series) -> tuple[float, float, float, bool] | None:
    """Return the last point of a line, its height as a fraction of the panel, and whether the line comes from below."""
    defined = np.flatnonzero(np.isfinite(series.mean))
    if not defined.size:
        return None
    before, last = defined[int(0.7 * (defined.size - 1))], defined[-1]
    heights = [
        float(axes.transAxes.inverted().transform(axes.transData.transform((0.0, series.mean[place])))[1])
        for place in (before, last)
    ]
    return float(series.generations[last]), float(series.mean[last]), heights[1], heights[1] >= heights[0]


def _signs(panels: Sequence[Panel]) -> list[Sign]:
    """Return the meanings of the lines that are there."""
    geometric = ", ".join(panel.name for panel in panels if panel.measure.scale == "log")
    which = f" ({geometric}: geometric)" if geometric else ""
    signs = [Sign(f"mean over chains{which}, 95 % interval", band=True)]
    sources = dict.fromkeys(curve.source for panel in panels for curve in panel.theory.values())
    if sources:
        signs.append(Sign(f"closed form: {'; '.join(sources)}", style="--"))
    if any(panel.passages for panel in panels):
        signs.append(Sign("first passage out of the control's band", ring=True))
    if any(panel.real is not None for panel in panels):
        signs.append(Sign("real value", style=":"))
    return signs
