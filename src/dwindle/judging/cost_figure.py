"""Cost against quality as a picture: what each lineage had spent up to a generation, and how good that was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.config.prices import Prices
from dwindle.contracts import FloatArray
from dwindle.judging.costs import Cost
from dwindle.judging.key import beside_key, draw_key
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours, markers, plain_ticks, plots_folder, save, styled
from dwindle.report.panels import Panel, panels_of
from dwindle.report.wording import heading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cost_figure", "draw_cost"]


def draw_cost(root: Path, plan: Plan, found: Sequence[Cost], prices: Prices, lineage: str = "") -> Path | None:
    """Draw cost against quality; None if nothing has a quality yet.

    Args:
        root: the workspace; the picture is `plots/<sweep>/cost.png` in it, or `cost-<lineage>.png`.
        plan: its plan.
        found: the costs.
        prices: the price list.
        lineage: the one lineage that the costs are of; empty for all.
    """
    name = f"cost-{lineage}.png" if lineage else "cost.png"
    with styled():
        figure = cost_figure(root, plan, found, prices)
        return None if figure is None else save(figure, plots_folder(root, plan.sweep) / name)


def cost_figure(root: Path, plan: Plan, found: Sequence[Cost], prices: Prices) -> Figure | None:
    """Return the figure: the first headline measure of each lineage over what was spent up to each generation."""
    panel = panels_of(root, plan)[0]
    names = [name for name in dict.fromkeys(one.lineage for one in found) if name in panel.series]
    if not names:
        return None
    unit, of = _scale(found, prices)
    figure, axes = beside_key(names, 4.6)
    figure.text(0.015, 0.98, f"{plan.sweep}: what does quality cost?", size=13, weight="bold", va="top", color=INK)
    about = "a path is a lineage, a mark a generation, the last one numbered; 95 % intervals over chains"
    figure.text(0.015, 0.92, about, size=7.8, color=QUIET, va="top")
    palette, shapes = colours(names), markers(names)
    for name in names:
        own = {one.generation: of(one) for one in found if one.lineage == name}
        generations, x, y, ends = _path(panel, name, own)
        look: Any = {"color": palette[name], "marker": shapes[name], "markersize": 4, "linewidth": 1.3}
        axes.errorbar(x, y, ends, elinewidth=0.7, label=name, **look)
        if len(x):
            last = (float(x[-1]), float(y[-1]))
            axes.annotate(f"{generations[-1]}", last, (5, 0), textcoords="offset points", size=7, color=INK)
    if panel.logarithmic:
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
    axes.set(xlabel=f"spent so far [{unit}]", ylabel=heading(panel.name, panel.measure, panel.real))
    draw_key(axes, names)
    return figure


def _scale(found: Sequence[Cost], prices: Prices) -> tuple[str, Callable[[Cost], float]]:
    """Return the unit of what is spent: money, else processor seconds, else rows that trained."""
    if not all(one.complete for one in found):
        return "rows trained", lambda one: float(one.trained)
    if prices.known:
        return prices.currency or "money", lambda one: one.price
    return "processor seconds", lambda one: one.processor_seconds


def _path(panel: Panel, name: str, spent: Mapping[int, float]) -> tuple[list[int], FloatArray, FloatArray, FloatArray]:
    """Return generations, what was spent up to each, the measure there and how far its interval reaches, (2, g)."""
    series = panel.series[name]
    places = [place for place, t in enumerate(series.generations.tolist()) if t in spent]
    generations = [int(series.generations[place]) for place in places]
    so_far = np.array([sum(value for t, value in spent.items() if t <= end) for end in generations])
    mean = series.mean[places]
    ends = np.stack([mean - series.low[places], series.high[places] - mean])
    return generations, so_far, mean, np.maximum(np.nan_to_num(ends), 0.0)
