"""An endless source of symbols whose shares are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Categorical"]


@dataclass(frozen=True)
class Categorical(OfLaw):
    """Symbols 0 .. K-1 with the shares that are given, as groups of a population; no end.

    Source: the two-group populations of Wyllie et al. 2024, arXiv 2403.07857.

    Args:
        shares: how often each symbol comes, relative to the others; [98, 2] is a minority of 2 %. A symbol of share 0
            belongs to the alphabet and never comes.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "symbols"

    shares: tuple[Annotated[float, Within(low=0.0)], ...]
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def __post_init__(self) -> None:
        total = sum(self.shares)
        if not 0 < total < float("inf") or min(self.shares) < 0:
            raise ValueError("shares must be numbers >= 0 with a finite sum, at least one of them above 0")

    @property
    def symbols(self) -> int:
        """Size K of the alphabet."""
        return len(self.shares)

    def probabilities(self) -> FloatArray:
        """Return the probability of each symbol, (1, K)."""
        # The largest share is taken out first, so that no sum overflows or vanishes.
        weights = np.array(self.shares) / max(self.shares)
        return np.asarray(weights / weights.sum())[None]

    @classmethod
    def smallest(cls) -> Self:
        """Return four symbols, one of which never comes, and few held-out rows."""
        return cls(shares=(6.0, 3.0, 0.0, 1.0), held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        reach = np.cumsum(self.probabilities()[0])
        draws = seed.numpy().random((chains, count)) * reach[-1]
        symbols = np.searchsorted(reach, draws, side="right").astype(np.int64)
        return Rows(symbols, provenance=Provenance.of(REAL, chains, count, first=first))
