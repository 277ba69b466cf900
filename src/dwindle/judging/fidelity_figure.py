"""Fidelity as a picture: columns as a forest of intervals, and how far each correlation is off as a heat map."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.judging.associations import Associations
from dwindle.judging.columns import AS_REAL, ColumnFidelity
from dwindle.judging.contrasts import Contrast
from dwindle.judging.fidelity import Fidelity
from dwindle.judging.fidelity_tables import answer
from dwindle.report.canvas import INK, QUIET, plots_folder, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_fidelity", "fidelity_figure"]

_ROW, _TOP, _BOTTOM, _LEAST = 0.24, 0.85, 0.55, 2.6  # inches
_FOREST, _HEAT, _GAP = 2.7, 3.0, 0.35  # inches
_OFF, _REAL = "#D55E00", "#0072B2"  # Okabe and Ito 2008
_LETTERS = 26
_FAINTEST = 0.1
"""A difference of correlations that has the darkest colour even where none is as large."""


def draw_fidelity(root: Path, sweep: str, found: Fidelity) -> Path:
    """Draw the fidelity of a lineage into `plots/<sweep>/fidelity-<lineage>.png`."""
    with styled():
        return save(fidelity_figure(found), plots_folder(root, sweep) / f"fidelity-{found.lineage}.png")


def fidelity_figure(found: Fidelity) -> Figure:
    """Return the figure: two forests side by side, and the differences of correlations where there are any."""
    from matplotlib.figure import Figure

    shown = [*found.columns, *found.worst]
    tops = shown[0].tops
    labels = [top.name for top in tops] if tops else [one.name for one in shown]
    joined = found.associations if found.associations is not None and found.associations.pairs else None
    left = 0.35 + 0.075 * max(len(textwrap.shorten(label, _LETTERS)) for label in labels)
    panel = max(_LEAST, _ROW * len(labels))
    width = left + 2 * _FOREST + _GAP + ((_GAP + 1.7 + _HEAT + 0.55) if joined else 0.2)
    height = _TOP + panel + _BOTTOM
    figure = Figure(figsize=(width, height))
    _draw_title(figure, found)

    def place(start: float, wide: float) -> tuple[float, float, float, float]:
        return start / width, _BOTTOM / height, wide / width, panel / height

    first = figure.add_axes(place(left, _FOREST))
    second = figure.add_axes(place(left + _FOREST + _GAP, _FOREST))
    (_draw_tops if tops else _draw_columns)(first, second, shown)
    _name_rows(first, labels, found)
    second.set_yticklabels([])
    if joined:
        start = left + 2 * _FOREST + 2 * _GAP + 1.35
        _draw_heat(figure, figure.add_axes(place(start, _HEAT)), joined)
    return figure


def _draw_title(figure: Figure, found: Fidelity) -> None:
    width, height = figure.get_size_inches()
    title = f"{found.lineage}, generation {found.generation}: is it like the real rows?"
    figure.text(0.1 / width, 1 - 0.1 / height, title, size=13, weight="bold", va="top", color=INK)
    about = f"{answer(found)}; 95 % intervals over chains and held-out rows; orange: differs after Holm"
    figure.text(0.1 / width, 1 - 0.37 / height, about, size=7.8, color=QUIET, va="top")


def _name_rows(axes: Axes, labels: Sequence[str], found: Fidelity) -> None:
    axes.set_yticks(range(len(labels)), [textwrap.shorten(label, _LETTERS, placeholder="…") for label in labels])
    if found.worst:  # a line between the components and the columns
        axes.axhline(len(found.columns) - 0.5, color=QUIET, linewidth=0.8)


def _draw_columns(first: Axes, second: Axes, shown: Sequence[ColumnFidelity]) -> None:
    tokens = shown[0].holds == "tokens"
    _draw_forest(
        first,
        "surprisal" if tokens else "mean",
        "nats a token more than real" if tokens else "shift, real deviations",
        [(one.shift, _is_shifted(one)) for one in shown],
    )
    _draw_forest(
        second,
        "variety" if tokens else "variance",
        "log ratio to real (below 0: narrower)",
        [(one.spread, _is_spread(one)) for one in shown],
    )
    for row, one in enumerate(shown):
        if one.verdict not in (AS_REAL, "undefined"):
            style: Any = {"textcoords": "offset points", "size": 6.5, "va": "center", "annotation_clip": False}
            second.annotate(one.verdict, (1.0, row), (4, 0), xycoords=("axes fraction", "data"), color=_OFF, **style)


def _draw_tops(first: Axes, second: Axes, shown: Sequence[ColumnFidelity]) -> None:
    """Draw the commonest symbols one by one, and beside them what is said of all."""
    (one,) = shown
    _draw_forest(first, "share", "over the real one, less 1", [(top.ratio, top.adjusted < 0.05) for top in one.tops])
    told = f"total variation {one.distance.mean:.2g} (real rows {one.as_real:.2g})"
    lines = [
        ("surprisal, nats a token more than real", one.shift, _is_shifted(one)),
        ("variety, log ratio to real", one.spread, _is_spread(one)),
    ]
    _draw_forest(second, f"all {one.name}: {one.verdict}", told, [(contrast, off) for _, contrast, off in lines])
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # the line of 0 ends at the words
    for row, (line, _, _) in enumerate(lines):
        place = (0.02, row - 0.22)
        second.annotate(line, place, xycoords=("axes fraction", "data"), size=7, color=QUIET, bbox=ground)


def _is_shifted(one: ColumnFidelity) -> bool:
    return "shifted" in one.verdict or "scattered" in one.verdict


def _is_spread(one: ColumnFidelity) -> bool:
    return "narrower" in one.verdict or "wider" in one.verdict


def _draw_forest(axes: Axes, title: str, below: str, rows: Sequence[tuple[Contrast, bool]]) -> None:
    axes.axvline(0.0, color=INK, linewidth=0.9, gid="real")
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=below, title=title)
    axes.grid(visible=False, axis="y")
    for row, (one, off) in enumerate(rows):
        colour = _OFF if off else _REAL
        if math.isnan(one.value):
            axes.annotate(
                one.reason, (0.02, row), xycoords=("axes fraction", "data"), size=5.8, color=QUIET, va="center"
            )
            continue
        if math.isfinite(one.high - one.low):
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=1.6, gid=f"{title}.{row}")
        axes.plot([one.value], [row], color=colour, marker="D" if off else "o", markersize=4.5)
    axes.set_yticks(range(len(rows)))
    widest = max((abs(end) for one, _ in rows for end in (one.low, one.high) if math.isfinite(end)), default=0.0)
    if widest == 0.0:
        axes.set_xlim(-1, 1)


def _draw_heat(figure: Figure, axes: Axes, found: Associations) -> None:
    size = max(float(np.nanmax(np.abs(found.gaps), initial=0.0)), _FAINTEST)
    image = axes.imshow(found.gaps, cmap="PuOr", vmin=-size, vmax=size, aspect="auto", gid="correlations")
    image.set_gid("correlations")
    short = [textwrap.shorten(name, 18, placeholder="…") for name in found.names]
    axes.set_yticks(range(len(short)), short, size=6.5)
    axes.set_xticks(range(len(short)), [f"{place + 1}" for place in range(len(short))], size=6.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("correlation, synthetic less real")
    own, real = (found.largest.mean, found.average.mean), found.as_real
    told = f"largest {own[0]:.2g}, mean {own[1]:.2g}; real rows {real[0]:.2g}, {real[1]:.2g}"
    axes.set_xlabel(told, size=7)
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    bar.ax.tick_params(labelsize=6.5)
    bar.outline.set_visible(False)
