"""A folder of rows opened, held to its digests, and asked where one row stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import Labelled, Tabular
from dwindle.data.manifest import Manifest, read_manifest, verify
from dwindle.data.rows import Array, IntArray, Rows
from dwindle.data.shards import read_shard, shard_files
from dwindle.errors import DataDamaged
from dwindle.report.wording import spelled_cell

__all__ = ["Opened", "Place", "open_rows", "shown_row", "whole_manifest"]

_NUMBERS, _LETTERS = 8, 240


def whole_manifest(root: Path, folder: str) -> Manifest:
    """Return the manifest of a folder that must be here.

    Raises:
        DataDamaged: if it is missing, or not what it was written as.
    """
    manifest = read_manifest(root / folder)
    if manifest is None:
        raise DataDamaged(f"{root / folder}: not there, so nobody can say what it was made of; `dvc pull` brings it")
    return manifest


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Args:
        folder: the folder below the workspace.
        shard: the shard.
        line: its line in both files of the shard, from 0.
        files: SHA-256 of the shard's files, by name.
        dataset: payload digest of the folder.
    """

    folder: str
    shard: str
    line: int
    files: Mapping[str, str]
    dataset: str


@dataclass(frozen=True, eq=False)
class Opened:
    """The rows of a folder, shard by shard.

    Args:
        folder: the folder below the workspace.
        manifest: its manifest.
        shards: the shards in the order in which they train.
    """

    folder: str
    manifest: Manifest
    shards: Mapping[str, Rows]

    @property
    def chains(self) -> int:
        """Number of chains."""
        return int(self.manifest.facts["chains"])

    def places(self, chain: int) -> IntArray:
        """Return the places of a chain's rows in the joined shards, without those where it has none."""
        weights = [rows.filled_weights()[chain] for rows in self.shards.values()]
        return np.asarray(np.flatnonzero(np.concatenate(weights) > 0), dtype=np.int64)

    def at(self, place: int) -> tuple[str, int]:
        """Return the shard that holds a place of the joined shards, and the place within it."""
        for name, rows in self.shards.items():
            if place < rows.count:
                return name, place
            place -= rows.count
        raise DataDamaged(f"{self.folder}: no row at place {place}; a prompt's number does not belong to these rows")

    def found(self, chain: int, place: int) -> Place:
        """Return where the row at a place of the joined shards stands in the files."""
        name, own = self.at(place)
        present = self.shards[name].filled_weights() > 0
        line = int(present[:chain].sum() + present[chain, :own].sum())
        files = {file: str(self.manifest.files[file]["sha256"]) for file in shard_files(name)}
        return Place(self.folder, name, line, files, self.manifest.digest)


def open_rows(root: Path, folder: str) -> Opened:
    """Read the rows of a published folder.

    Raises:
        DataDamaged: if it is missing, or a file is not what the manifest says.
    """
    manifest = whole_manifest(root, folder)
    verify(root / folder, manifest)
    shards = {name: read_shard(root / folder, name) for name in manifest.facts["shards"]}
    return Opened(folder, manifest, shards)


def shown_row(recipe: Recipe, rows: Rows, chain: int, place: int) -> str:
    """Return a row in a line: as text or as columns where its source can say, else its first numbers."""
    values, source = rows.values[chain, place], recipe.source
    label = -1 if rows.labels is None else int(rows.labels[chain, place])
    names = source.label_names() if isinstance(source, Labelled) else ()
    told = f", class {names[label] if label < len(names) else label}" if label >= 0 else ""
    return _spelled(source, np.asarray(values)) + told


def _spelled(source: Any, values: Array) -> str:
    if hasattr(source, "text") and values.ndim == 1:
        (text,) = source.text(values[None])
        line = " ".join(text.split())
        return line if len(line) <= _LETTERS else f"{line[:_LETTERS]} ..."
    if isinstance(source, Tabular):
        pairs = zip(source.columns(), values.tolist(), strict=True)
        return ", ".join(f"{column.name} {spelled_cell(column, value)}" for column, value in pairs)
    numbers = np.atleast_1d(values)
    told = " ".join(f"{number:.4g}" for number in numbers[:_NUMBERS].tolist())
    return told if len(numbers) <= _NUMBERS else f"{told} ... ({len(numbers)} numbers)"
