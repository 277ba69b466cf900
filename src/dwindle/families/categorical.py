"""The categorical family: the share of each symbol, all chains in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.samplers import Sampler

__all__ = ["Categorical", "CategoricalModel"]


@dataclass(frozen=True)
class Categorical:
    """The share of each symbol, a unigram language model; a symbol that is not sampled once is lost for good.

    Args:
        symbols: size K of the alphabet 0 .. K-1, lost symbols included.
        smoothing: rows of weight 1 that are added to each symbol; above 0 no symbol is ever lost.
    """

    kind: ClassVar[Kind] = "symbols"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p"})

    symbols: Annotated[int, Within(low=1, unit="symbols")]
    smoothing: Annotated[float, Within(low=0.0, unit="rows")] = 0.0

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> CategoricalModel:
        """Count the symbols of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a row is no symbol of the alphabet, or a chain has no rows.
        """
        totals = self._counts(rows) + self.smoothing
        mass = totals.sum(axis=1, keepdims=True)
        if not mass.all():
            raise ValueError(f"chain {int(np.argmin(mass))} has no rows to fit")
        return CategoricalModel(totals / mass)

    def _counts(self, rows: Rows) -> FloatArray:
        """Return the weight of the rows of each symbol, (c, K)."""
        present = slice(None) if rows.weights is None else (rows.weights > 0).reshape(-1)
        weights = None if rows.weights is None else rows.weights.reshape(-1)[present]
        values = np.asarray(rows.values, dtype=np.int64)
        cells = (values + self.symbols * np.arange(rows.chains)[:, None]).reshape(-1)[present]
        known = values.reshape(-1)[present]
        if known.size and not 0 <= known.min() <= known.max() < self.symbols:
            raise ValueError(f"rows hold symbols {known.min()}..{known.max()}; the alphabet is 0..{self.symbols - 1}")
        counts = np.bincount(cells, weights, minlength=rows.chains * self.symbols)
        return counts.reshape(rows.chains, self.symbols).astype(np.float64)

    def load(self, folder: Path) -> CategoricalModel:
        """Read what `CategoricalModel.save` wrote."""
        return CategoricalModel(np.load(folder / "shares.npy", allow_pickle=False))

    @classmethod
    def smallest(cls) -> Self:
        """Return twenty symbols."""
        return cls(symbols=20)


@dataclass(frozen=True, eq=False)
class CategoricalModel:
    """The probability of each symbol in every chain.

    Args:
        shares: (c, K), each chain sums to 1.
    """

    shares: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample symbols from the top_p of p^(1/T), T the sampler's temperature; a lost symbol never comes back.

        The rows of a chain are in random order: its first k are a fair sample of size k.
        """
        shares = _nucleus(self._tempered(sampler.temperature), sampler.top_p)
        counts = _multinomial(count, shares, seed.at("counts").numpy())
        chains, size = self.shares.shape
        symbols = np.repeat(np.tile(np.arange(size), chains), counts.reshape(-1)).reshape(chains, count)
        return Rows(seed.at("order").numpy().permuted(symbols, axis=1, out=symbols))

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each row, nats, (c, n); -inf for a lost symbol."""
        chains = max(rows.chains, self.shares.shape[0])
        with np.errstate(divide="ignore"):
            logs = np.broadcast_to(np.log(self.shares), (chains, self.shares.shape[1]))
        return np.take_along_axis(logs, np.broadcast_to(rows.values, (chains, rows.count)), axis=1)

    def probabilities(self) -> FloatArray:
        """Return the probability of each symbol, (c, K)."""
        return self.shares

    def save(self, folder: Path) -> None:
        """Write shares.npy."""
        np.save(folder / "shares.npy", self.shares, allow_pickle=False)

    def _tempered(self, temperature: float) -> FloatArray:
        """Return p^(1/T), normalised; computed on logs, so that no T overflows."""
        if temperature == 1.0:
            return self.shares
        with np.errstate(divide="ignore"):
            logs = np.log(self.shares / self.shares.max(axis=1, keepdims=True)) / temperature
        powers = np.exp(logs)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _nucleus(shares: FloatArray, top_p: float) -> FloatArray:
    """Return the smallest set of likeliest symbols whose mass reaches top_p, normalised, (c, K).

    Of equally likely symbols the one with the smaller number is taken first.

    Source: Holtzman et al. 2020, section 3.1.
    """
    if top_p == 1.0:
        return shares
    order = np.argsort(-shares, axis=1, kind="stable")
    falling = np.take_along_axis(shares, order, axis=1)
    above = np.cumsum(falling, axis=1)[:, :-1]  # mass of the likelier symbols, from the second symbol on
    falling[:, 1:][above >= top_p * (1.0 - 1e-12)] = 0.0  # rounding of the sums adds no symbol
    nucleus = np.empty_like(shares)
    np.put_along_axis(nucleus, order, falling, axis=1)
    return np.asarray(nucleus / nucleus.sum(axis=1, keepdims=True), dtype=np.float64)


def _multinomial(count: int, shares: FloatArray, generator: np.random.Generator) -> IntArray:
    """Return how often each symbol is drawn, (c, K).

    numpy gives what rounding leaves over to the last symbol, which may be a lost one: the likeliest stands last here.
    """
    chains = np.arange(len(shares))
    likeliest = shares.argmax(axis=1)
    turned = shares.copy()
    turned[:, -1], turned[chains, likeliest] = shares[chains, likeliest], shares[:, -1]
    counts = generator.multinomial(count, turned)
    last = counts[:, -1].copy()
    counts[:, -1] = counts[chains, likeliest]
    counts[chains, likeliest] = last
    return counts
