"""Provenance: how many real, fresh and synthetic rows trained each generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dwindle.report.canvas import QUIET
from dwindle.report.page.material import Material
from dwindle.report.page.palette import GRID, ORIGINS
from dwindle.report.page.picture import Picture, drawing, headline, inlined, printed
from dwindle.stages.results import rows_by_origin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["provenance_picture", "rows_a_chain"]

_ROW, _WIDE, _TOP, _BOTTOM, _RIGHT, _OVER = 0.3, 5.2, 0.34, 0.48, 1.25, 0.36
_LETTER = 0.075


def rows_a_chain(material: Material, lineage: str) -> dict[int, dict[str, float]]:
    """Return the rows a chain by origin of each generation that is there."""
    found = {}
    for generation in range(material.planned(lineage) + 1):
        manifest = material.manifest(lineage, generation, "train")
        if manifest is not None:
            chains = max(1, int(manifest.facts["chains"]))
            found[generation] = {origin: count / chains for origin, count in rows_by_origin(manifest).items()}
    return found


def provenance_picture(material: Material) -> Picture | None:
    """Draw a strip a lineage with a bar a generation; None where no dataset is here."""
    rows = {name: rows_a_chain(material, name) for name in material.plan.recipes}
    rows = {name: found for name, found in rows.items() if found}
    if not rows:
        return None
    with drawing():
        figure = _figure(material, rows)
        path = printed(figure, material.folder / "provenance.png")
        label = "Bars of real, fresh and synthetic rows, a strip a lineage, a bar a generation."
        svg = inlined(figure, "provenance", label, material.colours, crop=(_TOP, 0.0))
    about = "The height of a bar is the number of rows over the lineage's largest; that one stands at the right."
    return Picture(
        "provenance", "What trained each generation?", about, svg, path, 72 * float(figure.get_size_inches()[0])
    )


Rows = Mapping[str, Mapping[int, Mapping[str, float]]]


def _figure(material: Material, rows: Rows) -> Figure:
    from matplotlib.figure import Figure

    left = 0.25 + _LETTER * max(map(len, rows))
    size = (left + _WIDE + _RIGHT, _TOP + _OVER + _ROW * len(rows) + _BOTTOM)
    figure = Figure(figsize=size)
    headline(figure, "What trained each generation?")
    box = (left / size[0], _BOTTOM / size[1], _WIDE / size[0], _ROW * len(rows) / size[1])
    axes = figure.add_axes(box)
    last = max(max(found) for found in rows.values())
    for line, found in enumerate(rows.values()):
        _draw(axes, found, len(rows) - 1 - line, last)
    axes.set(xlim=(-0.5, last + 0.5), ylim=(0, len(rows)))
    axes.set_yticks([len(rows) - line - 0.5 for line in range(len(rows))], list(rows))
    axes.tick_params(length=0, labelsize=9)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("generation", size=9, labelpad=2)
    _draw_key(figure)
    return figure


def _draw(axes: Axes, found: Mapping[int, Mapping[str, float]], line: int, last: int) -> None:
    """Draw one strip: bars side by side, three shapes in all however many generations there are."""
    generations = np.arange(min(found), max(found) + 1)
    heights = {name: np.array([found.get(int(t), {}).get(name, 0.0) for t in generations]) for name in ORIGINS}
    most = max(float(sum(heights.values()).max()), 1.0)  # type: ignore[union-attr]
    below = np.zeros(len(generations))
    margin = 0.08 if last <= 60 else 0.0
    for name, height in heights.items():
        if height.any():
            low, high = (line + 0.1 + 0.8 * part / most for part in (below, below + height))
            x = np.stack([generations - 0.5 + margin, generations + 0.5 - margin], axis=1).ravel()
            broken = np.stack([np.repeat(part, 2) for part in (low, high)])
            _bars(axes, x, broken, ORIGINS[name][0])
        below = below + height
    told = f"{most:,.0f} rows" if most == round(most) else f"{most:,.1f} rows"
    axes.text(last + 0.65, line + 0.5, told, va="center", size=8.5, color=QUIET)


def _bars(axes: Axes, x: np.ndarray, ends: np.ndarray, colour: str) -> None:
    """Fill bars given by the left and right end of each, and by their lower and upper end."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners, codes = [], []
    for place in range(0, len(x), 2):
        (left, right), (low, high) = x[place : place + 2], ends[:, place]
        if high > low:
            corners += [(left, low), (right, low), (right, high), (left, high), (left, low)]
            codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(corners, codes), facecolor=colour, edgecolor="none"))


def _draw_key(figure: Figure) -> None:
    from matplotlib.patches import Patch

    height = figure.get_size_inches()[1]
    words = {"real": "real: the anchor", "fresh": "fresh: new real rows", "synthetic": "synthetic"}
    patches = [Patch(facecolor=ORIGINS[name][0], edgecolor=GRID, label=word) for name, word in words.items()]
    where: Any = {"loc": "upper left", "bbox_to_anchor": (0.01, 1 - (_TOP + 0.02) / height)}
    figure.legend(handles=patches, ncols=3, fontsize=8.5, frameon=False, handlelength=1.1, borderaxespad=0, **where)
