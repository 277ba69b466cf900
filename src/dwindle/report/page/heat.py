"""Heat maps: synthetic ratio by generation for each main measure, or lineage by generation where no ratio varies."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.report.page.arrangement import Axis, Strand, spelled
from dwindle.report.page.markup import listed
from dwindle.report.page.material import Material
from dwindle.report.page.picture import Picture, drawing, headline, inlined, printed
from dwindle.report.panels import Panel
from dwindle.report.wording import heading, question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

__all__ = ["Shading", "Sheet", "heat_figure", "heat_picture", "shading", "sheets"]

_CELL, _ROW, _WIDEST, _PAGE = 0.44, 0.25, 4.9, 10.4  # inches
_COLUMNS = 3
_TOP, _BOTTOM, _OVER, _GAP, _BAR = 0.34, 0.48, 0.18, 0.34, 0.95
_LETTER, _BOLD = 0.075, 0.095
_STEPS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))
_NUMBERED = 260
"""Cells that can each hold their number."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """One heat map.

    Args:
        title: what its rows have in common; empty if it is the only one.
        labels: of the rows, from the top.
        values: (rows, generations) means over chains; nan where nothing was measured.
        placed: whether the rows are ratios and no names.
    """

    title: str
    labels: tuple[str, ...]
    values: FloatArray
    placed: bool = True


@dataclass(frozen=True)
class Shading:
    """How values become colours.

    Args:
        centre: the value that has no colour; nan where colours run from good to bad.
        low: value at the lower end of the scale.
        high: value at its upper end.
        logarithmic: whether equal ratios are equal steps.
        colours: matplotlib's name of the scale.
        seen: the part of the scale between the smallest and the largest value, the centre taken in.
    """

    centre: float
    low: float
    high: float
    logarithmic: bool
    colours: str
    seen: tuple[float, float]


def sheets(material: Material, panel: Panel) -> tuple[Sheet, ...]:
    """Return a measure's heat maps: a facet each with a row a ratio, and the lineages that no ratio places."""
    arrangement, ratio = material.arrangement, material.arrangement.ratio
    if ratio is None:
        return (_by_lineage(material, panel, arrangement.strands),)
    facets = [(facet, arrangement.inside(facet)) for facet in arrangement.facets(ratio.key)]
    placed = [(facet, inside) for facet, inside in facets if _several(material, inside, ratio)]
    rest = tuple(strand for facet, inside in facets if not _several(material, inside, ratio) for strand in inside)
    found = [_by_ratio(material, panel, facet.title, inside, ratio) for facet, inside in placed]
    return tuple(found) + ((_by_lineage(material, panel, rest),) if rest else ())


def _several(material: Material, strands: Sequence[Strand], ratio: Axis) -> bool:
    """Say whether strands are several points of the axis, and no controls."""
    apart = any(strand.first in material.arrangement.controls for strand in strands)
    return not apart and len({ratio.of.get(strand.first) for strand in strands}) > 1


def _by_ratio(material: Material, panel: Panel, title: str, strands: Sequence[Strand], ratio: Axis) -> Sheet:
    ordered = sorted(strands, key=lambda strand: -ratio.of[strand.first])
    labels = tuple(spelled(ratio.of[strand.first]) for strand in ordered)
    return Sheet(title, labels, _values(material, panel, ordered))


def _by_lineage(material: Material, panel: Panel, strands: Sequence[Strand]) -> Sheet:
    return Sheet("", tuple(strand.label for strand in strands), _values(material, panel, strands), placed=False)


def _values(material: Material, panel: Panel, strands: Sequence[Strand]) -> FloatArray:
    found = np.full((len(strands), material.last + 1), np.nan)
    for row, strand in enumerate(strands):
        series = material.pooled(panel, strand)
        if series is not None:
            found[row, series.generations] = series.mean
    return found


def shading(material: Material, panel: Panel, values: FloatArray) -> Shading:
    """Return how a measure's values become colours.

    One that should stay as it is has no colour at its real value, or at the control's mean where that is not known;
    equal factors either way are equally strong on the log scale. Others darken from good to bad.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Shading(math.nan, 0.0, 1.0, False, "YlOrBr", (0.0, 1.0))
    if panel.measure.better != "as_anchor":
        logarithmic = bool((known > 0).all() and known.max() > 10 * known.min())
        scale = "YlOrBr" if panel.measure.better == "lower" else "YlOrBr_r"
        low, high = _apart(float(known.min()), float(known.max()))
        return Shading(math.nan, low, high, logarithmic, scale, (low, high))
    centre = panel.real if panel.real is not None else _usual(material, panel)
    logarithmic = panel.measure.scale == "log" and centre > 0 and bool((known > 0).all())
    points, middle = (np.log(known), math.log(centre)) if logarithmic else (known, centre)
    reach = float(np.abs(points - middle).max()) or 1.0
    ends = (middle - reach, middle + reach)
    low, high = map(math.exp, ends) if logarithmic else ends
    seen = (min(centre, float(known.min())), max(centre, float(known.max())))
    seen = seen if seen[1] > seen[0] else (low, high)
    return Shading(centre, low, high, logarithmic, "RdBu", seen)


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _usual(material: Material, panel: Panel) -> float:
    """Return the control's mean over all generations, or that of generation 0 over all lineages without one."""
    judges = [panel.series[name].mean for name in _judges(material, panel)]
    found = np.concatenate(judges or [series.mean[:1] for series in panel.series.values()])
    found = found[np.isfinite(found)]
    return float(found.mean()) if found.size else 0.0


def _judges(material: Material, panel: Panel) -> list[str]:
    return [name for name in panel.series if name in material.arrangement.controls]


def heat_picture(material: Material, panel: Panel) -> Picture:
    """Draw a measure's heat maps."""
    name = f"heat-{panel.name}"
    found = sheets(material, panel)
    scale = shading(material, panel, np.concatenate([sheet.values.ravel() for sheet in found]))
    with drawing():
        figure = heat_figure(material, panel, found, scale)
        path = printed(figure, material.folder / f"{name}.png")
        rows = "synthetic ratio" if material.arrangement.ratio is not None else "lineage"
        label = f"Heat map of {panel.name}: {rows} down, generation across."
        svg = inlined(figure, name, label, material.colours, crop=(_TOP, 0.0))
    width = 72 * float(figure.get_size_inches()[0])
    return Picture(name, question(panel.name, panel.measure), _told(material, panel, scale), svg, path, width)


def _centre(material: Material, panel: Panel) -> str:
    """Say what has no colour."""
    if panel.real is not None:
        return "the real value"
    judges = _judges(material, panel)
    return f"the mean of {listed(judges, most=3)}" if judges else "the mean at generation 0"


def _told(material: Material, panel: Panel, scale: Shading) -> str:
    name = heading(panel.name, panel.measure, panel.real)
    if math.isnan(scale.centre):
        return f"{name}: the darker, the worse{', by equal factors' if scale.logarithmic else ''}."
    steps = "equal factors up and down are equally strong" if scale.logarithmic else "equal steps are equally strong"
    return f"{name}: white is {_centre(material, panel)}, {scale.centre:.3g}; red is below it, blue above; {steps}."


def heat_figure(material: Material, panel: Panel, found: Sequence[Sheet], scale: Shading) -> Figure:
    """Return the figure of a measure's heat maps; call this within `drawing`."""
    from matplotlib.figure import Figure

    generations, lines = material.last + 1, _lines(found)
    margins = [_margin(line) for line in lines]
    columns = max(map(len, lines))
    room = (_PAGE - _BAR) / columns - margins[0]
    wide = min(_WIDEST, max(1.6, _CELL * generations), room)
    titles = {sheet.title: textwrap.fill(sheet.title, max(12, int(wide / _BOLD))) for sheet in found}
    over = 0.06 + _OVER * max(len(title.splitlines()) for title in titles.values())
    tall = [over + _ROW * max(len(sheet.labels) for sheet in line) for line in lines]
    across = max(len(line) * (margin + wide) for line, margin in zip(lines, margins, strict=True))
    size = (across + _BAR, _TOP + sum(tall) + _GAP * (len(lines) - 1) + _BOTTOM)
    figure = Figure(figsize=size)
    headline(figure, question(panel.name, panel.measure))
    numbered = sum(sheet.values.size for sheet in found) <= _NUMBERED and wide / generations >= 0.36
    norm, colours = _scale(scale)
    top = size[1] - _TOP
    for line, height, left in zip(lines, tall, margins, strict=True):
        for place, sheet in enumerate(line):
            rows = _ROW * len(sheet.labels)
            where = (left + place * (wide + left), top - over - rows, wide, rows)
            axes = figure.add_axes(_box(where, size))
            axes.set_title(titles[sheet.title], size=9.5, pad=4)
            _draw(axes, sheet, norm, colours, numbered=numbered)
        top -= height + _GAP
    bar = min(2.2, size[1] - _TOP - over - _BOTTOM)
    _draw_bar(figure, norm, colours, scale, (size[0] - _BAR + 0.16, size[1] - _TOP - over - bar, 0.13, bar))
    return figure


def _lines(found: Sequence[Sheet]) -> list[list[Sheet]]:
    """Lay heat maps out: those of the ratio side by side, the lineages that no ratio places in a line of their own."""
    placed, rest = ([sheet for sheet in found if sheet.placed is wanted] for wanted in (True, False))
    lines = [placed[start : start + _COLUMNS] for start in range(0, len(placed), _COLUMNS)]
    return [*lines, *([rest] if rest else [])]


def _margin(line: Sequence[Sheet]) -> float:
    """Return the inches that the labels of a line of heat maps take."""
    longest = max(len(label) for sheet in line for label in sheet.labels)
    return min(2.8, (0.55 if line[0].placed else 0.3) + _LETTER * longest)


def _box(where: Sequence[float], size: Sequence[float]) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height in parts of the figure."""
    left, bottom, width, height = where
    return left / size[0], bottom / size[1], width / size[0], height / size[1]


def _scale(scale: Shading) -> tuple[Normalize, Colormap]:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm, Normalize

    kind = LogNorm if scale.logarithmic else Normalize
    return kind(scale.low, scale.high), colormaps[scale.colours]


def _draw(axes: Axes, sheet: Sheet, norm: Any, colours: Any, *, numbered: bool) -> None:
    rows, generations = sheet.values.shape
    ends = (-0.5, generations - 0.5, rows - 0.5, -0.5)
    masked = np.ma.masked_invalid(sheet.values)
    axes.imshow(masked, cmap=colours, norm=norm, aspect="auto", interpolation="none", extent=ends)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks(range(rows), sheet.labels)
    step = next(step for step in _STEPS if generations / step <= 12)
    axes.set_xticks(range(0, generations, step))
    axes.tick_params(length=0, labelsize=9)
    axes.set_xlabel("generation", size=9, labelpad=2)
    if sheet.placed:
        axes.set_ylabel("synthetic ratio" if rows > 3 else "ratio", size=9)
    if numbered:
        _write_numbers(axes, sheet.values, norm, colours)


def _write_numbers(axes: Axes, values: FloatArray, norm: Any, colours: Any) -> None:
    for (row, generation), value in np.ndenumerate(values):
        if math.isfinite(value):
            red, green, blue, _ = colours(norm(value))
            dark = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18
            written: Any = {"ha": "center", "va": "center_baseline", "size": 7}
            written["color"] = "#ffffff" if dark else "#111111"
            axes.text(generation, row, _brief(value), **written)


def _brief(value: float) -> str:
    """Spell a number in five characters or so."""
    if 99.5 <= abs(value) < 99_999.5:
        return f"{value:.0f}"
    return f"{value:.2f}" if 0.095 <= abs(value) < 99.5 or value == 0 else f"{value:.2g}"


def _with(shown: list[float], centre: float) -> list[float]:
    """Return values with the nearest one replaced by the centre."""
    nearest = min(range(len(shown)), key=lambda place: abs(shown[place] - centre))
    return [*shown[:nearest], centre, *shown[nearest + 1 :]]


def _draw_bar(figure: Figure, norm: Any, colours: Any, scale: Shading, where: tuple[float, ...]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes = figure.add_axes(_box(where, list(figure.get_size_inches())))
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes)
    bar.outline.set_visible(False)
    bar.ax.set_ylim(*scale.seen)
    steps = np.linspace(float(norm(scale.seen[0])), float(norm(scale.seen[1])), 5)
    shown = [float(value) for value in norm.inverse(steps)]
    bar.ax.yaxis.set_major_locator(FixedLocator(shown if math.isnan(scale.centre) else _with(shown, scale.centre)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    bar.ax.tick_params(labelsize=8, length=2)
    bar.ax.grid(visible=False)
