"""The curator that gives rows of the tail more weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, Kind, Rows, Seed, Within
from dwindle.data.tails import TAIL, tails

__all__ = ["TailUpsampling"]


@dataclass(frozen=True)
class TailUpsampling:
    """Multiplies the weight of the new rows in the anchor's tail; the total weight of a chain stays.

    The tail is that of `data.tails`: numbers farther from the anchor's mean, symbols and sequences rarer, than all but
    a share of the anchor. A share p of the weight becomes factor p / (1 + (factor - 1) p). What the model has lost of
    the tail no weight brings back, and a factor that does not match the loss is a bias of its own.

    Args:
        factor: of the weights; below 1 the tail is given less.
        tail: share of the anchor that is its tail.

    Source: Wyllie et al. 2024, reparation by reweighting (STAR); the shares are those of importance weights that take
    two values (Kish 1965).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    factor: Annotated[float, Within(low=1e-3, high=1e6, unit="times the weight")] = 2.0
    tail: Annotated[float, Within(low=0.0, high=1.0, unit="fraction of the anchor")] = TAIL

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Weight every row; nothing is drawn."""
        before = rows.filled_weights()
        (there,) = tails([rows], anchor, self.tail)
        weights = before * np.where(there, self.factor, 1.0)
        total = weights.sum(axis=1, keepdims=True)
        weights *= before.sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
        return Curated(before > 0, weights)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
