"""The curves of a sweep for its page: a picture a measure, in facets where there are many lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.profile import Band
from dwindle.report.canvas import INK, QUIET, darker, plain_ticks
from dwindle.report.page.arrangement import Strand
from dwindle.report.page.keys import draw_key, key_height
from dwindle.report.page.material import Material
from dwindle.report.page.palette import BAND, PAPER, Look
from dwindle.report.page.picture import Picture, drawing, headline, inlined, printed
from dwindle.report.panels import Panel
from dwindle.report.wording import heading, question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FEW", "cells_of", "curve_figure", "curve_picture", "shows_bands"]

FEW = 12
"""Lines that one chart can hold with a band and markers each."""

_MOST_CELLS, _LEAST_LINES = 9, 3
_WIDTH, _HEIGHT = 3.3, 2.25  # inches of a plot
_LEFT, _RIGHT, _BOTTOM, _TOP, _GAP, _TITLE = 0.72, 0.12, 0.48, 0.34, 0.42, 0.26
_MARKED = 11


@dataclass(frozen=True)
class Cell:
    """One plot of a chart.

    Args:
        title: what its lines have in common; empty if it is the only one.
        strands: its lines.
        yardsticks: lines of other cells that are drawn in every one, such as the control.
    """

    title: str
    strands: tuple[Strand, ...]
    yardsticks: tuple[Strand, ...] = ()


def cells_of(material: Material) -> tuple[Cell, ...]:
    """Return the plots of each chart: one, or where lines are many, one for each facet beside the axis of colours."""
    strands, axis = material.arrangement.strands, material.looks.axis
    alone = (Cell("", strands),)
    if axis is None:
        return alone
    facets = [(facet, material.arrangement.inside(facet)) for facet in material.arrangement.facets(axis.key)]
    large = [
        (facet, inside)
        for facet, inside in facets
        if len(inside) >= _LEAST_LINES and inside[0].first not in material.arrangement.controls
    ]
    placed = [strand for _, inside in large for strand in inside]
    rest = [strand for strand in strands if strand not in placed]
    if not 1 < len(large) <= _MOST_CELLS or any(strand.first not in material.arrangement.controls for strand in rest):
        return alone
    return tuple(Cell(facet.title, inside, _judges(material, inside, rest)) for facet, inside in large)


def _judges(material: Material, inside: Sequence[Strand], rest: Sequence[Strand]) -> tuple[Strand, ...]:
    """Return the controls that lines are judged against."""
    wanted = {material.arrangement.control(name) for strand in inside for name in strand.lineages}
    return tuple(strand for strand in rest if wanted & set(strand.lineages))


def curve_picture(material: Material, panel: Panel) -> Picture:
    """Draw a measure over the generations, with bands, theory and the control's band."""
    name = f"curves-{panel.name}"
    with drawing():
        figure, tips = curve_figure(material, panel)
        path = printed(figure, material.folder / f"{name}.png")
        label = f"{question(panel.name, panel.measure)} {panel.name} over generations 0 to {material.last}, by lineage."
        svg = inlined(figure, name, label, material.colours, crop=(_TOP, key_height(material)), tips=tips)
    width = 72 * float(figure.get_size_inches()[0])
    return Picture(name, question(panel.name, panel.measure), _told(panel), svg, path, width)


def _told(panel: Panel) -> str:
    parts = [f"{heading(panel.name, panel.measure, panel.real)}: {panel.measure.about}."]
    if far := panel.closeness():
        parts.append(f"{far[:1].upper()}{far[1:]}.")
    if panel.why_empty:
        parts.append(f"Undefined: {panel.why_empty}.")
    return " ".join(parts)


def curve_figure(material: Material, panel: Panel) -> tuple[Figure, dict[str, str]]:
    """Return the figure of a measure, and what to say where the pointer rests; call this within `drawing`."""
    from matplotlib.figure import Figure

    cells = cells_of(material)
    columns = min(3, len(cells))
    lines = math.ceil(len(cells) / columns)
    over = _TITLE if len(cells) > 1 else 0.06
    tall = _TOP + lines * (_HEIGHT + over) + (lines - 1) * _GAP + _BOTTOM + key_height(material)
    size = (_LEFT + columns * _WIDTH + (columns - 1) * 0.2 + _RIGHT, tall)
    figure = Figure(figsize=size)
    headline(figure, question(panel.name, panel.measure))
    draw_key(figure, material)
    tips: dict[str, str] = {}
    shared: Any = None
    for place, cell in enumerate(cells):
        column, line = place % columns, place // columns
        bottom = size[1] - _TOP - (line + 1) * (_HEIGHT + over) - line * _GAP
        where = (_LEFT + column * (_WIDTH + 0.2), bottom, _WIDTH, _HEIGHT)
        box = tuple(part / size[index % 2] for index, part in enumerate(where))
        axes = figure.add_axes(box, sharey=shared, sharex=shared)  # type: ignore[arg-type]
        shared = shared or axes
        tips |= dict(_draw_cell(axes, material, panel, cell, place))
        _dress(axes, panel, cell, outer=(column == 0, place + columns >= len(cells)))
    return figure, tips


def _dress(axes: Axes, panel: Panel, cell: Cell, *, outer: tuple[bool, bool]) -> None:
    from matplotlib.ticker import MaxNLocator

    if panel.logarithmic:
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.tick_params(labelsize=9, labelleft=outer[0], labelbottom=outer[1])
    if cell.title:
        axes.set_title(cell.title, size=9.5, pad=4)
    if outer[0]:
        axes.set_ylabel(heading(panel.name, panel.measure, panel.real), size=9)
    if outer[1]:
        axes.set_xlabel("generation", size=9, labelpad=2)
    if panel.why_empty:
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", color=QUIET)


def _draw_cell(axes: Axes, material: Material, panel: Panel, cell: Cell, place: int) -> Iterator[tuple[str, str]]:
    """Draw one plot; yield what to say of each line."""
    _draw_yardsticks(axes, material, panel, cell)
    few = len(cell.strands) <= FEW
    for number, strand in enumerate((*cell.yardsticks, *cell.strands)):
        series = material.pooled(panel, strand)
        if series is None:
            continue
        look, gid = material.looks.of[strand.label], f"line-{place}-{number}"
        thin = len(material.arrangement.strands) > FEW
        alone = strand.first in material.arrangement.controls
        order = 3 - number / 100
        if few:
            faint = 0.07 if thin else 0.13
            shade: Any = {"color": look.colour, "alpha": faint, "linewidth": 0, "zorder": 1.6}
            axes.fill_between(series.generations, series.low, series.high, **shade)
        style = _style(look, len(series.mean), thin=thin)
        axes.plot(series.generations, series.mean, zorder=3.5 if alone else order, gid=gid, **style)
        yield gid, _tip(strand, series.mean)
        _draw_theory(axes, panel, strand, look, thin=thin)
        if material.looks.axis is None and not thin:
            _draw_passage(axes, panel, strand, series, look)


def _style(look: Look, count: int, *, thin: bool) -> dict[str, Any]:
    if thin:
        return {"color": look.colour, "linewidth": 1.1}
    marks = {"marker": look.marker, "markevery": max(1, round(count / _MARKED)), "markersize": 4.2}
    return {"color": look.colour, "linewidth": 1.7, "markeredgecolor": PAPER, "markeredgewidth": 0.6, **marks}


def _tip(strand: Strand, mean: Any) -> str:
    known = mean[np.isfinite(mean)]
    return f"{strand.label}: {known[0]:.4g} at first, {known[-1]:.4g} at last" if known.size else strand.label


def _draw_theory(axes: Axes, panel: Panel, strand: Strand, look: Look, *, thin: bool) -> None:
    curve = panel.theory.get(strand.first)
    if curve is not None:
        colour = look.colour if thin or look.colour == INK else darker(look.colour)
        width, dashes = (0.7, (0, (3, 2.5))) if thin else (1.3, (0, (4, 2)))
        axes.plot(np.arange(len(curve.mean)), curve.mean, color=colour, linestyle=dashes, linewidth=width, zorder=4)


def _draw_passage(axes: Axes, panel: Panel, strand: Strand, series: Any, look: Look) -> None:
    """Ring the generation at which a line left the control's band."""
    generation = panel.passages.get(strand.first) if len(strand.lineages) == 1 else None
    place = int(np.searchsorted(series.generations, generation)) if generation is not None else len(series.mean)
    if place < len(series.mean) and math.isfinite(series.mean[place]):
        ring: Any = {"marker": "o", "markersize": 8.0, "markeredgewidth": 1.5, "linestyle": ""}
        point = (series.generations[place], series.mean[place])
        axes.plot(*point, color=PAPER, markeredgecolor=look.colour, zorder=4.5, **ring)


def _band(material: Material, panel: Panel, cell: Cell) -> Band | None:
    """Return the band that all lines of a plot are held against; one of several controls would belong to some only."""
    band = material.shared_band(panel.name, [name for strand in cell.strands for name in strand.lineages])
    return band if band is not None and all(map(math.isfinite, band.ends)) else None


def shows_bands(material: Material) -> bool:
    """Say whether any plot has the band of a control in it."""
    return any(_band(material, panel, cell) is not None for panel in material.panels for cell in cells_of(material))


def _draw_yardsticks(axes: Axes, material: Material, panel: Panel, cell: Cell) -> None:
    """Draw what lines are held against: the band of their control, and the value on real rows."""
    band = _band(material, panel, cell)
    if band is not None:
        axes.axhspan(*band.ends, color=BAND, alpha=0.55, linewidth=0, zorder=0.5)
    if panel.real is not None:
        axes.axhline(panel.real, color=QUIET, linewidth=0.9, linestyle=":", zorder=1.5)
