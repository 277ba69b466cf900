"""What a metric is shown, what it must return, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

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
        reference: the model of generation 0, which no synthetic row has touched; None unless a metric of the recipe
            says `needs_reference`, and for generation 0 the same as `model`.
        samples: (c, m, ...) rows sampled from it for this evaluation, as many as there are held-out rows.
        held_out: (1, m, ...) frozen real rows that no training set contains.
        anchor: (c, n, ...) the fixed real training rows.
        training: the rows that trained the model, with provenance.
        source: where the real rows came from; may know the truth (`Moments`, `Probabilities`).
        seed: address of every random draw made by a metric.
        knobs: the sampler's settings that the model's family honours.
    """

    generation: int
    model: Model
    samples: Rows
    held_out: Rows
    anchor: Rows
    training: Rows
    source: Source
    seed: Seed
    reference: Model | None = None
    knobs: frozenset[str] = frozenset()


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
        detail: what a picture shows beside the number, as plain JSON data that is kept with it: `histogram`
            (`edges` (b + 1), `shares` (c, b)) or `texts` (a list of `prompt` and `answer`); and `features` (`sha256`),
            the frozen network that a number was seen through.
    """

    values: FloatArray
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

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
    """The kinds of rows that it can measure; a recipe with rows of another kind is refused.

    A metric that compares with the model of generation 0 also has a `needs_reference: ClassVar[bool]` that is True.
    """

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; every name of `measures` is present."""
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...
