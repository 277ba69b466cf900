"""Rows in memory: values by chain, and where each row came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRESH", "REAL", "Array", "FloatArray", "IntArray", "Origin", "Provenance", "Rows"]

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Origin = int
"""Who made a row: `REAL` (the anchor), `FRESH` (a new real row), or the generation t >= 1 that made it."""

REAL: Origin = 0
FRESH: Origin = -1


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where each row came from; arrays of shape (c, n).

    Args:
        origin: `REAL`, `FRESH` or the generation that made the row.
        row: the row's number among the rows of its origin and chain.
        source: the row of the real source it was copied from, or the prompt it answers; -1 for none.
    """

    origin: IntArray
    row: IntArray
    source: IntArray

    @staticmethod
    def of(origin: Origin, chains: int, count: int, *, first: int = 0, source: IntArray | None = None) -> Provenance:
        """Return the provenance of `count` new rows a chain, numbered from `first`."""
        shape = (chains, count)
        rows = np.broadcast_to(np.arange(first, first + count, dtype=np.int64), shape)
        origins = np.full(shape, origin, dtype=np.int64)
        return Provenance(origins, rows, np.full(shape, -1, dtype=np.int64) if source is None else source)

    def take(self, index: IntArray) -> Provenance:
        """Return the provenance of the rows at `index`, of shape (c, k)."""
        chosen = (np.take_along_axis(part, index, axis=1) for part in (self.origin, self.row, self.source))
        return Provenance(*chosen)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of every chain side by side.

    Args:
        values: (c, n, d) numbers, or (c, n) symbols.
        weights: (c, n) weight of each row in training, 0 where a shorter chain has no row; None means all equal.
        provenance: where the rows came from; None where nobody may ask (families never see it).
        labels: (c, n) the class of each row, 0 .. k-1, or -1 where it has none; None where no row has one.
    """

    values: Array
    weights: FloatArray | None = None
    provenance: Provenance | None = None
    labels: IntArray | None = None

    @property
    def chains(self) -> int:
        """Number of chains c."""
        return int(self.values.shape[0])

    @property
    def count(self) -> int:
        """Rows of the longest chain n."""
        return int(self.values.shape[1])

    @property
    def counts(self) -> IntArray:
        """Rows of each chain, (c,)."""
        if self.weights is None:
            return np.full(self.chains, self.count, dtype=np.int64)
        return np.asarray(np.count_nonzero(self.weights, axis=1), dtype=np.int64)

    def chain(self, index: int) -> Rows:
        """Return one chain as rows with c = 1, without the places where it has no row."""
        present = slice(None) if self.weights is None else self.weights[index] > 0
        values = self.values[index : index + 1, present]
        weights = None if self.weights is None else self.weights[index : index + 1, present]
        labels = None if self.labels is None else self.labels[index : index + 1, present]
        return Rows(values, weights, labels=labels)

    def take(self, index: IntArray) -> Rows:
        """Return the rows at `index`, of shape (c, k), in that order."""
        wide = index.reshape(index.shape + (1,) * (self.values.ndim - 2))
        return Rows(
            np.take_along_axis(self.values, wide, axis=1),
            None if self.weights is None else np.take_along_axis(self.weights, index, axis=1),
            None if self.provenance is None else self.provenance.take(index),
            None if self.labels is None else np.take_along_axis(self.labels, index, axis=1),
        )

    def anonymous(self) -> Rows:
        """Return the same rows without their provenance: what a family is given."""
        return replace(self, provenance=None)

    @staticmethod
    def join(parts: Sequence[Rows]) -> Rows:
        """Return the rows of all parts, chain by chain, in the order of the parts.

        Raises:
            ValueError: if there is no part.
        """
        if not parts:
            raise ValueError("there are no rows to join")
        if len(parts) == 1:
            return parts[0]
        weighted = any(part.weights is not None for part in parts)
        weights = np.concatenate([part.filled_weights() for part in parts], axis=1) if weighted else None
        values = np.concatenate([part.values for part in parts], axis=1)
        labelled = any(part.labels is not None for part in parts)
        labels = np.concatenate([part.filled_labels() for part in parts], axis=1) if labelled else None
        known = [part.provenance for part in parts if part.provenance is not None]
        if len(known) < len(parts):
            return Rows(values, weights, labels=labels)
        fields = ((p.origin for p in known), (p.row for p in known), (p.source for p in known))
        provenance = Provenance(*(np.concatenate(list(field), axis=1) for field in fields))
        return Rows(values, weights, provenance, labels)

    @staticmethod
    def stack(parts: Sequence[Rows]) -> Rows:
        """Return the chains of all parts one after another, anonymous; the shorter ones padded with weight 0.

        Raises:
            ValueError: if there is no part, or the rows differ in shape, or only some of the parts are labelled.
        """
        if not parts or len({part.values.shape[2:] for part in parts}) > 1:
            raise ValueError("rows to be stacked must have one shape")
        if len({part.labels is None for part in parts}) > 1:
            raise ValueError("either all rows to be stacked are labelled, or none")
        longest = max(part.count for part in parts)
        values = np.concatenate([_padded(part.values, longest, 0) for part in parts])
        plain = all(part.weights is None and part.count == longest for part in parts)
        weights = None if plain else np.concatenate([_padded(part.filled_weights(), longest, 0) for part in parts])
        if parts[0].labels is None:
            return Rows(values, weights)
        return Rows(values, weights, labels=np.concatenate([_padded(p.filled_labels(), longest, -1) for p in parts]))

    def split(self, chains: Sequence[int]) -> list[Rows]:
        """Return the rows of several lineages, of so many chains each, that stand under each other here."""
        ends = np.cumsum(chains)[:-1]
        weights = [None] * len(chains) if self.weights is None else np.split(self.weights, ends)
        labels = [None] * len(chains) if self.labels is None else np.split(self.labels, ends)
        parts = zip(np.split(self.values, ends), weights, labels, strict=True)
        return [Rows(values, weight, labels=label) for values, weight, label in parts]

    def filled_weights(self) -> FloatArray:
        """Return the weights, ones where none were given, (c, n)."""
        return np.ones((self.chains, self.count)) if self.weights is None else self.weights

    def filled_labels(self) -> IntArray:
        """Return the labels, -1 where none were given, (c, n)."""
        return np.full((self.chains, self.count), -1, dtype=np.int64) if self.labels is None else self.labels


def _padded(values: Array, longest: int, filling: int) -> Array:
    """Return (c, n, ...) values as (c, longest, ...)."""
    if values.shape[1] == longest:
        return values
    padded = np.full((len(values), longest, *values.shape[2:]), filling, dtype=values.dtype)
    padded[:, : values.shape[1]] = values
    return padded
