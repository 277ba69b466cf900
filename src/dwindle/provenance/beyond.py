"""Walk on behind published rows: into the workspace that made them, and down to real rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.data.manifest import read_manifest
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import PLAN, Plan, read_plan
from dwindle.provenance.ancestry import ancestors, hold_to_maker, hold_to_rows, real_rows
from dwindle.provenance.datasets import datasets, entry_of, origin_name, recorded_digest
from dwindle.provenance.digests import walk_by_digests
from dwindle.provenance.opened import Opened, open_rows
from dwindle.provenance.walking import Walk, walk_from
from dwindle.sources.published import Published

__all__ = ["Beyond", "walk_on"]

_AWAY = "that workspace is not here"


@dataclass(frozen=True)
class Beyond:
    """Published rows that a lineage took for its source's: one of them, or a folder of them.

    Args:
        folder: the folder, as the source names it.
        depth: synthetic ancestors of the row, or the most of any row of the folder.
        shard: the row's shard; empty for a folder.
        line: its line in the shard, from 0; None for a folder.
        origin: its origin there: `real`, `fresh`, or the generation that made it; empty for a folder.
        walk: the walk on in the workspace that made it; None where that cannot be walked.
        ended: why it cannot, or how it can.
    """

    folder: str
    depth: int
    shard: str = ""
    line: int | None = None
    origin: str = ""
    walk: Walk | None = None
    ended: str = ""


def walk_on(plan: Plan, walk: Walk) -> Walk:
    """Return a walk that goes on behind the rows of its source, if they were published before.

    Args:
        plan: the plan of the walk's workspace.
        walk: a walk in it, down to rows of the lineage's source.

    Raises:
        DataDamaged: if a published file is not what its manifest says.
    """
    source = plan.recipe(walk.lineage).source
    return replace(walk, beyond=tuple(_behind(source, walk))) if isinstance(source, Published) else walk


def _behind(source: Published, walk: Walk) -> Iterator[Beyond]:
    """Yield the row at the walk's end, and each other folder of the source if models stand between."""
    real, named = walk.steps[-1].real if walk.steps else None, ""
    if real is not None and real.copied is not None:
        named, shard, line = source.located(real.copied)
        yield _row_behind(source, named, shard, line)
    if walk.ancestors or real is None:
        yield from (_folder_behind(source, folder) for folder in source.folders if folder != named)


def _row_behind(source: Published, folder: str, shard: str, line: int) -> Beyond:
    path = _path(folder)
    rows = open_rows(path.parent, path.name)
    chain, own = np.argwhere(rows.shards[shard].filled_weights() > 0)[line].tolist()
    names = list(rows.shards)
    place = sum(rows.shards[name].count for name in names[: names.index(shard)]) + own
    known = rows.shards[shard].provenance
    assert known is not None
    number = int(known.origin[chain, own])
    origin = origin_name(number)
    depth = int(rows.manifest.facts.get("depths", {}).get(origin, _deepest(source, rows.manifest.facts)))
    walk, ended = _walked(path, (chain, place), number)
    return Beyond(folder, depth, shard, line, origin, walk, ended)


def _folder_behind(source: Published, folder: str) -> Beyond:
    path = _path(folder)
    manifest = read_manifest(path)
    walk, ended = _walked(path, None, None)
    return Beyond(folder, _deepest(source, manifest.facts if manifest else {}), walk=walk, ended=ended)


def _path(folder: str) -> Path:
    return Path(folder).expanduser().resolve()


def _deepest(source: Published, facts: Mapping[str, Any]) -> int:
    if facts.get("rounds"):
        return max(map(int, facts["rounds"]))
    return int(facts.get("depth", source.depth()))


def _walked(path: Path, at: tuple[int, int] | None, origin: int | None) -> tuple[Walk | None, str]:
    """Return the walk on in the workspace that holds a folder, from one of its rows or all; else why there is none.

    Where another sweep is planned there by now, digests lead on.
    """
    *_, data, lineage, number, kind = ("", "", "", *path.parts)
    if data != "data" or not number.isdigit() or kind not in ("train", "synthetic"):
        return None, _AWAY
    root, generation = path.parents[3], int(number)
    try:
        plan = read_plan(root) if (root / PLAN).is_file() else None
        if plan is None or not _planned(plan, lineage, generation, f"{lineage}/{number}"):
            return walk_by_digests(root, f"data/{lineage}/{number}/{kind}", origin), "its plan is gone; by digests"
        return walk_on(plan, _walk(root, plan, (lineage, generation), kind, at)), ""
    except (BadInput, DataDamaged) as error:
        return None, f"{_AWAY}: {error}"


def _planned(plan: Plan, lineage: str, generation: int, folder: str) -> bool:
    known = lineage in plan.recipes and generation < len(plan.generations(lineage))
    return known and entry_of(plan, lineage, generation)["folder"] == folder


def _walk(root: Path, plan: Plan, whose: tuple[str, int], kind: str, at: tuple[int, int] | None) -> Walk:
    lineage, generation = whose
    opened, recorded = open_rows(root, f"data/{lineage}/{generation:03d}/{kind}"), ""
    if kind == "train":
        hold_to_rows(root, plan, datasets(root, plan, lineage, upto=generation)[-1])
        recorded = recorded_digest(root, plan.generations(lineage)[generation])
    if at is not None:
        return walk_from(root, plan, whose, opened, at, recorded)
    newest = _newest(opened)
    maker = hold_to_maker(root, plan, lineage, newest).generation if newest else None
    models = ancestors(root, plan, lineage, maker) if maker is not None else ()
    return Walk(lineage, generation, (), models, real_rows(root, plan, lineage), recorded)


def _newest(opened: Opened) -> int:
    """Return the last generation that any row of a folder was made for; 0 if none was."""
    known = [rows.provenance for rows in opened.shards.values() if rows.provenance is not None]
    return max((int(found.origin.max(initial=0)) for found in known), default=0)
