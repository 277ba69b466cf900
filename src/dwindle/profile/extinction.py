"""Extinction: the first generation from which on a chain's smallest group has no sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.profile.passage import median_interval, plain
from dwindle.profile.trajectories import Trajectories

__all__ = ["MEASURE", "Extinction", "extinction"]

MEASURE = "smallest_share"
"""The measure that is 0 where the smallest group has no sample."""


@dataclass(frozen=True)
class Extinction:
    """When the smallest group is lost.

    Args:
        median: median over chains of the first generation from which on it has no sample; inf if half of them have not
            lost it.
        low: lower end of the 95 % interval of the median; nan where the chains are too few, inf where it is censored.
        high: its upper end.
        lost: chains that have lost it by the last generation.
        chains: chains that could be watched.
        last: the last generation that was watched.
    """

    median: float
    low: float
    high: float
    lost: int
    chains: int
    last: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is undefined or has not happened is null."""
        ends = {name: plain(getattr(self, name)) for name in ("median", "low", "high")}
        return {**ends, "lost": self.lost, "chains": self.chains, "last": self.last}

    @property
    def told(self) -> str:
        """The finding in words: `median of chains 27 [25, 29]; 266 of 500 chains by generation 29`."""
        ends = "" if math.isnan(self.low) else f" [{self._spelt(self.low)}, {self._spelt(self.high)}]"
        median = "undefined" if math.isnan(self.median) else self._spelt(self.median)
        return f"median of chains {median}{ends}; {self.lost} of {self.chains} chains by generation {self.last}"

    def _spelt(self, generation: float) -> str:
        return f"after {self.last}" if math.isinf(generation) else f"{generation:g}"


def extinction(measures: Trajectories) -> Extinction | None:
    """Return from which generation on the smallest group has no sample; None where its share was not measured.

    A share is that of the samples of an evaluation, as many as there are held-out rows, so a group that is rare in the
    model may miss one and come back: only a chain whose group never does has lost it. Chains that have not by the last
    generation are censored there, which a median can bear. An undefined generation counts as one with samples; a chain
    without any defined one is not watched.

    Args:
        measures: the trajectories of a lineage by the name of the measure.
    """
    trajectory = measures.get(MEASURE)
    if trajectory is None:
        return None
    values = trajectory.values[:, np.isfinite(trajectory.values).any(axis=0)]
    gone = np.logical_and.accumulate((values == 0)[::-1])[::-1]
    times = np.append(trajectory.generations.astype(np.float64), np.inf)
    first = times[np.where(gone.any(axis=0), gone.argmax(axis=0), len(gone))]
    median, low, high, _ = median_interval(first)
    lost = int(np.isfinite(first).sum())
    return Extinction(median, low, high, lost, values.shape[1], int(trajectory.generations[-1]))
