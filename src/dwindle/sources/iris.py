"""scikit-learn's table of iris flowers: a small finite source of a table with three classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Kind, Within
from dwindle.data.tables import OfTables, Table, classified

__all__ = ["Iris"]

_FLOWERS = 150


@dataclass(frozen=True)
class Iris(OfTables):
    """Iris flowers: length and width of sepals and petals of 150 flowers, cm, and their species, the target.

    The held-out rows are chosen by the root seed alone, and the stream of each chain is a permutation of the others. A
    row's provenance holds its number in the table.

    Source: Fisher 1936, The use of multiple measurements in taxonomic problems, as scikit-learn ships it.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "tables"

    held_out: Annotated[int, Within(low=1, high=_FLOWERS - 2, unit="rows")] = 50

    @classmethod
    def smallest(cls) -> Self:
        """Return the only table there is."""
        return cls()

    def _table(self) -> Table:
        return classified("iris", "iris.csv", "CC BY 4.0 (UCI data set 53)")
