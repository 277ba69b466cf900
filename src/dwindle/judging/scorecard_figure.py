"""The scorecard as a picture: three panels of bars, each measure as a ratio to generation 0, with intervals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from dwindle.judging.axes import Axis
from dwindle.judging.scorecard import Score, Scorecard
from dwindle.report.canvas import INK, QUIET, colours, darker, plain_ticks, plots_folder, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_scorecard", "scorecard_figure"]

_PANEL, _LEFT, _GAP, _TOP, _BOTTOM = 2.5, 1.95, 1.95, 0.85, 0.75  # inches
_BAR, _LEAST = 0.15, 1.9  # inches
_MOST = 10
"""Measures of a panel; the table has all."""


def draw_scorecard(root: Path, sweep: str, found: Scorecard) -> Path:
    """Draw a scorecard into `plots/<sweep>/scorecard.png`."""
    with styled():
        return save(scorecard_figure(sweep, found), plots_folder(root, sweep) / "scorecard.png")


def scorecard_figure(sweep: str, found: Scorecard) -> Figure:
    """Return the figure: quality, scale, diversity."""
    from matplotlib.figure import Figure

    names, axes_of = list(found.generations), get_args(Axis)
    shown = {axis: _shown(found, axis) for axis in axes_of}
    lines = max((len(measures) for measures in shown.values()), default=1)
    panel = max(_LEAST, lines * (_BAR * len(names) + 0.12))
    key = 0.2 * math.ceil(len(names) / 5)
    width, height = _LEFT + 3 * _PANEL + 2 * _GAP + 0.2, _TOP + panel + _BOTTOM + key
    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.1 / height, f"{sweep}: quality, scale, diversity", size=13, weight="bold", va="top")
    about = "ratio to generation 0, mean and 95 % interval over chains; ↑ more is better, ↓ less, ≈ closest to real"
    figure.text(0.1 / width, 1 - 0.37 / height, about, size=7.8, color=QUIET, va="top")
    for place, axis in enumerate(axes_of):
        start = (_LEFT + place * (_PANEL + _GAP)) / width
        axes = figure.add_axes((start, (_BOTTOM + key) / height, _PANEL / width, panel / height))
        _draw_axis(axes, axis, shown[axis], names)
    _draw_key(figure, found)
    return figure


def _shown(found: Scorecard, axis: Axis) -> dict[str, dict[str, Score]]:
    """Return the ratios of an axis, and what fell to 0, by heading, then by lineage."""
    measures: dict[str, dict[str, Score]] = {}
    for name in found.generations:
        for one in found.of(name, axis):
            if one.zero or (one.is_ratio and math.isfinite(one.relative.mean)):
                measures.setdefault(one.heading.partition(" [")[0], {})[name] = one
    return dict(list(measures.items())[:_MOST])


def _draw_axis(axes: Axes, axis: Axis, measures: dict[str, dict[str, Score]], names: list[str]) -> None:
    axes.set_title(axis)
    axes.grid(visible=False, axis="y")
    if not measures:
        axes.text(0.5, 0.5, "nothing that has a ratio", transform=axes.transAxes, ha="center", color=QUIET)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.set_xscale("log")
    axes.axvline(1.0, color=INK, linewidth=0.9)
    for row, by_lineage in enumerate(measures.values()):
        _draw_row(axes, row, by_lineage, names)
    axes.set(ylim=(len(measures) - 0.5, -0.5), xlabel="times generation 0")
    axes.set_yticks(range(len(measures)), list(measures))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(high, 1.25))
    plain_ticks(axes.xaxis)
    if all(map(_is_unchanged, (one for by_lineage in measures.values() for one in by_lineage.values()))):
        ground = {"facecolor": "white", "edgecolor": "none"}
        axes.text(0.5, 0.5, "unchanged", transform=axes.transAxes, ha="center", va="center", color=QUIET, bbox=ground)


def _draw_row(axes: Axes, row: int, by_lineage: dict[str, Score], names: list[str]) -> None:
    """Draw a bar a lineage; on a logarithmic axis 0 lies beyond its left end, where an arrow points."""
    palette, step = colours(names), 0.8 / max(len(names), 1)
    for name, one in by_lineage.items():
        height = row + (names.index(name) - (len(names) - 1) / 2) * step
        if one.zero:
            told = "← 0" if one.zero == 1 else f"← 0 in {one.zero:.0%} of chains"
            place, way = (0.01, height), ("axes fraction", "data")
            axes.annotate(told, place, xycoords=way, size=6.5, va="center", color=darker(palette[name]))
            continue
        ends, mean = one.relative, one.relative.mean
        axes.barh(height, mean - 1, step * 0.85, left=1, color=palette[name], alpha=0.75, gid=f"{name}.{row}")
        if math.isfinite(ends.high - ends.low):
            axes.plot([ends.low, ends.high], [height] * 2, color=INK, linewidth=1.0)


def _is_unchanged(one: Score) -> bool:
    spread = one.relative.high - one.relative.low
    return one.is_ratio and one.relative.mean == 1 and (spread == 0 or math.isnan(spread))


def _draw_key(figure: Figure, found: Scorecard) -> None:
    from matplotlib.patches import Patch

    palette = colours(list(found.generations))
    labels = [
        Patch(color=palette[name], alpha=0.75, label=f"{name}, generation {t}{_for(found.purposes[name])}")
        for name, t in found.generations.items()
    ]
    figure.legend(handles=labels, loc="lower left", ncols=5, frameon=False, fontsize=7.5)


def _for(purpose: str) -> str:
    return f", for {purpose}" if purpose else ""
