"""The collapse profile as a picture: verdicts of each lineage, and when each measure left the control's band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dwindle.config.arms import controls
from dwindle.plan import Plan
from dwindle.profile import DEFINITIONS, Profile, Verdict
from dwindle.report.canvas import INK, QUIET, plots_folder, save, styled
from dwindle.report.profiles import phase_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_verdicts", "verdicts_figure"]

_FILLS = {"yes": "#D55E00", "no": "#cfe3f3", "undecided": "#eeeeee", "undefined": "#ffffff"}
_ROW, _COLUMN, _LABELS = 0.34, 1.05, 2.0  # inches
_MOST = 12  # measures


def draw_verdicts(root: Path, plan: Plan, found: Mapping[str, Profile]) -> Path | None:
    """Draw collapse profiles into `plots/<sweep>/profile.png`.

    Args:
        root: the workspace.
        plan: its plan.
        found: the profile of each lineage.

    Returns:
        The picture, or None if no definition can be answered for any lineage.
    """
    answered = any(verdict.verdict != "undefined" for profile in found.values() for verdict in profile.verdicts)
    if not answered:
        return None
    with styled():
        return save(verdicts_figure(plan, found), plots_folder(root, plan.sweep) / "profile.png")


def verdicts_figure(plan: Plan, found: Mapping[str, Profile]) -> Figure:
    """Return the figure: a line a lineage, a cell a definition; below, a cell a measure with its first passage."""
    from matplotlib.figure import Figure

    measures = list(dict.fromkeys(name for profile in found.values() for name in profile.passages))[:_MOST]
    width = _LABELS + _COLUMN * max(len(DEFINITIONS) + 1, len(measures))
    block = _ROW * len(found)
    height = 2 * block + 2.4
    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.1 / height, plan.sweep, size=14, weight="bold", color=INK, va="top")
    about = "collapse profile: the eight published definitions, 95 % intervals over chains"
    figure.text(0.1 / width, 1 - 0.37 / height, about, size=8.5, color=QUIET, va="top")
    columns = [*DEFINITIONS, "phase"]
    for top, names, draw in ((1.1, columns, _draw_verdicts), (2.25 + block, measures, _draw_passages)):
        span = _COLUMN * len(names)
        place = (_LABELS / width, 1 - (top + block) / height, span / width, block / height)
        axes = figure.add_axes(place)
        _frame(axes, list(found), names)
        draw(axes, found, names)
    where = 1 - (1.1 + block + 0.5) / height
    band = "the control's band" if controls(plan.recipes) else "the band of generation 0, for want of a control"
    figure.text(0.1 / width, where, f"first passage out of {band}, generation", size=8.5, color=QUIET)
    return figure


def _frame(axes: Axes, lineages: Sequence[str], columns: Sequence[str]) -> None:
    import textwrap

    axes.set(xlim=(0, len(columns)), ylim=(len(lineages), 0))
    axes.set_xticks(
        [place + 0.5 for place in range(len(columns))], [textwrap.fill(name.replace("_", " "), 15) for name in columns]
    )
    axes.set_yticks([place + 0.5 for place in range(len(lineages))], lineages)
    axes.tick_params(length=0, labelsize=7, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_verdicts(axes: Axes, found: Mapping[str, Profile], columns: Sequence[str]) -> None:
    for row, profile in enumerate(found.values()):
        for column, verdict in enumerate(profile.verdicts):
            _cell(axes, row, column, _told(verdict), _FILLS[verdict.verdict], strong=verdict.verdict == "yes")
        label = phase_label(profile)
        fill = {"late": _FILLS["yes"], "early": "#f3c9ae", "none": _FILLS["no"]}.get(label, _FILLS["undefined"])
        _cell(axes, row, len(columns) - 1, label, fill, strong=label == "late")


def _told(verdict: Verdict) -> str:
    return verdict.verdict if math.isnan(verdict.value) else f"{verdict.verdict}  {verdict.value:.2g}"


def _draw_passages(axes: Axes, found: Mapping[str, Profile], measures: Sequence[str]) -> None:
    """Write generations; the sooner a measure left, the darker its cell."""
    from matplotlib.colors import to_hex

    latest = max(
        (p.generation for f in found.values() for p in f.passages.values() if math.isfinite(p.generation)), default=0
    )
    for row, profile in enumerate(found.values()):
        for column, name in enumerate(measures):
            generation = profile.passages[name].generation if name in profile.passages else math.nan
            if math.isfinite(generation):
                share = 1 - math.log1p(generation) / math.log1p(max(latest, 1.0)) if latest else 1.0
                fill = to_hex((1 - 0.16 * (0.3 + 0.7 * share), 1 - 0.63 * share * 0.8, 1 - 0.9 * share * 0.8))
                _cell(axes, row, column, f"{generation:g}", fill, strong=False)
            else:
                _cell(axes, row, column, "-" if math.isnan(generation) else "never", _FILLS["no"], strong=False)


def _cell(axes: Axes, row: int, column: int, text: str, fill: str, *, strong: bool) -> None:
    from matplotlib.patches import Rectangle

    edge = QUIET if fill == _FILLS["undefined"] else "white"
    axes.add_patch(Rectangle((column + 0.02, row + 0.06), 0.96, 0.88, facecolor=fill, edgecolor=edge, linewidth=0.4))
    axes.text(
        column + 0.5,
        row + 0.5,
        text,
        ha="center",
        va="center",
        size=7,
        color="white" if strong else INK,
        weight="bold" if strong else "normal",
    )
