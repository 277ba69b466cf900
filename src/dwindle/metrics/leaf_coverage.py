"""Which leaves of a taxonomy, or other groups of the source, the samples still cover, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import (
    Evidence,
    FloatArray,
    Grouped,
    IntArray,
    Kind,
    Measure,
    Measurement,
    Rows,
    Within,
    classes_of,
)
from dwindle.data.nearest_class import NearestClass

__all__ = ["LeafCoverage"]

_NO_LEAVES = "the real rows have no leaves: the source knows no groups, and rows carry no labels"
_NO_CLASSES = "the samples carry no labels, and only text is told by its likeness"


@dataclass(frozen=True)
class LeafCoverage:
    """The share of the leaves that hold samples, the same of the rarer ones, and how even and how true the shares are.

    A row's leaf is what the source says of it (`Grouped`), as a taxonomy does of any text; else its label; else, where
    samples of text carry none and real rows do, the leaf whose anchor rows are most like it: naive Bayes over tokens
    and pairs of tokens, fitted to the real rows of all chains, the same in every generation. Leaves are those that the
    anchors or the held-out rows hold, and the rarer half of them, by their share there, is the tail.

    Args:
        least: samples of a leaf from which on it counts as covered.

    Source: Sudalairaj et al. 2024, section 3 (a taxonomy guides generation so that no leaf is left out); evenness is
        that of Pielou 1966.
    """

    least: Annotated[int, Within(low=1, unit="samples")] = 1

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences", "tables", "vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "leaves_covered": Measure("higher", "fraction", "leaves of the taxonomy that hold samples"),
        "rare_leaves_covered": Measure("higher", "fraction", "leaves among the rarer half that hold samples"),
        "leaf_evenness": Measure("as_anchor", "ratio", "entropy of the leaves' shares, over its largest value"),
        "leaf_distance": Measure("lower", "probability", "total variation of the leaves' shares from the real ones"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where rows have no leaf, evenness also where there is only one."""
        found = _leaves(evidence)
        if isinstance(found, str):
            return {name: Measurement.undefined(evidence.samples.chains, found) for name in self.measures}
        own, real, count = found
        wanted, counts = np.bincount(real, minlength=count), _counted(own, count)
        held = np.flatnonzero(wanted)
        rare = held[np.argsort(-wanted[held], kind="stable")][(len(held) + 1) // 2 :]
        covered = counts >= self.least
        values = (
            _share(covered[:, held]),
            _share(covered[:, rare]),
            _evenness(counts[:, held]),
            _distance(counts, wanted / wanted.sum()),
        )
        return {name: _told(row) for name, row in zip(self.measures, values, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


def _leaves(evidence: Evidence) -> tuple[IntArray, IntArray, int] | str:
    """Return the leaves of samples, (c, n) and -1 for none, of real rows, (m,), and their number; or why not."""
    source, real = evidence.source, (evidence.anchor, evidence.held_out)
    if isinstance(source, Grouped) and source.group_names():
        groups = [source.groups(rows) for rows in (evidence.samples, *real)]
        return groups[0], _known(groups[1:], real), len(source.group_names())
    labels, count = [rows.filled_labels() for rows in real], len(classes_of(source))
    known = _known(labels, real)
    if not count or not known.size:
        return _NO_LEAVES
    if evidence.samples.labels is not None:
        return evidence.samples.labels, known, count
    if source.kind != "sequences":
        return _NO_CLASSES
    return _likened(evidence.samples, evidence.anchor, count), known, count


def _known(leaves: list[IntArray], rows: tuple[Rows, ...]) -> IntArray:
    """Return the leaves of all rows that have one, (m,)."""
    parts = [some[(some >= 0) & (own.filled_weights() > 0)] for some, own in zip(leaves, rows, strict=True)]
    return np.concatenate(parts)


def _likened(samples: Rows, anchor: Rows, count: int) -> IntArray:
    """Return the leaf whose anchor rows each sample is most like, (c, n)."""
    chosen = (anchor.filled_weights() > 0) & (anchor.filled_labels() >= 0)
    labels, values = anchor.filled_labels()[chosen], anchor.values[chosen]
    judge = NearestClass.fitted(values, labels, np.ones(len(labels)), count)
    flat = samples.values.reshape(-1, samples.values.shape[2])
    return judge.nearest(flat).reshape(samples.chains, samples.count)


def _counted(leaves: IntArray, count: int) -> IntArray:
    """Return how many rows of each chain each leaf holds, (c, k)."""
    return np.stack([np.bincount(chain[chain >= 0], minlength=count) for chain in leaves])


def _share(covered: IntArray | np.ndarray) -> FloatArray:
    return np.asarray(covered.mean(axis=1) if covered.shape[1] else np.full(len(covered), np.nan))


def _evenness(counts: IntArray) -> FloatArray:
    """Return the entropy of the shares over that of equal ones, (c,); nan without rows, or with one leaf only."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) + 0.0
    largest = np.log(counts.shape[1]) if counts.shape[1] > 1 else np.nan
    return np.where(totals[:, 0] > 0, entropy / largest, np.nan)


def _distance(counts: IntArray, real: FloatArray) -> FloatArray:
    """Return the total variation of the shares from real ones, (c,); rows without a leaf count as wrong."""
    totals = counts.sum(axis=1, keepdims=True)
    gaps = np.abs(counts / np.where(totals > 0, totals, 1) - real).sum(axis=1) / 2
    return np.where(totals[:, 0] > 0, gaps, 1.0)


def _told(values: FloatArray) -> Measurement:
    reason = "no sample has a leaf, or there are too few leaves" if np.isnan(values).any() else ""
    return Measurement(values, reason)
