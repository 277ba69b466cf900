"""A local table, CSV or Parquet: a finite source of real rows of numbers and levels."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Column, FloatArray, Kind, Within
from dwindle.data.pictures import digest_of_files
from dwindle.data.streams import refuse_too_many
from dwindle.data.tables import OfGroupedTables, Table
from dwindle.errors import nearest

__all__ = ["TableFile"]

_MOST_LEVELS = 500
_State = tuple[Path, int, int]


@dataclass(frozen=True)
class TableFile(OfGroupedTables):
    """The rows of a table in a CSV or Parquet file, UTF-8, its columns named in the first line.

    A column holds levels if it is the group, if `categorical` names it, or, where `categorical` is empty, if it holds
    text, truth values, or whole numbers of which at most `few` differ. All others must be numbers. Levels are numbered
    in their order: numbers by size, text by spelling; 500 at most. Where a level is missing, as in an empty field of
    numbers or text, it is the level "", the first one. The held-out rows are chosen by the root seed alone, and the
    stream of each chain is a permutation of the others. A row's provenance holds its number among the rows used. The
    recipe holds the name of the file, not what is in it; the manifest of the real rows holds its SHA-256.

    Args:
        path: the file, .csv or .parquet, from the working directory.
        target: the column that a downstream model predicts, numbers or levels; empty: none.
        group: the column that says which subgroup a row belongs to; empty: none.
        categorical: all columns of levels, beside the group; empty: see above.
        leave_out: columns that are not used, such as numbers of records.
        few: how many different whole numbers still are levels; 0: whole numbers never are.
        missing: what to do with rows that lack a number: `refuse` the file, or `drop` them.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "tables"

    path: str
    target: str = ""
    group: str = ""
    categorical: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    few: Annotated[int, Within(low=0, high=_MOST_LEVELS, unit="different numbers")] = 10
    missing: Literal["refuse", "drop"] = "refuse"
    held_out: Annotated[int, Within(low=1, unit="rows")] = 200

    def __post_init__(self) -> None:
        """Read the file.

        Raises:
            ValueError: if it is missing or no such table, a setting names an unknown column, a column holds neither
                numbers nor levels, numbers are missing, or too few rows are left to train on.
        """
        if self.target and self.target == self.group:
            raise ValueError(f"target and group are both {self.target}; expected two columns")
        refuse_too_many(self.held_out, len(self._table().values), "rows of the table")

    @classmethod
    def smallest(cls) -> Self:
        """Return a table of a few rows, in a folder that goes when the process ends."""
        return cls(path=str(Path(_few_rows().name) / "table.csv"), target="weight", group="colour", held_out=20)

    def _table(self) -> Table:
        return _read(_state(Path(self.path).expanduser().absolute()), self)


def _state(path: Path) -> _State:
    """Return a file's path, size and time of change, so that a file that has changed is read again."""
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"cannot read the table {path}: {error.strerror}") from error
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _read(state: _State, source: TableFile) -> Table:
    path = state[0]
    found = _opened(path)
    if not found.num_rows:
        raise ValueError(f"the table {path} has no rows")
    names = [name for name in _named(found.column_names, path) if name not in source.leave_out]
    _refuse_unknown(source, found.column_names, names)
    pairs = [_column(name, found.column(name), source) for name in names]
    columns, values = tuple(column for column, _ in pairs), np.column_stack([part for _, part in pairs])
    digest = digest_of_files([path])
    card = {"package": "", "version": "", "licence": "", "sha256": digest}
    return Table(columns, _complete(values, columns, source.missing), card)


def _opened(path: Path) -> Any:
    """Return the file as an Arrow table.

    Raises:
        ValueError: if it cannot be read as one.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    readers = {".csv": pyarrow.csv.read_csv, ".parquet": pyarrow.parquet.read_table}
    if path.suffix not in readers:
        raise ValueError(f"cannot read the table {path}: expected a name that ends in .csv or .parquet")
    try:
        return readers[path.suffix](path)
    except OSError as error:
        raise ValueError(f"cannot read the table {path}: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise ValueError(f"cannot read the table {path}: {str(error).splitlines()[0]}") from error


def _named(names: Sequence[str], path: Path) -> Sequence[str]:
    """Return the names of columns.

    Raises:
        ValueError: if one is empty or there twice.
    """
    for place, name in enumerate(names):
        if not name.strip():
            raise ValueError(f"column {place + 1} of the table {path} has no name")
        if name in names[:place]:
            raise ValueError(f"two columns of the table {path} are called {name}")
    return names


def _refuse_unknown(source: TableFile, there: Sequence[str], used: Sequence[str]) -> None:
    """Refuse settings that name columns that are not there, or leave none.

    Raises:
        ValueError: with the nearest name.
    """
    asked = [("leave_out", name, there) for name in source.leave_out]
    asked += [(key, name, used) for key in ("target", "group") if (name := getattr(source, key))]
    asked += [("categorical", name, used) for name in source.categorical]
    for key, name, known in asked:
        if name not in known:
            told = "is left out" if name in there else f"is no column of the table{nearest(name, known)}"
            raise ValueError(f"{key} {name!r} {told}")
    if not used:
        raise ValueError("leave_out leaves no column")


def _column(name: str, cells: Any, source: TableFile) -> tuple[Column, FloatArray]:
    """Return a column and its values, (n,), nan where a number is missing.

    Raises:
        ValueError: if it holds neither numbers nor levels.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    if len(cells) and cells.null_count == len(cells):
        raise ValueError(f"column {name} is empty; leave it out")
    worded = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)
    whole = pa.types.is_integer(kind)
    if not (worded or whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise ValueError(f"column {name} holds {kind}, neither numbers nor text; leave it out or convert it")
    role: Literal["feature", "target", "group"] = "feature"
    role = "group" if name == source.group else "target" if name == source.target else role
    few = whole and pc.count_distinct(cells, mode="only_valid").as_py() <= source.few
    if role == "group" or name in source.categorical or (not source.categorical and (worded or few)):
        levels, values = _levels(name, cells)
        return Column(name, levels, role), values
    if worded:
        raise ValueError(f"column {name} holds {kind} and is not among categorical; name it there or leave it out")
    return Column(name, (), role), np.asarray(cells.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _levels(name: str, cells: Any) -> tuple[tuple[str, ...], FloatArray]:
    """Return the levels of a column in their order, and each row's place among them, (n,).

    Raises:
        ValueError: if there are too many.
    """
    import pyarrow.compute as pc

    joined = pc.dictionary_encode(cells, null_encoding="encode").combine_chunks()
    words = joined.dictionary.to_pylist()
    spelled = [_spelled(word) for word in words]
    # The missing level first, then numbers by size and text by spelling.
    ordered = dict.fromkeys(spelled[place] for place in sorted(range(len(words)), key=lambda at: _rank(words[at])))
    if len(ordered) > _MOST_LEVELS:
        raise ValueError(f"column {name} has {len(ordered)} levels; at most {_MOST_LEVELS}, so leave it out")
    numbers = {level: number for number, level in enumerate(ordered)}
    places = np.array([numbers[level] for level in spelled], dtype=np.float64)
    return tuple(ordered), places[np.asarray(joined.indices)]


def _spelled(word: Any) -> str:
    """Return a level's name; the empty one where it is missing."""
    if word is None or word != word:
        return ""
    return {True: "true", False: "false"}[word] if isinstance(word, bool) else str(word)


def _rank(word: Any) -> tuple[bool, Any]:
    missing = _spelled(word) == ""
    return (not missing, 0 if missing else word)


def _complete(values: Array, columns: Sequence[Column], missing: Literal["refuse", "drop"]) -> FloatArray:
    """Return the rows that have all their numbers.

    Raises:
        ValueError: if numbers are missing and that is refused, or one is not finite.
    """
    absent = np.isnan(values)
    for place, column in enumerate(columns):
        if missing == "refuse" and (count := int(absent[:, place].sum())):
            told = f"column {column.name} lacks a number in {count} of {len(values)} rows"
            raise ValueError(f"{told}; set missing to drop to leave these rows out, or leave_out the column")
        if np.isinf(values[:, place]).any():
            raise ValueError(f"column {column.name} holds numbers that are not finite")
    return np.ascontiguousarray(values[~absent.any(axis=1)], dtype=np.float64)


@lru_cache(maxsize=1)
def _few_rows() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="dwindle-table-")
    lines = ["height,weight,colour,ripe"]
    for row in range(60):
        weight = 100 + (row * 37) % 60 + row / 8
        lines.append(f"{5 + (row * 23) % 17 / 10},{weight},{('green', 'red', '')[row % 3]},{row % 2}")
    (Path(folder.name) / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
