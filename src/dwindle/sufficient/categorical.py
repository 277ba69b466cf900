"""Chains of symbols without rows: counts are multinomial, and only symbols that are still alive are counted.

Neither heterozygosity nor support asks which symbol is which, so the counts of a chain are kept in rising order; a
chain with one symbol left is finished and costs nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from dwindle.data.rows import FloatArray, IntArray
from dwindle.errors import BadInput
from dwindle.seeds import Seed
from dwindle.sufficient.paths import Path, Workflow, at_least, gathered

__all__ = ["grow", "walk"]


def grow(
    *,
    regime: Workflow = "replace",
    rows: int = 100,
    generations: int = 100,
    chains: int = 10_000,
    seed: Seed,
    symbols: int = 1000,
    exponent: float = 1.0,
    shares: Sequence[float] | None = None,
) -> Path:
    """Return the means over chains of `heterozygosity` and `support`, as the metric `heterozygosity` has them.

    Args:
        regime: `replace` or `accumulate`.
        rows: M, rows a generation.
        generations: the last generation's number; generation 0 is the fit to real rows.
        chains: independent replicates.
        seed: address of every random draw.
        symbols: size K of the alphabet.
        exponent: real symbols have probability proportional to rank^-exponent.
        shares: how often each symbol comes, relative to the others; in place of `symbols` and `exponent`.

    Raises:
        BadInput: if a number is out of range.

    Source: the chain of Wright 1931 and Fisher 1930; the unigram loop of Seddik et al. 2024, arXiv 2404.05090.
    """
    at_least(rows=(rows, 1), symbols=(symbols, 1), exponent=(exponent, 0.0))
    real = _real(np.arange(1, symbols + 1, dtype=np.float64) ** -exponent if shares is None else shares)
    steps = partial(walk, regime=regime, rows=rows, generations=generations, real=real)
    return gathered(steps, chains=chains, seed=seed, numbers=-(-len(real) // 4))


def walk(
    count: int,
    generator: np.random.Generator,
    *,
    regime: Workflow,
    rows: int,
    generations: int,
    real: FloatArray,
) -> Iterator[Mapping[str, FloatArray]]:
    """Walk a block of chains; yields `heterozygosity` and `support` of each generation, (c,).

    Args:
        count: chains of the block.
        generator: what all draws come from.
        regime: as `grow`, like all that follow.
        rows: M.
        generations: the last generation's number.
        real: (K,) probability of each real symbol, all above 0.
    """
    counts = _alive(generator.multinomial(rows, np.sort(real)[::-1], size=count))
    even, support = np.zeros(count), np.ones(count)
    for generation in range(generations + 1):
        if generation:
            counts = _next(counts, rows, generator, pooled=regime == "accumulate")
        shares = counts / counts.sum(axis=1, keepdims=True, initial=0)
        even[len(shares) :], support[len(shares) :] = 0.0, 1.0
        even[: len(shares)] = 1.0 - np.einsum("ci,ci->c", shares, shares)
        support[: len(shares)] = np.count_nonzero(counts, axis=1)
        yield {"heterozygosity": even, "support": support}


def _real(shares: Sequence[float] | FloatArray) -> FloatArray:
    """Return the probabilities of the symbols that come at all."""
    try:
        weights = np.array(shares, dtype=np.float64)
    except (TypeError, ValueError):
        weights = np.zeros(0)
    total = float(weights.sum())
    if weights.ndim != 1 or not 0 < total < float("inf") or not weights.min() >= 0:
        raise BadInput("shares: expected numbers >= 0 with a finite sum, at least one of them above 0")
    return np.asarray(weights[weights > 0] / total)


def _next(counts: IntArray, rows: int, generator: np.random.Generator, *, pooled: bool) -> IntArray:
    """Return the counts after another generation, of the chains that are not finished."""
    if not counts.size:
        return counts
    # What rounding leaves over goes to the last symbol: it is alive, because it has the largest count.
    drawn = generator.multinomial(rows, counts / counts.sum(axis=1, keepdims=True))
    return counts + drawn if pooled else _alive(drawn)


def _alive(counts: IntArray) -> IntArray:
    """Return the counts in rising order, without chains of one symbol and without columns that no chain needs."""
    ordered = np.sort(counts, axis=1)
    if ordered.shape[1] > 1:
        ordered = ordered[ordered[:, -2] > 0]
    width = int(np.count_nonzero(ordered.any(axis=0)))
    return ordered[:, ordered.shape[1] - width :]
