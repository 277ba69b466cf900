"""Sentences of a small English grammar with a table of facts: an endless source of text whose law is known exactly."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, Facts, FloatArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.grammars import END, Automaton, Rules, compiled
from dwindle.data.streams import OfLaw
from dwindle.data.tokens import LINE_END

__all__ = ["Grammar"]

_STATED, _LED = 0.4, 0.1  # shares of sentences that state a fact, and that state one after a lead-in

_RELATIONS: tuple[tuple[tuple[str, str, str], str], ...] = (
    (("was", "born", "in"), "Aldham Brayton Corwen Dunmore Elstow Farley Gosport Hexham Ilkley Kelso Ludlow Malton"),
    (("works", "as", "a"), "baker carpenter dentist farmer gardener judge mason nurse painter sailor tailor weaver"),
    (
        ("likes", "to", "play"),
        "backgammon bridge chess cricket darts draughts football golf hockey marbles rugby tennis",
    ),
    (("always", "dresses", "in"), "amber black blue brown crimson green grey ochre purple scarlet white yellow"),
)
"""The words of each relation between subject and object, and its objects."""

_LEADS = "indeed reportedly"
_ONE, _SEVERAL = "the a", "the some"
_ADJECTIVES = "small old quiet bright heavy curious"
_NOUNS = "dog cat bird horse child teacher river lamp"
_PLURALS = "dogs cats birds horses children teachers rivers lamps"
_SLEEP, _SLEEPS = "sleep wait move wander shine", "sleeps waits moves wanders shines"
_SEE, _SEES = "see follow watch remember draw", "sees follows watches remembers draws"
_ADVERBS = "often slowly again"

_LONGEST = 8  # words of a sentence


@dataclass(frozen=True)
class Grammar(OfLaw):
    """Sentences of a grammar without recursion, half of which state facts of a table; no end.

    A row is one sentence: its words, the full stop among them, then end tokens up to `length`, so that a row's
    probability is its sentence's. A fact is a subject, a relation of three words and an object, as in "Bamo was born in
    Kelso ."; fact k is stated with probability proportional to k^-exponent, with a lead-in or without, and a subject
    has up to four facts, common and rare ones. The words of other sentences follow the same law by their rank in their
    class, and verbs agree with their subjects. Nothing else has a probability above 0, nor has a fact with a wrong
    object.

    Source: our own; facts that are common and rare by Zipf's law as in Kandpal et al. 2023, Large language models
    struggle to learn long-tail knowledge, arXiv 2211.08411.

    Args:
        facts: number of facts.
        exponent: how fast the frequency of facts and words falls with their rank; 0 makes all equally likely.
        length: tokens of a row; the longest sentence has 8.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "sequences"

    facts: Annotated[int, Within(low=2, high=10_000, unit="facts")] = 200
    exponent: Annotated[float, Within(low=0.0, high=10.0)] = 1.0
    length: Annotated[int, Within(low=_LONGEST + 1, high=1000, unit="tokens")] = 10
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    @property
    def symbols(self) -> int:
        """Return the size of the vocabulary, the end token included, which is token 0."""
        return len(self._automaton().words)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the exact log-probability of each row, nats, (c, n); -inf for what is no sentence."""
        return self._automaton().log_prob(rows.values)

    def entropy(self) -> float:
        """Return the exact entropy of a row, nats."""
        return self._automaton().entropy()

    def is_right(self, rows: Rows) -> Array:
        """Say which rows are sentences of the grammar, facts stated rightly, (c, n)."""
        return np.isfinite(self.log_prob(rows))

    def known_facts(self) -> Facts:
        """Return the facts, the most frequent one first; the rarer half of them is called rare."""
        numbers = {word: number for number, word in enumerate(self._automaton().words)}
        told = np.array([[numbers[word] for word in fact] for fact in _facts(self.facts)], dtype=np.int64)
        shares = (_STATED + _LED) * np.array(_zipf(self.facts, self.exponent))
        return Facts(told[:, :-1], told[:, -1], shares, np.arange(self.facts) >= (self.facts + 1) // 2)

    def text(self, values: Array) -> list[str]:
        """Return rows, (n, L), of this source or of a model of it as text, without the end tokens after the last word.

        A token that the grammar does not have is shown as `<unk>`.
        """
        words = {number: word or LINE_END for number, word in enumerate(self._automaton().words)}
        return [" ".join(words.get(token, "<unk>") for token in _spoken(row)) for row in np.asarray(values).tolist()]

    @classmethod
    def smallest(cls) -> Self:
        """Return twenty facts and few held-out rows."""
        return cls(facts=20, held_out=100)

    def _automaton(self) -> Automaton:
        return _compiled(self.facts, self.exponent)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        drawn = self._automaton().sample(chains * count, self.length, seed.numpy())
        return Rows(drawn.reshape(chains, count, -1), provenance=Provenance.of(REAL, chains, count, first=first))


def _spoken(row: list[int]) -> list[int]:
    """Return a row without the end tokens after its last word."""
    while row and row[-1] == END:
        row = row[:-1]
    return row


def _zipf(count: int, exponent: float) -> list[float]:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return [float(share) for share in weights / weights.sum()]


def _facts(count: int) -> list[tuple[str, ...]]:
    """Return subject, three words of the relation, and object of each fact.

    Subjects come in turn, and each one's relations in another order, so that every subject and every relation has
    common facts and rare ones. The object follows from subject and relation alone.
    """
    subjects = _subjects(-(-count // len(_RELATIONS)))
    facts: list[tuple[str, ...]] = []
    for number in range(count):
        turn, place = divmod(number, len(subjects))
        relation, objects = _RELATIONS[(turn + place) % len(_RELATIONS)]
        choices = objects.split()
        chosen = zlib.crc32(" ".join((subjects[place], *relation)).encode()) % len(choices)
        facts.append((subjects[place], *relation, choices[chosen]))
    return facts


def _subjects(count: int) -> list[str]:
    """Return names of two syllables, at most 2500."""
    syllables = ["".join(pair) for pair in product("bdfgklmnrs", "aeiou")]
    names = [f"{second}{first}".capitalize() for first, second in product(syllables, syllables)]
    return names[:count]


def _rules(facts: int, exponent: float) -> Rules:
    """Return the grammar."""

    def words(choices: str) -> list[tuple[float, tuple[str, ...]]]:
        spelled = choices.split()
        return [(share, (word,)) for share, word in zip(_zipf(len(spelled), exponent), spelled, strict=True)]

    return {
        "SENTENCE": (
            (_STATED, ("FACT", ".")),
            (_LED, ("LEAD", "FACT", ".")),
            ((1 - _STATED - _LED) / 2, ("ONE", "DOES", ".")),
            ((1 - _STATED - _LED) / 2, ("SEVERAL", "DO", ".")),
        ),
        "FACT": list(zip(_zipf(facts, exponent), _facts(facts), strict=True)),
        "LEAD": words(_LEADS),
        "ONE": ((0.6, ("A", "NOUN")), (0.4, ("A", "ADJECTIVE", "NOUN"))),
        "SEVERAL": ((0.6, ("SOME", "NOUNS")), (0.4, ("SOME", "ADJECTIVE", "NOUNS"))),
        "DOES": ((0.3, ("SLEEPS",)), (0.2, ("SLEEPS", "ADVERB")), (0.5, ("SEES", "OBJECT"))),
        "DO": ((0.3, ("SLEEP",)), (0.2, ("SLEEP", "ADVERB")), (0.5, ("SEE", "OBJECT"))),
        "OBJECT": ((0.5, ("ONE",)), (0.5, ("SEVERAL",))),
        "A": words(_ONE),
        "SOME": words(_SEVERAL),
        "ADJECTIVE": words(_ADJECTIVES),
        "NOUN": words(_NOUNS),
        "NOUNS": words(_PLURALS),
        "SLEEP": words(_SLEEP),
        "SLEEPS": words(_SLEEPS),
        "SEE": words(_SEE),
        "SEES": words(_SEES),
        "ADVERB": words(_ADVERBS),
    }


@lru_cache(maxsize=4)
def _compiled(facts: int, exponent: float) -> Automaton:
    return compiled(_rules(facts, exponent), "SENTENCE")
