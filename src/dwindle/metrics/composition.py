"""What the training rows are made of: how many are real, and how many real ones they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Evidence, Kind, Measure, Measurement

__all__ = ["Composition"]

_EMPTY = "there are no training rows"


@dataclass(frozen=True)
class Composition:
    """Share of the training weight that real rows have, and the effective sample size that this leaves.

    Of n rows of which a share a is real, nobody knowing which, as much can be learnt as of n a^2 real ones: half as
    many real rows among as many are worth a quarter. Weighted rows count (sum of the real weights)^2 / sum of w^2.

    Source: Kanabar and Gastpar 2026, the effective sample size sum of n_i a_i^2, here that of one generation.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "real_share": Measure("higher", "fraction of weight", "share of the training rows that is real"),
        "effective_real_rows": Measure("higher", "rows", "real rows that the training rows are worth"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure the training rows of one generation; chains that share them have the same numbers."""
        rows = evidence.training
        assert rows.provenance is not None
        weights = rows.filled_weights()
        real = (weights * (rows.provenance.origin <= REAL)).sum(axis=1)
        total, squares = weights.sum(axis=1), (weights * weights).sum(axis=1)
        with np.errstate(invalid="ignore"):
            found = np.stack([real / total, real * real / squares])
        values = np.array(np.broadcast_to(found, (2, evidence.samples.chains)))
        reason = _EMPTY if np.isnan(values).any() else ""
        return {name: Measurement(values[place], reason) for place, name in enumerate(self.measures)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
