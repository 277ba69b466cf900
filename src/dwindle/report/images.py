"""Image grids: one block a lineage, one row a generation, in colour or all in the same grey levels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import FloatArray, Pictured, Source
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["REAL", "images_figure", "levels_of", "mosaic"]

REAL = -1
"""The line of real rows where the model of generation 0 has a line of its own."""

_COLUMNS = 3
_GAP = 2  # pixels between generations
_BLOCK = 3.6  # inches
_MARGIN = 0.42  # inches, left of a block for the generations, above it for the lineage
_BULK = (0.15, 0.985)  # quantiles: rendering from few components over- and undershoots paper and ink
_TOP = 0.72  # inches for the title
_LINE = 0.15  # inches for each further line below it
_LETTERS = 17  # of these lines, an inch


def images_figure(
    plan: Plan,
    images: Mapping[str, Mapping[int, FloatArray]],
    palette: Mapping[str, str] | None = None,
    *,
    latents: Collection[str] = (),
) -> Figure:
    """Return the figure.

    Args:
        plan: whose lineages these are.
        images: for each lineage and generation, (n, h, w) ink or (n, h, w, 3) light 0..1; the first one is real.
        palette: the colour of each lineage; None: by its place in the plan.
        latents: the lineages whose images are what the model of each generation makes of the same latents.
    """
    from matplotlib.figure import Figure

    generations = sorted({t for by_generation in images.values() for t in by_generation})
    across = max(len(image) for by_generation in images.values() for image in by_generation.values())
    shapes = {lineage: by_generation[generations[0]].shape[1:3] for lineage, by_generation in images.items()}
    tall = max(_BLOCK * len(generations) * (high + _GAP) / (across * (wide + 1)) for high, wide in shapes.values())
    columns = min(_COLUMNS, len(images))
    lines = math.ceil(len(images) / columns)
    width = columns * (_BLOCK + _MARGIN) + 0.12
    about = _about(images, latents, width)
    top = _TOP + _LINE * about.count("\n")
    size = (width, lines * (tall + _MARGIN) + top)
    figure = Figure(figsize=size)
    _draw_title(figure, plan, size, about)
    palette = palette or colours(list(plan.recipes))
    scales = _scales(plan, {lineage: by_generation[generations[0]] for lineage, by_generation in images.items()})
    for place, (lineage, by_generation) in enumerate(images.items()):
        left = (place % columns) * (_BLOCK + _MARGIN) + _MARGIN
        bottom = size[1] - top - (place // columns + 1) * (tall + _MARGIN) + _MARGIN / 2
        axes = figure.add_axes((left / size[0], bottom / size[1], _BLOCK / size[0], tall / size[1]), gid=lineage)
        _show(axes, mosaic(by_generation, generations, across), scales[lineage])
        name = f"{lineage} *" if latents and lineage not in latents else lineage
        _label(axes, name, palette[lineage], generations, shapes[lineage][0] + _GAP)
    return figure


def _show(axes: Axes, drawn: FloatArray, scale: tuple[float, float]) -> None:
    if drawn.ndim == 3:  # colours, which know no empty pixel
        drawn = np.nan_to_num(np.clip(drawn, 0.0, 1.0), nan=1.0)
    axes.imshow(drawn, cmap="gray_r", vmin=scale[0], vmax=scale[1], interpolation="nearest", aspect="auto")


def mosaic(by_generation: Mapping[int, FloatArray], generations: Sequence[int], columns: int) -> FloatArray:
    """Lay images side by side, a row a generation, with a gap of a pixel or two; nan where there is none.

    Args:
        by_generation: (n, h, w) images, or (n, h, w, 3).
        generations: rows of the mosaic, from the top.
        columns: images a row.
    """
    shape = next(iter(by_generation.values())).shape[1:]
    (height, width), colour = shape[:2], shape[2:]
    sheet = np.full((len(generations), height + _GAP, columns, width + 1, *colour), np.nan)
    for row, generation in enumerate(generations):
        images = by_generation.get(generation, np.empty((0, *shape)))[:columns]
        sheet[row, :height, : len(images), :width] = images.swapaxes(0, 1)
    return sheet.reshape(len(generations) * (height + _GAP), -1, *colour)[:-_GAP, :-1]


def levels_of(source: Source, images: Sequence[FloatArray]) -> tuple[float, float]:
    """Return white and black of a source's grey images, so that those of its models are seen on the same scale.

    Args:
        source: where the images are from.
        images: real ones, (n, h, w).

    Returns:
        0 and 1 where rows are pixels, else the bulk of the real images' levels.
    """
    if isinstance(source, Pictured) and source.pixels() is not None:
        return 0.0, 1.0
    everything = np.concatenate([image.ravel() for image in images])
    white, black = np.quantile(everything, _BULK)
    return (float(white), float(black)) if black > white else (float(everything.min()), float(everything.max()) + 1.0)


def _scales(plan: Plan, real: Mapping[str, FloatArray]) -> dict[str, tuple[float, float]]:
    """Return the levels of each lineage, the same for all that have one source."""
    sources = {lineage: plan.recipe(lineage).source for lineage in real}
    sharing: dict[str, list[str]] = {}
    for lineage, source in sources.items():
        sharing.setdefault(repr(source), []).append(lineage)
    shared = {name: levels_of(sources[own[0]], [real[lineage] for lineage in own]) for name, own in sharing.items()}
    return {lineage: shared[repr(source)] for lineage, source in sources.items()}


def _about(lineages: Collection[str], latents: Collection[str], width: float) -> str:
    """Say what the images are, in lines that a figure of that width in inches has room for."""
    random, made = "random rows that each generation's parent made", "what each generation's model makes of them"
    if not latents:
        text = "random rows of the first chain: real ones at generation 0, then what each generation's parent made"
    else:
        text = f"first chain: random real rows, then one set of latents and {made}"
        text += "" if set(lineages) <= set(latents) else f"; *: {random}"
    return textwrap.fill(text, round(_LETTERS * width))


def _draw_title(figure: Figure, plan: Plan, size: tuple[float, float], about: str) -> None:
    left = 0.12 / size[0]
    figure.text(left, 1 - 0.11 / size[1], plan.sweep, size=14, weight="bold", color=INK, va="top")
    figure.text(left, 1 - 0.38 / size[1], about, size=8.5, color=QUIET, va="top")


def _label(axes: Axes, name: str, colour: str, generations: list[int], step: int) -> None:
    axes.set_title(name, color=colour, pad=4)
    axes.set_yticks([row * step + (step - _GAP - 1) / 2 for row in range(len(generations))])
    axes.set_yticklabels(["real", *map(str, generations[1:])])
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
