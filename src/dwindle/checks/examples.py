"""Small synthetic inputs for the checks: rows by kind, a source that draws them and a model that repeats them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, Evidence, Kind, Origin, Provenance, Rows, Seed
from dwindle.samplers import Sampler

__all__ = ["CHAINS", "COUNT", "SEED", "SYMBOLS", "evidence", "rows_of", "with_provenance"]

SEED = Seed(20, ("checks",))
CHAINS, COUNT, SYMBOLS = 3, 40, 8
_MIXING = np.array([[1.0, 0.0], [0.6, 0.8]])


def rows_of(
    kind: Kind, *, chains: int = CHAINS, count: int = COUNT, symbols: int = SYMBOLS, name: str = "rows"
) -> Rows:
    """Return rows for a family or a metric: correlated normals (c, n, 2), or symbols of unequal frequency (c, n).

    Args:
        kind: what a row is.
        chains: number of chains c.
        count: rows a chain n.
        symbols: size of the alphabet.
        name: another name gives other rows of the same law.
    """
    generator = SEED.at(name).numpy()
    if kind == "symbols":
        return Rows((symbols * generator.random((chains, count)) ** 2).astype(np.int64))
    return Rows(generator.standard_normal((chains, count, 2)) @ _MIXING.T + 1.0)


def with_provenance(rows: Rows, origin: Origin = REAL) -> Rows:
    """Return the same rows as rows of that origin."""
    return Rows(rows.values, rows.weights, Provenance.of(origin, rows.chains, rows.count))


def evidence(kind: Kind, *, samples: Array | None = None) -> Evidence:
    """Return evidence about a model that repeats its training rows.

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
        anchor=with_provenance(rows_of(kind, name="anchor")),
        training=training,
        source=_Vectors() if kind == "vectors" else _Symbols(),
        seed=SEED.at("metric"),
    )


@dataclass(frozen=True, eq=False)
class _Repeating:
    """A model that knows nothing but its training rows, and repeats them in random order.

    Args:
        training: its training rows.
    """

    training: Rows

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample training rows with replacement."""
        places = seed.numpy().integers(self.training.count, size=(self.training.chains, count))
        return self.training.anonymous().take(places)

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
        rows = rows_of(self.kind, chains=chains, count=count, name=f"block {first}")
        return Rows(rows.values, provenance=Provenance.of(REAL, chains, count, first=first))

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


@dataclass(frozen=True)
class _Symbols(_Vectors):
    """An endless source of example symbols."""

    kind: ClassVar[Kind] = "symbols"
