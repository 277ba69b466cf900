"""N-gram counts: which token followed which context how often, in every chain; linear in the distinct n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dwindle.data.rows import FloatArray, IntArray, Rows

__all__ = ["Ngrams", "context_numbers", "counted", "preceding"]


@dataclass(frozen=True, eq=False)
class Ngrams:
    """The n-grams of one length in all chains, sorted by context and then by last token.

    Contexts are numbered from 0. One of k tokens is the context of its last k - 1 tokens, its parent, with one token
    before it; a block begins with tokens K, which no block holds. The empty context of each chain has its number.
    Length 0 is the whole alphabet, once for all chains.

    Args:
        length: tokens of an n-gram, the context's and the one that followed.
        symbols: size K of the alphabet.
        contexts: (k,) for each context the number of its parent times K + 1 plus its first token, ascending; for the
            empty contexts the chain.
        keys: (m,) for each n-gram the number of its context times K plus its last token, ascending.
        counts: (m,) summed weight of the places where it stands.
    """

    length: int
    symbols: int
    contexts: IntArray
    keys: IntArray
    counts: FloatArray

    @cached_property
    def owners(self) -> IntArray:
        """Number of each n-gram's context, (m,)."""
        return self.keys // self.symbols

    @cached_property
    def tokens(self) -> IntArray:
        """Last token of each n-gram, (m,)."""
        return self.keys % self.symbols

    @cached_property
    def starts(self) -> IntArray:
        """Place of each context's first n-gram, and after them the number of n-grams, (k + 1,)."""
        bounds = np.arange(len(self.contexts) + 1, dtype=np.int64) * self.symbols
        return np.searchsorted(self.keys, bounds).astype(np.int64)

    @cached_property
    def totals(self) -> FloatArray:
        """Summed weight of each context, (k,)."""
        return np.asarray(np.bincount(self.owners, self.counts, minlength=len(self.contexts)), dtype=np.float64)

    @cached_property
    def parents(self) -> IntArray:
        """Number of each context's parent among the n-grams one shorter, (k,)."""
        return np.zeros_like(self.contexts) if self.length < 2 else self.contexts // (self.symbols + 1)

    def context(self, parents: IntArray, first: IntArray) -> IntArray:
        """Return the number of each context, given its parent and its first token; -1 for one that never occurred."""
        return _found(self.contexts, parents * (self.symbols + 1) + first)

    def place(self, contexts: IntArray, tokens: IntArray) -> IntArray:
        """Return the place of each n-gram, given its context and its last token; -1 for one that never occurred."""
        return _found(self.keys, contexts * self.symbols + tokens)


def counted(rows: Rows, *, order: int, symbols: int) -> tuple[Ngrams, ...]:
    """Count the n-grams of lengths 0 .. `order` in every chain.

    Args:
        rows: (c, n, L) blocks; a block of weight w counts w times, one of weight 0 does not exist.
        order: tokens of the longest n-grams.
        symbols: size K of the alphabet.

    Raises:
        ValueError: if a block holds a token outside the alphabet, or a chain has no blocks.
    """
    blocks, chain, weights = _present(rows, symbols)
    alphabet = np.arange(symbols, dtype=np.int64)
    found = [Ngrams(0, symbols, np.zeros(1, dtype=np.int64), alphabet, np.ones(symbols))]
    contexts = np.arange(rows.chains, dtype=np.int64)
    numbers = np.repeat(chain, blocks.shape[1])
    for length in range(1, order + 1):
        if length > 1:
            first = preceding(blocks, length - 1, symbols).reshape(-1)
            contexts, numbers = np.unique(numbers * (symbols + 1) + first, return_inverse=True)
        keys, counts = _summed(numbers * symbols + blocks.reshape(-1), weights)
        found.append(Ngrams(length, symbols, contexts, keys, counts))
    return tuple(found)


def context_numbers(tables: Sequence[Ngrams], chain: IntArray, past: Sequence[IntArray]) -> list[IntArray]:
    """Return the number of each place's context among the n-grams of every length; -1 where it never occurred.

    Args:
        tables: n-grams of lengths 0, 1, ....
        chain: chain of each place.
        past: the token before each place, the token before that, and so on; K before the block begins.
    """
    numbers = [np.zeros_like(chain), chain]
    for table, first in zip(tables[2:], past, strict=True):
        numbers.append(table.context(numbers[-1], first))
    return numbers


def preceding(blocks: IntArray, distance: int, begin: int) -> IntArray:
    """Return the token that stands `distance` places before each place of the blocks, (r, L), `begin` where none."""
    before = np.full_like(blocks, begin)
    before[:, distance:] = blocks[:, : max(0, blocks.shape[1] - distance)]
    return before


def _present(rows: Rows, symbols: int) -> tuple[IntArray, IntArray, FloatArray | None]:
    """Return the blocks that exist, (r, L), the chain of each, (r,), and the weight of each of their tokens."""
    empty = np.flatnonzero(rows.counts == 0)
    if empty.size:
        raise ValueError(f"chain {int(empty[0])} has no rows to fit")
    blocks = np.asarray(rows.values, dtype=np.int64).reshape(-1, rows.values.shape[2])
    chain = np.repeat(np.arange(rows.chains, dtype=np.int64), rows.count)
    weights = None
    if rows.weights is not None:
        present = rows.weights.reshape(-1) > 0
        blocks, chain = blocks[present], chain[present]
        weights = np.repeat(rows.weights.reshape(-1)[present], blocks.shape[1])
    if blocks.size and not 0 <= blocks.min() <= blocks.max() < symbols:
        raise ValueError(f"rows hold tokens {blocks.min()}..{blocks.max()}; the alphabet is 0..{symbols - 1}")
    return blocks, chain, weights


def _summed(keys: IntArray, weights: FloatArray | None) -> tuple[IntArray, FloatArray]:
    """Return each key once, ascending, and its summed weight."""
    if weights is None:
        distinct, counts = np.unique(keys, return_counts=True)
        return distinct, counts.astype(np.float64)
    distinct, place = np.unique(keys, return_inverse=True)
    return distinct, np.asarray(np.bincount(place, weights), dtype=np.float64)


def _found(keys: IntArray, wanted: IntArray) -> IntArray:
    """Return the place of each wanted number among ascending keys, -1 where it is missing."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
