"""The sample that reviewers are shown: rows that train beside rows that were dropped, the same whenever it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dwindle.data.manifest import Manifest, read_manifest
from dwindle.data.rows import Array, Rows
from dwindle.data.shards import read_shard
from dwindle.errors import DataDamaged
from dwindle.plan import generation_folder
from dwindle.review.case import Shown
from dwindle.seeds import Seed

__all__ = ["dataset_of", "drawn_sample", "training_folder", "values_of"]

UNSAID = "not in the dataset"
"""The reason of a row that is not in the dataset where nothing says why."""


class _Found(NamedTuple):
    """Rows of a shard that may be shown: its place below the workspace, and (k, 4) chain, origin, row and label."""

    shard: str
    rows: Array
    reason: str = ""


def training_folder(lineage: str, generation: int) -> str:
    """Return the folder of the dataset that trains a generation, below the workspace."""
    return f"data/{generation_folder(lineage, generation)}/train"


def _generated_folder(lineage: str, generation: int) -> str:
    """Return the folder of the rows that were generated for it."""
    return f"data/{generation_folder(lineage, generation)}/synthetic"


def dataset_of(root: Path, lineage: str, generation: int) -> Manifest:
    """Return the manifest of the dataset that stands there.

    Raises:
        DataDamaged: if none does.
    """
    folder = root / training_folder(lineage, generation)
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataDamaged(f"{folder}: not there yet; there is nothing to review before the curate stage")
    return manifest


def drawn_sample(root: Path, lineage: str, generation: int, *, count: int) -> tuple[Shown, ...]:
    """Draw rows to show: synthetic ones that train, and ones that were dropped, spread over the reasons.

    Args:
        root: the workspace.
        lineage: the lineage.
        generation: the generation; where none of its own rows trains, any that does is shown.
        count: rows of each kind, at most.
    """
    manifest = dataset_of(root, lineage, generation)
    seed = Seed(0).at("review", manifest.digest)
    folder = training_folder(lineage, generation)
    training = [_found(root, folder, name) for name in manifest.facts["shards"]]
    own = [found for found in (_of_origin(found, generation) for found in training) if len(found.rows)]
    kept = _drawn([own or training], count, seed.at("kept"))
    by_reason: dict[str, list[_Found]] = {}
    for found in _dropped(root, lineage, generation, manifest):
        by_reason.setdefault(found.reason, []).append(found)
    dropped = _drawn([by_reason[reason] for reason in sorted(by_reason)], count, seed.at("dropped"))
    told = [(True, *row) for row in kept] + [(False, *row) for row in dropped]
    return tuple(
        Shown(number, is_kept, shard, chain, origin, row, label, reason)
        for number, (is_kept, shard, reason, (chain, origin, row, label)) in enumerate(told, 1)
    )


def _found(root: Path, folder: str, name: str, reason: str = "") -> _Found:
    """Return the address of every row of a shard, each once."""
    rows = read_shard(root / folder, name)
    return _Found(f"{folder}/{name}", np.unique(_addresses(rows), axis=0), reason)


def _addresses(rows: Rows) -> Array:
    """Return chain, origin, row and label of every row that is there, (k, 4)."""
    assert rows.provenance is not None
    chains = np.broadcast_to(np.arange(rows.chains)[:, None], (rows.chains, rows.count))
    places = np.stack([chains, rows.provenance.origin, rows.provenance.row, rows.filled_labels()], axis=-1)
    return np.asarray(places[rows.filled_weights() > 0], dtype=np.int64)


def _of_origin(found: _Found, origin: int) -> _Found:
    return found._replace(rows=found.rows[found.rows[:, 1] == origin])


def _dropped(root: Path, lineage: str, generation: int, manifest: Manifest) -> Iterator[_Found]:
    """Yield the rows that were dropped: by reason where they were kept aside, else whatever is not in the dataset."""
    folder = training_folder(lineage, generation)
    rejected: Mapping[str, str] = manifest.facts.get("rejected", {})
    for reason, name in rejected.items():
        yield _found(root, folder, name, reason)
    made = _generated_folder(lineage, generation)
    generated = None if rejected else read_manifest(root / made)
    if generated is None:
        return
    present = {*manifest.facts["shards"], *manifest.facts.get("pool", ())}
    inside = np.concatenate([_found(root, folder, name).rows for name in sorted(present)])
    known = {tuple(row[:3]) for row in inside.tolist()}
    for name in generated.facts["shards"]:
        found = _found(root, made, name, UNSAID)
        outside = [row for row in found.rows.tolist() if tuple(row[:3]) not in known]
        if outside:
            yield found._replace(rows=np.array(outside, dtype=np.int64))


def _drawn(groups: Sequence[Sequence[_Found]], count: int, seed: Seed) -> list[tuple[str, str, list[int]]]:
    """Draw rows at random, from one group after another, so that each group has its share; sorted within none."""
    orders = [_shuffled(group, seed.at(place)) for place, group in enumerate(groups)]
    turns = [row for turn in zip_longest(*orders) for row in turn if row is not None]
    return turns[:count]


def _shuffled(group: Sequence[_Found], seed: Seed) -> Iterator[tuple[str, str, list[int]]]:
    ends = np.cumsum([len(found.rows) for found in group])
    for place in seed.numpy().permutation(int(ends[-1]) if len(ends) else 0).tolist():
        which = int(np.searchsorted(ends, place, side="right"))
        found = group[which]
        yield found.shard, found.reason, found.rows[place - int(ends[which])].tolist()


def values_of(root: Path, shown: Sequence[Shown]) -> tuple[Array, ...]:
    """Return the values of shown rows, each (d,).

    Raises:
        DataDamaged: if one is no longer there.
    """
    shards: dict[str, tuple[Array, Array]] = {}
    for name in {row.shard for row in shown}:
        place = root / name
        rows = read_shard(place.parent, place.name)
        shards[name] = (_addresses(rows), rows.values[rows.filled_weights() > 0])
    return tuple(_values(row, *shards[row.shard]) for row in shown)


def _values(row: Shown, addresses: Array, values: Array) -> Array:
    places = np.flatnonzero((addresses[:, :3] == (row.chain, row.origin, row.row)).all(axis=1))
    if not len(places):
        raise DataDamaged(f"{row.shard}: row {row.row} of chain {row.chain} is not there any more")
    return np.asarray(values[places[0]])
