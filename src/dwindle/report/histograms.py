"""Histograms that shift: one block a lineage, one ridge a generation, all on the same scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours, plain_ticks, plots_folder, save, styled
from dwindle.report.details import details_of
from dwindle.report.grid import ladder
from dwindle.report.series import measure_of
from dwindle.report.wording import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_histograms", "histograms_figure"]

_COLUMNS = 3
_LINEAGES = 24
_OVERLAP = 1.4  # of the highest ridge's height over the distance of two ridges
_TOP = 0.72  # inches for the title

Ridges = Mapping[int, Mapping[str, Any]]
"""For each generation, `edges` (b + 1) and `shares` (c, b)."""


def draw_histograms(root: Path, plan: Plan) -> Path | None:
    """Draw the first measure that kept histograms into `plots/<sweep>/histograms.png`; None if none did."""
    found = details_of(root, plan, "histogram")
    if not found:
        return None
    name, by_lineage = next(iter(found.items()))
    shown = dict(list(by_lineage.items())[:_LINEAGES])
    with styled():
        return save(histograms_figure(plan, name, shown), plots_folder(root, plan.sweep) / "histograms.png")


def histograms_figure(plan: Plan, name: str, by_lineage: Mapping[str, Ridges]) -> Figure:
    """Return the figure.

    Args:
        plan: whose lineages these are.
        name: the measure.
        by_lineage: its histograms, by lineage and generation.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(by_lineage))
    lines = math.ceil(len(by_lineage) / columns)
    size = (max(5.2, 3.6 * columns), 3.0 * lines + _TOP)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - _TOP / size[1]))  # type: ignore[union-attr, call-arg]
    measure = measure_of(plan.recipe(next(iter(by_lineage))), name)
    _draw_title(figure, plan, f"{heading(name, measure)}: share of rows, generation 0 on top", size)
    cells = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    palette, window = colours(list(plan.recipes)), _window(by_lineage)
    for axes, (lineage, ridges) in zip(cells, by_lineage.items(), strict=False):
        _draw_ridges(axes, lineage, ridges, palette[lineage], window)
    for axes in cells[len(by_lineage) :]:
        axes.remove()
    return figure


def _draw_title(figure: Figure, plan: Plan, about: str, size: tuple[float, float]) -> None:
    left = 0.12 / size[0]
    figure.text(left, 1 - 0.11 / size[1], plan.sweep, size=14, weight="bold", color=INK, va="top")
    figure.text(left, 1 - 0.38 / size[1], about, size=8.5, color=QUIET, va="top")


def _window(by_lineage: Mapping[str, Ridges]) -> tuple[float, float]:
    """Return the edges between which all rows lie."""
    ends = []
    for ridges in by_lineage.values():
        for ridge in ridges.values():
            filled = np.flatnonzero(_mean(ridge) > 0)
            if filled.size:
                ends += [ridge["edges"][filled[0]], ridge["edges"][filled[-1] + 1]]
    return (min(ends), max(ends)) if ends else (1.0, 10.0)


def _mean(ridge: Mapping[str, Any]) -> FloatArray:
    """Return the shares' mean over the chains that have any, (b,)."""
    shares = np.array(ridge["shares"], dtype=np.float64)
    known = shares[np.isfinite(shares).all(axis=1)]
    return np.asarray(known.mean(axis=0)) if len(known) else np.zeros(shares.shape[1])


def _draw_ridges(axes: Axes, lineage: str, ridges: Ridges, colour: str, window: tuple[float, float]) -> None:
    shown = [generation for generation in ladder(max(ridges)) if generation in ridges]
    pale = _paler(colour)
    highest = max((float(_mean(ridge).max()) for ridge in ridges.values()), default=0.0) or 1.0
    for place, generation in enumerate(shown):
        shares, edges = _mean(ridges[generation]), ridges[generation]["edges"]
        base, height = float(len(shown) - 1 - place), _OVERLAP / highest
        order = 2 + place
        gid = f"{lineage}.{generation}"
        axes.stairs(base + height * shares, edges, baseline=base, fill=True, color=pale, zorder=order)
        axes.stairs(base + height * shares, edges, baseline=base, color=colour, linewidth=0.9, zorder=order, gid=gid)
    axes.set_xscale("log")
    axes.set_xlim(*window)
    plain_ticks(axes.xaxis)
    axes.set_yticks(range(len(shown)), [str(generation) for generation in reversed(shown)])
    axes.set_ylim(-0.15, len(shown) - 1 + _OVERLAP + 0.1)
    axes.set_ylabel("generation")
    axes.tick_params(labelbottom=True)
    axes.set_title(lineage, color=colour)


def _paler(colour: str) -> str:
    """Return a shade of a colour that covers what lies behind it and leaves its own outline to be seen."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (1.0 - 0.45 * (1.0 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))
