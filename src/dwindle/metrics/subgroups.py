"""What becomes of the subgroups: who is left, who is told well, and what is said of whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    Evidence,
    FloatArray,
    Grouped,
    IntArray,
    Kind,
    Labelled,
    Measure,
    Measurement,
    Rows,
    Tabular,
    Within,
)
from dwindle.data.classifiers import NO_TARGET, classes_of, judged, share_right, target_place
from dwindle.data.marginals import column_distances
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Subgroups"]

_FEW = "fewer than two groups have enough samples and held-out rows"


@dataclass(frozen=True)
class Subgroups:
    """Shares of the subgroups, how unequally they are served, and how far the target has come to lean on them.

    A row's group is what the source says of it (`Grouped`), else its label (`Labelled`). Real shares are those of the
    held-out rows and all anchors together, and the smallest group is the smallest one there.

    Fidelity is the distance of the columns' laws, or the coordinates', from those of the held-out rows of the same
    group: Kolmogorov-Smirnov of numbers, total variation of levels, averaged. Every group is judged by as many samples
    and held-out rows as the smallest one has, because few rows are far from anything. Utility is the accuracy of the
    `downstream` classifier on the held-out rows of the group. Both gaps are the largest less the smallest of the groups
    that have `least` rows or more; chance alone keeps them above 0, and the control shows how far.

    The target leans on the group by the gap of its chance: P(target | group) of the group in which the held-out rows
    have it most often, less that of the group in which they have it least often. The target is the last level, or a
    number above the anchor's median. Bias amplification is the gap among the samples less that among the held-out rows:
    above 0 what sets the groups apart is exaggerated, below 0 it fades, below minus the real gap it is turned over.

    Args:
        least: rows that a group must have, among the samples and the held-out rows, to be judged.

    Source: Wyllie et al. 2024 (shares, accuracy and the bias of groups over generations); Zhao et al. 2017 (bias
        amplification: the association in what a model says less that in what it was told).
    """

    least: Annotated[int, Within(low=2, unit="rows")] = 5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables", "vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "smallest_share": Measure("as_anchor", "ratio", "share of the smallest real group, over its real share"),
        "group_share_distance": Measure("lower", "probability", "total variation of the groups' shares"),
        "groups_alive": Measure("higher", "groups", "groups that hold a sample"),
        "fidelity_gap": Measure("lower", "probability", "column distance, worst group less best one"),
        "utility_gap": Measure("lower", "fraction", "downstream accuracy, best group less worst one"),
        "bias_amplification": Measure(
            "as_anchor", "probability", "gap of the target between groups, less the real one"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where rows have no group, a gap also where too few groups are judged."""
        members = _members(evidence)
        if isinstance(members, str):
            return {name: Measurement.undefined(evidence.samples.chains, members) for name in self.measures}
        usable = usable_chains(evidence.samples.values)
        found = {
            **members.shares(),
            "fidelity_gap": self._fidelity(evidence, members, usable),
            "utility_gap": self._utility(evidence, members, usable),
            "bias_amplification": self._bias(evidence, members, usable),
        }
        return {name: _whole(values, reason, usable) for name, (values, reason) in found.items()}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for few rows."""
        return cls(least=3)

    def _fidelity(self, evidence: Evidence, members: _Members, usable: Array) -> tuple[FloatArray, str]:
        """Return the gap of the columns' distances, (c,), and why it is nan where it is."""
        places = [place for place, column in enumerate(members.columns) if column.role != "group"]
        columns = [members.columns[place] for place in places]
        samples, real = evidence.samples.values[usable][..., places], evidence.held_out.values[0][:, places]
        own, other = members.samples[usable], members.held_out
        counts, real_counts = members.counts(own), members.counts(other)
        large = (counts >= self.least) & (real_counts >= self.least)
        distances = np.full(counts.shape, np.nan)
        for group in range(members.count):
            chosen, real_chosen = (
                _first(rows == group, _fewest(each, large)) & large[:, [group]]
                for rows, each in ((own, counts), (other, real_counts))
            )
            found = column_distances(samples, real, columns, chosen=chosen, real_chosen=real_chosen)
            distances[:, group] = found.mean(axis=1)
        return _placed(_gap(distances), usable), _FEW

    def _utility(self, evidence: Evidence, members: _Members, usable: Array) -> tuple[FloatArray, str]:
        """Return the gap of the classifier's accuracy, (c,), and why it is nan where it is."""
        if target_place(members.columns) is None:
            return np.full(len(usable), np.nan), NO_TARGET
        training, held_out = evidence.samples.values[usable], evidence.held_out.values[0]
        fewer = min(evidence.samples.count, evidence.anchor.count)  # as many as `downstream` takes: it asks the same
        right = judged(training[:, :fewer], held_out, members.columns, evidence.anchor)
        accuracy = np.full((len(right), members.count), np.nan)
        for group in np.flatnonzero(members.counts(members.held_out)[0] >= self.least):
            accuracy[:, group] = share_right(right[:, members.held_out[0] == group])
        return _placed(_gap(accuracy), usable), f"{_FEW}, or no sample has a level of the target"

    def _bias(self, evidence: Evidence, members: _Members, usable: Array) -> tuple[FloatArray, str]:
        """Return how much the gap of the target has grown, (c,), and why it is nan where it is."""
        if target_place(members.columns) is None:
            return np.full(len(usable), np.nan), NO_TARGET
        (real,) = self._chances(evidence.held_out.values, members.held_out, members, evidence.anchor)
        if np.isfinite(real).sum() < 2:
            return np.full(len(usable), np.nan), _FEW
        own = self._chances(evidence.samples.values[usable], members.samples[usable], members, evidence.anchor)
        often, seldom = int(np.nanargmax(real)), int(np.nanargmin(real))
        return _placed(own[:, often] - own[:, seldom] - (real[often] - real[seldom]), usable), _FEW

    def _chances(self, values: Array, groups: IntArray, members: _Members, anchor: Rows) -> FloatArray:
        """Return how often each group has the target, (c, g); nan where it has fewer than `least` rows."""
        classes, count = classes_of(values, members.columns, anchor)
        known = np.where(classes >= 0, groups, -1)
        rows = members.counts(known)
        hits = members.counts(np.where(classes == count - 1, known, -1))
        return np.asarray(hits / np.where(rows >= self.least, rows, np.nan))


@dataclass(frozen=True, eq=False)
class _Members:
    """The group of every row, -1 where it has none.

    Args:
        count: how many groups there are.
        columns: what rows hold; the coordinates of vectors are numbers.
        samples: (c, n).
        held_out: (1, m).
        real: (r,) of held-out rows and anchors together.
    """

    count: int
    columns: tuple[Column, ...]
    samples: IntArray
    held_out: IntArray
    real: IntArray

    def counts(self, groups: IntArray) -> IntArray:
        """Return the rows of each group, (c, g)."""
        return np.stack([(groups == group).sum(axis=1) for group in range(self.count)], axis=1)

    def shares(self) -> Mapping[str, tuple[FloatArray, str]]:
        """Return the measures of the shares, (c,) each, and why one is nan where it is."""
        real = self.counts(self.real[None])[0] / self.real.size
        own = self.counts(self.samples) / self.samples.shape[1]
        smallest = int(np.argmin(np.where(real > 0, real, np.inf)))
        # Rows without a group are one more cell of both laws.
        apart = np.abs(own - real).sum(axis=1) + np.abs(own.sum(axis=1) - real.sum())
        return {
            "smallest_share": (own[:, smallest] / real[smallest], ""),
            "group_share_distance": (apart / 2.0, ""),
            "groups_alive": ((own > 0).sum(axis=1).astype(np.float64), ""),
        }


def _members(evidence: Evidence) -> _Members | str:
    """Return the groups of all rows, or why there are none."""
    source, all_rows = evidence.source, (evidence.samples, evidence.held_out, evidence.anchor)
    if not min(rows.count for rows in all_rows):
        return "there are no rows"
    if isinstance(source, Grouped) and source.group_names():
        names, groups = source.group_names(), [source.groups(rows) for rows in all_rows]
    elif isinstance(source, Labelled) and source.label_names():
        if any(rows.labels is None for rows in all_rows):
            return "some rows carry no labels"
        names, groups = source.label_names(), [rows.filled_labels() for rows in all_rows]
    else:
        return "the source tells neither groups nor labels"
    samples, held_out, anchor = groups
    real = np.concatenate([held_out.ravel(), anchor[evidence.anchor.filled_weights() > 0]])
    if not (real >= 0).any():
        return "no real row has a group"
    plain = tuple(Column(str(place)) for place in range(evidence.samples.values.shape[2]))
    columns = source.columns() if isinstance(source, Tabular) else plain
    return _Members(len(names), columns, samples, held_out, real)


def _fewest(counts: IntArray, large: Array) -> IntArray:
    """Return the rows of the smallest group that is judged, (c,); 0 where none is."""
    fewest = np.where(large, counts, np.iinfo(np.int64).max).min(axis=1)
    return np.where(large.any(axis=1), fewest, 0)


def _first(chosen: Array, count: IntArray) -> Array:
    """Return the first rows of those chosen, (c, n), as many as each chain's count, (c,)."""
    return np.asarray(chosen & (np.cumsum(chosen, axis=1) <= count[:, None]))


def _gap(values: FloatArray) -> FloatArray:
    """Return the largest less the smallest value of each chain, (c,), of those that have one; nan of fewer than two."""
    known = np.isfinite(values)
    highest = np.where(known, values, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(known, values, np.inf).min(axis=1, initial=np.inf)
    two = known.sum(axis=1) > 1
    return np.where(two, np.where(two, highest, 0.0) - np.where(two, lowest, 0.0), np.nan)


def _placed(values: FloatArray, usable: Array) -> FloatArray:
    """Put the values of the usable chains in their places, nan elsewhere."""
    everywhere = np.full(usable.shape, np.nan)
    everywhere[usable] = values
    return everywhere


def _whole(values: FloatArray, reason: str, usable: Array) -> Measurement:
    """Return the usable chains' values with every reason that applies."""
    reasons = [reason] if np.isnan(values[usable]).any() else []
    return Measurement(np.where(usable, values, np.nan), "; ".join(reasons + ([] if usable.all() else [NOT_FINITE])))
