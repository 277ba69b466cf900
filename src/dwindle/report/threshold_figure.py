"""The largest stable ratio as a picture: harm by synthetic ratio, the limit, and where it is crossed."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.plan import Plan
from dwindle.profile.crossing import memory
from dwindle.report.canvas import INK, QUIET, colours, darker, markers, plots_folder, save, styled
from dwindle.report.ratio_findings import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_threshold", "threshold_figure"]

_DASHES = ("-", "--", "-.", ":")
_WIDTH, _PANEL, _ROW, _TOP, _GAP = 5.2, 2.5, 0.24, 0.92, 0.8  # inches
_COLUMNS = 2
_LEFT, _LETTER, _NAME = 0.95, 0.078, 30  # inches, inches, letters of a group's name in a line
_CLEAR = 0.055  # of a panel's width, between two labelled ratios


def draw_threshold(root: Path, plan: Plan, found: Sequence[Finding]) -> Path:
    """Draw what was found into `plots/<sweep>/threshold.png`.

    Args:
        root: the workspace.
        plan: its plan.
        found: what each criterion says of each group.
    """
    with styled():
        return save(threshold_figure(plan, found), plots_folder(root, plan.sweep) / "threshold.png")


def threshold_figure(plan: Plan, found: Sequence[Finding]) -> Figure:
    """Return the figure: a panel a criterion, and below it a bar a group with the largest stable ratio."""
    from matplotlib.figure import Figure

    rules = list(dict.fromkeys(one.threshold.criterion.rule for one in found))
    groups = list(dict.fromkeys(one.group.name for one in found))
    columns = min(_COLUMNS, len(rules))
    names = [textwrap.fill(group, _NAME) for group in groups]
    lines = [line for name in names for line in name.splitlines()]
    left = max(_LEFT, 0.3 + _LETTER * max(map(len, lines)))
    strip = max(_ROW * len(groups), 0.15 * len(groups) * max(1 + name.count("\n") for name in names)) + 0.1
    block, panel = _PANEL + strip + _GAP, left + _WIDTH - _LEFT
    width = panel * columns
    about = _about(found, width)
    above = _TOP + 0.15 * about.count("\n")
    height = above + block * math.ceil(len(rules) / columns)
    figure = Figure(figsize=(width, height))
    _draw_title(figure, plan, about)
    for place, rule in enumerate(rules):
        own = [one for one in found if one.threshold.criterion.rule == rule]
        start = (place % columns * panel + left) / width
        top = 1 - (above + place // columns * block) / height
        span = (_WIDTH - 1.15) / width
        upper = figure.add_axes((start, top - _PANEL / height, span, _PANEL / height))
        lower = figure.add_axes((start, top - (_PANEL + 0.08 + strip) / height, span, strip / height))
        _frame(upper, lower, own)
        lower.set_yticks(range(len(groups)), names)
        _draw_harm(upper, own, groups)
        _draw_ratios(lower, own, groups)
    return figure


def _about(found: Sequence[Finding], width: float) -> str:
    """Say below the title what stands beside what, in lines of a figure's width in inches."""
    first, last = found[0].generations
    beside = " or beside ".join(dict.fromkeys(one.beside for one in found))
    about = f"beside {beside}, generations {first} to {last}; 95 % intervals over chains"
    if any(not math.isnan(one.exact) for one in found):
        about += "; thin dark lines, diamonds: closed form"
    return textwrap.fill(about, int(13 * width))


def _draw_title(figure: Figure, plan: Plan, about: str) -> None:
    width, height = figure.get_size_inches()
    title = f"{plan.sweep}: how synthetic may it be?"
    figure.text(0.12 / width, 1 - 0.1 / height, title, size=13, weight="bold", va="top")
    figure.text(0.12 / width, 1 - 0.37 / height, about, size=7.8, color=QUIET, va="top")


def _frame(upper: Axes, lower: Axes, own: Sequence[Finding]) -> None:
    """Put both axes on the scale of memory, ticks where a ratio was tried."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    horizon = max(one.generations[1] for one in own)
    criterion = own[0].threshold.criterion
    ratios = sorted({judged.ratio for one in own for judged in one.threshold.judged})
    shown = _apart(ratios, horizon)
    for axes in (upper, lower):
        axes.set_xscale(
            "function", functions=(lambda r: memory(np.minimum(r, 1.0), horizon), lambda x: _unfolded(x, horizon))
        )
        axes.set_xlim(-0.02, 1.0)
        axes.set_xticks(shown, [f"{ratio:g}" for ratio in shown])
        axes.minorticks_off()
    upper.tick_params(labelbottom=False)
    if criterion.kind != "difference" and not criterion.falls:
        upper.set_yscale("log")
        upper.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        upper.yaxis.set_minor_formatter(NullFormatter())
    upper.set_title(f"stable while {criterion.rule}")
    upper.set_ylabel(criterion.statistic)
    lower.set_xlabel("synthetic ratio")


def _unfolded(place: FloatArray, horizon: int) -> FloatArray:
    return np.asarray(1.0 + 1.0 / (horizon + 1.0) - np.exp(-np.asarray(place)), dtype=np.float64)


def _apart(ratios: Sequence[float], horizon: int) -> list[float]:
    """Return the ratios that leave room for their labels, the largest first."""
    low, high = memory(0.0, horizon).item(), memory(1.0, horizon).item()
    shown: list[float] = []
    for ratio in sorted(ratios, reverse=True):
        place = (memory(ratio, horizon).item() - low) / (high - low)
        if all(abs(place - (memory(other, horizon).item() - low) / (high - low)) >= _CLEAR for other in shown):
            shown.append(ratio)
    return shown[::-1]


def _draw_harm(axes: Axes, own: Sequence[Finding], groups: Sequence[str]) -> None:
    palette, shapes = colours(groups), markers(groups)
    criterion = own[0].threshold.criterion
    axes.axhline(criterion.limit, color=INK, linewidth=1.0, linestyle=(0, (1, 1.5)), gid="limit")
    for finding in own:
        name, judged = finding.group.name, finding.threshold.judged
        x, y = [one.ratio for one in judged], np.array([one.value for one in judged])
        ends = np.array([(one.value - one.low, one.high - one.value) for one in judged]).T
        style = _DASHES[groups.index(name) % len(_DASHES)]
        axes.errorbar(
            x,
            y,
            np.maximum(np.nan_to_num(ends), 0.0),
            color=palette[name],
            marker=shapes[name],
            markersize=4.5,
            linestyle=style,
            linewidth=1.3,
            elinewidth=1.0,
            capsize=2.0,
            label=name,
        )
        ratios, harm = finding.law.curve()
        if ratios.size:
            axes.plot(ratios, criterion.told(harm), color=darker(palette[name]), linewidth=0.8, gid=f"{name}.theory")
    axes.annotate("limit", (0.005, criterion.limit), (0, 2), textcoords="offset points", size=7, color=INK)


def _draw_ratios(axes: Axes, own: Sequence[Finding], groups: Sequence[str]) -> None:
    """Draw a bar a group: the interval, the ratio in it, and a diamond where theory puts it."""
    palette, shapes = colours(groups), markers(groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    for finding in own:
        name, found = finding.group.name, finding.threshold
        row, colour, most = groups.index(name), palette[name], found.judged[-1].ratio
        if math.isnan(found.value):
            axes.text(0.0, row, f" {found.reason}", size=6.5, color=QUIET, va="center")
            continue
        start = found.value if math.isnan(found.low) else found.low
        axes.plot([0, min(start, most)], [row, row], color=QUIET, linewidth=1.2, zorder=1.5)
        if not math.isnan(found.low):
            ends = [min(found.low, most), min(found.high, most)]
            axes.plot(ends, [row, row], color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt", gid=f"{name}.bar")
        end = ">" if math.isinf(found.value) else shapes[name]
        axes.plot([min(found.value, most)], [row], color=colour, marker=end, markersize=5, clip_on=False)
        if math.isfinite(finding.exact):
            axes.plot(
                [finding.exact], [row], marker="D", markersize=6.5, color="none", markeredgecolor=INK, gid="exact"
            )
