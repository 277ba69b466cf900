"""Stateless seeds: every random draw has an address, and the address is its seed.

A seed is never advanced, spawned or shared. Two processes that compute the same address draw the same numbers, in any
order and after any interruption.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Seed", "SharedSeed"]


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


@dataclass(frozen=True)
class SharedSeed(Seed):
    """The seed of a cohort: below `at("chain", c)` it is the ordinary seed of the lineage that chain c belongs to.

    A family that draws at such addresses only gives every chain the numbers it would have drawn alone.

    Args:
        members: the seed and the number of chains of each lineage, in the order of their chains.
    """

    members: Sequence[tuple[Seed, int]] = field(default=(), kw_only=True)

    @staticmethod
    def of(members: Sequence[tuple[Seed, int]]) -> SharedSeed:
        """Return the seed that lineages share, each with its number of chains."""
        return SharedSeed(members[0][0].root, members=tuple(members))

    def at(self, *steps: str | int) -> Seed:
        """Return the seed at an address below this one; past `"chain", c` it is that of a single lineage.

        Raises:
            ValueError: if there is no chain c.
        """
        if "chain" not in steps[:-1]:
            return SharedSeed(self.root, members=[(seed.at(*steps), chains) for seed, chains in self.members])
        place = steps.index("chain")
        chain = operator.index(steps[place + 1])  # type: ignore[arg-type]
        for seed, chains in self.members:
            if chain < chains:
                return seed.at(*steps[:place], "chain", chain, *steps[place + 2 :])
            chain -= chains
        raise ValueError(f"the cohort has no chain {steps[place + 1]}")

    @property
    def words(self) -> tuple[int, int]:
        """Refuse: a draw for all chains at once would tie lineages together.

        Raises:
            ValueError: always.
        """
        raise ValueError('a cohort draws below at("chain", c) only')
