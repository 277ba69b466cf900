"""How many symbols are left, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, Probabilities

__all__ = ["Heterozygosity"]


@dataclass(frozen=True)
class Heterozygosity:
    """Heterozygosity, support and entropy over symbols, exact where the model knows its probabilities.

    A model that knows the probability of each symbol (`contracts.Probabilities`) is judged by them, any other one by
    the frequencies of its samples, which see fewer symbols than there are.

    Source: Nei 1973 (heterozygosity: the chance that two draws differ); Shannon 1948, section 6 (entropy).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"symbols"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "heterozygosity": Measure("as_anchor", "fraction", "chance that two draws are different symbols"),
        "support": Measure("as_anchor", "symbols", "symbols that can still be drawn"),
        "entropy": Measure("as_anchor", "nats", "entropy of the symbols"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; vectors have no symbols, so all is undefined for them."""
        samples = evidence.samples.values
        if samples.ndim == 3:
            reason = "vectors have no symbol frequencies"
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        if isinstance(evidence.model, Probabilities):
            summed = _summed(evidence.model.probabilities())
        elif samples.shape[1] == 0:
            return {name: Measurement.undefined(len(samples), "there are no samples") for name in self.measures}
        else:
            symbols = int(samples.max()) + 1
            summed = _summed(np.array([np.bincount(chain, minlength=symbols) / len(chain) for chain in samples]))
        reason = "" if np.isfinite(summed).all() else "the model's probabilities are not finite"
        return {name: Measurement(summed[:, place], reason) for place, name in enumerate(self.measures)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _summed(probabilities: FloatArray) -> FloatArray:
    """Return heterozygosity, support and entropy of each chain, (c, 3); nan where a probability is."""
    present = probabilities > 0
    logs = np.log(np.where(present, probabilities, 1.0))
    same = np.einsum("ck,ck->c", probabilities, probabilities)
    entropy = -np.einsum("ck,ck->c", probabilities, logs)
    summed = np.stack([1.0 - same, present.sum(axis=1), entropy], axis=1)
    summed[~np.isfinite(probabilities).all(axis=1)] = np.nan
    return summed
