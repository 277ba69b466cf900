"""What the rows themselves look like, generation by generation: image grids, histograms and clouds of points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.data.manifest import read_manifest
from dwindle.data.rows import Array, FloatArray
from dwindle.plan import Plan, chain_key
from dwindle.report.canvas import plots_folder, save, styled
from dwindle.report.clouds import clouds_figure
from dwindle.report.images import images_figure
from dwindle.seeds import Seed
from dwindle.stages.job import read_rows

__all__ = ["Sheet", "draw_grid", "ladder", "sheets_of"]

_Item = TypeVar("_Item")

_ROWS = 8
_LINEAGES = 24
_IMAGES = 12
_POINTS = 400


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows of one lineage's first chain, by generation; generation 0 is the anchor.

    Args:
        lineage: the lineage's name.
        recipe: its recipe.
        rows: (n, d) new rows of each generation shown.
    """

    lineage: str
    recipe: Recipe
    rows: Mapping[int, Array]


def draw_grid(
    root: Path,
    plan: Plan,
    *,
    lineages: Sequence[str] | None = None,
    target: Path | None = None,
    palette: Mapping[str, str] | None = None,
) -> Path | None:
    """Draw rows of every lineage side by side.

    Images where the source can render them (it has `images(values, *, seed)`), else histograms of one column, or clouds
    of points: of two columns, or on the two widest directions of the anchor where there are more.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose rows; None: those of all lineages, or of 24 spread evenly over them where there are more.
        target: the picture's file; None: `plots/<sweep>/samples.png`.
        palette: the colour of each lineage; None: by its place in the plan.

    Returns:
        The picture, or None if there is nothing to draw: the rows are symbols, or no anchor is here.

    Raises:
        BadInput: if a lineage is unknown.
        DataDamaged: if rows are not what their manifest says.
    """
    shown = list(plan.recipes if lineages is None else lineages)
    shown = _spread(shown, _LINEAGES)
    recipes = [plan.recipe(lineage) for lineage in shown]
    if any(recipe.source.kind != "vectors" for recipe in recipes):
        return None
    pictured = all(_renderer(recipe) is not None for recipe in recipes)
    sheets = sheets_of(root, plan, shown, count=_IMAGES if pictured else _POINTS)
    if not sheets:
        return None
    with styled():
        if pictured:
            figure = images_figure(plan, _rendered(sheets), palette)
        else:
            figure = clouds_figure(plan, {sheet.lineage: sheet.rows for sheet in sheets}, palette)
        return save(figure, target or plots_folder(root, plan.sweep) / "samples.png")


def _renderer(recipe: Recipe) -> Callable[..., FloatArray] | None:
    return getattr(recipe.source, "images", None)


def _rendered(sheets: Sequence[Sheet]) -> dict[str, dict[int, FloatArray]]:
    rendered = {}
    for sheet in sheets:
        render, seed = _renderer(sheet.recipe), Seed(sheet.recipe.seed).at("real")
        assert render is not None
        rendered[sheet.lineage] = {t: render(values, seed=seed) for t, values in sheet.rows.items()}
    return rendered


def sheets_of(root: Path, plan: Plan, lineages: Sequence[str], *, count: int) -> list[Sheet]:
    """Read rows of each lineage whose anchor is here, at the generations that are shown.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose rows.
        count: rows of the first chain to draw at random, at each generation.
    """
    grown = {lineage: _grown(root, plan, lineage) for lineage in lineages}
    shown = ladder(max((t for present in grown.values() for t in present), default=0))
    sheets = []
    for lineage, present in grown.items():
        if 0 in present:
            recipe = plan.recipe(lineage)
            rows = {t: _some_rows(recipe, present[t], t, count) for t in shown if t in present}
            sheets.append(Sheet(lineage, recipe, rows))
    return sheets


def _grown(root: Path, plan: Plan, lineage: str) -> dict[int, Path]:
    """Return the folder of each generation's new rows, or of its training rows if none were sampled."""
    entries = {t: plan.chain[chain_key(lineage, t)] for t in range(len(plan.generations(lineage)))}
    found = {}
    for t, entry in entries.items():
        manifest = read_manifest(root / entry["rows"])
        if manifest is not None:
            sampled = any(manifest.facts["rows"].values())
            found[t] = root / (entry["rows"] if sampled else f"data/{entry['folder']}/train")
    return {t: folder for t, folder in found.items() if read_manifest(folder) is not None}


def _some_rows(recipe: Recipe, folder: Path, generation: int, count: int) -> Array:
    """Draw rows of the first chain, the same ones whenever they are drawn; (k, d), k at most `count`."""
    values = read_rows(folder).chain(0).values[0]
    order = Seed(recipe.seed).at("grid", generation).numpy().permutation(len(values))
    return np.asarray(values[order[:count]])


def ladder(last: int) -> list[int]:
    """Return the generations to show, eight at most: all, or 0, 1, 2, 5, 10, 20, 50, ... and the last one."""
    if last < _ROWS:
        return list(range(last + 1))
    steps = [0, *(digit * 10**power for power in range(len(str(last))) for digit in (1, 2, 5))]
    shown = sorted({step for step in steps if step < last} | {0, last})
    return _spread(shown, _ROWS)


def _spread(items: list[_Item], most: int) -> list[_Item]:
    """Return the items, or `most` of them at even distances, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
