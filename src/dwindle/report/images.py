"""Image grids: one block a lineage, one row a generation, all in the same grey levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["images_figure", "mosaic"]

_COLUMNS = 3
_GAP = 2  # pixels between generations
_BLOCK = 3.6  # inches
_MARGIN = 0.42  # inches, left of a block for the generations, above it for the lineage
_BULK = (0.15, 0.985)  # quantiles: rendering from few components over- and undershoots paper and ink
_TOP = 0.72  # inches for the title


def images_figure(
    plan: Plan, images: Mapping[str, Mapping[int, FloatArray]], palette: Mapping[str, str] | None = None
) -> Figure:
    """Return the figure.

    Args:
        plan: whose lineages these are.
        images: for each lineage and generation, (n, h, w) grey levels; generation 0 is real.
        palette: the colour of each lineage; None: by its place in the plan.
    """
    from matplotlib.figure import Figure

    generations = sorted({t for by_generation in images.values() for t in by_generation})
    first = [image for by_generation in images.values() for image in by_generation.values()]
    shape = (len(generations), max(map(len, first)), *first[0].shape[1:])
    tall = _BLOCK * (shape[0] * (shape[2] + _GAP)) / (shape[1] * (shape[3] + 1))
    columns = min(_COLUMNS, len(images))
    lines = math.ceil(len(images) / columns)
    size = (columns * (_BLOCK + _MARGIN) + 0.12, lines * (tall + _MARGIN) + _TOP)
    figure = Figure(figsize=size)
    _draw_title(figure, plan, size)
    levels = _levels([by_generation[0] for by_generation in images.values()])
    palette = palette or colours(list(plan.recipes))
    for place, (lineage, by_generation) in enumerate(images.items()):
        left = (place % columns) * (_BLOCK + _MARGIN) + _MARGIN
        bottom = size[1] - _TOP - (place // columns + 1) * (tall + _MARGIN) + _MARGIN / 2
        axes = figure.add_axes((left / size[0], bottom / size[1], _BLOCK / size[0], tall / size[1]), gid=lineage)
        drawn = mosaic(by_generation, generations, shape[1])
        axes.imshow(drawn, cmap="gray_r", vmin=levels[0], vmax=levels[1], interpolation="nearest", aspect="auto")
        _label(axes, lineage, palette[lineage], generations, shape[2] + _GAP)
    return figure


def mosaic(by_generation: Mapping[int, FloatArray], generations: list[int], columns: int) -> FloatArray:
    """Lay images side by side, a row a generation, with a gap of a pixel or two; nan where there is none.

    Args:
        by_generation: (n, h, w) images.
        generations: rows of the mosaic, from the top.
        columns: images a row.
    """
    height, width = next(iter(by_generation.values())).shape[1:]
    sheet = np.full((len(generations), height + _GAP, columns, width + 1), np.nan)
    for row, generation in enumerate(generations):
        images = by_generation.get(generation, np.empty((0, height, width)))[:columns]
        sheet[row, :height, : len(images), :width] = images.transpose(1, 0, 2)
    return sheet.reshape(len(generations) * (height + _GAP), -1)[:-_GAP, :-1]


def _levels(images: list[FloatArray]) -> tuple[float, float]:
    """Return white and black: the bulk of the real images' levels, so that all others are seen on their scale."""
    white, black = np.quantile(np.concatenate([image.ravel() for image in images]), _BULK)
    return float(white), float(black)


def _draw_title(figure: Figure, plan: Plan, size: tuple[float, float]) -> None:
    left = 0.12 / size[0]
    figure.text(left, 1 - 0.11 / size[1], plan.sweep, size=14, weight="bold", color=INK, va="top")
    about = "random rows of the first chain: real ones at generation 0, then what each generation's parent made"
    figure.text(left, 1 - 0.38 / size[1], about, size=8.5, color=QUIET, va="top")


def _label(axes: Axes, lineage: str, colour: str, generations: list[int], step: int) -> None:
    axes.set_title(lineage, color=colour, pad=4)
    axes.set_yticks([row * step + (step - _GAP - 1) / 2 for row in range(len(generations))])
    axes.set_yticklabels(["real" if t == 0 else str(t) for t in generations])
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
