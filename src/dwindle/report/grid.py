"""What the rows themselves look like, generation by generation: image grids, histograms and clouds of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.data.manifest import read_manifest
from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.plan import Plan, chain_key
from dwindle.report.canvas import plots_folder, save, styled
from dwindle.report.clouds import clouds_figure
from dwindle.report.images import REAL, images_figure
from dwindle.report.latents import imagined
from dwindle.seeds import Seed
from dwindle.stages.job import read_rows

__all__ = [
    "LINEAGES",
    "Sheet",
    "draw_grid",
    "grown",
    "ladder",
    "pictured",
    "rendered",
    "sheets_of",
    "some_rows",
    "spread",
]

_Item = TypeVar("_Item")

LINEAGES = 24
"""Lineages whose rows are drawn; of more, some that are spread evenly over them."""

_ROWS = 8
_IMAGES = 12
_POINTS = 400


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows of one lineage's first chain, by generation; generation 0 is the anchor.

    Args:
        lineage: the lineage's name.
        recipe: its recipe.
        rows: (n, d) new rows of each generation shown, by class where they have one.
        made: (n, d) what the model of each generation makes of the same latents, in one order, that of generation 0's
            classes; empty where nobody asked or its models cannot say.
    """

    lineage: str
    recipe: Recipe
    rows: Mapping[int, Array]
    made: Mapping[int, Array] = field(default_factory=dict)


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
    of points: of two columns, or on the two widest directions of the anchor where there are more. Images are what the
    model of each generation makes of the same latents, where its family can say so, else new rows of each generation.

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
    shown = spread(shown, LINEAGES)
    recipes = [plan.recipe(lineage) for lineage in shown]
    if any(recipe.source.kind != "vectors" for recipe in recipes):
        return None
    images = all(map(pictured, recipes))
    sheets = sheets_of(root, plan, shown, count=_IMAGES if images else _POINTS, models=images)
    if not sheets:
        return None
    with styled():
        if images:
            drawn = _drawn(sheets)
            figure = images_figure(plan, drawn, palette, latents={sheet.lineage for sheet in sheets if sheet.made})
        else:
            figure = clouds_figure(plan, {sheet.lineage: sheet.rows for sheet in sheets}, palette)
        return save(figure, target or plots_folder(root, plan.sweep) / "samples.png")


def pictured(recipe: Recipe) -> bool:
    """Say whether a recipe's rows can be rendered as pictures."""
    return recipe.source.kind == "vectors" and hasattr(recipe.source, "images")


def rendered(recipe: Recipe, values: Array) -> FloatArray:
    """Return (n, d) rows of a recipe as pictures, (n, h, w) or (n, h, w, 3)."""
    render = recipe.source.images  # type: ignore[attr-defined]
    return np.asarray(render(values, seed=Seed(recipe.seed).at("real")), dtype=np.float64)


def _drawn(sheets: Sequence[Sheet]) -> dict[str, dict[int, FloatArray]]:
    """Return the pictures of each lineage by line of the figure; where models are seen, real rows are no generation."""
    first = REAL if any(sheet.made for sheet in sheets) else 0
    found = {}
    for sheet in sheets:
        lines = {first if t == 0 else t: values for t, values in sheet.rows.items() if t == 0 or not sheet.made}
        found[sheet.lineage] = {t: rendered(sheet.recipe, values) for t, values in (lines | {**sheet.made}).items()}
    return found


def sheets_of(root: Path, plan: Plan, lineages: Sequence[str], *, count: int, models: bool = False) -> list[Sheet]:
    """Read rows of each lineage whose anchor is here, at the generations that are shown.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose rows.
        count: rows of the first chain to draw at random, at each generation.
        models: whether models are asked, too, what they make of the same latents.
    """
    present = {lineage: grown(root, plan, lineage) for lineage in lineages}
    shown = ladder(max((t for folders in present.values() for t in folders), default=0))
    sheets = []
    for lineage, folders in present.items():
        if 0 in folders:
            recipe, there = plan.recipe(lineage), [t for t in shown if t in folders]
            made = _ordered(imagined(root, plan, lineage, there, count=count)) if models else {}
            read = [0] if made else there
            rows = {t: np.asarray(some_rows(recipe, folders[t], t, count).values[0]) for t in read}
            sheets.append(Sheet(lineage, recipe, rows, made))
    return sheets


def grown(root: Path, plan: Plan, lineage: str) -> dict[int, Path]:
    """Return the folder of each generation's new rows, or of its training rows if none were sampled."""
    entries = {t: plan.chain[chain_key(lineage, t)] for t in range(len(plan.generations(lineage)))}
    found = {}
    for t, entry in entries.items():
        manifest = read_manifest(root / entry["rows"])
        if manifest is not None:
            sampled = any(manifest.facts["rows"].values())
            found[t] = root / (entry["rows"] if sampled else f"data/{entry['folder']}/train")
    return {t: folder for t, folder in found.items() if read_manifest(folder) is not None}


def some_rows(recipe: Recipe, folder: Path, generation: int, count: int) -> Rows:
    """Draw rows of the first chain, the same ones whenever they are drawn, by class where they have one.

    Args:
        recipe: the lineage's recipe.
        folder: where the rows are.
        generation: whose they are.
        count: how many, (1, k, ...), k smaller where there are fewer.
    """
    rows = read_rows(folder).chain(0)
    order = Seed(recipe.seed).at("grid", generation).numpy().permutation(rows.count)
    chosen = rows.take(order[None, :count])
    return chosen if chosen.labels is None else chosen.take(np.argsort(chosen.labels, axis=1, kind="stable"))


def _ordered(made: Mapping[int, Rows]) -> dict[int, Array]:
    """Return what models made in one order for all of them: by the classes of the first one, if it has any."""
    if not made:
        return {}
    first = made[min(made)]
    order = np.argsort(first.filled_labels()[0], kind="stable")
    return {t: rows.values[0, order] for t, rows in made.items()}


def ladder(last: int) -> list[int]:
    """Return the generations to show, eight at most: all, or 0, 1, 2, 5, 10, 20, 50, ... and the last one."""
    if last < _ROWS:
        return list(range(last + 1))
    steps = [0, *(digit * 10**power for power in range(len(str(last))) for digit in (1, 2, 5))]
    shown = sorted({step for step in steps if step < last} | {0, last})
    return spread(shown, _ROWS)


def spread(items: list[_Item], most: int) -> list[_Item]:
    """Return the items, or `most` of them at even distances, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
