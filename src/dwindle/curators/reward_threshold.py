"""The curator that keeps what earns enough reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, Rows, Seed, Within
from dwindle.rewards import Reward, reward

__all__ = ["RewardThreshold"]


@dataclass(frozen=True)
class RewardThreshold:
    """Keeps the new rows whose reward lies above a threshold, however many these are.

    Where the rows of a collapsing model earn less and less, fewer and fewer stay; to leave a budget, set the sampler's
    `oversample`.

    Args:
        threshold: reward that a row must exceed: source units for a coordinate, nats, at most 0, for nearness.
        reward: `coordinate`, the first coordinate, or `nearness`, -|x - target|^2 / (2 width^2).
        target: where nearness is highest, the same in every dimension.
        width: how far from the target the nearness has fallen to -1/2.

    Raises:
        ValueError: if no nearness can exceed the threshold.

    Source: the quadratic reward of Ferbach et al. 2024; a threshold on a reward as Nemotron-4 340B, Adler et al. 2024,
    has one in filtering what its models answer.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})

    threshold: Annotated[float, Within(unit="units of the reward")] = -2.0
    reward: Reward = "nearness"
    target: Annotated[float, Within(unit="source units")] = 0.0
    width: Annotated[float, Within(low=1e-6, high=1e6, unit="source units")] = 1.0

    def __post_init__(self) -> None:
        """Refuse a threshold that drops every row."""
        if self.reward == "nearness" and self.threshold >= 0:
            raise ValueError(f"threshold {self.threshold:g}: a nearness is at most 0, so that no row would be kept")

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the rows above the threshold; nothing is drawn."""
        present = rows.filled_weights() > 0
        scores = reward(rows.values, self.reward, target=self.target, width=self.width)
        kept = present & (scores > self.threshold)
        return Curated(kept, rows.weights, {f"a reward of {self.threshold:g} or less": present & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
