"""An endless source of inputs and a linear response to them, whose coefficients are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Linear"]


@dataclass(frozen=True)
class Linear(OfLaw):
    """Inputs of N(0, I) and a response x . b with Gaussian noise, every coefficient the same; no end.

    Source: the data model of Gerstgrasser et al. 2024, section 2.

    Args:
        dimensions: number d of inputs; the response is column d + 1.
        norm: length of b, each coefficient being norm / sqrt(d).
        noise: standard deviation of a response around x . b.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "pairs"

    dimensions: Annotated[int, Within(low=1, high=100_000, unit="inputs")] = 5
    norm: Annotated[float, Within(low=0.0, unit="response units")] = 1.0
    noise: Annotated[float, Within(low=0.0, unit="response units")] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def coefficients(self) -> FloatArray:
        """Return the true coefficients b, (1, d)."""
        return np.full((1, self.dimensions), self.norm / np.sqrt(self.dimensions))

    @classmethod
    def smallest(cls) -> Self:
        """Return two inputs and few held-out rows."""
        return cls(dimensions=2, held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        # The last column is drawn as the noise of the response, to which x . b is added.
        values = seed.numpy().standard_normal((chains, count, self.dimensions + 1))
        values[..., -1] *= self.noise
        values[..., -1] += values[..., :-1] @ self.coefficients()[0]
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
