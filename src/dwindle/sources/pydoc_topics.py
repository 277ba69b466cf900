"""The language reference that ships with CPython: a finite source of real English text."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Kind, Within
from dwindle.data.tokens import Corpus, OfCorpus, Reading, Unit

__all__ = ["PydocTopics"]


@dataclass(frozen=True)
class PydocTopics(OfCorpus):
    """The help topics of Python's `pydoc`, some 65 000 words of technical English, in blocks of tokens.

    The topics stand in the order of their names and are cut into blocks from the start. The last blocks are held out,
    the same for every seed, and the stream of each chain is a permutation of the others. The tokens are those of the
    blocks that are not held out. A row's provenance holds the number of its block. Another version of Python has a
    slightly different text.

    Source: pydoc_data.topics of the running interpreter, made from the Python language reference.

    Args:
        unit: what a token is: words between white space, characters, or pieces of words by byte-level BPE.
        symbols: size K of the alphabet: the K-1 most frequent tokens, and the last one for all others; of pieces, the
            256 bytes and what is learned from the text before the held-out blocks. Numbers that no token needs never
            occur.
        length: tokens of a block.
        held_out: number of held-out blocks.
        tokenizer: for pieces, a tokenizer to use instead of learning one: a folder with tokenizer.json, or a hub id
            with its revision, org/name@<40 hexadecimal digits>; symbols must be at least its size.
    """

    kind: ClassVar[Kind] = "sequences"

    unit: Unit = "words"
    symbols: Annotated[int, Within(low=2, high=100_000_000, unit="symbols")] = 2000
    length: Annotated[int, Within(low=1, high=1_000_000, unit="tokens")] = 32
    held_out: Annotated[int, Within(low=1, unit="blocks")] = 400
    tokenizer: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that leave nothing to train on.

        Raises:
            ValueError: if all blocks would be held out, or the tokens cannot be made.
            NotReachable: if the tokenizer is on a hub that does not answer.
        """
        self._corpus()

    def card(self) -> Mapping[str, str]:
        """Return the running Python, and the digest of all its topics as they are read."""
        digest = hashlib.sha256(_text().encode()).hexdigest()
        return {"package": "cpython", "version": platform.python_version(), "licence": "PSF-2.0", "sha256": digest}

    @classmethod
    def smallest(cls) -> Self:
        """Return short blocks of characters."""
        return cls(unit="characters", symbols=40, length=200, held_out=100)

    def _corpus(self) -> Corpus:
        return _read(self)


@lru_cache(maxsize=8)
def _read(source: PydocTopics) -> Corpus:
    reading = Reading(source.unit, source.symbols, source.length, source.tokenizer)
    return reading.one(_text(), source.held_out)


def _text() -> str:
    """Return the topics in the order of their names."""
    from pydoc_data.topics import topics  # half a megabyte of text

    return "\n".join(topics[name] for name in sorted(topics))
