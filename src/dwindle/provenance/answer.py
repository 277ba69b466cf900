"""Which data trained a generation: every file with its origin and digests, and the command that gets it back."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dwindle.data.manifest import MANIFEST
from dwindle.data.rows import Rows
from dwindle.plan import Plan
from dwindle.provenance.datasets import Dataset, datasets, origin_name, recorded_digest
from dwindle.provenance.opened import open_rows
from dwindle.provenance.tree import by_origin
from dwindle.report.text_table import TextTable
from dwindle.versioning.contents import md5_of

__all__ = ["Answer", "Part", "answer", "answer_table"]


@dataclass(frozen=True)
class Part:
    """A file of a dataset.

    Args:
        file: its name.
        use: `trains`, or why it stands there: `pool`, `seen by curators`, `dropped` and for which reason.
        origins: its rows of all chains by origin; empty for a file that does not train.
        size: bytes.
        sha256: its digest.
        md5: its MD5, by which DVC keeps it; empty where nothing is versioned.
    """

    file: str
    use: str
    origins: Mapping[str, int]
    size: int
    sha256: str
    md5: str


@dataclass(frozen=True)
class Answer:
    """Which data trained a generation.

    Args:
        lineage: the lineage.
        generation: t.
        folder: the dataset's folder below the workspace.
        digest: its payload digest.
        recipe: digest of the lineage's recipe.
        parents: payload digest of what it was assembled from, by slot: new rows, anchor, pool.
        recorded: MD5 of the folder in dvc.lock, which is the dataset's digest in MLflow; empty if it is not recorded.
        current: whether the folder is what dvc.lock records.
        parts: its files, those that train first.
        commands: what gets it back, in order; none where it is not recorded.
    """

    lineage: str
    generation: int
    folder: str
    digest: str
    recipe: str
    parents: Mapping[str, str]
    recorded: str
    current: bool
    parts: tuple[Part, ...]
    commands: tuple[str, ...]


def answer(root: Path, plan: Plan, lineage: str, generation: int) -> Answer:
    """Say which data trained a generation.

    Raises:
        BadInput: if there is no such lineage or generation, or it is not grown.
        DataDamaged: if a file is not what the manifest says.
    """
    dataset = datasets(root, plan, lineage, upto=generation)[-1]
    recorded = recorded_digest(root, plan.generations(lineage)[generation])
    folder = root / dataset.folder
    md5s = {path.name: md5_of(str(path)) for path in sorted(folder.iterdir())} if recorded else {}
    return Answer(
        lineage,
        generation,
        dataset.folder,
        dataset.manifest.digest,
        dataset.manifest.recipe,
        dataset.manifest.inputs,
        recorded,
        bool(recorded) and _listed(md5s) == recorded,
        tuple(_parts(root, dataset, md5s)),
        _commands(dataset, recorded),
    )


def _parts(root: Path, dataset: Dataset, md5s: Mapping[str, str]) -> list[Part]:
    opened = open_rows(root, dataset.folder)
    uses = _uses(dataset)
    origins = {name: _counted(dataset, rows) for name, rows in opened.shards.items()}
    parts = [
        Part(
            file,
            uses.get(stem := Path(file).stem, "beside"),
            origins.get(stem, {}),
            int(known["bytes"]),
            str(known["sha256"]),
            md5s.get(file, ""),
        )
        for file, known in dataset.manifest.files.items()
    ]
    order = list(opened.shards)
    return sorted(parts, key=lambda part: order.index(stem) if (stem := Path(part.file).stem) in order else len(order))


def _uses(dataset: Dataset) -> dict[str, str]:
    """Return what each shard is for."""
    facts = dataset.facts
    uses = {name: f"dropped: {reason}" for reason, name in facts.get("rejected", {}).items()}
    uses |= dict.fromkeys(facts.get("seen", ()), "seen by curators") | dict.fromkeys(facts.get("pool", ()), "pool")
    return uses | dict.fromkeys(facts["shards"], "trains")


def _counted(dataset: Dataset, rows: Rows) -> dict[str, int]:
    """Return the rows of all chains by origin."""
    assert rows.provenance is not None
    found, counts = np.unique(rows.provenance.origin[rows.filled_weights() > 0], return_counts=True)
    told = [dataset.told(origin_name(origin)) for origin in found.tolist()]
    return dict(zip(told, counts.tolist(), strict=True))


def _listed(md5s: Mapping[str, str]) -> str:
    """Return the MD5 of DVC's listing of a folder with these files."""
    listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(md5s.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _commands(dataset: Dataset, recorded: str) -> tuple[str, ...]:
    if not recorded:
        return ()
    out = f"{dataset.lineage}-g{dataset.generation:03d}"
    return (
        f"git log -S {recorded} --format=%h -- dvc.lock",
        f"dvc get . {shlex.quote(dataset.folder)} --rev COMMIT --out {shlex.quote(out)}",
    )


def answer_table(found: Answer) -> TextTable:
    """Return the answer as a table with a line a file, and below it digests and commands."""
    versioned = bool(found.recorded)
    columns = ("file", "use", "rows", "origin", "bytes", "sha256", *(("md5",) if versioned else ()))
    rows = tuple(
        (
            part.file,
            part.use,
            f"{sum(part.origins.values())}" if part.origins else "-",
            by_origin(part.origins) if part.origins else "-",
            f"{part.size}",
            part.sha256[:12],
            *((part.md5[:12],) if versioned else ()),
        )
        for part in found.parts
    )
    title = f"what trained generation {found.generation} of {found.lineage}: {found.folder}, rows of all chains"
    return TextTable("trained-on", title, columns, rows, tuple(_notes(found)))


def _notes(found: Answer) -> list[str]:
    parents = [f"made of     {slot} {digest}" for slot, digest in found.parents.items()]
    notes = ["first twelve digits of each file's digests; --json has them whole"]
    notes += [f"dataset     {found.digest}", f"recipe      {found.recipe}", *parents]
    if not found.recorded:
        return [*notes, f"versions    not recorded in dvc.lock, so {MANIFEST} alone vouches for it"]
    state = "" if found.current else "; another version stands here now, which is not recorded yet"
    notes += [f"DVC         {found.recorded}, also its digest in MLflow{state}"]
    told = ("names the COMMIT that holds it", "gets it back")
    return [*notes, *(f"next        {line}  # {why}" for line, why in zip(found.commands, told, strict=True))]
