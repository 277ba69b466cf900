"""What a regime must be able to do: counts in, plan out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dwindle.data.rows import Origin

__all__ = ["Regime", "Take", "TrainingPlan"]


@dataclass(frozen=True)
class Take:
    """Rows of one origin that join a training set.

    Args:
        origin: whose rows.
        count: rows a chain; a smaller number than there are is drawn without replacement.
        weight: weight of each of these rows in training.
        fixed: take the first rows, the same in every generation, in place of a draw.
    """

    origin: Origin
    count: int
    weight: float = 1.0
    fixed: bool = False


@dataclass(frozen=True)
class TrainingPlan:
    """What trains a generation, in counts.

    Args:
        takes: how many rows of which origin.
        draw: if given, only so many rows of the union of `takes` train, drawn at random.
        replacement: whether `draw` draws with replacement.
        keep: the origins whose rows stay within reach of later generations.
    """

    takes: tuple[Take, ...]
    draw: int | None = None
    replacement: bool = False
    keep: tuple[Origin, ...] = ()


@runtime_checkable
class Regime(Protocol):
    """The rule for what trains generation t >= 1: counts in, plan out, never data."""

    def asks(self, generation: int, *, budget: int) -> Mapping[Origin, int]:
        """Return how many new rows are needed: key `generation` for synthetic rows, `FRESH` for new real ones."""
        ...

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Return what trains generation t.

        Args:
            generation: t >= 1.
            available: rows a chain within reach, by origin.
            budget: rows that a generation may train on.
        """
        ...
