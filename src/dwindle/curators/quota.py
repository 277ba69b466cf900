"""The curator that gives every stratum the share it has in the anchor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, FloatArray, Grouped, IntArray, Kind, Labelled, Rows, Seed, knowing

__all__ = ["Quota"]


@dataclass(frozen=True)
class Quota:
    """Weights the synthetic rows so that each stratum has the share of the training weight that the anchor gives it.

    A stratum is a symbol, the pairs or the vectors of one label, or the rows of a table of one group. The weight of its
    rows is multiplied by its share in the anchor over its share among the synthetic rows; rows of a stratum that the
    anchor does not have go. A stratum that is lost among the synthetic rows cannot be repaired: its quota stays empty,
    and the total weight is smaller by its share.

    Args:
        source: who knows the groups of a table; no setting, see `given`.

    Source: Wyllie et al. 2024, stratified sampling for algorithmic reparation (STAR).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"symbols", "pairs", "vectors", "tables"})

    source: Grouped | None = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the curator that asks this source for the groups of a table; other rows say their stratum themselves.

        Raises:
            ValueError: if the source is one of tables whose rows have no groups.
        """
        if source.kind != "tables":
            return self
        if not isinstance(source, Grouped) or not source.group_names():
            raise ValueError(f"a quota needs rows of several groups; {type(source).__name__} has no column of groups")
        return knowing(self, source=source)

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe's vectors have no strata; empty where they have, and for rows of other kinds."""
        source = recipe.source
        if source.kind != "vectors" or (isinstance(source, Labelled) and source.label_names()):
            return ""
        return "gives labels their shares, and the source's vectors carry none"

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Weight the rows of every stratum; nothing is drawn."""
        before = rows.filled_weights()
        cells, places = _cells(self._strata(rows), self._strata(anchor))
        wanted, found = _shares(places[:, rows.count :], anchor, cells), _shares(places[:, : rows.count], rows, cells)
        factors = wanted / np.where(found > 0, found, 1.0)
        weights = before * np.where(before > 0, factors[places[:, : rows.count]], 0.0)
        kept = weights > 0
        return Curated(kept, weights, {"a stratum that the anchor does not have": (before > 0) & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()

    def _strata(self, rows: Rows) -> Array:
        """Return the group, the label or the symbol of each row, (c, n); 0 where there is no row."""
        if self.source is not None:
            strata: Array = self.source.groups(rows)
        elif rows.labels is not None:
            strata = rows.labels
        else:
            strata = rows.values if rows.values.ndim == 2 else rows.values[..., -1]
        return np.where(rows.filled_weights() > 0, strata, 0)


def _cells(rows: Array, anchor: Array) -> tuple[int, IntArray]:
    """Return how many cells, pairs of chain and stratum, there are, and the cell of each row, then of each anchor row.

    The cells of places without a row mean nothing.
    """
    strata = np.concatenate([rows, anchor], axis=1)
    values, codes = np.unique(strata, return_inverse=True)
    chains = np.arange(len(strata), dtype=np.int64)[:, None]
    cells, places = np.unique(codes.reshape(strata.shape) + chains * len(values), return_inverse=True)
    return len(cells), np.asarray(places.reshape(strata.shape), dtype=np.int64)


def _shares(places: IntArray, rows: Rows, cells: int) -> FloatArray:
    """Return the share of each cell in the weight of its chain, (cells,)."""
    weights = rows.filled_weights()
    totals = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(np.bincount(places.ravel(), (weights / totals).ravel(), minlength=cells), dtype=np.float64)
