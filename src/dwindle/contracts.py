"""The seams of dwindle: what a family, a model, a curator, a metric, a source and a regime must be able to do.

A component is a frozen dataclass. Its fields are its settings: their annotations are the schema, their defaults the
defaults of params.yaml, their values part of the recipe digest. The file it lives in gives it its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from dwindle.data.rows import FRESH, REAL, Array, FloatArray, IntArray, Origin, Provenance, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from dwindle.samplers import Sampler

__all__ = [
    "FRESH",
    "REAL",
    "Array",
    "Conditions",
    "Curated",
    "Curator",
    "Curve",
    "Evidence",
    "Family",
    "FloatArray",
    "IntArray",
    "Kind",
    "Measure",
    "Measurement",
    "Metric",
    "Model",
    "Moments",
    "Origin",
    "Probabilities",
    "Provenance",
    "Regime",
    "Rows",
    "Scorable",
    "Seed",
    "Source",
    "Take",
    "TrainingPlan",
    "Within",
]

Kind = Literal["vectors", "symbols"]
"""What a row is: a vector of d numbers, or one symbol of an alphabet 0 .. K-1."""


@dataclass(frozen=True)
class Within:
    """The allowed range of a numeric setting, ends included; None leaves an end open.

    Args:
        low: smallest allowed value.
        high: largest allowed value.
        unit: what the number counts, for messages and documentation.
    """

    low: float | None = None
    high: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        """Spell the range as messages do: `0..1`, `>= 1`, `<= 5`."""
        low, high = (None if end is None else f"{end:g}" for end in (self.low, self.high))
        text = f"{low}..{high}" if low and high else f">= {low}" if low else f"<= {high}" if high else "any number"
        return f"{text} {self.unit}".strip()

    def holds(self, value: float) -> bool:
        """Say whether a value is in the range; nan never is."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


# ---------------------------------------------------------------------------------------------------- models


@runtime_checkable
class Model(Protocol):
    """A fitted model of every chain."""

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample `count` rows a chain; the same seed gives the same rows.

        Args:
            count: rows a chain.
            sampler: temperature and its kin.
            seed: address of every random draw made here.
            prompts: rows to continue, for families that answer prompts.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an existing empty folder: safetensors, npy or JSON, never pickle."""
        ...


@runtime_checkable
class Scorable(Protocol):
    """A model that knows its density."""

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n); rows of one chain are scored under every chain's model."""
        ...


@runtime_checkable
class Moments(Protocol):
    """A model or source that knows its own mean and covariance."""

    def mean(self) -> FloatArray:
        """Return the mean, (c, d), or (1, d) for a source."""
        ...

    def covariance(self) -> FloatArray:
        """Return the covariance, (c, d, d), or (1, d, d) for a source."""
        ...


@runtime_checkable
class Probabilities(Protocol):
    """A model or source over symbols that knows the probability of each."""

    def probabilities(self) -> FloatArray:
        """Return the probability of each symbol, (c, K), or (1, K) for a source."""
        ...


@runtime_checkable
class Family(Protocol):
    """A kind of generative model: a frozen dataclass of hyper-parameters whose `fit` returns a fitted model."""

    kind: ClassVar[Kind]
    """What its rows are."""
    chains_at_once: ClassVar[bool]
    """True: `fit` takes all chains in one call. False: it is called chain by chain, with c = 1."""
    knobs: ClassVar[frozenset[str]]
    """The sampler's settings that its models honour; any other one off its default is refused."""

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> Model:
        """Fit the rows of every chain.

        Args:
            rows: training rows, without provenance; weights are honoured, rows of weight 0 do not exist.
            seed: address of every random draw made here.
            parent: the previous generation's model where the recipe restarts `warm`, else None.
        """
        ...

    def load(self, folder: Path) -> Model:
        """Read what `Model.save` wrote."""
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests, which fit in under a second."""
        ...


# ---------------------------------------------------------------------------------------------------- rows


@runtime_checkable
class Source(Protocol):
    """Where real rows come from: one frozen held-out set, and a stream of real rows for each chain that never meets it."""

    kind: ClassVar[Kind]
    """What its rows are."""

    @property
    def capacity(self) -> int | None:
        """Rows in each chain's stream; None: no end."""
        ...

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, c = 1, with provenance."""
        ...

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return rows `first` .. `first + count - 1` of each chain's stream, with provenance of origin `REAL`.

        Blocks that do not overlap are independent (or, for a finite source, disjoint); callers never ask for
        overlapping blocks.

        Raises:
            ValueError: if the block reaches beyond `capacity`.
        """
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...


@dataclass(frozen=True, eq=False)
class Curated:
    """What a curator decided.

    Args:
        kept: (c, n) True where the row stays.
        weights: (c, n) weight of the rows that stay, or None to leave them as they came.
        dropped: for each reason, how many rows of all chains it dropped.
    """

    kept: Array
    weights: FloatArray | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class Curator(Protocol):
    """Keeps, drops or weights the new rows of a generation, with a reason for each."""

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Judge the new rows.

        Args:
            rows: the generation's synthetic rows with provenance.
            anchor: the lineage's fixed real rows.
            seed: address of every random draw made here.
        """
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...


# ---------------------------------------------------------------------------------------------------- metrics


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

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; every name of `measures` is present."""
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...


# ---------------------------------------------------------------------------------------------------- regimes


@dataclass(frozen=True)
class Take:
    """Rows of one origin that join a training set.

    Args:
        origin: whose rows.
        count: rows a chain; a smaller number than there are is drawn without replacement.
        weight: weight of each of these rows in training.
    """

    origin: Origin
    count: int
    weight: float = 1.0


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
        """Return how many new rows must come into being: key `generation` for synthetic rows, `FRESH` for new real ones."""
        ...

    def plan(self, generation: int, available: Mapping[Origin, int], *, budget: int) -> TrainingPlan:
        """Return what trains generation t.

        Args:
            generation: t >= 1.
            available: rows a chain within reach, by origin.
            budget: rows that a generation may train on.
        """
        ...


# ---------------------------------------------------------------------------------------------------- theory


class Conditions(Protocol):
    """What a closed form may ask of a recipe."""

    @property
    def family(self) -> Any: ...
    @property
    def source(self) -> Any: ...
    @property
    def regime(self) -> Any: ...
    @property
    def sampler(self) -> Sampler: ...
    @property
    def curators(self) -> tuple[Any, ...]: ...
    @property
    def budget(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Curve:
    """What theory expects of one measure, by generation.

    Args:
        mean: (g,) expected value over chains at generations 0 .. g-1.
        deviation: (g,) standard deviation over chains, where known.
        source: paper and equation.
    """

    mean: FloatArray
    source: str
    deviation: FloatArray | None = None
