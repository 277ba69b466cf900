"""The composition of a lineage's datasets as a picture: shares by origin, stacked, generation by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.plan import Plan
from dwindle.provenance.composition import shares
from dwindle.provenance.datasets import Dataset
from dwindle.report.canvas import INK, QUIET, plots_folder, save, styled
from dwindle.report.page.palette import ORIGINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["composition_figure", "draw_composition", "stacked"]

_BANDS = 24
"""Bands of synthetic rows at most; of more generations, neighbours share one."""

_RAMP = ("#fbe3b5", "#eda93b", "#c25a12", "#7a2110", "#3a0d12")
"""Rows of the first generation to rows of the last: from light to dark, so that grey print keeps the order."""


def draw_composition(root: Path, plan: Plan, found: Sequence[Dataset]) -> Path:
    """Draw a lineage's composition into `plots/<sweep>/provenance-<lineage>.png`.

    Args:
        root: the workspace.
        plan: its plan.
        found: its datasets, generation by generation.
    """
    with styled():
        figure = composition_figure(plan, found)
        return save(figure, plots_folder(root, plan.sweep) / f"provenance-{found[0].lineage}.png")


def stacked(found: Sequence[Dataset]) -> dict[str, FloatArray]:
    """Return the share of each band's rows, (T + 1,) each, from the bottom up: real, fresh, first to last generation.

    A band of synthetic rows is named by its generations: `3`, or `1-40` where there are too many for one each.
    """
    by = [shares(dataset) for dataset in found]
    last = max((int(origin) for share in by for origin in share if origin.isdigit()), default=0)
    width = -(-last // _BANDS) or 1
    bands: dict[str, list[str]] = {"real": ["real"], "fresh": ["fresh"]}
    for first in range(1, last + 1, width):
        end = min(first + width - 1, last)
        bands[f"{first}" if end == first else f"{first}-{end}"] = [f"{t}" for t in range(first, end + 1)]
    heights = {name: np.array([sum(s.get(o, 0.0) for o in own) for s in by]) for name, own in bands.items()}
    return {name: height for name, height in heights.items() if height.any()}


def composition_figure(plan: Plan, found: Sequence[Dataset]) -> Figure:
    """Return the figure: a bar a generation, real rows at the bottom, the newest synthetic ones on top."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    layers, chains = stacked(found), found[0].chains
    figure = Figure(figsize=(7.4, 3.9))
    axes = figure.add_axes((0.085, 0.135, 0.72, 0.66))
    figure.text(0.012, 0.975, f"{plan.sweep}: what trained {found[0].lineage}", size=12, weight="bold", va="top")
    about = f"share of the training rows by origin, {'one chain' if chains == 1 else f'all {chains} chains'}"
    figure.text(0.012, 0.905, about, size=8.5, color=QUIET, va="top")
    palette = _colours(layers)
    _draw(axes, np.array([dataset.generation for dataset in found]), layers, palette)
    axes.set(xlabel="generation", ylabel="share of training rows", ylim=(0, 1), xlim=(-0.5, len(found) - 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.grid(visible=False)
    _draw_key(figure, layers, palette, published=any(dataset.published for dataset in found))
    return figure


def _ramp() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("generations", _RAMP)


def _colours(layers: Mapping[str, FloatArray]) -> dict[str, str]:
    """Return the colour of each band; those of synthetic rows share out the ramp by their generations."""
    from matplotlib.colors import to_hex

    made = [name for name in layers if name not in ORIGINS]
    ends = [int(name.rpartition("-")[2]) for name in made]
    low, high = min(ends, default=1), max(ends, default=1)
    ramp = _ramp()
    places = {name: (end - low) / max(1, high - low) for name, end in zip(made, ends, strict=True)}
    return {name: ORIGINS[name][0] if name in ORIGINS else to_hex(ramp(places[name])) for name in layers}


def _draw(axes: Axes, generations: FloatArray, layers: Mapping[str, FloatArray], palette: Mapping[str, str]) -> None:
    """Draw bars that touch where there are many; hairlines part the bands where there are few."""
    below, few = np.zeros(len(generations)), len(generations) <= 40
    for name, height in layers.items():
        width, edge = (0.86, 0.4) if few else (1.0, 0.0)
        axes.bar(
            generations, height, width, bottom=below, color=palette[name], edgecolor="white", linewidth=edge, label=name
        )
        below = below + height


def _draw_key(figure: Figure, layers: Mapping[str, FloatArray], palette: Mapping[str, str], *, published: bool) -> None:
    """Draw boxes for real or published and fresh rows, and the ramp with the first and last generation at its ends."""
    from matplotlib.colorbar import ColorbarBase
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch

    sort = "published" if published else "real"
    words = {"real": f"{sort}: the anchor", "fresh": f"fresh {sort} rows"}
    patches = [Patch(facecolor=palette[name], label=word) for name, word in words.items() if name in layers]
    if patches:
        where = (0.815, 0.815)
        figure.legend(handles=patches, loc="upper left", bbox_to_anchor=where, frameon=False, fontsize=8)
    made = [name for name in layers if name not in ORIGINS]
    if not made:
        return
    low, high = int(made[0].partition("-")[0]), int(made[-1].rpartition("-")[2])
    figure.text(0.83, 0.62, "synthetic rows,\nby the generation\nthey were made for", size=8, color=INK, va="top")
    scale = figure.add_axes((0.835, 0.135, 0.022, 0.34))
    bar = ColorbarBase(scale, cmap=_ramp(), norm=Normalize(low, max(high, low + 1e-9)))
    bar.set_ticks(sorted({low, high} | ({(low + high) // 2} if high - low > 3 else set())))
    bar.outline.set_visible(False)
