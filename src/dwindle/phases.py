"""Phases: classes of rows that a model is trained on one after another, with some of the earlier ones again.

Source: Sudalairaj et al. 2024, LAB: large-scale alignment for chatbots, section 4 (knowledge before skills, with a
replay buffer of the phases before).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from dwindle.contracts import Array, FloatArray, Rows, Seed, Within

__all__ = ["Phase", "objection", "parts"]


@dataclass(frozen=True)
class Phase:
    """What is trained on before the next phase begins.

    Args:
        labels: classes of its rows; of a taxonomy, paths of leaves, or of branches for all leaves below them.
        replay: share of the rows of all earlier phases that are trained on again beside its own.

    Raises:
        ValueError: if no class is named.
    """

    labels: tuple[str, ...]
    replay: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.0

    def __post_init__(self) -> None:
        """Refuse a phase of nothing."""
        if not self.labels:
            raise ValueError("a phase needs labels: the classes of its rows")

    def holds(self, name: str) -> bool:
        """Say whether a class belongs to this phase, by its name or that of a branch above it."""
        return any(name == label or name.startswith(f"{label}/") for label in self.labels)


def objection(phases: Sequence[Phase], names: Sequence[str]) -> str:
    """Say in one line why rows of these classes cannot be trained on in these phases; empty if they can.

    Args:
        phases: the phases.
        names: the classes that the source's rows have; empty where they have none.
    """
    if not names:
        return "the source's rows have no classes to be parted by"
    known = ", ".join(names)
    for label in (label for phase in phases for label in phase.labels):
        if not any(Phase((label,)).holds(name) for name in names):
            return f"no class is, or lies below, {label!r}; known: {known}"
    for name in names:
        count = sum(phase.holds(name) for phase in phases)
        if count != 1:
            return f"class {name} is in {count or 'no'} phases; expected each class in one"
    if phases[0].replay:
        return f"replay {phases[0].replay:g} of the first phase: there is no earlier one"
    return ""


def parts(rows: Rows, phases: Sequence[Phase], names: Sequence[str], *, seed: Seed) -> list[Rows]:
    """Return the rows of each phase: all rows each time, those of other phases with weight 0.

    Rows of no class belong to the last phase. A chain that has no row in a phase, replayed ones included, has all of
    its rows there.

    Args:
        rows: the training rows, with labels.
        phases: the phases, in their order.
        names: the classes, in the order of the labels.
        seed: address of what is replayed.

    Raises:
        ValueError: if the rows carry no labels, or the phases do not part their classes.
    """
    if rows.labels is None:
        raise ValueError("rows without labels cannot be parted into phases")
    if found := objection(phases, names):
        raise ValueError(f"phases: {found}")
    home = np.array([*(next(k for k, phase in enumerate(phases) if phase.holds(n)) for n in names), len(phases) - 1])
    homes, weights = home[rows.labels], rows.filled_weights()  # label -1 is the last place
    return [
        replace(rows, weights=_masked(weights, homes, number, phase.replay, seed.at("replay", number)))
        for number, phase in enumerate(phases)
    ]


def _masked(weights: FloatArray, homes: Array, number: int, replay: float, seed: Seed) -> FloatArray:
    """Return the weights of the rows in a phase, (c, n)."""
    chosen = (homes == number) & (weights > 0)
    for chain, own in enumerate(chosen):
        earlier = np.flatnonzero((homes[chain] < number) & (weights[chain] > 0))
        count = round(replay * len(earlier))
        own[seed.at("chain", chain).numpy().permutation(earlier)[:count]] = True
    some = chosen.any(axis=1, keepdims=True)
    return np.where(chosen | ~some, weights, 0.0)
