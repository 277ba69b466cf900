"""The n-gram family: counts of short runs of tokens, smoothed by shorter ones; all chains in one call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.data.ngram_laws import Law, Nucleus, Tempered, dense, drawn, interpolated, scored, tempered
from dwindle.data.ngrams import Ngrams, context_numbers, counted, preceding
from dwindle.samplers import Sampler

__all__ = ["Ngram", "NgramModel"]


@dataclass(frozen=True)
class Ngram:
    """An n-gram language model: each token depends on the order - 1 tokens before it, or on where the block begins.

    The law of a context h is p(t | h) = (1 - s) c(h, t) / c(h) + s p(t | h'), where h' is h without its first token, c
    counts what was seen, s is the smoothing, and the shortest law of all is the uniform one. A context that was never
    seen has the law of the shorter one. A block of weight w counts as w blocks, and weights and repetitions common to
    all blocks change nothing. The first token of a block has a context of its own, and so have those after it.

    Source: Jelinek and Mercer 1980, Interpolated estimation of Markov source parameters from sparse data; here with
        one weight for all contexts.

    Args:
        symbols: size K of the alphabet 0 .. K-1.
        order: tokens of the longest n-gram: 1 unigrams, 2 bigrams, up to 5.
        smoothing: s, the weight of the shorter context; above 0 no token has probability 0, at 0 the law is that of the
            relative frequencies. It is part of what is sampled, so that each generation is smoothed anew.
    """

    kind: ClassVar[Kind] = "sequences"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p"})

    symbols: Annotated[int, Within(low=1, high=100_000_000, unit="symbols")]
    order: Annotated[int, Within(low=1, high=5, unit="tokens")] = 2
    smoothing: Annotated[float, Within(low=0.0, high=0.999, unit="fraction")] = 0.1

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> NgramModel:
        """Count the n-grams of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a block holds a token outside the alphabet, or a chain has no blocks.
        """
        tables = counted(rows, order=self.order, symbols=self.symbols)
        return NgramModel(tables, self.smoothing, int(rows.values.shape[2]))

    def load(self, folder: Path) -> NgramModel:
        """Read what `NgramModel.save` wrote."""
        facts = json.loads((folder / "model.json").read_text())
        arrays = [
            [np.load(folder / f"{part}-{length}.npy", allow_pickle=False) for part in ("contexts", "keys", "counts")]
            for length in range(self.order + 1)
        ]
        tables = (Ngrams(length, self.symbols, *parts) for length, parts in enumerate(arrays))
        return NgramModel(tuple(tables), facts["smoothing"], facts["length"])

    @classmethod
    def smallest(cls) -> Self:
        """Return bigrams of eight tokens."""
        return cls(symbols=8)


@dataclass(frozen=True, eq=False)
class NgramModel:
    """The n-grams of every chain.

    Args:
        tables: the n-grams of lengths 0, 1, .. order.
        smoothing: weight of the shorter context, 0..1.
        length: tokens L of a block.
    """

    tables: tuple[Ngrams, ...]
    smoothing: float
    length: int

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample blocks token by token, each from the law of its context to the power 1/T, cut to the nucleus.

        A nucleus is sampled by drawing again whatever lies outside, so that a token takes at most 1 / top_p draws on
        average, and never more than one over the probability of its context's likeliest token.
        """
        laws = tempered(self._laws, sampler.temperature)
        nucleus = Nucleus(laws, sampler.top_p) if sampler.top_p < 1.0 else None
        generator = seed.at("tokens").numpy()
        chains = len(self.tables[1].contexts)
        chain = np.repeat(np.arange(chains, dtype=np.int64), count)
        blocks = np.empty((self.length, chains * count), dtype=np.int64)
        for place in range(self.length):
            numbers = context_numbers(self.tables, chain, self._past(blocks, place))
            blocks[place] = _inside(laws, nucleus, numbers, generator)
        return Rows(np.ascontiguousarray(blocks.T).reshape(chains, count, self.length))

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each block, nats summed over its tokens, (c, n); -inf where one has none.

        Raises:
            ValueError: if a block holds a token outside the alphabet.
        """
        return np.asarray(self.token_log_prob(rows).sum(axis=2))

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each token, nats, (c, n, L); -inf where it has none.

        Raises:
            ValueError: if a block holds a token outside the alphabet.
        """
        shape, flat, chain = self._flat(rows)
        past = [preceding(flat, distance, self.tables[0].symbols) for distance in range(1, len(self.tables) - 1)]
        numbers = context_numbers(self.tables, np.broadcast_to(chain[:, None], flat.shape), past)
        return scored(self._laws, numbers, flat).reshape(shape)

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probability of each token after each whole row, (c, n, K).

        Raises:
            ValueError: if a row holds a token outside the alphabet.
        """
        shape, flat, chain = self._flat(rows)
        numbers = context_numbers(self.tables, chain, self._past(flat.T, flat.shape[1]))
        return dense(self._laws, numbers).reshape(*shape[:2], self.tables[0].symbols)

    def _flat(self, rows: Rows) -> tuple[tuple[int, ...], IntArray, IntArray]:
        """Return the shape (c, n, L), the blocks of every chain, (c n, L), and the chain of each."""
        symbols, chains = self.tables[0].symbols, len(self.tables[1].contexts)
        blocks = np.asarray(rows.values, dtype=np.int64)
        if blocks.size and not 0 <= blocks.min() <= blocks.max() < symbols:
            raise ValueError(f"rows hold tokens {blocks.min()}..{blocks.max()}; the alphabet is 0..{symbols - 1}")
        blocks = np.broadcast_to(blocks, (chains, *blocks.shape[1:]))
        chain = np.repeat(np.arange(chains, dtype=np.int64), blocks.shape[1])
        return blocks.shape, blocks.reshape(len(chain), blocks.shape[2]), chain

    def save(self, folder: Path) -> None:
        """Write contexts, keys and counts of each length as npy, and the rest as model.json."""
        for table in self.tables:
            for part in ("contexts", "keys", "counts"):
                np.save(folder / f"{part}-{table.length}.npy", getattr(table, part), allow_pickle=False)
        facts = {"smoothing": self.smoothing, "length": self.length}
        (folder / "model.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")

    @cached_property
    def _laws(self) -> tuple[Law, ...]:
        return interpolated(self.tables, self.smoothing)

    def _past(self, blocks: IntArray, place: int) -> list[IntArray]:
        """Return the tokens before a place of the blocks, (L, r), the nearest first."""
        begin = np.full(blocks.shape[1], self.tables[0].symbols, dtype=np.int64)
        distances = range(1, len(self.tables) - 1)
        return [blocks[place - distance] if distance <= place else begin for distance in distances]


def _inside(
    laws: Sequence[Tempered], nucleus: Nucleus | None, numbers: Sequence[IntArray], generator: np.random.Generator
) -> IntArray:
    """Draw a token in each context, again and again where it is not in the nucleus."""
    tokens = drawn(laws, numbers, generator)
    waiting = np.arange(len(tokens))
    while nucleus is not None and waiting.size:
        own = [contexts[waiting] for contexts in numbers]
        waiting = waiting[~nucleus.holds(own, tokens[waiting])]
        tokens[waiting] = drawn(laws, [contexts[waiting] for contexts in numbers], generator)
    return tokens
