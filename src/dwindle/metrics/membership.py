"""Whether the samples tell which real rows the lineage was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Column, Evidence, Kind, Measure, Measurement, Tabular
from dwindle.data.classifiers import area
from dwindle.data.columns import encoded, frame_of
from dwindle.data.neighbours import nearest_two
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Membership"]


@dataclass(frozen=True)
class Membership:
    """How well an attacker who has the samples tells anchor rows from held-out ones, by the distance to the nearest.

    The attacker calls a row a member of the training set if a sample lies close to it. The number is the area under the
    curve of true against false alarms over all distances: the chance that a row of the anchor lies nearer to a sample
    than a held-out row does, ties counting half. There are as many rows of either kind: the first ones. At .5 the
    samples tell nothing, at 1 everything. Rows are points as for the distance to the closest record: numbers in units
    of the anchor's deviation, a level 1 apart from any other one.

    Source: Hilprecht et al. 2019 and Chen et al. 2020 (GAN-Leaks), the black-box attack by distances; Mann and Whitney
        1947 (the area).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables", "vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "membership_auc": Measure("lower", "probability", "chance that samples tell an anchor row from a held-out one"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined without rows."""
        samples, held_out = evidence.samples.values, evidence.held_out.values
        if not min(samples.shape[1], evidence.held_out.count, evidence.anchor.count):
            return {"membership_auc": Measurement.undefined(len(samples), "there are no rows")}
        columns = _columns(evidence)
        frame = frame_of(evidence.anchor, columns)
        usable, values = usable_chains(samples), np.full(len(samples), np.nan)
        strangers = encoded(held_out, columns, frame)[0]
        for chain in np.flatnonzero(usable).tolist():
            own = encoded(samples[chain : chain + 1], columns, frame)[0]
            members = encoded(evidence.anchor.chain(chain).values, columns, frame)[0]
            fewer = min(len(members), len(strangers))
            near, far = (nearest_two(rows[:fewer], own)[:, 0] for rows in (members, strangers))
            values[chain] = area(far, near)
        return {"membership_auc": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _columns(evidence: Evidence) -> tuple[Column, ...]:
    """Return what rows hold; the coordinates of vectors are numbers."""
    if isinstance(evidence.source, Tabular):
        return evidence.source.columns()
    return tuple(Column(str(place)) for place in range(evidence.samples.values.shape[2]))
