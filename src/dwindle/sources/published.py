"""Datasets that dwindle has published, here or in another project: a finite source that knows how real its rows are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, cast, get_args

import numpy as np

from dwindle.contracts import REAL, Column, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.published import LAW, PublishedSet, Shelf, shelf_of
from dwindle.data.shards import write_shard
from dwindle.data.streams import WithEnd, refuse_too_many
from dwindle.data.tables import groups_of
from dwindle.data.workspace import publish_folder
from dwindle.errors import DataDamaged

__all__ = ["Published"]


@dataclass(frozen=True)
class Published(WithEnd):
    """Rows of datasets that were published before, each once, whatever lineage and chain it belongs to.

    What a row is, its columns and the names of its classes are read from the manifests; where an older one does not
    say, real numbers are vectors, and whole numbers symbols or, several to a row, sequences. Rows come from all chains,
    and their weights are not looked at. The held-out rows are chosen by the root seed alone, and the stream of each
    chain is a permutation of the others. A row's provenance holds its number among all rows; `located` says where that
    is. Rows keep their purpose, and their synthetic ancestors count: the first model that is trained on rows of
    generation 2 makes rows with three of them.

    Args:
        folders: published folders of rows, from the working directory: data/<lineage>/<generation>/train or synthetic.
        mix_purposes: whether sets of different purposes may stand together and in a recipe of another purpose.
        held_out: number of held-out rows.
        digest: digest of what the folders hold, as plan.json has it; empty: whatever they hold now. Folders that hold
            anything else are refused.
    """

    kind: ClassVar[Kind] = "vectors"

    folders: tuple[str, ...]
    mix_purposes: bool = False
    held_out: Annotated[int, Within(low=1, unit="rows")] = 200
    digest: str = ""

    def __post_init__(self) -> None:
        """Read the folders, and take from them what the rows are.

        Raises:
            ValueError: if one is missing or damaged, they do not go together in rows or purposes, they have changed
                since the digest was taken, or too few rows are left to train on.
        """
        shelf = self._shelf
        object.__setattr__(self, "kind", _kind(shelf))
        if self.kind == "tables":  # only a source of tables may have columns, so no method of the class can give them
            object.__setattr__(self, "columns", partial(_columns, shelf.sets))
        _classes(shelf)
        if not self.mix_purposes and len({known.purpose for known in shelf.sets}) > 1:
            raise ValueError(f"the sets have different purposes: {_purposes(shelf)}; mix_purposes lets them be mixed")
        if self.digest and self.digest != shelf.digest:
            raise ValueError(f"digest {self.digest} is not that of the folders, which hold {shelf.digest} now")
        object.__setattr__(self, "digest", shelf.digest)
        refuse_too_many(self.held_out, len(shelf.values), "rows of the folders")

    @property
    def _size(self) -> int:
        return len(self._shelf.values)

    @property
    def symbols(self) -> int | None:
        """Return the size of the alphabet; None where rows have none."""
        if self.kind not in ("symbols", "sequences"):
            return None
        told = [int(known.content.get("symbols", 0)) for known in self._shelf.sets]
        return max(*told, int(self._shelf.values.max(initial=0)) + 1)

    def depth(self) -> int:
        """Return the most synthetic ancestors of any row of the folders."""
        return max(self._shelf.depths)

    def purpose(self) -> str:
        """Return what the rows were made for; several purposes are joined by a plus."""
        return "+".join(sorted({known.purpose for known in self._shelf.sets} - {""}))

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe may not have these rows: it is for something else; empty if it may."""
        if self.mix_purposes or {known.purpose for known in self._shelf.sets} == {recipe.purpose}:
            return ""
        asked = f"the recipe's purpose is {recipe.purpose or 'none'}, that of the rows is another"
        return f"{asked}: {_purposes(self._shelf)}; mix_purposes lets them be mixed"

    def located(self, row: int) -> tuple[str, str, int]:
        """Return folder, shard and line, counted from 0, of the row that a provenance calls by this number."""
        return self._shelf.located(row)

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the classes, their numbers where no manifest names them; none where rows carry none."""
        return _classes(self._shelf)

    def group_names(self) -> tuple[str, ...]:
        """Return the levels of a table's column of groups; none where there is no such column."""
        return next((column.levels for column in self._columns() if column.role == "group"), ())

    def groups(self, rows: Rows) -> IntArray:
        """Return the group of each row, (c, n), -1 where it has none."""
        return groups_of(rows, self._columns())

    def card(self) -> Mapping[str, str]:
        """Return dwindle in the version that published all folders, what their real rows were taken from, a digest.

        The licence is the one that all sources behind the folders name; empty where one is not known.
        """
        sets = self._shelf.sets
        versions = [known.manifest.environment.get("dwindle", "") for known in sets]
        sources = [_source_of(known) for known in sets]
        licences = [dict(source or {}).get("licence", "") for source in sources]
        told = {"package": "dwindle", "version": _agreed(versions), "licence": _agreed(licences)}
        made_of = [_taken_from(source, licensed=not told["licence"]) for source in sources]
        told |= {"made_of": "; ".join(dict.fromkeys(made_of))}
        return told | {"sha256": self.digest}

    @classmethod
    def smallest(cls) -> Self:
        """Return a few labelled rows with two ancestors, in a folder that goes when the process ends."""
        return cls(folders=(str(Path(_few_rows().name) / "train"),), held_out=20)

    @cached_property
    def _shelf(self) -> Shelf:
        return shelf_of(self.folders)

    def _columns(self) -> tuple[Column, ...]:
        return _columns(self._shelf.sets) if self.kind == "tables" else ()

    def _rows(self, numbers: IntArray, first: int, seed: Seed) -> Rows:
        shelf = self._shelf
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        labels = None if shelf.labels is None else shelf.labels[numbers]
        return Rows(shelf.values[numbers], None, provenance, labels)


def _purposes(shelf: Shelf) -> str:
    lines = zip(shelf.sets, shelf.counts, strict=True)
    return ", ".join(f"{known.folder} {known.purpose or 'none'} ({count} rows)" for known, count in lines)


def _agreed(texts: Sequence[str]) -> str:
    """Return what all say, empty if they do not."""
    return texts[0] if len(set(texts)) == 1 else ""


def _source_of(known: PublishedSet) -> Mapping[str, str] | None:
    try:
        return known.source
    except DataDamaged:  # a neighbour's manifest, on which no row depends
        return None


def _taken_from(source: Mapping[str, str] | None, *, licensed: bool) -> str:
    """Return in words what real rows were taken from, and with which licence where that is asked for."""
    if source is None:
        return "a source that is not known"
    if not source:
        return LAW
    package = " ".join(filter(None, (source.get("package"), source.get("version")))) or "files of a user's"
    licence = f", licence {source.get('licence') or 'not known'}" if licensed else ""
    return source.get("made_of") or f"rows of {package}{licence}"


def _kind(shelf: Shelf) -> Kind:
    """Return what a row is.

    Raises:
        ValueError: if the folders do not agree, or say what their files do not hold.
    """
    whole, axes = shelf.values.dtype.kind in "iu", shelf.values.ndim
    guessed = ("symbols" if axes == 1 else "sequences") if whole else "vectors"
    told = {known.folder: str(known.content.get("kind", guessed)) for known in shelf.sets}
    if len(set(told.values())) > 1:
        raise ValueError("the folders hold different rows: " + ", ".join(f"{f} {kind}" for f, kind in told.items()))
    (kind,) = set(told.values())
    fitting = {"symbols": (True, 1), "sequences": (True, 2)}.get(kind, (False, 2))
    if kind not in get_args(Kind) or fitting != (whole, axes):
        raise ValueError(f"folder {shelf.sets[0].folder} is said to hold {kind}, which its files do not")
    return cast(Kind, kind)


def _columns(sets: Sequence[PublishedSet]) -> tuple[Column, ...]:
    """Return the columns of tables.

    Raises:
        ValueError: if the folders do not agree on them.
    """
    told = [known.content.get("columns") for known in sets]
    if not told[0] or any(columns != told[0] for columns in told):
        raise ValueError(f"the tables of {', '.join(known.folder for known in sets)} do not have the same columns")
    return tuple(Column(column["name"], tuple(column["levels"]), column["role"]) for column in told[0])


def _classes(shelf: Shelf) -> tuple[str, ...]:
    """Return the names of the classes of labelled rows.

    Raises:
        ValueError: if the folders do not agree on them.
    """
    if shelf.labels is None:
        return ()
    many, named = int(shelf.labels.max()) + 1, [known for known in shelf.sets if known.content.get("classes")]
    if not named:
        return tuple(map(str, range(many)))
    told = [tuple(map(str, known.content["classes"])) for known in named]
    if len(set(told)) > 1 or len(told[0]) < many:
        raise ValueError(f"the rows of {', '.join(known.folder for known in named)} do not have the same classes")
    return told[0]


@lru_cache(maxsize=1)
def _few_rows() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="dwindle-published-")
    place = np.arange(60, dtype=np.float64).reshape(2, 30)
    values = np.stack([place * 0.37 % 1, place * 0.61 % 1], axis=2)
    rows = Rows(values, None, Provenance.of(2, 2, 30), (values[..., 0] > 0.5).astype(np.int64))
    content = {"kind": "vectors", "classes": ["low", "high"]}

    def write(out: Path) -> Mapping[str, Any]:
        write_shard(out, "synthetic-002", rows)
        return {"shards": ["synthetic-002"], "rounds": {"2": 60}, "content": content}

    target = Path(folder.name) / "train"
    publish_folder(target, write, stage="curate", key="", inputs={}, recipe="", environment={})
    return folder
