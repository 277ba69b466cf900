"""scikit-learn's table of diabetes patients: a finite source of a table with a numeric target and two groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Column, Kind, Within
from dwindle.data.tables import OfGroupedTables, Table, shipped

__all__ = ["Diabetes"]

_PATIENTS = 442
_FILES = ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz")


@dataclass(frozen=True)
class Diabetes(OfGroupedTables):
    """Diabetes patients: ten measurements of 442 in their own units, and the progress of the disease after a year.

    Age in years, sex (1 or 2; which is which is not published), body mass index in kg/m^2, mean blood pressure in mm Hg
    and six serum measurements s1 .. s6. The target, progression, is a number; sex is the group.

    The held-out rows are chosen by the root seed alone, and the stream of each chain is a permutation of the others. A
    row's provenance holds its number in the table.

    Source: Efron et al. 2004, Least angle regression, section 1, as scikit-learn ships it, unscaled.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "tables"

    held_out: Annotated[int, Within(low=1, high=_PATIENTS - 2, unit="rows")] = 142

    @classmethod
    def smallest(cls) -> Self:
        """Return the only table there is."""
        return cls()

    def _table(self) -> Table:
        return _read()


@lru_cache(maxsize=1)
def _read() -> Table:
    from sklearn.datasets import load_diabetes  # a second of imports

    found = load_diabetes(scaled=False)
    values = np.column_stack([found.data, found.target]).astype(np.float64)
    names = [str(name) for name in found.feature_names]
    values[:, names.index("sex")] -= 1.0
    columns = [Column(name, ("1", "2"), "group") if name == "sex" else Column(name) for name in names]
    licence = "none stated (Efron et al. 2004)"
    return shipped((*columns, Column("progression", (), "target")), values, names=_FILES, licence=licence)
