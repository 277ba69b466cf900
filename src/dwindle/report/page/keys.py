"""What colours, markers and lines mean: a key in each PNG, and one on the page for all charts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dwindle.report.canvas import INK
from dwindle.report.page.arrangement import spelled
from dwindle.report.page.markup import Markup, raw, tag
from dwindle.report.page.material import Material
from dwindle.report.page.palette import PAPER, Look
from dwindle.report.page.picture import HEADLINE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_key", "key", "key_height", "signs"]

_COLUMNS, _LINE = 3, 0.19
_MOST = 12

_SHAPES = {
    "o": "M10 3.2a3.8 3.8 0 1 0 .01 0z",
    "s": "M6.6 3.6h6.8v6.8H6.6z",
    "^": "M10 2.6l4.2 8H5.8z",
    "v": "M10 11.4l4.2-8H5.8z",
    "D": "M10 2.2L14.8 7 10 11.8 5.2 7z",
    "<": "M5.6 7l8-4.2v8.4z",
    ">": "M14.4 7l-8-4.2v8.4z",
    "P": "M8.4 2.6h3.2v2.8h2.8v3.2h-2.8v2.8H8.4V8.6H5.6V5.4h2.8z",
}
"""The markers in a box of 20 by 14."""


def _entries(material: Material) -> Iterator[tuple[str, Look]]:
    """Yield what each colour means: a strand's name, or a value of the axis, twelve of them at most."""
    looks = material.looks
    if looks.axis is None:
        yield from looks.of.items()
        return
    values = looks.axis.values
    steps = min(_MOST, len(values))
    chosen = dict.fromkeys(round(place * (len(values) - 1) / max(1, steps - 1)) for place in range(steps))
    for place in chosen:
        yield spelled(values[place]), Look(looks.scale[values[place]], "", values[place])
    for strand in material.arrangement.strands:
        if looks.of[strand.label].value is None:
            yield strand.label, looks.of[strand.label]


def key_height(material: Material) -> float:
    """Return the inches that a key takes below a chart."""
    return 0.1 + _LINE * (math.ceil(len(list(_entries(material))) / _COLUMNS) + (material.looks.axis is not None))


def draw_key(figure: Figure, material: Material) -> None:
    """Draw the key at the bottom of a figure, for its PNG."""
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=4.2, markeredgecolor=PAPER, linewidth=1.7)
        for _, look in _entries(material)
    ]
    axis = material.looks.axis
    style: Any = {"loc": "lower center", "ncols": _COLUMNS, "fontsize": 8, "frameon": False, "handlelength": 1.8}
    legend = figure.legend(
        lines, [name for name, _ in _entries(material)], title=axis.title if axis is not None else None, **style
    )
    legend.set_gid(HEADLINE)


def key(material: Material) -> Markup:
    """Return the key of all charts of the page."""
    axis = material.looks.axis
    title = tag("span", axis.title, class_="key-title") if axis is not None else None
    items = [tag("li", _swatch(material, look), " ", name) for name, look in _entries(material)]
    return tag("div", title, tag("ul", items, class_="key-list"), class_="key")


def _swatch(material: Material, look: Look) -> Markup:
    colour = "currentColor" if look.colour == INK else f"var(--{material.colours[look.colour][0]})"
    shape = f'<path d="{_SHAPES[look.marker]}" stroke="var(--paper)" stroke-width=".8"/>' if look.marker else ""
    line = '<path d="M0 7h20" stroke="currentColor" stroke-width="2.4"/>'
    return raw(
        f'<svg class="swatch" viewBox="0 0 20 14" width="28" height="20" aria-hidden="true" '
        f'style="color:{colour}" fill="currentColor">{line}{shape}</svg>'
    )


_SIGNS = {
    "band": '<path d="M0 2h20v10H0z" opacity=".25"/><path d="M0 7h20" stroke="currentColor" stroke-width="1.6"/>',
    "dashes": '<path d="M0 7h20" stroke="currentColor" stroke-width="1.6" stroke-dasharray="4 2"/>',
    "dots": '<path d="M0 7h20" stroke="currentColor" stroke-width="1.4" stroke-dasharray="1.4 2"/>',
    "ring": '<circle cx="10" cy="7" r="4.4" fill="none" stroke="currentColor" stroke-width="1.8"/>',
    "ground": '<path d="M0 2h20v10H0z" fill="var(--band)"/>',
}


def signs(material: Material, *, bands: bool) -> Markup:
    """Return what the lines, bands and rings of the charts mean, those that are there.

    Args:
        material: the sweep.
        bands: whether the band of a control is in any chart.
    """
    seeds = any(len(strand.lineages) > 1 for strand in material.arrangement.strands)
    told = {"band": f"mean over chains{' and seeds' if seeds else ''} with its 95 % interval"}
    sources = dict.fromkeys(curve.source for panel in material.panels for curve in panel.theory.values())
    if sources:
        told["dashes"] = f"closed form: {'; '.join(sources)}"
    if bands:
        told["ground"] = "where a lineage that does not drift stays at all generations, with a chance of 95 %"
    if material.looks.axis is None and any(panel.passages for panel in material.panels):
        told["ring"] = "first passage out of the control's band"
    if any(panel.real is not None for panel in material.panels):
        told["dots"] = "value on real rows"
    items = [tag("li", _sign(name), " ", words) for name, words in told.items()]
    return tag("ul", items, class_="key-list signs")


def _sign(name: str) -> Markup:
    return raw(
        '<svg class="swatch" viewBox="0 0 20 14" width="28" height="20" aria-hidden="true" '
        f'fill="currentColor">{_SIGNS[name]}</svg>'
    )
