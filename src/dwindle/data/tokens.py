"""Text as blocks of tokens: splitting it, numbering its tokens, and a stream of its blocks for every chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwindle.data.rows import REAL, Array, IntArray, Provenance, Rows
from dwindle.seeds import Seed

__all__ = ["LINE_END", "UNKNOWN", "Corpus", "Unit", "corpus", "split"]

Unit = Literal["words", "characters"]
"""What a token is: what stands between white space, or one character, white space included."""

LINE_END = "<eos>"
"""The token at the end of a line of words."""

UNKNOWN: dict[Unit, str] = {"words": "<unk>", "characters": "\N{REPLACEMENT CHARACTER}"}
"""How a token without a number of its own is spelled; a text may hold it too."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in numbered tokens, cut into blocks.

    Args:
        unit: what a token is.
        tokens: tokens 0 .. K-2, most frequent first, as many as the training text has.
        symbols: size K of the alphabet; K-1 stands for all other tokens.
        training: (n, L) blocks of the training text.
        held_out: (m, L) blocks of the held-out text.
    """

    unit: Unit
    tokens: tuple[str, ...]
    symbols: int
    training: IntArray
    held_out: IntArray

    def held_out_rows(self) -> Rows:
        """Return the held-out blocks, (1, m, L); in their provenance they are numbered on from the training blocks."""
        first = len(self.training)
        numbers = np.arange(first, first + len(self.held_out), dtype=np.int64)[None]
        return Rows(self.held_out[None].copy(), provenance=Provenance.of(REAL, *numbers.shape, source=numbers))

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return rows `first` .. `first + count - 1` of each chain's permutation of the training blocks, (c, n, L).

        Raises:
            ValueError: if there are not so many.
        """
        blocks = len(self.training)
        if first + count > blocks:
            asked = f"rows {first}..{first + count - 1} of a stream were asked for"
            raise ValueError(f"{asked}, the training text has {blocks} blocks")
        order = np.tile(np.arange(blocks, dtype=np.int64), (chains, 1))
        seed.at("stream").numpy().permuted(order, axis=1, out=order)
        numbers = order[:, first : first + count]
        return Rows(self.training[numbers], provenance=Provenance.of(REAL, chains, count, first=first, source=numbers))

    def text(self, values: Array) -> list[str]:
        """Return blocks as text.

        Args:
            values: (n, L) tokens of this corpus or of a model of it; one without a spelling is shown as unknown.
        """
        spelled = [*self.tokens, *[UNKNOWN[self.unit]] * (self.symbols - len(self.tokens))]
        gap = " " if self.unit == "words" else ""
        return [gap.join(spelled[token] for token in block) for block in np.asarray(values).tolist()]


def split(text: str, unit: Unit, *, line_ends: bool = False) -> list[str]:
    """Return the tokens of a text.

    Args:
        text: any text.
        unit: what a token is.
        line_ends: whether each line of words, empty ones included, ends with the token `<eos>`.
    """
    if unit == "characters":
        return list(text)
    if not line_ends:
        return text.split()
    return [token for line in text.removesuffix("\n").split("\n") for token in (*line.split(), LINE_END)]


def corpus(training: Sequence[str], held_out: Sequence[str], *, unit: Unit, symbols: int, length: int) -> Corpus:
    """Number the tokens of a text by their frequency in its training part, and cut both parts into blocks.

    Equally frequent tokens are numbered in the order of their spelling; the tokens that are left over at the end of a
    part make no block.

    Args:
        training: tokens of the training part.
        held_out: tokens of the held-out part.
        unit: what a token is.
        symbols: size K of the alphabet: the K-1 most frequent tokens and one for all others.
        length: tokens of a block.

    Raises:
        ValueError: if a part does not fill one block.
    """
    counts = Counter(training)
    counts.pop(UNKNOWN[unit], None)
    tokens = tuple(sorted(counts, key=lambda token: (-counts[token], token))[: symbols - 1])
    numbers = {token: number for number, token in enumerate(tokens)}
    parts = []
    for name, part in (("training", training), ("held-out", held_out)):
        if len(part) < length:
            raise ValueError(f"the {name} text has {len(part)} {unit}; a block takes {length}")
        parts.append(_blocks((numbers.get(token, symbols - 1) for token in part), len(part) // length, length))
    return Corpus(unit, tokens, symbols, *parts)


def _blocks(numbers: Iterable[int], count: int, length: int) -> IntArray:
    """Return the first tokens as blocks, (count, length)."""
    return np.fromiter(numbers, dtype=np.int64)[: count * length].reshape(count, length)
