"""Streams without end: what sources that draw from a law have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from dwindle.data.rows import Rows
from dwindle.seeds import Seed

__all__ = ["OfLaw"]


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
