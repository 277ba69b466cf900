"""An endless source of inputs and a label 0 or 1 that depends on them, whose coefficients are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw

__all__ = ["Logistic"]


@dataclass(frozen=True)
class Logistic(OfLaw):
    """Inputs of N(0, I) and a label that is 1 at the log-odds x . b, every coefficient the same; no end.

    A label is right if it is the likelier one of the two.

    Source: the logistic model of Dey and Donoho 2024, arXiv 2410.22812, with Gaussian inputs.

    Args:
        dimensions: number d of inputs; the label is column d + 1.
        norm: length of b, each coefficient being norm / sqrt(d): the larger, the fewer labels are wrong.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "pairs"

    dimensions: Annotated[int, Within(low=1, high=100_000, unit="inputs")] = 5
    norm: Annotated[float, Within(low=0.0, unit="log-odds")] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def coefficients(self) -> FloatArray:
        """Return the true coefficients b of the log-odds, (1, d)."""
        return np.full((1, self.dimensions), self.norm / np.sqrt(self.dimensions))

    def is_right(self, rows: Rows) -> Array:
        """Say which labels are the likelier ones, (c, n)."""
        return np.asarray((rows.values[..., -1] > 0.5) == (rows.values[..., :-1] @ self.coefficients()[0] > 0))

    @classmethod
    def smallest(cls) -> Self:
        """Return two inputs and few held-out rows."""
        return cls(dimensions=2, held_out=100)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        inputs = seed.at("inputs").numpy().standard_normal((chains, count, self.dimensions))
        # A logistic variable below the log-odds is label 1 with their chance.
        noise = seed.at("labels").numpy().logistic(size=(chains, count))
        labels = noise < inputs @ self.coefficients()[0]
        values = np.concatenate([inputs, labels[..., None]], axis=2)
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))
