"""Histograms and clouds of points: one line of small panels a lineage, one panel a generation, real rows behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import Array, FloatArray
from dwindle.plan import Plan
from dwindle.report.canvas import FAINT, INK, QUIET, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clouds_figure", "flattened"]

_SIDE = 1.45  # inches
_LEFT, _TOP = 0.4, 0.9  # inches for names and title
_MOST_BINS = 40
_REACH = 0.25  # of the real rows' range, shown beyond its ends

Flat = Mapping[str, Mapping[int, Array]]


def clouds_figure(plan: Plan, rows: Flat, palette: Mapping[str, str] | None = None) -> Figure:
    """Return the figure.

    Args:
        plan: whose lineages these are.
        rows: for each lineage and generation, (n, d) rows; generation 0 is real.
        palette: the colour of each lineage; None: by its place in the plan.
    """
    from matplotlib.figure import Figure

    flat = {lineage: flattened(by_generation) for lineage, by_generation in rows.items()}
    generations = sorted({t for by_generation in flat.values() for t in by_generation})
    size = (_SIDE * max(4, len(generations)) + _LEFT, _SIDE * len(flat) + _TOP)
    figure = Figure(figsize=size)
    frame = {
        "left": _LEFT / size[0],
        "right": 0.99,
        "bottom": 0.02,
        "top": 1 - _TOP / size[1],
        "wspace": 0.06,
        "hspace": 0.06,
    }
    _draw_title(figure, plan, size, next(iter(rows.values())))
    cells = figure.subplots(len(flat), len(generations), squeeze=False, sharex="row", sharey="row", gridspec_kw=frame)
    palette = palette or colours(list(plan.recipes))
    for line, (lineage, by_generation) in zip(cells, flat.items(), strict=True):
        ends = _ends(flat, by_generation[0].shape[1])
        line[0].set_ylabel(lineage, color=palette[lineage], weight="bold")
        for axes, generation in zip(line, generations, strict=True):
            axes.set_gid(f"{lineage}.{generation}")
            _draw_cell(axes, by_generation, generation, palette[lineage], ends)
    for axes, generation in zip(cells[0], generations, strict=True):
        axes.set_title("real" if generation == 0 else f"generation {generation}", size=8.5, color=QUIET)
    return figure


def flattened(by_generation: Mapping[int, Array]) -> Mapping[int, Array]:
    """Return rows of at most two columns: wider ones on the two widest directions of the real ones.

    Args:
        by_generation: (n, d) rows.
    """
    anchor = by_generation[0]
    if anchor.shape[1] <= 2:
        return by_generation
    centre = anchor.mean(axis=0)
    _, _, directions = np.linalg.svd(anchor - centre, full_matrices=False)
    return {t: (values - centre) @ directions[:2].T for t, values in by_generation.items()}


def _ends(flat: Flat, columns: int) -> FloatArray:
    """Return the shown range of each column, (columns, 2): that of all real rows so wide, and a little more."""
    anchors = np.concatenate([rows[0] for rows in flat.values() if rows[0].shape[1] == columns])
    low, high = anchors.min(axis=0), anchors.max(axis=0)
    margin = np.where(high > low, _REACH * (high - low), 1.0)
    return np.stack([low - margin, high + margin], axis=1)


def _draw_cell(axes: Axes, by_generation: Mapping[int, Array], generation: int, colour: str, ends: FloatArray) -> None:
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(FAINT)
    anchor, values = by_generation[0], by_generation.get(generation)
    if values is None:
        return
    if anchor.shape[1] == 1:
        bins = np.linspace(ends[0, 0], ends[0, 1], min(_MOST_BINS, 2 + 2 * math.isqrt(len(anchor))))
        # Rows beyond the ends stand in the last bins: a chain that walked off is seen to have done so.
        for rows, fill in ((anchor, FAINT), (values, None)):
            kept = np.clip(rows[np.isfinite(rows)], bins[0], bins[-1])
            weights = np.full(len(kept), 1 / len(kept))
            style = {"color": fill} if fill else {"color": colour, "histtype": "step", "linewidth": 1.4}
            axes.hist(kept, bins=bins.tolist(), weights=weights, **style)
        return
    axes.set(xlim=ends[0], ylim=ends[1])
    axes.scatter(anchor[:, 0], anchor[:, 1], s=3, color=FAINT, linewidth=0)
    kept = np.clip(values, ends[:, 0], ends[:, 1])
    axes.scatter(kept[:, 0], kept[:, 1], s=3, color=colour, linewidth=0, alpha=0.7)


def _draw_title(figure: Figure, plan: Plan, size: tuple[float, float], rows: Mapping[int, Array]) -> None:
    columns = next(iter(rows.values())).shape[1]
    what = {1: "histograms", 2: "rows"}.get(columns, "rows, on the two widest real directions,")
    figure.text(0.12 / size[0], 1 - 0.11 / size[1], plan.sweep, size=14, weight="bold", color=INK, va="top")
    about = f"{what} of the first chain in colour, real ones in grey; the same axes along each row"
    figure.text(0.12 / size[0], 1 - 0.38 / size[1], about, size=8.5, color=QUIET, va="top")
