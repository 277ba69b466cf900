"""How much of the sampled text is copied from what the models were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, IntArray, Kind, Measure, Measurement, Within
from dwindle.data.grams import compact, grams

__all__ = ["TrainingOverlap"]

_ROWS = 256  # samples that are compared with all anchor rows at once


@dataclass(frozen=True)
class TrainingOverlap:
    """Shares of samples that copy a training row or an anchor row, whole, nearly or in part.

    A sample is a near copy if the Jaccard index of its set of n-grams and that of some anchor row reaches the
    threshold. Sets are compared exactly, and only where enough of a sample's n-grams stand in the anchor at all. The
    training rows are those that trained the model, synthetic ones too.

    Args:
        length: tokens of an n-gram.
        threshold: Jaccard index of a near copy.

    Source: Carlini et al. 2023, Quantifying memorization across neural language models (copies of training text); Lee
        et al. 2022, Deduplicating training data makes language models better, section 4.2 (Jaccard index of n-grams).
    """

    length: Annotated[int, Within(low=1, high=1000, unit="tokens")] = 8
    threshold: Annotated[float, Within(low=1e-3, high=1.0, unit="fraction")] = 0.5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "training_copies": Measure("as_anchor", "fraction", "share of samples that equal a row that trained the model"),
        "anchor_copies": Measure("as_anchor", "fraction", "share of samples that equal an anchor row"),
        "near_anchor_copies": Measure("as_anchor", "fraction", "share of samples that nearly equal an anchor row"),
        "anchor_runs": Measure("as_anchor", "fraction", "share of the samples' n-grams that stand in the anchor"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; blocks shorter than an n-gram have only whole copies."""
        samples, chains = evidence.samples.values, evidence.samples.chains
        values = np.full((len(self.measures), chains), np.nan)
        for chain in range(chains):
            anchor = evidence.anchor.chain(min(chain, evidence.anchor.chains - 1)).values[0]
            training = evidence.training.chain(min(chain, evidence.training.chains - 1)).values[0]
            values[:2, chain] = _copied(samples[chain], training), _copied(samples[chain], anchor)
            if samples.shape[2] >= self.length:
                values[2:, chain] = self._in_part(samples[chain], anchor)
        short = f"blocks of {samples.shape[2]} tokens hold no run of {self.length}"
        reasons = ("", "", *(short if samples.shape[2] < self.length else "",) * 2)
        found = map(Measurement, values, reasons)
        return dict(zip(self.measures, found, strict=True))

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(length=3)

    def _in_part(self, samples: Array, anchor: Array) -> tuple[float, float]:
        """Return the share of near copies, and that of the n-grams which stand in the anchor."""
        (own, real), _ = compact(grams([samples, anchor], self.length))
        known = np.isin(own, real)
        # The index is at most the share of a sample's own n-grams that the anchor has.
        possible = np.flatnonzero(_shares_of_kinds(own, known) >= self.threshold)
        rows, repeats = np.unique(own[possible], axis=0, return_counts=True)
        near = sum(repeats[part] @ found for part, found in _near(rows, real, self.threshold))
        return float(near) / len(samples), float(known.mean())


def _copied(samples: Array, rows: Array) -> float:
    """Return the share of samples, (n, L), that equal one of the rows."""
    known = {row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.int64)}
    return float(np.mean([row.tobytes() in known for row in np.ascontiguousarray(samples, dtype=np.int64)]))


def _shares_of_kinds(own: IntArray, known: Array) -> Array:
    """Return the share of each row's distinct numbers that are known, (n,)."""
    order = np.argsort(own, axis=1)
    ordered, known = np.take_along_axis(own, order, axis=1), np.take_along_axis(known, order, axis=1)
    first = np.diff(ordered, axis=1, prepend=-1) != 0
    return np.asarray((known & first).sum(axis=1) / first.sum(axis=1))


def _near(rows: IntArray, real: IntArray, threshold: float) -> Iterator[tuple[slice, Array]]:
    """Yield blocks of rows and, for each row, whether its Jaccard index with some real row reaches the threshold."""
    kinds = 1 + max(int(part.max(initial=0)) for part in (rows, real))
    wanted, against = _sets(rows, kinds), _sets(real, kinds)
    sizes, others = np.diff(wanted.indptr), np.diff(against.indptr)
    against = against.T.tocsr()
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        shared = (wanted[part] @ against).tocoo()
        union = sizes[part][shared.row] + others[shared.col] - shared.data
        yield part, np.bincount(shared.row[shared.data / union >= threshold], minlength=len(sizes[part])) > 0


def _sets(numbers: IntArray, kinds: int) -> Any:
    """Return the set of numbers in each row, a sparse matrix (n, kinds) of ones."""
    from scipy.sparse import csr_array

    keys = np.unique(np.arange(len(numbers), dtype=np.int64)[:, None] * kinds + numbers)
    starts = np.searchsorted(keys, np.arange(len(numbers) + 1, dtype=np.int64) * kinds)
    return csr_array((np.ones(len(keys), dtype=np.int64), keys % kinds, starts), shape=(len(numbers), kinds))
