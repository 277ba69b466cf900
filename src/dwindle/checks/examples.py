"""Small synthetic inputs for the checks: rows by kind, a source that draws them and a model that repeats them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np

from dwindle.checks.example_rows import (
    CHAINS,
    COUNT,
    LENGTH,
    SEED,
    SHARES,
    SYMBOLS,
    away,
    rows_of,
    whole_numbers,
    with_provenance,
)
from dwindle.contracts import (
    REAL,
    Array,
    Column,
    Evidence,
    Facts,
    FloatArray,
    Informed,
    IntArray,
    Kind,
    Needing,
    Provenance,
    Rows,
    Seed,
    Source,
)
from dwindle.samplers import Sampler

__all__ = [
    "CHAINS",
    "COUNT",
    "SEED",
    "SYMBOLS",
    "away",
    "evidence",
    "labelled",
    "ready",
    "rows_of",
    "shown",
    "source_of",
    "whole_numbers",
    "with_provenance",
]

T = TypeVar("T")

_WORDS = ("the", "river", "slowly", "wanders", "past", "quiet", "villages", ".")


def source_of(kind: Kind) -> Source:
    """Return an endless source of example rows."""
    sources: dict[Kind, type[Source]] = {
        "vectors": _Moded,
        "symbols": _Symbols,
        "pairs": _Pairs,
        "sequences": _Sequences,
        "tables": _Tables,
    }
    return sources[kind]()


def ready(component: T) -> T:
    """Return a family or curator that knows a source of example rows, if it must know one."""
    if not isinstance(component, Informed):
        return component
    own = getattr(component, "kind", None)
    kinds = {own} if own else getattr(component, "kinds", {"vectors"})
    return cast(T, component.given(source_of("vectors" if "vectors" in kinds else sorted(kinds)[-1])))


def shown(component: T, rows: Rows, anchor: Rows) -> T:
    """Return a curator that was shown models and earlier rows, as a stage would show them, if it needs any."""
    if not isinstance(component, Needing):
        return component
    earlier = with_provenance(Rows(anchor.values[:, ::-1].copy()), 1)
    given: dict[str, Any] = {"first": _Repeating(anchor), "maker": _Repeating(rows), "earlier": earlier}
    return cast(T, component.shown(**{need: given[need] for need in component.needs}))


def labelled(family: T) -> T:
    """Return a family that knows a source of vectors of three classes, if it must know one."""
    return cast(T, family.given(_Classes())) if isinstance(family, Informed) else family


def evidence(kind: Kind, *, samples: Array | None = None) -> Evidence:
    """Return evidence about a model that repeats its training rows; vectors are pictures, too, and labelled.

    Args:
        kind: what a row is.
        samples: (c, m, ...) the samples to measure; None: rows that follow the real law.
    """
    training = with_provenance(rows_of(kind, name="training"), 1)
    return Evidence(
        generation=1,
        model=_Repeating(training),
        samples=rows_of(kind, name="samples") if samples is None else Rows(samples),
        held_out=with_provenance(rows_of(kind, chains=1, name="held-out")),
        anchor=_anchor(kind),
        training=training,
        source=_Shown() if kind == "vectors" else source_of(kind),
        seed=SEED.at("metric"),
        reference=_Repeating(with_provenance(rows_of(kind, name="generation 0"))),
    )


def _anchor(kind: Kind) -> Rows:
    """Return real rows; vectors are of three classes, by their first number."""
    rows = with_provenance(rows_of(kind, name="anchor"))
    return replace(rows, labels=np.digitize(rows.values[..., 0], (0.5, 1.5))) if kind == "vectors" else rows


@dataclass(frozen=True, eq=False)
class _Repeating:
    """A model that repeats its training rows in random order, and finds all rows equally likely.

    Args:
        training: its training rows.
    """

    training: Rows

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample training rows with replacement."""
        places = seed.numpy().integers(self.training.count, size=(self.training.chains, count))
        return self.training.anonymous().take(places)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return -1 nat for every row of every chain, (c, n)."""
        return np.full((self.training.chains, rows.count), -1.0)

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return -1 nat for every row of every chain, the same part of it for each of its tokens, (c, n, L)."""
        return np.full((self.training.chains, *rows.values.shape[1:]), -1.0 / rows.values.shape[2])

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the same probability for every token after every row of every chain, (c, n, K)."""
        return np.full((self.training.chains, rows.count, SYMBOLS), 1.0 / SYMBOLS)

    def encode(self, rows: Rows) -> FloatArray:
        """Return the rows themselves as latents, of one chain for every chain, (c, n, d)."""
        return np.broadcast_to(rows.values, (self.training.chains, *rows.values.shape[1:])).astype(np.float64)

    def coefficients(self) -> FloatArray:
        """Return coefficients that are a little off those of the example pairs, (c, 2)."""
        return np.full((self.training.chains, 2), 1.1)

    def save(self, folder: Path) -> None:
        """Write the training rows."""
        np.save(folder / "rows.npy", self.training.values, allow_pickle=False)


@dataclass(frozen=True)
class _Vectors:
    """An endless source of example vectors."""

    kind: ClassVar[Kind] = "vectors"

    @property
    def capacity(self) -> None:
        """Return None: there is no end."""
        return None

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows."""
        return with_provenance(rows_of(self.kind, chains=1, name="held-out"))

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a block of rows."""
        rows = rows_of(self.kind, chains=chains, count=count, name=f"block {first} of {seed.words}")
        return Rows(rows.values, provenance=Provenance.of(REAL, chains, count, first=first))

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


@dataclass(frozen=True)
class _Moded(_Vectors):
    """An endless source of example vectors, all around one mode."""

    def modes(self) -> FloatArray:
        """Return the centre of the only mode, (1, 2)."""
        return np.ones((1, 2))

    def mode_radius(self) -> float:
        """Return three deviations."""
        return 3.0


@dataclass(frozen=True)
class _Shown(_Moded):
    """An endless source of example vectors of three classes that can be looked at, 4 x 4 pixels."""

    def label_names(self) -> tuple[str, ...]:
        """Return the classes."""
        return ("low", "middle", "high")

    def pixels(self) -> None:
        """Return None: a row's values are not the pixels."""
        return None

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return rows as grey waves, (n, 4, 4)."""
        return np.asarray(values @ np.cos(np.outer([1.0, 2.0], np.arange(16.0)))).reshape(-1, 4, 4)


@dataclass(frozen=True)
class _Symbols(_Vectors):
    """An endless source of example symbols."""

    kind: ClassVar[Kind] = "symbols"


@dataclass(frozen=True)
class _Pairs(_Vectors):
    """An endless source of example pairs, most of which are right."""

    kind: ClassVar[Kind] = "pairs"

    def coefficients(self) -> FloatArray:
        """Return the coefficients that the labels depend on, (1, 2)."""
        return np.ones((1, 2))

    def is_right(self, rows: Rows) -> Array:
        """Say which labels are the likelier ones, (c, n)."""
        return np.asarray((rows.values[..., :-1].sum(axis=2) > 0) == (rows.values[..., -1] > 0.5))


@dataclass(frozen=True)
class _Sequences(_Vectors):
    """An endless source of example sequences of words, whose law is known and whose facts are made up."""

    kind: ClassVar[Kind] = "sequences"

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the exact log-probability of each row, nats, (c, n)."""
        return np.asarray(np.log(SHARES)[rows.values].sum(axis=2))

    def entropy(self) -> float:
        """Return the exact entropy of a row, nats."""
        return float(-LENGTH * SHARES @ np.log(SHARES))

    def is_right(self, rows: Rows) -> Array:
        """Say which rows end with the token that they begin with, (c, n)."""
        return np.asarray(rows.values[..., 0] == rows.values[..., -1])

    def known_facts(self) -> Facts:
        """Return two facts of one token each, a common and a rare one."""
        return Facts(np.array([[1], [2]]), np.array([0, 0]), SHARES[1:3], np.array([False, True]))

    def text(self, values: Array) -> list[str]:
        """Return rows, (n, L), as the words that their tokens number."""
        return [" ".join(_WORDS[token % len(_WORDS)] for token in row) for row in np.asarray(values).tolist()]


@dataclass(frozen=True)
class _Classes(_Vectors):
    """An endless source of example vectors of three classes."""

    def label_names(self) -> tuple[str, ...]:
        """Return the classes."""
        return ("low", "middle", "high")


@dataclass(frozen=True)
class _Tables(_Vectors):
    """An endless source of example tables."""

    kind: ClassVar[Kind] = "tables"

    def columns(self) -> tuple[Column, ...]:
        """Return two numbers, a colour, a group and a target."""
        numbers = (Column("height"), Column("weight"))
        group, target = Column("group", ("most", "few"), "group"), Column("outcome", ("no", "yes"), "target")
        return (*numbers, Column("colour", ("red", "green", "blue")), group, target)

    def group_names(self) -> tuple[str, ...]:
        """Return the levels of the group."""
        return ("most", "few")

    def groups(self, rows: Rows) -> IntArray:
        """Return the group of each row, (c, n)."""
        return np.where(np.isin(rows.values[..., 3], (0.0, 1.0)), rows.values[..., 3], -1).astype(np.int64)
