"""What n-gram counts say of the next token: interpolated, tempered, and cut to the nucleus; sparse throughout.

The law of a context is dense, because every token falls back on shorter contexts in the end, but it differs from a
multiple of its parent's law only where the context has n-grams. Each law is therefore kept as what its n-grams add to
that multiple, and a draw walks from the longest context to the shorter ones until it has a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwindle.data.ngrams import Ngrams
from dwindle.data.rows import FloatArray, IntArray

__all__ = ["Law", "Nucleus", "Tempered", "dense", "drawn", "interpolated", "scored", "tempered"]


@dataclass(frozen=True, eq=False)
class Law:
    """The interpolated law of the contexts of one length, at temperature 1.

    Args:
        grams: the n-grams.
        below: (m,) place of each n-gram without its first token among the n-grams one shorter.
        logs: (m,) log-probability of each n-gram's last token in its context.
        gains: (m,) log of that probability over what the parent's law alone would give.
        fall: log of the weight of the parent's law in each context's.
    """

    grams: Ngrams
    below: IntArray
    logs: FloatArray
    gains: FloatArray
    fall: float


def interpolated(tables: Sequence[Ngrams], smoothing: float) -> tuple[Law, ...]:
    """Return the law p(t | h) = (1 - s) c(h, t) / c(h) + s p(t | h'), h' the parent of h, from the uniform law up.

    Source: Jelinek and Mercer 1980, Interpolated estimation of Markov source parameters from sparse data; here with
    one weight for all contexts.

    Args:
        tables: n-grams of lengths 0, 1, ....
        smoothing: s, 0..1 and below 1; 0 leaves the relative frequencies.
    """
    alphabet = tables[0]
    fall = float(np.log(smoothing)) if smoothing else -np.inf
    uniform = np.full(alphabet.symbols, -np.log(alphabet.symbols))
    laws = [Law(alphabet, alphabet.tokens, uniform, np.zeros(alphabet.symbols), -np.inf)]
    for grams in tables[1:]:
        below = laws[-1].grams.place(grams.parents[grams.owners], grams.tokens)
        inherited = smoothing * np.exp(laws[-1].logs[below])
        own = (1.0 - smoothing) * grams.counts / grams.totals[grams.owners]
        with np.errstate(divide="ignore"):
            gains = np.log1p(own / inherited)
        laws.append(Law(grams, below, np.log(own + inherited), gains, fall))
    return tuple(laws)


def scored(laws: Sequence[Law], numbers: Sequence[IntArray], tokens: IntArray) -> FloatArray:
    """Return the log-probability of each token, nats.

    Args:
        laws: of lengths 0, 1, ....
        numbers: the number of each token's context at every length, -1 where it never occurred.
        tokens: tokens of the alphabet.
    """
    logs = laws[0].logs[tokens]
    for law, contexts in zip(laws[1:], numbers[1:], strict=True):
        place = law.grams.place(contexts, tokens)
        known = np.where(place >= 0, law.logs[place], law.fall + logs)
        logs = np.where(contexts >= 0, known, logs)
    return np.asarray(logs)


def dense(laws: Sequence[Law], numbers: Sequence[IntArray]) -> FloatArray:
    """Return the probability of every token in each context, (q, K).

    Args:
        laws: of lengths 0, 1, ....
        numbers: (q,) the number of each place's context at every length, -1 where it never occurred.
    """
    found = np.tile(np.exp(laws[0].logs), (len(numbers[0]), 1))
    for law, contexts in zip(laws[1:], numbers[1:], strict=True):
        known = np.flatnonzero(contexts >= 0)
        found[known] *= np.exp(law.fall)
        first = law.grams.starts[contexts[known]]
        sizes = law.grams.starts[contexts[known] + 1] - first
        places = np.arange(sizes.sum()) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
        found[np.repeat(known, sizes), law.grams.tokens[places]] = np.exp(law.logs[places])
    return found


@dataclass(frozen=True, eq=False)
class Tempered:
    """The laws p^(1/T) of the contexts of one length, not normalised; all weights are logarithms.

    Args:
        law: the law at temperature 1.
        weights: (m,) log of p^(1/T).
        fall: log of the weight of the parent's law in each context's.
        totals: (k,) log of the sum of p^(1/T) over the alphabet.
        stays: (k,) share of each context's law that its n-grams add to its parent's, 0..1.
        reach: (m,) cumulative shares of these additions, from the context's number to the next number.
    """

    law: Law
    weights: FloatArray
    fall: float
    totals: FloatArray
    stays: FloatArray
    reach: FloatArray


def tempered(laws: Sequence[Law], temperature: float) -> tuple[Tempered, ...]:
    """Return p^(1/T) for every context, computed on logs, so that no T overflows."""
    size = laws[0].grams.symbols
    weights = laws[0].logs / temperature
    reach = np.arange(1, size + 1) / size
    found = [Tempered(laws[0], weights, laws[0].fall, weights[:1] + np.log(size), np.ones(1), reach)]
    for law in laws[1:]:
        weights, fall = law.logs / temperature, law.fall / temperature
        added = weights + np.log(-np.expm1(-law.gains / temperature))
        starts, owners = law.grams.starts[:-1], law.grams.owners
        largest = np.maximum.reduceat(added, starts)
        shares = np.exp(added - largest[owners])
        sums = np.log(np.add.reduceat(shares, starts)) + largest
        totals = np.logaddexp(sums, fall + found[-1].totals[law.grams.parents])
        found.append(Tempered(law, weights, fall, totals, np.exp(sums - totals), _reach(shares, law.grams)))
    return tuple(found)


def drawn(laws: Sequence[Tempered], numbers: Sequence[IntArray], generator: np.random.Generator) -> IntArray:
    """Draw a token in each context, with one uniform number a token.

    Args:
        laws: of lengths 0, 1, ....
        numbers: (q,) the number of each place's context at every length, -1 where it never occurred.
        generator: where the uniform numbers come from.
    """
    tokens = np.empty(len(numbers[0]), dtype=np.int64)
    waiting, uniform = np.arange(len(tokens)), generator.random(len(tokens))
    for law, contexts in zip(laws[::-1], numbers[::-1], strict=True):
        own = contexts[waiting]
        stay = np.where(own >= 0, law.stays[own], 0.0)
        here = uniform < stay
        target = own[here] + uniform[here] / stay[here]
        place = np.searchsorted(law.reach, np.minimum(target, np.nextafter(own[here] + 1.0, 0.0)), side="right")
        tokens[waiting[here]] = law.law.grams.tokens[place]
        rest = (uniform[~here] - stay[~here]) / (1.0 - stay[~here])
        waiting, uniform = waiting[~here], np.minimum(rest, np.nextafter(1.0, 0.0))
    return tokens


class Nucleus:
    """The likeliest tokens of each context that together hold a share of its mass, and no token more.

    Tokens are in order of their probability; among equals a token that the longer context has seen comes first, then
    the smaller token.

    Source: Holtzman et al. 2020, The curious case of neural text degeneration, section 3.1.
    """

    def __init__(self, laws: Sequence[Tempered], top_p: float) -> None:
        """Sort the n-grams of each context.

        Args:
            laws: of lengths 0, 1, ....
            top_p: share of the mass that the nucleus holds at least.
        """
        self.laws = laws
        self.top_p = top_p
        self._ranked = [_Ranked(law) for law in laws]
        pairs = zip(self._ranked, self._ranked[1:], strict=False)
        self._shadows = [_Shadow(shorter, longer.law) for shorter, longer in pairs]

    def holds(self, numbers: Sequence[IntArray], tokens: IntArray) -> NDArray[np.bool_]:
        """Say which tokens are in the nucleus of their context.

        Args:
            numbers: (q,) the number of each token's context at every length.
            tokens: (q,) tokens that their context can sample.
        """
        # The slack keeps a token out that rounding alone would let in.
        return np.asarray(self._ahead(numbers, tokens) < self.top_p - 1e-9)

    def _ahead(self, numbers: Sequence[IntArray], tokens: IntArray) -> FloatArray:
        """Return the mass of the tokens that are likelier than these, (q,), fractions."""
        places, depth, factors = self._seen(numbers, tokens)
        lengths = range(len(self.laws))
        target = np.zeros(len(tokens))
        for length in lengths:
            deepest = depth == length
            target[deepest] = (factors[length] + self.laws[length].weights[places[length]])[deepest]
        slack = 1e-12 * (1.0 + np.abs(target))
        mass, whole = np.zeros(len(tokens)), np.full(len(tokens), -np.inf)
        for length in lengths[::-1]:
            ranked, contexts = self._ranked[length], numbers[length]
            level = target - factors[length] + np.where(length > depth, -slack, slack)
            before = np.where(length == depth, ranked.ranks[places[length]], ranked.above(contexts, level))
            part = ranked.mass(contexts, before)
            if length + 1 in lengths:
                part = part - self._shadows[length].mass(numbers[length + 1], before)
            own = factors[length] + self.laws[length].totals[contexts]
            whole = np.where((contexts >= 0) & np.isneginf(whole), own, whole)
            mass += np.exp(np.where(contexts >= 0, own - whole, -np.inf)) * part
        return mass

    def _seen(self, numbers: Sequence[IntArray], tokens: IntArray) -> tuple[list[IntArray], IntArray, list[FloatArray]]:
        """Return where each token stands at every length, the longest such length, and the log-weight of each law."""
        places, factors = [], [np.zeros(len(tokens))]
        depth = np.zeros(len(tokens), dtype=np.int64)
        for length, (law, contexts) in enumerate(zip(self.laws, numbers, strict=True)):
            places.append(law.law.grams.place(contexts, tokens))
            depth = np.where(places[-1] >= 0, length, depth)
        for law, contexts in zip(self.laws[:0:-1], numbers[:0:-1], strict=True):
            factors.append(factors[-1] + np.where(contexts >= 0, law.fall, 0.0))
        return places, depth, factors[::-1]


class _Ranked:
    """The n-grams of one length, those of each context by falling probability."""

    def __init__(self, law: Tempered) -> None:
        self.law = law
        grams = law.law.grams
        self.starts = grams.starts
        order = np.lexsort((-law.weights, grams.owners))
        self.ranks = np.empty(len(order), dtype=np.int64)
        self.ranks[order] = np.arange(len(order)) - grams.starts[grams.owners]
        self.falling = law.weights[order]
        self.shares = np.exp(law.weights - law.totals[grams.owners])
        self.masses = _running(self.shares[order])

    def above(self, contexts: IntArray, level: FloatArray) -> IntArray:
        """Return how many n-grams of each context have a log-weight above the level."""
        return _above(self.falling, self.starts, contexts, level)

    def mass(self, contexts: IntArray, count: IntArray) -> FloatArray:
        """Return the mass of the first `count` n-grams of each context, shares of the context's law."""
        start = self.starts[contexts]
        return np.asarray(self.masses[np.where(contexts >= 0, start + count, start)] - self.masses[start])


class _Shadow:
    """What the n-grams of a longer context have among those of its parent: mass that the longer context overrules."""

    def __init__(self, shorter: _Ranked, longer: Tempered) -> None:
        grams = longer.law.grams
        self.starts = grams.starts
        ranks = shorter.ranks[longer.law.below]
        order = np.lexsort((ranks, grams.owners))
        self.falling = -ranks[order]
        self.masses = _running(shorter.shares[longer.law.below][order])

    def mass(self, contexts: IntArray, count: IntArray) -> FloatArray:
        """Return their mass among the first `count` n-grams of the parent; 0 where the longer context is unknown."""
        start = self.starts[contexts]
        end = start + _above(self.falling, self.starts, contexts, -count)
        return np.asarray(np.where(contexts >= 0, self.masses[end] - self.masses[start], 0.0))


def _above(
    falling: FloatArray | IntArray, starts: IntArray, contexts: IntArray, level: FloatArray | IntArray
) -> IntArray:
    """Return how many numbers of each context, in falling order, are above the level; 0 for an unknown context."""
    low, high = starts[contexts], np.where(contexts >= 0, starts[contexts + 1], starts[contexts])
    first = low
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) // 2
        above = (low < high) & (falling[np.minimum(middle, len(falling) - 1)] > level)
        low, high = np.where(above, middle + 1, low), np.where(above, high, np.maximum(middle, low))
    return low - first


def _running(values: FloatArray) -> FloatArray:
    """Return the sums of the first 0, 1, ... values."""
    return np.concatenate([np.zeros(1), np.cumsum(values)])


def _reach(shares: FloatArray, grams: Ngrams) -> FloatArray:
    """Return the cumulative shares of each context's n-grams, which end at the next context's number."""
    sums = _running(shares / np.add.reduceat(shares, grams.starts[:-1])[grams.owners])
    inner = sums[1:] - sums[grams.starts[:-1]][grams.owners]
    last = inner[grams.starts[1:] - 1]
    return np.asarray(inner / last[grams.owners] + grams.owners)
