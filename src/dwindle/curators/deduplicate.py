"""The curator that drops exact copies."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, IntArray, Kind, Need, Rows, Seed, knowing

__all__ = ["Deduplicate"]

_ANCHOR, _EARLIER, _NEW = "copy of an anchor row", "copy of a row of an earlier generation", "copy of a new row"


@dataclass(frozen=True)
class Deduplicate:
    """Drops exact copies of other new rows of the same chain, of the chain's anchor rows, and of what it kept before.

    Of several equal new rows the first one stays. A row that is a copy of several is counted once: as a copy of an
    anchor row, else of a row of an earlier generation, else of a new row.

    Args:
        against_anchor: whether copies of anchor rows go too.
        against_earlier: whether copies of the synthetic rows that earlier generations kept go too.
        earlier: these rows; no setting, see `shown`.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    against_anchor: bool = True
    against_earlier: bool = False
    earlier: Rows | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def needs(self) -> frozenset[Need]:
        """Return what it must see: the earlier rows, if it compares with them."""
        return frozenset({"earlier"}) if self.against_earlier else frozenset()

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return a copy that knows the rows of earlier generations; None where there are none yet."""
        return knowing(self, earlier=earlier)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the first of each set of equal rows; nothing is drawn."""
        kept = rows.filled_weights() > 0
        known = {_ANCHOR: anchor if self.against_anchor else None}
        if self.against_earlier:
            known[_EARLIER] = self.earlier
        why = {reason: np.zeros_like(kept) for reason in (*known, _NEW)}
        for chain in range(rows.chains):
            places = np.flatnonzero(kept[chain])
            parts = [rows.values[chain, :0] if part is None else part.chain(chain).values[0] for part in known.values()]
            before = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            first = _first_places(np.concatenate([*parts, rows.values[chain, places]]))
            layers = np.concatenate([before, np.full(len(places), len(parts))])[first][len(before) :]
            gone = first[len(before) :] < len(before) + np.arange(len(places))
            for layer, masked in enumerate(why.values()):
                masked[chain, places[gone & (layers == layer)]] = True
            kept[chain, places[gone]] = False
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests: everything is compared."""
        return cls(against_earlier=True)


def _first_places(values: Array) -> IntArray:
    """Return, for each row, the place of the first row that equals it, (n,)."""
    width = math.prod(values.shape[1:])
    table = np.ascontiguousarray(values.reshape(len(values), width)) + 0  # -0.0 becomes 0.0, which it equals
    keys = table.view(np.dtype((np.void, table.dtype.itemsize * width))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(first[group.ravel()], dtype=np.int64)
