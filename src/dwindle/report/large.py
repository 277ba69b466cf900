"""Large sheets of pictures: a hundred rows of one generation of one lineage each, beside the sweep's other pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import Array, FloatArray
from dwindle.data.manifest import digest_of, read_manifest
from dwindle.plan import Plan
from dwindle.report.canvas import keep, plots_folder
from dwindle.report.grid import LINEAGES, grown, ladder, pictured, rendered, some_rows, spread
from dwindle.report.images import levels_of, mosaic

__all__ = ["FOLDER", "draw_large"]

FOLDER = "samples"
_SIDE = 10  # pictures along each side
_WIDE = 400  # pixels that a sheet has at least along its shorter side
_MADE = "dwindle"  # the text in a PNG that says what it shows


def draw_large(root: Path, plan: Plan, *, lineages: Sequence[str] | None = None) -> Path | None:
    """Draw a hundred rows of each generation shown, ten by ten, by class where they have one.

    Generation 0 is the anchor, the others are what their parents made. A sheet that shows the same rows already is not
    read, drawn or written again; one of a lineage or generation that is shown no more is removed.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose rows; None: those of all lineages, or of 24 spread evenly over them where there are more.

    Returns:
        The folder, `plots/<sweep>/samples`, with `<lineage>-<generation>.png`, or None if the rows are no pictures or
        no anchor is here.
    """
    shown = spread(list(plan.recipes if lineages is None else lineages), LINEAGES)
    present = {lineage: grown(root, plan, lineage) for lineage in shown if pictured(plan.recipe(lineage))}
    present = {lineage: folders for lineage, folders in present.items() if 0 in folders}
    folder = plots_folder(root, plan.sweep) / FOLDER
    steps = ladder(max((t for folders in present.values() for t in folders), default=0))
    drawn = set()
    for lineage, folders in present.items():
        for generation in steps:
            if generation in folders:
                path = folder / f"{lineage}-{generation:03d}.png"
                _draw(path, plan.recipe(lineage), folders, generation)
                drawn.add(path)
    for stale in {*folder.glob("*.png")} - drawn:
        stale.unlink()
    if not drawn and folder.is_dir():
        folder.rmdir()
    return folder if drawn else None


def _draw(path: Path, recipe: Recipe, folders: dict[int, Path], generation: int) -> None:
    shows = digest_of([_digest(folders[0]), _digest(folders[generation]), generation, recipe.settings["source"]])
    if _made(path) == shows:
        return
    rows = some_rows(recipe, folders[generation], generation, _SIDE**2)
    real = rows if generation == 0 else some_rows(recipe, folders[0], 0, _SIDE**2)
    levels = levels_of(recipe.source, [rendered(recipe, real.values[0])])
    keep(path, _png(rendered(recipe, rows.values[0]), levels, shows))


def _digest(folder: Path) -> str:
    manifest = read_manifest(folder)
    return "" if manifest is None else manifest.digest


def _made(path: Path) -> str:
    """Return what a sheet says that it shows; empty if there is none that can be read."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return str(image.info.get(_MADE, ""))
    except OSError:
        return ""


def _png(images: FloatArray, levels: tuple[float, float], shows: str) -> bytes:
    """Return the pictures as one PNG, without a clock or a version in it."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    lines = {line: images[line * _SIDE : (line + 1) * _SIDE] for line in range(-(-len(images) // _SIDE))}
    sheet = _bytes(mosaic(lines, [*lines], _SIDE), levels)
    times = max(1, -(-_WIDE // min(sheet.shape[:2])))
    note = PngInfo()
    note.add_text(_MADE, shows)
    stream = io.BytesIO()
    Image.fromarray(sheet.repeat(times, axis=0).repeat(times, axis=1)).save(stream, "PNG", pnginfo=note)
    return stream.getvalue()


def _bytes(sheet: FloatArray, levels: tuple[float, float]) -> Array:
    """Return a mosaic in 256 levels of light; ink is dark, and gaps are white."""
    light = sheet if sheet.ndim == 3 else 1.0 - (sheet - levels[0]) / (levels[1] - levels[0])
    return np.asarray(np.nan_to_num(255.0 * np.clip(light, 0.0, 1.0), nan=255.0).round().astype(np.uint8))
