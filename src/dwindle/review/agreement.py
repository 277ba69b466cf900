"""Agreement between reviewers on the rows that all of them were shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.data.rows import IntArray

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """How far reviewers agree.

    Args:
        raw: share of the pairs of reviewers that agree, averaged over rows; nan for a single reviewer.
        kappa: Fleiss' kappa: 0 is what chance gives, 1 is perfect; nan where it is undefined.
        z: kappa over its standard error if reviewers answered by chance; nan where it is undefined.
        reason: why a number is nan; empty where none is.
    """

    raw: float
    kappa: float
    z: float
    reason: str = ""

    @property
    def plain(self) -> Mapping[str, Any]:
        """The numbers as JSON has them: null where they are undefined."""
        numbers = {"raw": self.raw, "kappa": self.kappa, "z": self.z}
        return {name: value if math.isfinite(value) else None for name, value in numbers.items()} | {
            "reason": self.reason
        }


def agreement(keeps: IntArray) -> Agreement:
    """Return how far reviewers agree on which rows to keep.

    The standard error is that for no agreement beyond chance, which for two answers is the same whatever their shares.

    Source: Fleiss 1971; for the standard error Fleiss, Nee and Landis 1979, whose formula for k answers is this one for
    two.

    Args:
        keeps: (reviewers, rows) 1 where a reviewer would keep the row, 0 where not.
    """
    reviewers, rows = keeps.shape
    if reviewers < 2:
        return Agreement(math.nan, math.nan, math.nan, "one reviewer agrees with nobody")
    kept = keeps.sum(axis=0)
    counts = np.stack([kept, reviewers - kept])  # of each answer, by row
    pairs = reviewers * (reviewers - 1)
    raw = float(((counts**2).sum(axis=0) - reviewers).mean() / pairs)
    by_chance = float(((counts.sum(axis=1) / (reviewers * rows)) ** 2).sum())
    if by_chance == 1.0:
        return Agreement(raw, math.nan, math.nan, "all reviewers gave every row the same answer")
    kappa = (raw - by_chance) / (1.0 - by_chance)
    return Agreement(raw, kappa, kappa / math.sqrt(2.0 / (rows * pairs)))
