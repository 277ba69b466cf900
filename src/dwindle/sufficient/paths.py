"""What a walk over generations leaves: the mean of each measure over chains, and its standard error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwindle.data.rows import FloatArray, IntArray
from dwindle.errors import BadInput
from dwindle.seeds import Seed

__all__ = ["Path", "Walk", "Workflow", "at_least", "followed", "gathered", "one_of"]

Workflow = Literal["replace", "accumulate"]
"""What trains a generation: the newest rows alone, or the anchor and all rows so far."""

Walk = Callable[[int, np.random.Generator], Iterator[Mapping[str, FloatArray]]]
"""Given how many chains, and the generator that all their draws come from: yields each generation's numbers, (c,).

The arrays belong to the walk, which goes on in them: copy what shall last.
"""

_NUMBERS = 1 << 16  # held for a block of chains, so that it stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Path:
    """Means over chains by generation; arrays (g + 1,).

    Args:
        generations: 0 .. g; generation 0 is the fit to real rows.
        chains: how many were averaged.
        mean: of each measure, arithmetic.
        standard_error: of each mean, from the deviation over chains; nan for one chain.
    """

    generations: IntArray
    chains: int
    mean: Mapping[str, FloatArray]
    standard_error: Mapping[str, FloatArray]


def gathered(walk: Walk, *, chains: int, seed: Seed, numbers: int) -> Path:
    """Walk all chains, block by block, and return their path.

    Args:
        walk: takes a block of chains over all generations.
        chains: how many in all.
        seed: block b draws from the address `seed.at(b)`.
        numbers: how many a chain holds; sets the size of a block, and with it what each chain draws.
    """
    size, tallies = max(1, _NUMBERS // numbers), list[dict[str, _Tally]]()
    for block, first in enumerate(range(0, chains, size)):
        for place, measured in enumerate(walk(min(size, chains - first), seed.at(block).numpy())):
            if place == len(tallies):
                tallies.append({name: _Tally() for name in measured})
            for name, values in measured.items():
                tallies[place][name].add(values)
    return Path(
        np.arange(len(tallies)),
        chains,
        {name: np.array([tally[name].mean for tally in tallies]) for name in tallies[0]},
        {name: np.array([tally[name].standard_error for tally in tallies]) for name in tallies[0]},
    )


def followed(regime: Workflow, rows: int, generations: int) -> Iterator[int]:
    """Yield how many rows of earlier generations train generation 0, 1, .. `generations` beside the newest ones."""
    return (fit * rows if regime == "accumulate" else 0 for fit in range(generations + 1))


def at_least(**settings: tuple[float, float]) -> None:
    """Refuse numbers below the lowest that makes sense.

    Args:
        settings: by name, the number and the lowest one.

    Raises:
        BadInput: naming every number that is too low.
    """
    wrong = []
    for name, (value, low) in settings.items():
        counted = name not in ("noise", "exponent")  # all others are counts
        fits = isinstance(value, int if counted else int | float) and not isinstance(value, bool)
        if not fits or not value >= low:
            wrong.append(f"{name} = {value}: expected {'a whole number' if counted else 'a number'} >= {low}")
    if wrong:
        raise BadInput(*wrong)


def one_of(name: str, value: object, known: tuple[object, ...]) -> None:
    """Refuse a value that is not among the known ones.

    Raises:
        BadInput: if it is not.
    """
    if value not in known:
        raise BadInput(f"{name} = {value}: expected {' or '.join(map(str, known))}")


class _Tally:
    """A running mean and sum of squared deviations, exact to rounding however far the values lie from 0.

    Source: Chan, Golub and LeVeque 1979, the pairwise update.
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, values: FloatArray) -> None:
        """Add one number a chain."""
        mean = float(values.mean())
        apart = values - mean
        gap, count = mean - self.mean, self.count + len(values)
        self.squares += float(apart @ apart) + gap * gap * self.count * len(values) / count
        self.mean += gap * len(values) / count
        self.count = count

    @property
    def standard_error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(self.squares / (self.count - 1) / self.count) if self.count > 1 else math.nan
