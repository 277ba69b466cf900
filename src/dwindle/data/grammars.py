"""Probabilistic grammars without recursion, compiled so that the law of their sentences is known exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dwindle.data.rows import Array, FloatArray, IntArray

__all__ = ["END", "Automaton", "Rules", "compiled"]

END = 0
"""The token that stands after the last word of a sentence, and repeats."""

Rules = Mapping[str, Sequence[tuple[float, tuple[str, ...]]]]
"""What each symbol may be replaced by, and how probably; a symbol without rules is a word."""

_Stack = tuple[str, ...]
_Mixture = tuple[tuple[_Stack, float], ...]


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton of sentences: one path a sentence, so that products and sums over paths are exact.

    Arcs are ordered by state, and those of a state by token. State 0 is the start. The last word of a sentence leads to
    the state `finished`, which only an end token leaves, back to itself.

    Args:
        words: the spelling of each token; the end token has none.
        states: (a,) the state that each arc leaves.
        tokens: (a,) the token of each arc.
        targets: (a,) the state that each arc leads to.
        probabilities: (a,) the probability of each arc in its state.
        finished: the state after the last word.
    """

    words: tuple[str, ...]
    states: IntArray
    tokens: IntArray
    targets: IntArray
    probabilities: FloatArray
    finished: int

    @cached_property
    def bounds(self) -> IntArray:
        """Return where the arcs of each state begin, and where the last ones end, (s + 1,)."""
        return np.asarray(np.searchsorted(self.states, np.arange(self.states[-1] + 2)), dtype=np.int64)

    @cached_property
    def longest(self) -> int:
        """Return the words of the longest sentence."""
        reached, words = np.array([0]), -1
        while reached.size:
            onward = np.isin(self.states, reached) & (self.states != self.finished)
            reached, words = np.unique(self.targets[onward]), words + 1
        return words

    def entropy(self) -> float:
        """Return the entropy of a sentence, nats."""
        return float(self._summed(-np.log(self.probabilities), self.probabilities, 0.0))

    def sentences(self) -> int:
        """Return how many sentences have a probability above 0; exact below 2^53."""
        return round(self._summed(np.zeros(len(self.states)), np.ones(len(self.states)), 1.0))

    def _summed(self, gains: FloatArray, weights: FloatArray, finished: float) -> float:
        """Return the value of the start: that of a state sums, over its arcs, weight * (gain + the target's value)."""
        values = np.zeros(len(self.bounds) - 1)
        for _ in range(self.longest + 1):
            values[self.finished] = finished
            values = np.asarray(np.bincount(self.states, weights * (gains + values[self.targets])), dtype=np.float64)
        return float(values[0])

    def log_prob(self, rows: Array) -> FloatArray:
        """Return the log-probability of sentences padded with end tokens, nats; -inf for what is none.

        Args:
            rows: (..., L) tokens.
        """
        size = len(self.words)
        blocks = np.asarray(rows).reshape(-1, rows.shape[-1])
        keys, logs = self.states * size + self.tokens, np.log(self.probabilities)
        state, total = np.zeros(len(blocks), dtype=np.int64), np.zeros(len(blocks))
        for token in blocks.T:
            key = state * size + token
            arc = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            known = (keys[arc] == key) & (token >= 0) & (token < size)
            total += np.where(known, logs[arc], -np.inf)
            state = np.where(known, self.targets[arc], self.finished)
        total[state != self.finished] = -np.inf
        return total.reshape(rows.shape[:-1])

    def sample(self, count: int, length: int, generator: np.random.Generator) -> IntArray:
        """Draw sentences, (count, length), padded with end tokens."""
        ends = self.bounds[1:] - 1
        before = np.cumsum(self.probabilities)
        cumulated = self.states + before - np.concatenate([[0.0], before])[self.bounds[self.states]]
        rows = np.full((count, length), END, dtype=np.int64)
        state = np.zeros(count, dtype=np.int64)
        for place in range(length):
            arc = np.searchsorted(cumulated, state + generator.random(count), side="right")
            arc = np.clip(arc, self.bounds[state], ends[state])  # where rounding leads across a state's border
            rows[:, place], state = self.tokens[arc], self.targets[arc]
        return rows


def compiled(rules: Rules, start: str) -> Automaton:
    """Return the automaton of a grammar.

    A state is what may still follow: a mixture of sequences of symbols, each with its probability given the words so
    far, so that sentences with several derivations have the sum of their probabilities.

    Args:
        rules: alternatives of each symbol; their probabilities are above 0 and sum to 1, and none leads back to it.
        start: the symbol that all sentences derive from.
    """
    bodies = (body for alternatives in rules.values() for _, body in alternatives)
    words = ("", *dict.fromkeys(symbol for body in bodies for symbol in body if symbol not in rules))
    numbers = {word: number for number, word in enumerate(words)}
    found: dict[_Mixture, int] = {(((start,), 1.0),): 0}
    arcs: list[tuple[int, int, int, float]] = []
    pending = list(found)
    for mixture in pending:  # grows while it is walked
        heads = _heads(mixture, rules)
        for word in sorted(heads, key=numbers.__getitem__):
            total = sum(heads[word].values())
            target = tuple(sorted((stack, weight / total) for stack, weight in heads[word].items()))
            if target not in found:
                found[target] = len(found)
                pending.append(target)
            arcs.append((found[mixture], numbers[word], found[target], total))
    states, tokens, targets, probabilities = zip(*arcs, strict=True)
    return Automaton(
        words,
        states=np.array(states, dtype=np.int64),
        tokens=np.array(tokens, dtype=np.int64),
        targets=np.array(targets, dtype=np.int64),
        probabilities=np.array(probabilities, dtype=np.float64),
        finished=found[(((), 1.0),)],
    )


def _heads(mixture: _Mixture, rules: Rules) -> dict[str, dict[_Stack, float]]:
    """Return for each word that may come next what may follow it, with the probability of both."""
    heads: dict[str, dict[_Stack, float]] = defaultdict(lambda: defaultdict(float))
    pending = list(mixture)
    while pending:
        stack, weight = pending.pop()
        if not stack:
            heads[""][()] += weight
        elif stack[0] in rules:
            pending += [(body + stack[1:], weight * share) for share, body in rules[stack[0]]]
        else:
            heads[stack[0]][stack[1:]] += weight
    return heads
