"""Rows as a reviewer reads them: pictures, texts, columns of a table, or numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import Array, FloatArray, Rows, Tabular, classes_of
from dwindle.report.grid import pictured, rendered
from dwindle.report.images import levels_of
from dwindle.report.page.markup import Markup, raw, tag
from dwindle.report.page.tables import wide
from dwindle.report.wording import spelled_cell
from dwindle.review import Shown

__all__ = [
    "Entry",
    "entries_of",
    "picture_sheet",
    "picture_source",
    "real_entries",
    "shown_entries",
    "spelled_rows",
]

_NUMBERS = 12
"""Numbers of a row that are spelled; of longer rows, the first ones."""

_TILE, _ACROSS = 96, 6
"""Pixels that a picture is wide on the sheet, and pictures side by side."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A row with what is said of it.

    Args:
        number: by which reviewers speak of it; 0 for a real row, which nobody judges.
        values: (d,) its values.
        label: its class; -1 for none.
        about: why it was dropped, or empty.
    """

    number: int
    values: Array
    label: int = -1
    about: str = ""


def entries_of(shown: Sequence[Shown], values: Sequence[Array]) -> list[Entry]:
    """Return shown rows with their values."""
    return [Entry(row.number, value, row.label, row.reason) for row, value in zip(shown, values, strict=True)]


def real_entries(rows: Rows) -> list[Entry]:
    """Return rows of one chain as entries that nobody judges."""
    labels = rows.filled_labels()[0].tolist()
    return [Entry(0, value, label) for value, label in zip(rows.values[0], labels, strict=True)]


def spelled_rows(recipe: Recipe, entries: Sequence[Entry]) -> list[str]:
    """Return rows as one line of text each."""
    if not entries:
        return []
    values, source = np.stack([entry.values for entry in entries]), recipe.source
    if recipe.source.kind != "vectors" and hasattr(source, "text"):
        return [" ".join(text.split()) for text in source.text(values)]
    if pictured(recipe):
        return [_labelled(recipe, entry, "a picture") for entry in entries]
    named = [column.name for column in source.columns()] if isinstance(source, Tabular) else []
    lines = []
    for entry in entries:
        cells = _cells(recipe, entry.values)
        told = [f"{name} {cell}" for name, cell in zip(named, cells, strict=True)] if named else cells
        line = ", ".join(told[:_NUMBERS]) + (f", ... ({len(told)} numbers)" if len(told) > _NUMBERS else "")
        lines.append(_labelled(recipe, entry, line))
    return lines


def _labelled(recipe: Recipe, entry: Entry, line: str) -> str:
    classes = classes_of(recipe.source)
    return f"{classes[entry.label]}: {line}" if 0 <= entry.label < len(classes) else line


def _cells(recipe: Recipe, values: Array) -> list[str]:
    """Return the values of a row, levels by their names."""
    if isinstance(recipe.source, Tabular):
        columns = recipe.source.columns()
        return [spelled_cell(column, value) for column, value in zip(columns, values.tolist(), strict=True)]
    return [f"{value:.4g}" for value in np.atleast_1d(values).tolist()]


def shown_entries(recipe: Recipe, title: str, entries: Sequence[Entry], scale: Sequence[Entry]) -> Markup:
    """Return rows for the page: pictures side by side, else a table.

    Args:
        recipe: the lineage's recipe.
        title: what they are.
        entries: the rows.
        scale: real rows, whose levels grey pictures share.
    """
    if not entries:
        return tag("p", "None.")
    if pictured(recipe):
        return _figures(recipe, entries, scale)
    real = not entries[0].number
    heads = [*([] if real else ["number"]), "row", *(["why it was dropped"] if any(e.about for e in entries) else [])]
    lines = []
    for entry, line in zip(entries, spelled_rows(recipe, entries), strict=True):
        cells = [] if real else [tag("th", entry.number, scope="row")]
        cells.append(tag("td", tag("p", line, dir="auto")))
        lines.append(tag("tr", cells, tag("td", entry.about) if "why it was dropped" in heads else None))
    head = tag("thead", tag("tr", [tag("th", name, scope="col") for name in heads]))
    return wide(title, tag("table", head, tag("tbody", lines), class_="texts"))


def _figures(recipe: Recipe, entries: Sequence[Entry], scale: Sequence[Entry]) -> Markup:
    classes = classes_of(recipe.source)
    found = []
    for entry, picture in zip(entries, _drawn_pictures(recipe, entries, scale), strict=True):
        label = classes[entry.label] if 0 <= entry.label < len(classes) else ""
        told = ", ".join(part for part in (label, entry.about) if part)
        name = f"Row {entry.number}" if entry.number else "A real row"
        image = tag(
            "img", src=raw(picture_source(picture)), alt=f"{name}{f': {told}' if told else ''}", width=_TILE,
            style="image-rendering:pixelated;border-radius:.3rem",
        )  # fmt: skip
        caption = tag("figcaption", tag("strong", entry.number) if entry.number else None, told, style="max-width:7rem")
        found.append(tag("figure", image, caption))
    return tag("div", found, style="display:flex;flex-wrap:wrap;gap:.8rem;align-items:flex-start")


def _drawn_pictures(recipe: Recipe, entries: Sequence[Entry], scale: Sequence[Entry]) -> list[Array]:
    """Return rows as bytes of pictures, (h, w) or (h, w, 3) each; grey ones on the scale of real rows, ink dark."""
    images = rendered(recipe, np.stack([entry.values for entry in entries]))
    if images.ndim == 4:
        return [_bytes(image) for image in np.nan_to_num(images, nan=1.0)]
    real = rendered(recipe, np.stack([entry.values for entry in scale])) if scale else images
    white, black = levels_of(recipe.source, [real])
    return [_bytes(1.0 - image) for image in (np.nan_to_num(images, nan=white) - white) / (black - white)]


def _bytes(light: FloatArray) -> Array:
    return np.asarray(np.round(255 * np.clip(light, 0.0, 1.0)), dtype=np.uint8)


def picture_source(picture: Array) -> str:
    """Return a picture as the address of an image that holds it."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def picture_sheet(recipe: Recipe, entries: Sequence[Entry], scale: Sequence[Entry]) -> Array:
    """Return pictures as one, each below its number, (h, w, 3) bytes."""
    from PIL import Image, ImageDraw

    pictures = _drawn_pictures(recipe, entries, scale)
    high, wide_ = pictures[0].shape[:2]
    step = _TILE + 8, round(_TILE * high / wide_) + 20
    size = step[0] * min(_ACROSS, len(pictures)), step[1] * -(-len(pictures) // _ACROSS)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for place, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
        left, top = place % _ACROSS * step[0], place // _ACROSS * step[1]
        tile = Image.fromarray(picture).convert("RGB").resize((_TILE, step[1] - 20), Image.Resampling.NEAREST)
        pen.text((left + 2, top + 2), f"{entry.number}", fill="black")
        sheet.paste(tile, (left, top + 16))
    return np.asarray(sheet)
