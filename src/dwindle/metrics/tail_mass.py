"""How much of the real tail is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Probabilities, Within
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["TailMass"]


@dataclass(frozen=True)
class TailMass:
    """Share of the samples that lies in the real tail, over the real share: 1 tails intact, 0 tails gone.

    Vectors: the tails of a dimension are what lies beyond the held-out rows' quantiles `quantile / 2` and
    `1 - quantile / 2`; the shares are averaged over the dimensions in which held-out rows vary. Symbols: the tail is
    the rarest symbols that together hold at most `quantile` of the real mass, by the source's probabilities where it
    knows them, else by the held-out rows, whose rarest symbols look rarer than they are; symbols that never occur are
    no tail.

    Args:
        quantile: real mass of the tail.

    Source: Shumailov et al. 2024 (the tails go first); Dohmatob et al. 2024, A tale of tails (a model loses the
        rarest symbols first).
    """

    quantile: Annotated[float, Within(low=1e-6, high=0.5, unit="fraction of real mass")] = 0.05

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs", "symbols"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "tail_mass": Measure("as_anchor", "ratio to real", "share of samples in the real tail, over the real share"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the held-out rows show no tail."""
        by_kind = self._of_symbols if evidence.samples.values.ndim == 2 else self._of_vectors
        return {"tail_mass": by_kind(evidence)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(quantile=0.2)

    def _of_vectors(self, evidence: Evidence) -> Measurement:
        samples, held_out = evidence.samples.values, evidence.held_out.values
        low, high = np.quantile(held_out[0], [self.quantile / 2, 1 - self.quantile / 2], axis=0)
        varying = low < high
        if not varying.any():
            return Measurement.undefined(len(samples), "the held-out rows do not vary")
        low, high = low[varying], high[varying]
        real = _beyond(held_out[..., varying], low, high)[0]
        if not real > 0:
            return Measurement.undefined(len(samples), "no held-out row lies beyond the quantiles")
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        values[usable] = _beyond(samples[usable][..., varying], low, high) / real
        return Measurement(values, "" if usable.all() else NOT_FINITE)

    def _of_symbols(self, evidence: Evidence) -> Measurement:
        samples, real = evidence.samples.values, _real_probabilities(evidence)
        order = np.argsort(real, kind="stable")
        # The slack keeps a symbol in the tail whose mass fills it up to rounding.
        rare = order[(np.cumsum(real[order]) <= self.quantile * (1 + 1e-9)) & (real[order] > 0)]
        if not rare.size:
            reason = f"the rarest symbol holds more than {self.quantile:g} of the real mass"
            return Measurement.undefined(len(samples), reason)
        tail = np.zeros(max(len(real), int(samples.max(initial=0)) + 1), dtype=bool)
        tail[rare] = True
        return Measurement(tail[samples].mean(axis=1) / real[rare].sum())


def _beyond(values: Array, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the share of values outside low .. high, over rows and dimensions, (c,)."""
    return np.asarray(((values < low) | (values > high)).mean(axis=(1, 2)))


def _real_probabilities(evidence: Evidence) -> FloatArray:
    """Return the real probability of each symbol, (K,)."""
    if isinstance(evidence.source, Probabilities):
        return np.asarray(evidence.source.probabilities()[0])
    return np.asarray(np.bincount(evidence.held_out.values[0]) / max(evidence.held_out.count, 1))
