"""The curator that puts real rows of the tail back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, IntArray, Kind, Rows, Seed, Within
from dwindle.data.tails import TAIL, unusual

__all__ = ["Outliers"]


@dataclass(frozen=True)
class Outliers:
    """Replaces a share of the synthetic rows, drawn at random, by real rows of the anchor's tail.

    The tail is the share of the chain's anchor that lies farthest from the ordinary (`data.tails`): numbers by their
    Mahalanobis distance, symbols by their rarity, sequences by the mean surprisal of their tokens. Each of its rows is
    added once, in random order, before one is added again. The rows that are added are real ones that train beside the
    generation's own, whatever the regime keeps of the anchor: the tail comes out heavier than it was, not restored.

    Args:
        share: of the synthetic rows, those that make room, rounded to whole rows.
        tail: share of the anchor that is its tail; one row of it at least.

    Source: the practice of adding a few outliers back to synthetic data, whose generators smooth them away; what the
    added rows are is the real tail that goes first (Shumailov et al. 2024).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    share: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.05
    tail: Annotated[float, Within(low=0.0, high=1.0, unit="fraction of the anchor")] = TAIL

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Draw the rows that go and the order in which rows of the tail come.

        Raises:
            ValueError: if the anchor came without provenance: what is added must say where it comes from.
        """
        if anchor.provenance is None:
            raise ValueError("real rows are added with their provenance; this anchor has none")
        present = rows.filled_weights() > 0
        wanted = np.where(anchor.counts > 0, np.rint(self.share * rows.counts), 0).astype(np.int64)
        room = _ranks(seed.at("room").numpy().random(present.shape), present) < wanted[:, None]
        why = {"made room for a real outlier": room}
        added = self._added(anchor, wanted, seed) if wanted.any() else None
        return Curated(present & ~room, rows.weights, why, added=added)

    @classmethod
    def smallest(cls) -> Self:
        """Return settings that need rows of the tail more than once."""
        return cls(share=0.2, tail=0.1)

    def _added(self, anchor: Rows, wanted: IntArray, seed: Seed) -> Rows:
        """Return so many rows of each chain's tail, (c, k), places of weight 0 behind those of a chain with fewer."""
        present = anchor.filled_weights() > 0
        (scores,) = unusual([anchor], anchor)
        tail = present & (_ranks(-scores, present) < np.maximum(np.rint(self.tail * anchor.counts), 1.0)[:, None])
        order = np.argsort(_ranks(seed.at("tail").numpy().random(tail.shape), tail), axis=1)
        places = np.arange(int(wanted.max()))
        turns = places % np.maximum(tail.sum(axis=1), 1)[:, None]
        rows = anchor.take(np.take_along_axis(order, turns, axis=1))
        return replace(rows, weights=np.where(places < wanted[:, None], rows.filled_weights(), 0.0))


def _ranks(numbers: Array, among: Array) -> IntArray:
    """Return the rank of each number in its chain, (c, n), from 0, the smallest first; those not among them last."""
    order = np.lexsort((numbers, ~among), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks
