"""Published sets: the rows of datasets that stand in published folders, each once, and what is known of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.data.manifest import Manifest, digest_of, read_manifest, verify
from dwindle.data.rows import Array, IntArray, Rows
from dwindle.data.shards import read_shard, shard_files
from dwindle.errors import DataDamaged

__all__ = ["LAW", "PublishedSet", "Shelf", "shelf_of"]

LAW = "rows drawn from a law"
"""What rows were taken from that nobody has a licence for, in the words of a published source's card."""

_EXPECTED = "expected one that dwindle published, such as data/<lineage>/<generation>/train or synthetic"


@dataclass(frozen=True, eq=False)
class PublishedSet:
    """A published folder of rows.

    Args:
        folder: the folder, as it was named.
        path: where it stands.
        manifest: its manifest.
    """

    folder: str
    path: Path
    manifest: Manifest

    @property
    def shards(self) -> Sequence[str]:
        """Names of the shards whose rows train, or were generated."""
        names: Sequence[str] = self.manifest.facts["shards"]
        return names

    @property
    def purpose(self) -> str:
        """What its rows were made for; empty for nothing in particular."""
        return str(self.manifest.facts.get("purpose", ""))

    @property
    def content(self) -> Mapping[str, Any]:
        """What a row is, as the manifest tells it; empty in manifests that do not."""
        return dict(self.manifest.facts.get("content", {}))

    @property
    def told_depth(self) -> int | None:
        """The most synthetic ancestors of any of its rows; None in manifests that do not tell."""
        facts = self.manifest.facts
        if facts.get("rounds"):
            return max(map(int, facts["rounds"]))
        return int(facts["depth"]) if "depth" in facts else None

    @property
    def identity(self) -> str:
        """Digest of its payload and of the facts that count here."""
        facts = [self.purpose, self.told_depth, self.content, list(self.shards)]
        return digest_of([self.manifest.digest, self.manifest.recipe, dict(self.manifest.inputs), *facts])

    @property
    def source(self) -> Mapping[str, str] | None:
        """What the real rows that it goes back to were taken from, as the draw's manifest in the same project tells.

        Empty for rows of a law; None where no such manifest stands there.
        """
        if "source" in self.manifest.facts:
            return dict(self.manifest.facts["source"])
        beside = None if "real" in self.manifest.inputs else read_manifest(self.path.parent / "train")
        wanted = (beside or self.manifest).inputs.get("real")
        for folder in sorted((self.path.parent.parent.parent / "real").glob("*")):
            drawn = read_manifest(folder) if wanted and folder.is_dir() else None
            if drawn is not None and drawn.digest == wanted:
                return dict(drawn.facts.get("source", {}))
        return None

    @property
    def drawn(self) -> str:
        """Digest of the real rows that it goes back to: those it was made of, or itself."""
        inputs = self.manifest.inputs
        return str(inputs.get("real") or inputs.get("generator") or self.manifest.digest)


@dataclass(frozen=True, eq=False)
class Shelf:
    """The rows of several sets, one after another.

    Args:
        sets: the sets.
        counts: rows of each set that are here; those of an earlier one are not counted again.
        depths: the most synthetic ancestors of any row of each set.
        values: (n, ...) the rows.
        labels: (n,) the class of each row, -1 where it has none; None where none has one.
        places: (n, 3) for each row the number of its set, of its shard in the set, and of its line in the shard.
    """

    sets: tuple[PublishedSet, ...]
    counts: tuple[int, ...]
    depths: tuple[int, ...]
    values: Array
    labels: IntArray | None
    places: IntArray

    @property
    def digest(self) -> str:
        """Digest of what the sets hold, and of how deep and for what they were made."""
        return digest_of([known.identity for known in self.sets])

    def located(self, row: int) -> tuple[str, str, int]:
        """Return folder, shard and line of a row; lines are counted from 0."""
        place, shard, line = self.places[row].tolist()
        return self.sets[place].folder, self.sets[place].shards[shard], line


def shelf_of(folders: Sequence[str]) -> Shelf:
    """Return the rows of published folders, read once a process as long as they stand as they do.

    A row that is there several times is taken once, where it stands first: chains of a lineage may share the rows of a
    finite source, folders may share an anchor, and a regime may draw a row again. Equal rows are not the same for that.

    Raises:
        ValueError: if a folder is missing, damaged, named twice or holds no rows, or the rows differ in shape.
    """
    if not folders:
        raise ValueError(f"folders names none; {_EXPECTED}")
    sets = [_opened(folder) for folder in folders]
    for place, known in enumerate(sets):
        if known.path in [earlier.path for earlier in sets[:place]]:
            raise ValueError(f"folder {known.folder} is named twice")
    return _read(tuple((known.folder, known.path, known.identity) for known in sets))


def _opened(folder: str) -> PublishedSet:
    """Return a folder whose files are what its manifest says.

    Raises:
        ValueError: if it is none.
    """
    path = Path(folder).expanduser().resolve()
    try:
        manifest = read_manifest(path)
        if manifest is None:
            raise ValueError(f"folder {folder} has no manifest; {_EXPECTED}")
        _hold_to_rows(folder, manifest)
        verify(path, manifest)
    except DataDamaged as error:
        raise ValueError(f"folder {folder} is damaged: {error}") from error
    return PublishedSet(folder, path, manifest)


def _hold_to_rows(folder: str, manifest: Manifest) -> None:
    """Refuse a manifest that is not one of rows: what it names is opened."""
    names, content = manifest.facts.get("shards"), manifest.facts.get("content", {})
    known = names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []
    files = {file for name in known for file in shard_files(name)}
    if not files or not files <= set(manifest.files):
        raise ValueError(f"folder {folder} holds no shards of rows; {_EXPECTED}")
    try:
        dict(content)
        told = [*manifest.facts.get("rounds", {}), manifest.facts.get("depth", 0)]
        if min(map(int, told)) < 0:
            raise ValueError("fewer than none")
    except (TypeError, ValueError) as error:
        raise ValueError(f"folder {folder} does not say how many synthetic ancestors its rows have: {error}") from error


@lru_cache(maxsize=4)
def _read(states: tuple[tuple[str, Path, str], ...]) -> Shelf:
    sets = tuple(_opened(folder) for folder, _, _ in states)
    tags: dict[str, int] = {}
    try:
        parts = [_part(known, place, tags) for place, known in enumerate(sets)]
    except DataDamaged as error:
        raise ValueError(f"a published folder is damaged: {error}") from error
    _refuse_other_shapes(sets, parts)
    values, labels, places, same = (np.concatenate(list(column)) for column in list(zip(*parts, strict=True))[:4])
    deepest = [int(part[4].max(initial=0)) for part in parts]
    depths = [deep if known.told_depth is None else known.told_depth for known, deep in zip(sets, deepest, strict=True)]
    kept = np.sort(np.unique(same, axis=0, return_index=True)[1])
    counts = np.bincount(places[kept, 0], minlength=len(sets)).tolist()
    labelled = bool((labels[kept] >= 0).any())
    shelf = Shelf(sets, tuple(counts), tuple(depths), values[kept], labels[kept] if labelled else None, places[kept])
    for array in (shelf.values, shelf.places):
        array.setflags(write=False)
    return shelf


_Part = tuple[Array, IntArray, IntArray, IntArray, IntArray]


def _part(known: PublishedSet, place: int, tags: dict[str, int]) -> _Part:
    """Return values, labels, places, identities and origins of the rows of a set, shard by shard and chain by chain."""
    real, own = (tags.setdefault(tag, len(tags) + 1) for tag in (known.drawn, known.manifest.recipe))
    lines = []
    for shard, name in enumerate(known.shards):
        rows = read_shard(known.path, name)
        present = rows.filled_weights() > 0
        values, line = rows.values[present], np.arange(present.sum())
        places = np.column_stack([np.full_like(line, place), np.full_like(line, shard), line])
        same, origins = _identities(rows, present, values, real, own)
        lines.append((values, rows.filled_labels()[present], places, same, origins))
    columns = [np.concatenate(list(column)) for column in zip(*lines, strict=True)]
    return columns[0], columns[1], columns[2], columns[3], columns[4]


def _identities(rows: Rows, present: Array, values: Array, real: int, own: int) -> tuple[IntArray, IntArray]:
    """Return what tells each row from every other, (n, 5), and its origin, (n,).

    A row of a finite source is known by its number there, which draws of that source share, and its value; another real
    row by its place in the draw, a synthetic one by its place in the lineage.
    """
    assert rows.provenance is not None
    origin, row, source = (part[present] for part in vars(rows.provenance).values())
    chain = np.broadcast_to(np.arange(rows.chains)[:, None], present.shape)[present]
    counted = (origin <= 0) & (source >= 0)
    told = np.zeros(len(values), dtype=np.int64)
    told[counted] = [zlib.crc32(value.tobytes()) for value in values[counted]]
    tag = np.where(counted, 0, np.where(origin <= 0, real, own))
    columns = [tag, np.where(counted, 0, chain), np.where(counted, 0, origin), np.where(counted, source, row), told]
    return np.column_stack(columns).astype(np.int64), origin


def _refuse_other_shapes(sets: Sequence[PublishedSet], parts: Sequence[_Part]) -> None:
    """Refuse sets whose rows cannot stand in one set.

    Raises:
        ValueError: with the shapes of their rows.
    """
    shapes = [(part[0].dtype.kind in "iu", part[0].shape[1:]) for part in parts]
    if len(set(shapes)) > 1:
        told = ", ".join(
            f"{known.folder} {'whole' if whole else 'real'} numbers of shape {shape}"
            for known, (whole, shape) in zip(sets, shapes, strict=True)
        )
        raise ValueError(f"the rows of the folders differ: {told}")
