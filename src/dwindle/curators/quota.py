"""The curator that gives every stratum the share it has in the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, FloatArray, IntArray, Kind, Rows, Seed

__all__ = ["Quota"]


@dataclass(frozen=True)
class Quota:
    """Weights the synthetic rows so that each stratum has the share of the training weight that the anchor gives it.

    A stratum is a symbol, or the pairs of one label. The weight of its rows is multiplied by its share in the anchor
    over its share among the synthetic rows; rows of a stratum that the anchor does not have go. A stratum that is lost
    among the synthetic rows cannot be repaired: its quota stays empty, and the total weight is smaller by its share.

    Source: Wyllie et al. 2024, stratified sampling for algorithmic reparation (STAR).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"symbols", "pairs"})

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Weight the rows of every stratum; nothing is drawn."""
        before = rows.filled_weights()
        cells, places = _cells(rows, anchor)
        wanted, found = _shares(places[:, rows.count :], anchor, cells), _shares(places[:, : rows.count], rows, cells)
        factors = wanted / np.where(found > 0, found, 1.0)
        weights = before * np.where(before > 0, factors[places[:, : rows.count]], 0.0)
        kept = weights > 0
        dropped = {"a stratum that the anchor does not have": int((before > 0).sum() - kept.sum())}
        return Curated(kept, weights, dropped)

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _cells(rows: Rows, anchor: Rows) -> tuple[int, IntArray]:
    """Return how many cells, pairs of chain and stratum, there are, and the cell of each row, then of each anchor row.

    The cells of places without a row mean nothing.
    """
    strata = np.concatenate([_strata(rows), _strata(anchor)], axis=1)
    values, codes = np.unique(strata, return_inverse=True)
    chains = np.arange(len(strata), dtype=np.int64)[:, None]
    cells, places = np.unique(codes.reshape(strata.shape) + chains * len(values), return_inverse=True)
    return len(cells), np.asarray(places.reshape(strata.shape), dtype=np.int64)


def _strata(rows: Rows) -> Array:
    """Return the symbol or the label of each row, (c, n); 0 where there is no row."""
    strata = rows.values if rows.values.ndim == 2 else rows.values[..., -1]
    return np.where(rows.filled_weights() > 0, strata, 0)


def _shares(places: IntArray, rows: Rows, cells: int) -> FloatArray:
    """Return the share of each cell in the weight of its chain, (cells,)."""
    weights = rows.filled_weights()
    totals = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(np.bincount(places.ravel(), (weights / totals).ravel(), minlength=cells), dtype=np.float64)
