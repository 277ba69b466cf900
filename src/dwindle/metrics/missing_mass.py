"""How much of what is real can no longer be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Probabilities

__all__ = ["MissingMass"]


@dataclass(frozen=True)
class MissingMass:
    """Real probability, and share of the real symbols, that the model can no longer draw.

    Exact where model and source know the probability of each symbol (`contracts.Probabilities`). Any other model is
    judged by its samples, which miss symbols that it can still draw, any other source by the held-out rows, which do
    not show every real symbol.

    Source: Good 1953 (the missing mass of a sample); Dohmatob et al. 2024, A tale of tails, arXiv 2402.07043, whose
        memorising model has this test error.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"symbols"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "missing_mass": Measure("lower", "fraction", "real probability of the symbols that cannot be drawn any more"),
        "absent": Measure("lower", "fraction", "share of the real symbols that cannot be drawn any more"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; vectors have no symbols, so all is undefined for them."""
        samples = evidence.samples.values
        if samples.ndim == 3:
            return self._undefined(len(samples), "vectors have no symbol frequencies")
        if not isinstance(evidence.model, Probabilities) and samples.shape[1] == 0:
            return self._undefined(len(samples), "there are no samples")
        real = _real_probabilities(evidence)
        if not real.sum() > 0:
            return self._undefined(len(samples), "there are no held-out rows")
        lost = _lost(evidence, real)
        reason = "" if np.isfinite(lost).all() else "the model's probabilities are not finite"
        return {name: Measurement(lost[:, place], reason) for place, name in enumerate(self.measures)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()

    def _undefined(self, chains: int, reason: str) -> Mapping[str, Measurement]:
        return {name: Measurement.undefined(chains, reason) for name in self.measures}


def _real_probabilities(evidence: Evidence) -> FloatArray:
    """Return the real probability of each symbol, (K,)."""
    if isinstance(evidence.source, Probabilities):
        return np.asarray(evidence.source.probabilities()[0])
    return np.asarray(np.bincount(evidence.held_out.values[0]) / max(evidence.held_out.count, 1))


def _lost(evidence: Evidence, real: FloatArray) -> FloatArray:
    """Return missing mass and share of the real symbols that are lost in each chain, (c, 2); nan where unknown."""
    if isinstance(evidence.model, Probabilities):
        shares = evidence.model.probabilities()
        alive, known = shares[:, : len(real)] > 0, np.isfinite(shares).all(axis=1)
    else:
        symbols = max(len(real), int(evidence.samples.values.max()) + 1)
        counts = [np.bincount(chain, minlength=symbols) for chain in evidence.samples.values]
        alive, known = np.array(counts)[:, : len(real)] > 0, np.full(len(counts), True)
    gone: Array = np.pad(~alive, ((0, 0), (0, len(real) - alive.shape[1])), constant_values=True) & (real > 0)
    lost = gone.sum(axis=1) / int(np.count_nonzero(real))
    found = np.stack([gone @ real, lost], axis=1)
    return np.where(np.asarray(known)[:, None], found, np.nan)
