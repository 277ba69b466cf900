"""Terms of a review: when people are asked whether a generation may train, how many, and what if nobody answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from dwindle.contracts import Within

__all__ = ["Review", "Verdict"]

Verdict = Literal["approve", "reject"]
"""What a reviewer decides."""


@dataclass(frozen=True)
class Review:
    """Settings of the review that stands between a generation's dataset and its training.

    They are no part of what a stage reads: a review holds a lineage up or ends it, and changes no byte of what is
    approved.

    Args:
        every: generations between two reviews; generation 0 is the anchor, which nobody is asked about.
        reviewers: how many people decide, by majority; a tie rejects.
        timeout: seconds from the question to the deadline.
        default: what holds if the majority is open at the deadline.
        wait: what a flow run does meanwhile. `pause` keeps its process; `suspend` ends it and begins anew after the
            answer, which frees the machine, needs a deployment, and leaves nobody awake at the deadline: the default is
            taken when the flow run is resumed or the lineage is grown again.
        sample: rows to show of those that train, and as many of those that were dropped.
    """

    every: Annotated[int, Within(low=1, high=1_000_000, unit="generations")] = 1
    reviewers: Annotated[int, Within(low=1, high=99, unit="people")] = 1
    timeout: Annotated[float, Within(low=1.0, high=31_536_000.0, unit="seconds")] = 86_400.0
    default: Verdict = "reject"
    wait: Literal["pause", "suspend"] = "pause"
    sample: Annotated[int, Within(low=1, high=100, unit="rows")] = 12

    def is_due(self, generation: int) -> bool:
        """Say whether a generation waits for a review before it trains."""
        return generation > 0 and generation % self.every == 0
