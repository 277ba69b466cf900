"""The curator that weights the new rows by a reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, FloatArray, Kind, Rows, Seed, Within
from dwindle.rewards import reward

__all__ = ["RewardTilt"]


@dataclass(frozen=True)
class RewardTilt:
    """Weights each new row by e^r, r = -|x - target|^2 / (2 width^2) its nearness to a target.

    The total weight of a chain stays what it was, so rows of weight 1 keep the mean weight 1. A row whose weight
    underflows to 0 goes.

    Args:
        target: where the reward is highest, the same in every dimension.
        width: how far from the target the weight has fallen to e^(-1/2) of the highest.

    Source: Ferbach et al. 2024, the curated loop for users who choose among K -> infinity rows: the law of the rows
    times e^r, so that k steps add k / width^2 to the precision of a Gaussian.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})

    target: Annotated[float, Within(unit="source units")] = 0.0
    width: Annotated[float, Within(low=1e-6, high=1e6, unit="source units")] = 1.0

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Weight every row by its reward."""
        before = rows.filled_weights()
        present = before > 0
        weights = before * _tilts(reward(rows.values, "nearness", target=self.target, width=self.width), present)
        total = weights.sum(axis=1, keepdims=True)
        weights *= before.sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
        kept = weights > 0
        return Curated(kept, weights, {"a weight by reward of 0": present & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


def _tilts(rewards: FloatArray, present: Array) -> FloatArray:
    """Return e^r over the highest of the chain, (c, n), 0 where there is no row; no r underflows every row."""
    rewards = np.where(present, rewards, -np.inf)
    highest = rewards.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(np.exp(rewards - np.where(np.isfinite(highest), highest, 0.0)), dtype=np.float64)
