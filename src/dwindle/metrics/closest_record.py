"""Whether samples are nearer to the real training rows than new real rows would be, or are these very rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Column, Evidence, FloatArray, Kind, Measure, Measurement, Tabular
from dwindle.data.columns import encoded, frame_of
from dwindle.data.neighbours import nearest_two
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["ClosestRecord"]


@dataclass(frozen=True)
class ClosestRecord:
    """Distance of the samples to the closest anchor row over that of the held-out rows, and the share of copies.

    The distance is Euclidean between rows as points: numbers in units of the anchor's deviation, a level 1 apart from
    any other one. Both medians are taken over rows; 1 is what the real law gives, less means that rows of the anchor
    are repeated with little change, more that samples have left the data. A copy equals an anchor row in every number;
    of tables without numeric columns real rows are copies too.

    Source: distance to the closest record, Zhao et al. 2021 (CTAB-GAN), section 5; against held-out rows as Platzer and
        Reutterer 2021.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables", "vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "record_distance": Measure("as_anchor", "ratio", "distance to the closest anchor row, over a held-out row's"),
        "copied_records": Measure("lower", "fraction", "share of samples that equal an anchor row"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; the ratio is undefined where half of the held-out rows are copies themselves."""
        samples = evidence.samples.values
        if not min(samples.shape[1], evidence.held_out.count, evidence.anchor.count):
            return {name: Measurement.undefined(len(samples), "there are no rows") for name in self.measures}
        usable, columns = usable_chains(samples), _columns(evidence)
        frame = frame_of(evidence.anchor, columns)
        real = encoded(evidence.held_out.values, columns, frame)[0]
        ratios, copies = np.full((2, len(samples)), np.nan)
        for chain in np.flatnonzero(usable).tolist():
            own, anchor = samples[chain : chain + 1], evidence.anchor.chain(chain).values
            copies[chain] = _copied(own[0], anchor[0])
            known = encoded(anchor, columns, frame)[0]
            ratios[chain] = _ratio(_median(encoded(own, columns, frame)[0], known), _median(real, known))
        reasons = ["half of the held-out rows equal an anchor row"] if np.isnan(ratios[usable]).any() else []
        reasons += [] if usable.all() else [NOT_FINITE]
        found = {"record_distance": Measurement(ratios, "; ".join(reasons))}
        return found | {"copied_records": Measurement(copies, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _ratio(distance: float, usual: float) -> float:
    """Return a distance over the usual one; nan where that is 0."""
    return distance / usual if usual > 0 else np.nan


def _median(points: FloatArray, known: FloatArray) -> float:
    return float(np.median(nearest_two(points, known)[:, 0]))


def _columns(evidence: Evidence) -> tuple[Column, ...]:
    """Return what rows hold; the coordinates of vectors are numbers."""
    if isinstance(evidence.source, Tabular):
        return evidence.source.columns()
    return tuple(Column(str(place)) for place in range(evidence.samples.values.shape[2]))


def _copied(samples: Array, anchor: Array) -> float:
    """Return the share of samples, (n, d), that equal a row of the anchor, (m, d)."""
    known = set(_bytes(anchor))
    return float(np.mean([row in known for row in _bytes(samples)]))


def _bytes(rows: Array) -> list[bytes]:
    """Return each row as bytes that are equal where its numbers are: -0 becomes 0."""
    plain = np.ascontiguousarray(np.asarray(rows, dtype=np.float64) + 0.0)
    return [row.tobytes() for row in plain]
