"""The curator that keeps the best fraction of the new rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, Rows, Seed, Within
from dwindle.rewards import Reward, leading, reward

__all__ = ["TopFraction"]


@dataclass(frozen=True)
class TopFraction:
    """Keeps the best fraction, by a reward, of the new rows of each chain.

    To leave a budget, set the sampler's `oversample` to 1 / fraction.

    Args:
        fraction: share of a chain's rows that stays, rounded to whole rows. Source: Qiao et al. 2026, n of 4 n rows.
        reward: `coordinate`, the largest first coordinates, or `nearness`, the rows nearest to the target.
        target: u*, where nearness is highest, the same in every dimension.
        width: width of the nearness; the best fraction is the same for any.

    Source: Qiao et al. 2026, biased selection: the rows nearest to u* stay.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})

    fraction: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.25
    reward: Reward = "nearness"
    target: Annotated[float, Within(unit="source units")] = 0.0
    width: Annotated[float, Within(low=1e-6, high=1e6, unit="source units")] = 1.0

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the rows with the highest reward; of equal ones the earlier."""
        present = rows.filled_weights() > 0
        scores = reward(rows.values, self.reward, target=self.target, width=self.width)
        kept = leading(scores, present, self.fraction)
        reason = f"not among the best {self.fraction:g} of the rows"
        return Curated(kept, rows.weights, {reason: present & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
