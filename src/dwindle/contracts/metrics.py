"""What a metric is shown, what it must return, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from dwindle.contracts.models import Kind, Model
from dwindle.contracts.rows import Source
from dwindle.data.rows import FloatArray, Rows
from dwindle.seeds import Seed

__all__ = ["Evidence", "Measure", "Measurement", "Metric"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a metric may look at.

    Args:
        generation: t.
        model: the model of generation t.
        samples: (c, m, ...) rows sampled from it for this evaluation, as many as there are held-out rows.
        held_out: (1, m, ...) frozen real rows that no training set contains.
        anchor: (c, n, ...) the fixed real training rows.
        training: the rows that trained the model, with provenance.
        source: where the real rows came from; may know the truth (`Moments`, `Probabilities`).
        seed: address of every random draw made by a metric.
    """

    generation: int
    model: Model
    samples: Rows
    held_out: Rows
    anchor: Rows
    training: Rows
    source: Source
    seed: Seed


@dataclass(frozen=True)
class Measure:
    """What a number means.

    Args:
        better: which way is good; `as_anchor` where any distance from the real value is bad.
        unit: the unit of the number.
        scale: `log` for positive quantities that are averaged over chains by their logarithm (variances).
        about: one line for tables and plots.
    """

    better: Literal["higher", "lower", "as_anchor"]
    unit: str
    about: str
    scale: Literal["linear", "log"] = "linear"


@dataclass(frozen=True, eq=False)
class Measurement:
    """One number a chain, and why where there is none.

    Args:
        values: (c,), nan where undefined.
        reason: why some are undefined; empty where all are defined.
    """

    values: FloatArray
    reason: str = ""

    @staticmethod
    def undefined(chains: int, reason: str) -> Measurement:
        """Return a measurement that is undefined in every chain, for the given reason."""
        return Measurement(np.full(chains, np.nan), reason)


@runtime_checkable
class Metric(Protocol):
    """One or more numbers a chain that tell how far a generation has drifted."""

    measures: ClassVar[Mapping[str, Measure]]
    """The numbers it returns, by name."""
    kinds: ClassVar[frozenset[Kind]]
    """The kinds of rows that it can measure; a recipe with rows of another kind is refused."""

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; every name of `measures` is present."""
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...
