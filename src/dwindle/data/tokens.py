"""Text as blocks of tokens: splitting it, numbering its tokens, and a stream of its blocks for every chain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dwindle.data import pieces, spelling
from dwindle.data.rows import REAL, Array, IntArray, Provenance, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["LINE_END", "UNKNOWN", "Corpus", "OfCorpus", "Reading", "Unit", "corpus", "split"]

Unit = Literal["words", "characters", "pieces"]
"""What a token is.

What stands between white space, one character, white space included, or a piece of a word: bytes that often stand
together, as byte-level BPE finds them in the training text.
"""

LINE_END = "<eos>"
"""The token at the end of a line of words."""

_STRANGE = "\N{REPLACEMENT CHARACTER}"
UNKNOWN: dict[Unit, str] = {"words": "<unk>", "characters": _STRANGE, "pieces": _STRANGE}
"""How a token without a number of its own is spelled; a text may hold it too."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in numbered tokens, cut into blocks.

    Args:
        unit: what a token is.
        tokens: tokens 0 .. K-2, most frequent first, as many as the training text has; of pieces, all that the
            tokenizer has, as it numbers and writes them.
        symbols: size K of the alphabet; of words and characters, K-1 stands for all other tokens.
        training: (n, L) blocks of the training text.
        held_out: (m, L) blocks of the held-out text.
        tokenizer: what cut the text into pieces; None for words and characters.
    """

    unit: Unit
    tokens: tuple[str, ...]
    symbols: int
    training: IntArray
    held_out: IntArray
    tokenizer: Tokenizer | None = None

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
            values: (n, L) tokens of this corpus or of a model of it; one without a spelling is shown as unknown, and
                so are bytes of pieces that are no UTF-8.
        """
        if self.tokenizer is not None:
            return [pieces.spelled(self.tokenizer, block) for block in np.asarray(values).tolist()]
        spelled, gap = self.spelled(), " " if self.unit == "words" else ""
        return [gap.join(spelled[token] for token in block) for block in np.asarray(values).tolist()]

    def spelled(self) -> list[str]:
        """Return how each token 0 .. K-1 of words or characters is spelled."""
        return [*self.tokens, *[UNKNOWN[self.unit]] * (self.symbols - len(self.tokens))]


@dataclass(frozen=True)
class Reading:
    """How a text becomes blocks of tokens.

    Args:
        unit: what a token is.
        symbols: size K of the alphabet.
        length: tokens of a block.
        tokenizer: where a tokenizer for pieces is, a folder or a hub id; empty: it is learned from the training text.
        line_ends: whether each line of words ends with the token `<eos>`.

    Raises:
        ValueError: if a tokenizer is given for a unit that takes none, or pieces are to be learned for too few symbols.
    """

    unit: Unit
    symbols: int
    length: int
    tokenizer: str = ""
    line_ends: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that do not belong together."""
        if self.tokenizer and self.unit != "pieces":
            raise ValueError(f"a tokenizer is given, and unit is {self.unit}; expected unit pieces")
        if self.unit == "pieces" and not self.tokenizer and self.symbols < pieces.SMALLEST:
            told = "the 256 bytes and at least one piece of several"
            raise ValueError(f"symbols {self.symbols} are too few for unit pieces, {told}: expected >= 257")

    def parts(self, training: str, held_out: str) -> Corpus:
        """Return the corpus of a training text and a held-out one.

        Raises:
            ValueError: if a part does not fill one block, or the tokenizer cannot serve.
            NotReachable: if the tokenizer is on a hub that does not answer.
        """
        if self.unit == "pieces":
            tokenizer = self._tokenizer(training)
            return self._of_pieces(tokenizer, pieces.encoded(tokenizer, training), pieces.encoded(tokenizer, held_out))
        tokens = (split(part, self.unit, line_ends=self.line_ends) for part in (training, held_out))
        return corpus(*tokens, unit=self.unit, symbols=self.symbols, length=self.length)

    def one(self, text: str, held_out: int) -> Corpus:
        """Return the corpus of one text, cut into blocks from its start, of which the last ones are held out.

        Pieces are learned from the first 15, 14, 12 or 8 sixteenths of the text, up to the end of a line: the most that
        stands before the held-out blocks.

        Args:
            text: the whole text.
            held_out: number of held-out blocks.

        Raises:
            ValueError: if no block is left to train on, or the tokenizer cannot serve.
            NotReachable: if the tokenizer is on a hub that does not answer.
        """
        if self.unit == "pieces":
            tokenizer, numbers = self._cut_into_pieces(text, held_out)
            cut = self._cut(len(numbers), held_out)
            return self._of_pieces(tokenizer, numbers[:cut], numbers[cut:])
        tokens = split(text, self.unit, line_ends=self.line_ends)
        cut = self._cut(len(tokens), held_out)
        return corpus(tokens[:cut], tokens[cut:], unit=self.unit, symbols=self.symbols, length=self.length)

    def _cut(self, count: int, held_out: int) -> int:
        """Return how many tokens stand before the held-out blocks."""
        blocks = count // self.length
        if not blocks:
            raise ValueError(f"the text has {count} {self.unit}; a block takes {self.length}")
        if held_out >= blocks:
            raise ValueError(f"held_out {held_out} leaves none of the {blocks} blocks of {self.length} tokens")
        return (blocks - held_out) * self.length

    def _tokenizer(self, text: str) -> Tokenizer:
        if not self.tokenizer:
            return pieces.learned(text, self.symbols)
        tokenizer = pieces.given(self.tokenizer)
        if self.symbols < pieces.size(tokenizer):
            told = f"tokenizer {self.tokenizer} has {pieces.size(tokenizer)}"
            raise ValueError(f"symbols {self.symbols} are too few: {told}; expected >= {pieces.size(tokenizer)}")
        return tokenizer

    def _cut_into_pieces(self, text: str, held_out: int) -> tuple[Tokenizer, IntArray]:
        """Return a tokenizer that never saw the held-out blocks, and the pieces of the whole text."""
        if self.tokenizer:
            tokenizer = self._tokenizer(text)
            return tokenizer, pieces.encoded(tokenizer, text)
        for share in (15, 14, 12, 8):
            end = len(text) * share // 16
            end = text.rfind("\n", 0, end) + 1 or end
            tokenizer = self._tokenizer(text[:end])
            seen, unseen = pieces.encoded(tokenizer, text[:end]), pieces.encoded(tokenizer, text[end:])
            numbers = np.concatenate([seen, unseen])
            if self._cut(len(numbers), held_out) >= len(seen):
                return tokenizer, numbers
        told = "pieces are learned from the text before the held-out blocks, which must be at least half of it"
        raise ValueError(f"held_out {held_out} is too large: {told}")

    def _of_pieces(self, tokenizer: Tokenizer, training: IntArray, held_out: IntArray) -> Corpus:
        blocks = []
        for name, part in (("training", training), ("held-out", held_out)):
            if len(part) < self.length:
                raise ValueError(f"the {name} text has {len(part)} pieces; a block takes {self.length}")
            blocks.append(_blocks(part, len(part) // self.length, self.length))
        return Corpus(self.unit, pieces.spellings(tokenizer), self.symbols, blocks[0], blocks[1], tokenizer)


class OfCorpus(ABC):
    """What sources of text have in common: their rows are the blocks of a corpus."""

    @abstractmethod
    def _corpus(self) -> Corpus:
        """Return the corpus, read once a process."""

    @property
    def capacity(self) -> int:
        """Return the blocks of the training text."""
        return len(self._corpus().training)

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return all held-out blocks, (1, n, L); no seed changes them."""
        return self._corpus().held_out_rows()

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a part of each chain's permutation of the training blocks, (c, n, L).

        Raises:
            ValueError: if a stream does not hold so many rows.
        """
        return self._corpus().draw(count, first=first, chains=chains, seed=seed)

    def text(self, values: Array) -> list[str]:
        """Return blocks, (n, L), of this source or of a model of it as text."""
        return self._corpus().text(values)

    def places(self, values: Array) -> list[tuple[str, IntArray]]:
        """Return blocks, (n, L), as text, and where in it each token begins and ends, (L, 2).

        Raises:
            ValueError: if the tokens do not stand one after another in the text.
        """
        return spelling.places(self._corpus(), values)

    def token(self, text: str) -> int | None:
        """Return the token that is spelled like this, alone; None where there is none."""
        return spelling.token(self._corpus(), text)


def split(text: str, unit: Unit, *, line_ends: bool = False) -> list[str]:
    """Return the tokens of a text.

    Args:
        text: any text.
        unit: words or characters.
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
        unit: words or characters.
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
    return Corpus(unit, tokens, symbols, parts[0], parts[1])


def _blocks(numbers: Iterable[int], count: int, length: int) -> IntArray:
    """Return the first tokens as blocks, (count, length)."""
    return np.fromiter(numbers, dtype=np.int64)[: count * length].reshape(count, length)
