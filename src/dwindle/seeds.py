"""Stateless seeds: every random draw has an address, and the address is its seed.

A seed is never advanced, spawned or shared. Two processes that compute the same address draw the same numbers, in any
order and after any interruption.
"""

from __future__ import annotations

import hashlib
import operator
from dataclasses import dataclass

import numpy as np

__all__ = ["Seed"]


@dataclass(frozen=True)
class Seed:
    """An address in the tree of random draws: root seed, then lineage, generation, stage, chunk.

    Args:
        root: the sweep's root seed.
        path: the steps below the root, each a name or a number.
    """

    root: int
    path: tuple[str | int, ...] = ()

    def at(self, *steps: str | int) -> Seed:
        """Return the seed at an address below this one."""
        return Seed(self.root, self.path + steps)

    @property
    def words(self) -> tuple[int, int]:
        """128 bits of the address's SHA-256, as two 64-bit integers."""
        # numpy's integers are spelled otherwise, and a fraction is no address.
        steps = (str(step) if isinstance(step, str) else operator.index(step) for step in (self.root, *self.path))
        digest = hashlib.sha256(repr(tuple(steps)).encode()).digest()
        return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")

    def numpy(self) -> np.random.Generator:
        """Return a new numpy generator that starts at this address."""
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(self.words)))

    def integer(self) -> int:
        """Return 32 bits for libraries that take an integer.

        torch's CPU generator reads only the low 32 bits of a seed, so more would be a false promise.
        """
        return self.words[0] & 0xFFFFFFFF
