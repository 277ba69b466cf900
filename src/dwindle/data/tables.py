"""Tables with an end: what is held out, a stream of the other rows for every chain, and the groups of their rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import as_file, files

import numpy as np

from dwindle.data.columns import Column
from dwindle.data.pictures import digest_of_files
from dwindle.data.rows import REAL, FloatArray, IntArray, Provenance, Rows
from dwindle.data.streams import WithEnd
from dwindle.seeds import Seed

__all__ = ["OfGroupedTables", "OfTables", "Table", "classified", "groups_of", "shipped"]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a table, and what is known of them.

    Args:
        columns: what they hold.
        values: (n, d) numbers, or the place of a level.
        card: package, version, licence and sha256 of what they were taken from.
    """

    columns: tuple[Column, ...]
    values: FloatArray
    card: Mapping[str, str]


class OfTables(WithEnd):
    """What sources of tables with an end have in common.

    The held-out rows are chosen by the root seed alone: they are the same for all lineages of a sweep, and no seed of
    the sweep can bring one of them into a stream. The stream of each chain is a permutation of the others. A row's
    provenance holds its number in the table.

    Args:
        held_out: number of held-out rows.
    """

    held_out: int

    @abstractmethod
    def _table(self) -> Table:
        """Return the table, read once a process."""

    @property
    def _size(self) -> int:
        return len(self._table().values)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns, in the order of a row's values."""
        return self._table().columns

    def card(self) -> Mapping[str, str]:
        """Return what the rows were taken from."""
        return self._table().card

    def _rows(self, numbers: IntArray, first: int, seed: Seed) -> Rows:
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        return Rows(self._table().values[numbers], provenance=provenance)


class OfGroupedTables(OfTables):
    """What sources have in common whose tables may have a column of groups."""

    def group_names(self) -> tuple[str, ...]:
        """Return the levels of the column of groups; none where there is no such column."""
        return next((column.levels for column in self.columns() if column.role == "group"), ())

    def groups(self, rows: Rows) -> IntArray:
        """Return the group of each row, (c, n), -1 where it has none."""
        return groups_of(rows, self.columns())


def groups_of(rows: Rows, columns: Sequence[Column]) -> IntArray:
    """Return what each row's column of groups says, (c, n); -1 for what is no level, or if there is no such column."""
    for place, column in enumerate(columns):
        if column.role == "group":
            own = rows.values[..., place]
            return np.where(np.isin(own, range(len(column.levels))), own, -1.0).astype(np.int64)
    return np.full(rows.values.shape[:2], -1, dtype=np.int64)


def shipped(columns: tuple[Column, ...], values: FloatArray, *, names: Sequence[str], licence: str) -> Table:
    """Return a table that scikit-learn ships.

    Args:
        columns: its columns.
        values: (n, d) its rows.
        names: the files in the package that hold it.
        licence: that of the data.
    """
    with as_file(files("sklearn.datasets") / "data") as path:
        digest = digest_of_files([path / name for name in names])
    both = f"{licence}; BSD-3-Clause (scikit-learn)"
    card = {"package": "scikit-learn", "version": version("scikit-learn"), "licence": both, "sha256": digest}
    return Table(columns, values, card)


@lru_cache(maxsize=4)
def classified(name: str, file: str, licence: str) -> Table:
    """Return one of scikit-learn's tables of numbers and, in the last column, a class: the target, called class.

    Args:
        name: whose loader, load_<name>, reads it.
        file: the file in the package that holds it.
        licence: that of the data.
    """
    import sklearn.datasets  # a second of imports

    found = getattr(sklearn.datasets, f"load_{name}")()
    numbers = tuple(Column(str(feature)) for feature in found.feature_names)
    target = Column("class", tuple(str(level) for level in found.target_names), "target")
    values = np.column_stack([found.data, found.target]).astype(np.float64)
    return shipped((*numbers, target), values, names=[file], licence=licence)
