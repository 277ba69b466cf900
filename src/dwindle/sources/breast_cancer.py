"""scikit-learn's table of breast tumours: a finite source of a table with two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Kind, Within
from dwindle.data.tables import OfTables, Table, classified

__all__ = ["BreastCancer"]

_TUMOURS = 569


@dataclass(frozen=True)
class BreastCancer(OfTables):
    """Breast tumours: thirty measurements of cell nuclei in images of 569, and whether each is benign, the target.

    The held-out rows are chosen by the root seed alone, and the stream of each chain is a permutation of the others. A
    row's provenance holds its number in the table.

    Source: Wolberg et al. 1995, Breast cancer Wisconsin (diagnostic), UCI machine learning repository, as scikit-learn
        ships it.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "tables"

    held_out: Annotated[int, Within(low=1, high=_TUMOURS - 2, unit="rows")] = 169

    @classmethod
    def smallest(cls) -> Self:
        """Return the only table there is."""
        return cls()

    def _table(self) -> Table:
        return classified("breast_cancer", "breast_cancer.csv", "CC BY 4.0 (UCI data set 17)")
