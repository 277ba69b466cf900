"""What evaluated generations say, and whether what stands there is what the plan calls for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.data.manifest import Manifest, read_manifest
from dwindle.data.rows import Array
from dwindle.data.shards import shard_files
from dwindle.data.workspace import read_document
from dwindle.errors import DataDamaged
from dwindle.plan import STAGES, Plan
from dwindle.policies import Finding, findings
from dwindle.stages.steps import StageName, Step, output, published, stage_key, step_of

__all__ = ["collapsed", "evaluation", "evaluations", "fired", "is_done", "rows_by_origin"]


def evaluation(root: Path, plan: Plan, key: str) -> Mapping[str, Any] | None:
    """Return the measures of a generation, or None if it was not evaluated."""
    document = read_document(root / output(f"evaluate@{key}", plan))
    return None if document is None else document["record"][1]["measures"]


def is_done(root: Path, name: StageName, plan: Plan, *, whole: bool = True) -> bool:
    """Say whether a stage is up to date: its output is what its inputs and the plan call for.

    Args:
        root: the workspace.
        name: the stage.
        plan: the plan.
        whole: hold every file to its digest, not only to its presence and size.
    """
    step = step_of(root, plan, name)
    try:
        key, _ = stage_key(step, whole=whole)
    except DataDamaged:
        return False
    return published(step, key, whole=whole) is not None


def evaluations(root: Path, plan: Plan, lineage: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the measures of each generation of a lineage, up to the first that belongs to another plan."""
    for generation, key in enumerate(plan.generations(lineage)):
        document = read_document(root / output(f"evaluate@{key}", plan))
        if any(_is_stale(step_of(root, plan, f"{stage}@{key}"), document) for stage in STAGES):
            return
        if document is not None:
            yield generation, document["record"][1]["measures"]


def fired(root: Path, plan: Plan, lineage: str, generation: int) -> list[Finding]:
    """Return the gates that fire on a generation; none where it was not evaluated.

    Up to where a branch leaves its lineage, what there was to find was found there.
    """
    recipe, keys = plan.recipe(lineage), plan.generations(lineage)
    shared = -1 if recipe.branch is None else recipe.branch.at
    if not recipe.gates or generation <= shared:
        return []
    origin, measures = evaluation(root, plan, keys[0]), evaluation(root, plan, keys[generation])
    return findings(recipe.gates, measures or {}, generation, origin or {})


def _is_stale(step: Step, evaluated: Mapping[str, Any] | None) -> bool:
    """Say whether what stands there was made for another key; where files are missing, nothing can be said."""
    try:
        key, _ = stage_key(step, whole=False)
        if step.verb == "evaluate":
            return evaluated is not None and evaluated["record"][0].get("key") != key
        manifest = read_manifest(step.target)
        return manifest is not None and manifest.key != key
    except DataDamaged:
        return False


def rows_by_origin(manifest: Manifest) -> dict[str, int]:
    """Return how many rows of all chains trained a generation: real (of the anchor), fresh and synthetic."""
    origins: Mapping[str, int] = manifest.facts["rows"]["origin"]
    synthetic = sum(count for origin, count in origins.items() if origin.isdigit())
    return {"real": origins.get("real", 0), "fresh": origins.get("fresh", 0), "synthetic": synthetic}


def collapsed(root: Path, plan: Plan, lineage: str, generation: int) -> str:
    """Say in what way the rows that a lineage generated are left without any variety; empty if they are not.

    Nothing is said of rows that are no poorer than the real ones, nor where there are fewer than two.

    Args:
        root: the workspace.
        plan: the plan.
        lineage: the lineage.
        generation: the generation whose new rows are looked at.
    """
    keys = plan.generations(lineage)
    if not 0 < generation < len(keys):
        return ""
    told = _sameness(root / output(f"generate@{keys[generation]}", plan))
    real = told and _sameness(root / output(f"generate@{keys[0]}", plan))
    return "" if real else told


def _sameness(folder: Path) -> str:
    """Say what all new rows of a folder have in common; a glance at the first ones tells it of nearly all folders."""
    try:
        manifest = read_manifest(folder)
        names = [] if manifest is None else manifest.facts["shards"]
        values = [np.load(folder / shard_files(name)[0], mmap_mode="r", allow_pickle=False) for name in names]
        chains = 1 if manifest is None else manifest.facts["chains"]
    except (OSError, ValueError, KeyError, DataDamaged):
        return ""
    if len(values) != 1 or len(values[0]) < 2 * chains or len(values[0]) % chains:
        return ""
    rows = values[0].reshape(chains, -1, *values[0].shape[1:])
    return next((told for told, same in _SAME.items() if same(rows[:, :2]) and same(rows)), "")


def _one_token(rows: Array) -> bool:
    return rows.dtype.kind in "iu" and rows.ndim == 3 and rows.shape[2] > 1 and bool((rows == rows[..., :1]).all())


def _one_row(rows: Array) -> bool:
    return bool((rows == rows[:, :1]).all())


_SAME = {"every row repeats one token": _one_token, "all rows of a chain are the same": _one_row}
