"""The curator that keeps the best of every k new rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, Rows, Seed, Within
from dwindle.rewards import Reward, best_of, reward

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
        scores = reward(rows.values, self.reward, target=self.target, width=self.width)
        kept, why = best_of(scores, rows.filled_weights() > 0, self.k)
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
