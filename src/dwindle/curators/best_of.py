"""The curator that keeps the best of every k new rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, Kind, Rows, Seed, Within
from dwindle.rewards import Reward, reward

__all__ = ["BestOf"]


@dataclass(frozen=True)
class BestOf:
    """Keeps the best row, by a reward, of every k consecutive new rows of a chain.

    The rows that stay are independent draws of one law, the law of the best of k. Rows that are left over because they
    make no full group go. To leave a budget, set the sampler's `oversample` to k.

    Args:
        k: rows of a group.
        reward: `coordinate`, the largest first coordinate, or `nearness`, the row nearest to the target.
        target: where nearness is highest, the same in every dimension.
        width: width of the nearness; the best of a group is the same for any.

    Source: Ferbach et al. 2024, the curated loop, for a user who picks the best of k without error; the cherry-picking
    of Alemohammad et al. 2023 (MAD).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})

    k: Annotated[int, Within(low=1, high=1_000_000, unit="rows")] = 2
    reward: Reward = "coordinate"
    target: Annotated[float, Within(unit="source units")] = 0.0
    width: Annotated[float, Within(low=1e-6, high=1e6, unit="source units")] = 1.0

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the best of each group; of equal ones the first."""
        present = rows.filled_weights() > 0
        scores = np.where(present, reward(rows.values, self.reward, target=self.target, width=self.width), -np.inf)
        kept = self._best(scores, present)
        ranks = np.cumsum(present, axis=1)  # a row's number among the rows of its chain, from 1
        grouped = ranks <= (rows.counts - rows.counts % self.k)[:, None]
        why = {f"not the best of {self.k}": present & grouped & ~kept, f"no full group of {self.k}": present & ~grouped}
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _best(self, scores: Array, present: Array) -> Array:
        """Say which rows are the best of a full group, (c, n); groups are counted over the rows that exist."""
        chains, groups = len(scores), scores.shape[1] // self.k
        order = np.argsort(~present, axis=1, kind="stable")[:, : groups * self.k].reshape(chains, groups, self.k)
        grouped = np.take_along_axis(scores[:, None], order, axis=2)
        best = np.take_along_axis(order, grouped.argmax(axis=2)[..., None], axis=2)[..., 0]
        full = np.arange(groups) < present.sum(axis=1, keepdims=True) // self.k
        kept = np.zeros_like(present)
        np.put_along_axis(kept, best, full, axis=1)
        return kept
