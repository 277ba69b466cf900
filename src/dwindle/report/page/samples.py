"""What the rows look like on the page: image grids, histograms, clouds of points, or texts, by generation."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from dwindle.report.grid import draw_grid
from dwindle.report.page.markup import Markup, raw, tag
from dwindle.report.page.material import Material
from dwindle.report.page.tables import wide
from dwindle.report.texts import Told, texts_of

__all__ = ["chosen_lineages", "samples"]

_MOST = 6
"""Lineages whose rows are shown; of more, every so many along the sweep's ordering."""


def chosen_lineages(material: Material) -> tuple[str, ...]:
    """Return the lineages whose rows are shown: all, or some that are spread evenly over the ordering."""
    axis = material.arrangement.ordering
    names = [strand.first for strand in material.arrangement.strands]
    if len(names) <= _MOST:
        return tuple(names)
    if axis is not None:
        order = {name: place for place, name in enumerate(names)}
        names.sort(key=lambda name: (axis.of.get(name, -1.0), order[name]))
    places = dict.fromkeys(round(place * (len(names) - 1) / (_MOST - 1)) for place in range(_MOST))
    return tuple(names[place] for place in places)


def samples(material: Material) -> tuple[Markup | None, tuple[Path, ...]]:
    """Return rows of each lineage by generation, and the pictures that were drawn; None where none can be shown."""
    shown = chosen_lineages(material)
    root, plan = material.sweep.root, material.plan
    few = len(shown) < len(material.plan.recipes)
    note = tag("p", f"Shown are {len(shown)} of {len(plan.recipes)} lineages, spread over the sweep.") if few else None
    strands = {name: strand for strand in material.arrangement.strands for name in strand.lineages}
    palette = {name: material.looks.of[strand.label].colour for name, strand in strands.items()}
    picture = draw_grid(root, plan, lineages=shown, target=material.folder / "samples.png", palette=palette)
    if picture is not None:
        return tag("div", note, _embedded(picture)), (picture,)
    told = texts_of(root, plan, shown)
    return (tag("div", note, [_texts(one) for one in told]) if told else None), ()


def _embedded(picture: Path) -> Markup:
    """Return a PNG as part of the page."""
    data = base64.b64encode(picture.read_bytes()).decode()
    label = "Rows of each lineage's first chain, generation by generation, real ones first"
    source = f"data:image/png;base64,{data}"
    return tag("figure", wide(label, tag("img", src=raw(source), alt=f"{label}.")), class_="sheet")


def _texts(told: Told) -> Markup:
    rows = [_line(generation, texts) for generation, texts in told.texts.items()]
    head = tag("thead", tag("tr", tag("th", "generation", scope="col"), tag("th", "text", scope="col")))
    return wide(
        f"Texts of {told.lineage}",
        tag("table", tag("caption", tag("span", told.lineage)), head, tag("tbody", rows), class_="texts"),
    )


def _line(generation: int, texts: Sequence[str]) -> Markup:
    blocks = [tag("p", text, dir="auto") for text in texts]
    return tag("tr", tag("th", "real" if generation == 0 else f"{generation}", scope="row"), tag("td", blocks))
