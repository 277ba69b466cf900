"""The curator that drops text of poor quality, by rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, Kind, Readable, Rows, Seed, Within, knowing
from dwindle.data.readable import plain, repeated_line_share, repeated_share, symbol_share, top_share, word_length
from dwindle.data.trigrams import Trigrams

__all__ = ["TextQuality"]

Share = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]
_LANGUAGE = "not in the language of the anchor"


@dataclass(frozen=True)
class TextQuality:
    """Drops new rows of text that are too short or long, full of symbols or repetitions, or in another language.

    Each rule is a setting, 0 switches it off, and a row goes for the first rule that it breaks, in the order below.
    Words stand between white space, and those without a letter or a digit have no length. The language is that of the
    anchor, whatever it is, and no other model is asked: a law of character trigrams is learned from every second anchor
    row of the chain, and a row goes whose cross-entropy under it is beyond that of a given share of the other anchor
    rows; where these are too few for the share, beyond that of them all. So of rows like the anchor's at most one minus
    that share goes, or one of as many as these are.

    Args:
        shortest: the fewest words or characters of a row.
        longest: the most words or characters of a row.
        counted: whether shortest and longest count words or characters.
        shortest_word: least mean length of a row's words, characters.
        longest_word: greatest mean length of a row's words, characters.
        most_symbols: largest share of characters that are neither letters, digits, space nor plain punctuation.
        repeated_lines: largest share of the lines that repeat another one of the row.
        top_ngram: largest share of the characters of words that a single repeated n-gram of `top_length` words holds.
        top_length: words of that n-gram.
        repeated_ngrams: largest share of the characters of words in n-grams of `repeated_length` words that occurred
            before in the row.
        repeated_length: words of these n-grams.
        language: share of the anchor's rows that mark out its language.
        source: who turns tokens into text; no setting, see `given`.

    Raises:
        ValueError: if the longest is below the shortest, of rows or of words.

    Source: Rae et al. 2021, Scaling language models, appendix A.1: mean word length from 3 to 10 characters; table A1:
    duplicate line fraction 0.30, top 2-gram character fraction 0.20, duplicate 5-gram character fraction 0.15. These
    are limits for documents of 50 words and more; rows are shorter, so the defaults of the last two are twice as high.
    The limit of the language is a split conformal one: Papadopoulos et al. 2002, Inductive confidence machines.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})

    shortest: Annotated[int, Within(low=0, unit="words or characters")] = 1
    longest: Annotated[int, Within(low=0, unit="words or characters")] = 0
    counted: Literal["words", "characters"] = "words"
    shortest_word: Annotated[float, Within(low=0.0, high=1000.0, unit="characters")] = 3.0
    longest_word: Annotated[float, Within(low=0.0, high=1000.0, unit="characters")] = 10.0
    most_symbols: Share = 0.25
    repeated_lines: Share = 0.3
    top_ngram: Share = 0.4
    top_length: Annotated[int, Within(low=1, high=100, unit="words")] = 2
    repeated_ngrams: Share = 0.3
    repeated_length: Annotated[int, Within(low=1, high=100, unit="words")] = 5
    language: Share = 0.999
    source: Readable | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse limits that no row can keep."""
        if 0 < self.longest < self.shortest:
            raise ValueError(f"longest {self.longest} is below shortest {self.shortest}")
        if 0 < self.longest_word < self.shortest_word:
            raise ValueError(f"longest_word {self.longest_word:g} is below shortest_word {self.shortest_word:g}")

    def given(self, source: Any) -> Self:
        """Return the curator that reads this source's text.

        Raises:
            ValueError: if the source's tokens spell no text.
        """
        if not isinstance(source, Readable):
            raise ValueError(
                f"the quality of text is judged as text, and {type(source).__name__} cannot spell its rows"
            )
        return knowing(self, source=source)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Read every new row; nothing is drawn.

        Raises:
            ValueError: if no source was given.
        """
        present = rows.filled_weights() > 0
        rules = dict(self._rules())
        broken = np.full(present.shape, -1, dtype=np.int64)
        for chain in range(rows.chains):
            texts = self._texts(rows.values[chain, present[chain]])
            first = np.array([_first_broken(list(rules.values()), text) for text in texts], dtype=np.int64)
            if self.language:
                foreign = self._foreign(texts, self._texts(anchor.chain(chain).values[0]))
                first = np.where((first < 0) & foreign, len(rules), first)
            broken[chain, present[chain]] = first
        reasons = (*rules, _LANGUAGE) if self.language else tuple(rules)
        return Curated(
            present & (broken < 0), rows.weights, {reason: broken == place for place, reason in enumerate(reasons)}
        )

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _rules(self) -> Iterator[tuple[str, Callable[[str], bool]]]:
        """Yield each rule that is switched on but the language's: the reason, and who says that a text breaks it."""
        characters = self.counted == "characters"

        def size(text: str) -> int:
            return len(text.strip() if characters else text.split())

        if self.shortest:
            yield f"fewer than {self.shortest} {self.counted}", lambda text: size(text) < self.shortest
        if self.longest:
            yield f"more than {self.longest} {self.counted}", lambda text: size(text) > self.longest
        if self.shortest_word:
            yield "words too short", lambda text: word_length(text.split()) < self.shortest_word
        if self.longest_word:
            yield "words too long", lambda text: word_length(text.split()) > self.longest_word
        if self.most_symbols:
            yield "too many symbols", lambda text: symbol_share(text) > self.most_symbols
        if self.repeated_lines:
            yield "repeated lines", lambda text: repeated_line_share(text) > self.repeated_lines
        if self.top_ngram:
            yield "one n-gram too often", lambda text: top_share(text.split(), self.top_length) > self.top_ngram
        if self.repeated_ngrams:
            yield (
                "repeated n-grams",
                lambda text: repeated_share(text.split(), self.repeated_length) > self.repeated_ngrams,
            )

    def _texts(self, values: Array) -> list[str]:
        if self.source is None:
            raise ValueError("this curator was given no source to spell the rows")
        return [plain(text) for text in self.source.text(values)]

    def _foreign(self, texts: list[str], anchor: list[str]) -> Array:
        """Say which texts are further from the anchor's language than its own rows are, (n,)."""
        learned, held_out = anchor[::2], anchor[1::2]
        if not held_out:
            return np.zeros(len(texts), dtype=np.bool_)
        law = Trigrams(learned)
        limit = _limit(law.score(held_out), self.language)
        return np.asarray(law.score(texts) > limit)


def _first_broken(rules: list[Callable[[str], bool]], text: str) -> int:
    """Return the place of the first rule that a text breaks, -1 for none."""
    return next((place for place, breaks in enumerate(rules) if breaks(text)), -1)


def _limit(scores: Array, share: float) -> float:
    """Return the score that at least a share of further rows of the same law do not exceed, or the largest of all."""
    known = np.sort(scores[np.isfinite(scores)])
    if not len(known):
        return math.inf
    return float(known[min(math.ceil((len(known) + 1) * share), len(known)) - 1])
