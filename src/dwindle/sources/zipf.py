"""An endless source of symbols whose frequency falls with a power of their rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Zipf"]


@dataclass(frozen=True)
class Zipf(OfLaw):
    """Symbols 0 .. K-1 with probability proportional to rank^-exponent, as words are distributed; no end.

    Source: the data model of Dohmatob et al. 2024, A tale of tails, arXiv 2402.07043.

    Args:
        symbols: size K of the alphabet.
        exponent: how fast the tail falls; 0 makes all symbols equally likely, words have about 1.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "symbols"

    symbols: Annotated[int, Within(low=1, high=100_000_000, unit="symbols")] = 1000
    exponent: Annotated[float, Within(low=0.0, high=100.0)] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def probabilities(self) -> FloatArray:
        """Return the probability of each symbol, (1, K)."""
        weights = np.arange(1, self.symbols + 1, dtype=np.float64) ** -self.exponent
        return np.asarray(weights / weights.sum())[None]

    @classmethod
    def smallest(cls) -> Self:
        """Return twenty symbols and few held-out rows."""
        return cls(symbols=20, held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        reach = np.cumsum(self.probabilities()[0])
        draws = seed.numpy().random((chains, count)) * reach[-1]
        symbols = np.searchsorted(reach, draws, side="right").astype(np.int64)
        return Rows(symbols, provenance=Provenance.of(REAL, chains, count, first=first))
