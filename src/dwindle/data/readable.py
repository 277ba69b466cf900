"""What can be counted in a text: its words, its symbols, and what it says twice."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from dwindle.data.tokens import LINE_END, UNKNOWN

__all__ = ["plain", "repeated_line_share", "repeated_share", "symbol_share", "top_share", "word_length"]

_WORDLIKE = re.compile(r"[^\W_]")
_PUNCTUATION = frozenset(".,;:!?'\"()-、。")
_QUOTES_AND_DASHES = frozenset({"Pd", "Pi", "Pf"})


def plain(text: str) -> str:
    """Return a source's text with the ends of its lines for the tokens that mark them, and a word for unknown words."""
    return text.replace(LINE_END, "\n").replace(UNKNOWN["words"], "unknown")


def symbol_share(text: str) -> float:
    """Return the share of the characters that are neither letters, digits, space nor plain punctuation; 0 of none.

    Plain are . , ; : ! ? ' " ( ) - and other quotes and dashes; marks on letters count as letters.
    """
    counts = Counter(text)
    return sum(count for character, count in counts.items() if _is_symbol(character)) / max(len(text), 1)


@lru_cache(maxsize=1 << 16)
def _is_symbol(character: str) -> bool:
    category = unicodedata.category(character)
    known = category[0] in "LMNZ" or category in _QUOTES_AND_DASHES or character.isspace()
    return not known and not _PUNCTUATION.issuperset(unicodedata.normalize("NFKC", character))


def repeated_line_share(text: str) -> float:
    """Return the share of the lines that repeat one before them, blank ones aside; 0 of none.

    Source: Rae et al. 2021, table A1 (duplicate line fraction).
    """
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    return (len(lines) - len(set(lines))) / max(len(lines), 1)


def word_length(words: Sequence[str]) -> float:
    """Return the mean number of characters of the words that have a letter or a digit; 0 where none has."""
    lengths = [len(word) for word in words if _WORDLIKE.search(word)]
    return sum(lengths) / max(len(lengths), 1)


def top_share(words: Sequence[str], length: int) -> float:
    """Return the share of the characters of words that the n-gram holds which covers most, if it occurs twice or more.

    Characters are counted once where the n-gram overlaps itself.

    Args:
        words: of a text.
        length: words n of an n-gram.

    Source: Rae et al. 2021, table A1 (top n-gram character fraction).
    """
    counts = Counter(_ngrams(words, length))
    repeated = {ngram: count for ngram, count in counts.items() if count > 1}
    if not repeated:
        return 0.0
    top = max(repeated, key=lambda ngram: repeated[ngram] * sum(map(len, ngram)))
    return _covered(words, length, [ngram == top for ngram in _ngrams(words, length)])


def repeated_share(words: Sequence[str], length: int) -> float:
    """Return the share of the characters of words that stand in an n-gram which occurred before, each counted once.

    Args:
        words: of a text.
        length: words n of an n-gram.

    Source: Rae et al. 2021, table A1 (duplicate n-gram character fraction).
    """
    seen: set[tuple[str, ...]] = set()
    again = []
    for ngram in _ngrams(words, length):
        again.append(ngram in seen)
        seen.add(ngram)
    return _covered(words, length, again) if any(again) else 0.0


def _ngrams(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(length)), strict=False))


def _covered(words: Sequence[str], length: int, chosen: Sequence[bool]) -> float:
    """Return the share of the characters of words in the chosen n-grams."""
    inside = {start + step for start, taken in enumerate(chosen) if taken for step in range(length)}
    return sum(len(words[place]) for place in inside) / sum(map(len, words))
