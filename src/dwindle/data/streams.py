"""Streams of rows: what sources have in common that draw from a law, and those that take rows from a finite store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dwindle.data.rows import IntArray, Rows
from dwindle.seeds import Seed

__all__ = ["OfLaw", "Parts", "WithEnd", "parted", "refuse_too_many"]


class OfLaw(ABC):
    """A source that draws its rows from a law. A block is an address: its first row's, below that of the stream."""

    held_out: int

    @abstractmethod
    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        """Return rows `first` .. `first + count - 1` of each chain, with provenance, drawn at an address."""

    @property
    def capacity(self) -> None:
        """Return None: there is no end."""
        return None

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, c = 1."""
        return self._rows(self.held_out, 1, 0, seed.at("held_out"))

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a block of each chain's stream."""
        return self._rows(count, chains, first, seed.at("stream", first))


@dataclass(frozen=True, eq=False)
class Parts:
    """The numbers of the rows that are held out, and of the others, each in order.

    Args:
        name: whose rows they are.
        held_out: numbers of the held-out rows.
        others: numbers of the others.
    """

    name: str
    held_out: IntArray
    others: IntArray

    def streamed(self, count: int, *, first: int, chains: int, seed: Seed) -> IntArray:
        """Return a block of each chain's permutation of the others, (c, n).

        Raises:
            ValueError: if there are not so many.
        """
        if first + count > len(self.others):
            asked = f"rows {first}..{first + count - 1} of a stream were asked for"
            there = f"{len(self.others)} beside its {len(self.held_out)} held-out rows"
            raise ValueError(f"{asked}, {self.name} has {there}")
        order = np.tile(self.others, (chains, 1))
        seed.at("stream").numpy().permuted(order, axis=1, out=order)
        return order[:, first : first + count]


@lru_cache(maxsize=16)
def parted(name: str, root: int, count: int, held_out: int) -> Parts:
    """Return what of a source's rows is held out.

    Args:
        name: whose rows; another name parts otherwise.
        root: the root seed.
        count: how many rows there are.
        held_out: how many of them are held out.
    """
    order = Seed(root, (name, "split")).numpy().permutation(count).astype(np.int64)
    return Parts(name, np.sort(order[:held_out]), np.sort(order[held_out:]))


def refuse_too_many(held_out: int, count: int, what: str) -> None:
    """Refuse to hold out so many rows that less than two are left to train on.

    Raises:
        ValueError: with how many there are.
    """
    if held_out > count - 2:
        raise ValueError(f"held_out {held_out} leaves fewer than 2 of the {count} {what}")


class WithEnd(ABC):
    """A source of finitely many rows.

    The root seed alone chooses the held-out rows: they are the same for all lineages of a sweep, and no seed of the
    sweep can bring one of them into a stream. The stream of each chain is a permutation of the others.
    """

    held_out: int

    @property
    @abstractmethod
    def _size(self) -> int:
        """Return how many rows there are."""

    @abstractmethod
    def _rows(self, numbers: IntArray, first: int, seed: Seed) -> Rows:
        """Return the rows of these numbers, (c, n), with provenance; the first is the `first` of its stream."""

    @property
    def capacity(self) -> int:
        """Return the rows that are not held out."""
        return self._size - self.held_out

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, c = 1."""
        return self._rows(self._parts(seed).held_out[None], 0, seed)

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a block of each chain's permutation of the other rows.

        Raises:
            ValueError: if a stream does not hold so many rows.
        """
        return self._rows(self._parts(seed).streamed(count, first=first, chains=chains, seed=seed), first, seed)

    def _parts(self, seed: Seed) -> Parts:
        return parted(type(self).__module__.rpartition(".")[2], seed.root, self._size, self.held_out)
