"""Small synthetic rows for the checks, by kind."""

from __future__ import annotations

import numpy as np

from dwindle.contracts import REAL, Array, Kind, Origin, Provenance, Rows, Seed

__all__ = [
    "CHAINS",
    "COUNT",
    "LENGTH",
    "SEED",
    "SHARES",
    "SYMBOLS",
    "away",
    "rows_of",
    "whole_numbers",
    "with_provenance",
]

SEED = Seed(20, ("checks",))
CHAINS, COUNT, SYMBOLS = 3, 40, 8
LENGTH = 6  # tokens of a sequence
SHARES = np.diff(np.sqrt(np.arange(SYMBOLS + 1) / SYMBOLS))  # of the tokens of a sequence
_MIXING = np.array([[1.0, 0.0], [0.6, 0.8]])


def rows_of(
    kind: Kind, *, chains: int = CHAINS, count: int = COUNT, symbols: int = SYMBOLS, name: str = "rows"
) -> Rows:
    """Return rows for a family or a metric.

    Correlated normals (c, n, 2) for vectors, symbols of unequal frequency (c, n), two inputs and a label 0 or 1 that
    depends on them (c, n, 3) for pairs, tokens of unequal frequency (c, n, 6) for sequences, two numbers, a colour of
    three, a group of two and a target of two that depends on the numbers (c, n, 5) for tables.

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
    if kind == "sequences":
        return Rows((symbols * generator.random((chains, count, LENGTH)) ** 2).astype(np.int64))
    vectors = generator.standard_normal((chains, count, 2))
    if kind == "pairs":
        chance = 1.0 / (1.0 + np.exp(-vectors.sum(axis=2)))
        return Rows(np.dstack([vectors, generator.random((chains, count)) < chance]))
    if kind == "tables":
        chance = 1.0 / (1.0 + np.exp(-2.0 * vectors.sum(axis=2)))
        colour = np.clip(np.floor(1.5 + vectors[..., 0]), 0, 2)
        group = generator.random((chains, count)) < 0.3
        return Rows(np.dstack([vectors @ _MIXING.T, colour, group, generator.random((chains, count)) < chance]))
    return Rows(vectors @ _MIXING.T + 1.0)


def whole_numbers(kind: Kind) -> bool:
    """Say whether rows of this kind hold whole numbers: symbols or tokens."""
    return kind in ("symbols", "sequences")


def away(kind: Kind, values: Array) -> Array:
    """Return rows that are far from these, of a kind that is not symbols: every level of a table is its first one."""
    far = 10.0 * values + 50.0
    if kind == "tables":
        far[..., 2:] = 0.0
    return far


def with_provenance(rows: Rows, origin: Origin = REAL) -> Rows:
    """Return the same rows as rows of that origin."""
    return Rows(rows.values, rows.weights, Provenance.of(origin, rows.chains, rows.count))
