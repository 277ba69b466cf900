"""scikit-learn's table of wines: a small finite source of a table with three classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Kind, Within
from dwindle.data.tables import OfTables, Table, classified

__all__ = ["Wine"]

_WINES = 178


@dataclass(frozen=True)
class Wine(OfTables):
    """Wines: thirteen chemical measurements of 178 Italian wines, and the cultivar that each is from, the target.

    The held-out rows are chosen by the root seed alone, and the stream of each chain is a permutation of the others. A
    row's provenance holds its number in the table.

    Source: Aeberhard and Forina 1992, Wine, UCI machine learning repository, as scikit-learn ships it.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "tables"

    held_out: Annotated[int, Within(low=1, high=_WINES - 2, unit="rows")] = 58

    @classmethod
    def smallest(cls) -> Self:
        """Return the only table there is."""
        return cls()

    def _table(self) -> Table:
        return classified("wine", "wine_data.csv", "CC BY 4.0 (UCI data set 109)")
