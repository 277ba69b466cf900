"""The curator that drops exact copies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, IntArray, Kind, Rows, Seed

__all__ = ["Deduplicate"]


@dataclass(frozen=True)
class Deduplicate:
    """Drops exact copies of other new rows of the same chain, and of the chain's anchor rows.

    Of several equal new rows the first one stays. A row that is both is counted as a copy of an anchor row.

    Args:
        against_anchor: whether copies of anchor rows go too.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    against_anchor: bool = True

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the first of each set of equal rows."""
        kept = rows.filled_weights() > 0
        why = {reason: np.zeros_like(kept) for reason in ("copy of a new row", "copy of an anchor row")}
        for chain in range(rows.chains):
            places = np.flatnonzero(kept[chain])
            known = anchor.chain(chain).values[0] if self.against_anchor else rows.values[chain, :0]
            first = _first_places(np.concatenate([known, rows.values[chain, places]]))[len(known) :]
            from_anchor = first < len(known)
            from_new = ~from_anchor & (first < len(known) + np.arange(len(places)))
            kept[chain, places[from_anchor | from_new]] = False
            why["copy of a new row"][chain, places[from_new]] = True
            why["copy of an anchor row"][chain, places[from_anchor]] = True
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _first_places(values: Array) -> IntArray:
    """Return, for each row, the place of the first row that equals it, (n,)."""
    width = math.prod(values.shape[1:])
    table = np.ascontiguousarray(values.reshape(len(values), width)) + 0  # -0.0 becomes 0.0, which it equals
    keys = table.view(np.dtype((np.void, table.dtype.itemsize * width))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(first[group.ravel()], dtype=np.int64)
