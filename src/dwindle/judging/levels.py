"""Levels, symbols and tokens: which are drawn too often, how varied they are, and how surprising."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dwindle.contracts import FloatArray, IntArray
from dwindle.judging.contrasts import Contrasts, contrasts, scatter
from dwindle.judging.numbers import moments

__all__ = ["Laws", "heterozygosities", "homogeneity", "laws", "ratios", "surprisals", "total_variation"]

_EXPECTED = 5.0
"""Least expected count of a cell of a chi-squared test. Source: Cochran 1954, section 3."""

_SMOOTHING = 0.5
"""Count that every level is given beside its own, so that none has probability 0. Source: Krichevsky, Trofimov 1981."""


@dataclass(frozen=True, eq=False)
class Laws:
    """Shares of each level in every chain and in the held-out rows.

    A row holds one level, or, as a block of text does, several that depend on each other: then a row and not a token
    is the unit of the held-out rows' error.

    Args:
        shares: (c, k).
        sizes: (c,) tokens that tell as much with equal weights.
        counts: (c, k) how often each level stands in a chain; None where rows are weighted or hold several tokens.
        real: (k,) in the held-out rows.
        rows: (m, l) the held-out rows.
    """

    shares: FloatArray
    sizes: FloatArray
    counts: IntArray | None
    real: FloatArray
    rows: IntArray

    @property
    def variances(self) -> FloatArray:
        """Sampling variance of each held-out share, (k,), between rows."""
        count, long = self.rows.shape
        if long == 1:
            return np.asarray(self.real * (1.0 - self.real) / count)
        squares = np.zeros(len(self.real))
        for place in range(long):  # of the share that each level has of each row, without a table of rows and levels
            repeats = (self.rows == self.rows[:, place : place + 1]).sum(axis=1) / long**2
            squares += np.bincount(self.rows[:, place], weights=repeats, minlength=len(squares))
        return np.asarray((squares / count - self.real**2) / count)


def laws(values: IntArray, weights: FloatArray | None, real: IntArray, count: int) -> Laws:
    """Count levels.

    Args:
        values: (c, n) or (c, n, l) levels 0 .. count - 1.
        weights: (c, n) weights; 0 where a chain has no row.
        real: (m,) or (m, l) held-out rows.
        count: how many levels there are.
    """
    blocks = values.reshape(*values.shape[:2], -1)
    rows = real.reshape(len(real), -1)
    shape = blocks.shape
    shares = np.ones(shape[:2]) if weights is None else np.asarray(weights, dtype=np.float64)
    tokens = np.broadcast_to(shares[..., None], shape).reshape(len(blocks), -1)
    found = np.array(
        [np.bincount(own.reshape(-1), weights=held, minlength=count) for own, held in zip(blocks, tokens, strict=True)]
    )
    total = found.sum(axis=1, keepdims=True)
    sizes = shape[2] * shares.sum(axis=1) ** 2 / np.maximum((shares**2).sum(axis=1), np.finfo(float).tiny)
    plain = shape[2] == 1 and bool(np.isin(shares, (0.0, 1.0)).all())
    own = np.bincount(rows.reshape(-1), minlength=count) / max(rows.size, 1)
    probabilities = np.divide(found, total, out=np.full_like(found, np.nan), where=total > 0)
    return Laws(probabilities, sizes, found.astype(np.int64) if plain else None, own, rows)


def ratios(found: Laws, chosen: IntArray) -> Contrasts:
    """Return how much more often the chains draw some levels: their shares over the held-out ones, less 1.

    Args:
        found: the laws.
        chosen: (k',) the levels, of which the held-out rows hold each.
    """
    real = found.real[chosen]
    shares, errors = found.shares[:, chosen] / real, found.variances[chosen] / real**2
    return contrasts(shares, np.ones(len(chosen)), errors, len(found.rows))


def heterozygosities(found: Laws) -> Contrasts:
    """Return the logarithm of the chance that two draws differ, over the held-out one; one contrast.

    Source: Nei 1978 (without bias); the delta method, by what each held-out row contributes.
    """
    sizes = found.sizes[:, None]
    chains = (1.0 - (found.shares**2).sum(axis=1, keepdims=True)) * sizes / np.maximum(sizes - 1, 1)
    tokens = found.rows.size
    real = (1.0 - (found.real**2).sum()) * tokens / max(tokens - 1, 1)
    spread = float((2.0 * found.real[found.rows].mean(axis=1)).var()) / len(found.rows)
    logs = np.log(np.where(chains > 0, chains, np.nan))
    known = real if real > 0 else np.nan
    return contrasts(logs, np.log(np.array([known])), np.array([spread / known**2]), len(found.rows))


def total_variation(found: Laws) -> tuple[FloatArray, FloatArray]:
    """Return the total variation of each chain's law, (c,), and what rows of the real law would come to, (c,).

    Equal laws differ by chance: each share by a normal error, whose mean size is sqrt(2 v / pi).
    """
    apart = np.abs(found.shares - found.real).sum(axis=1) / 2
    own = found.real * (1.0 - found.real)
    errors = found.variances + own / np.maximum(found.sizes, 1.0)[:, None]
    return apart, np.sqrt(2.0 * errors / np.pi).sum(axis=1) / 2


def homogeneity(found: Laws) -> FloatArray:
    """Return the p-value of equal laws for each chain, (c,), by chi-squared; nan for weighted rows and for blocks.

    Levels that are expected less than five times are taken together.

    Source: Pearson 1911 (two samples); Cochran 1954.
    """
    from scipy.special import chdtrc

    p = np.full(len(found.shares), np.nan)
    if found.counts is None:
        return p
    real = np.bincount(found.rows.reshape(-1), minlength=len(found.real))
    for chain, counts in enumerate(found.counts):
        size, count = counts.sum(), real.sum()
        pooled = counts + real
        rare = pooled * min(size, count) / max(size + count, 1) < _EXPECTED
        own = np.append(counts[~rare], counts[rare].sum())
        other = np.append(real[~rare], real[rare].sum())
        own, other = own[own + other > 0], other[own + other > 0]
        if len(own) > 1 and size and count:
            gaps = (np.sqrt(count / size) * own - np.sqrt(size / count) * other) ** 2 / (own + other)
            p[chain] = chdtrc(len(own) - 1, gaps.sum())
    return p


def surprisals(values: IntArray, weights: FloatArray | None, found: Laws) -> tuple[Contrasts, FloatArray]:
    """Return the mean surprisal of the chains' tokens less that of the held-out ones, nats a token; one contrast.

    Beside it stands the chance that chains of one law lie as far apart from each other.

    Surprisal is under the frequencies of held-out rows. One half of them is judged by the other, and the chains by
    both: a law that was counted on the rows that it judges would find them less surprising than any others.

    Args:
        values: (c, n) or (c, n, l) levels.
        weights: (c, n) weights, or None.
        found: the laws.
    """
    count = len(found.real)
    halves = [found.rows[0::2], found.rows[1::2]]
    scores = [-np.log(_smoothed(half, count)) for half in halves]
    rows = np.concatenate([score[half].mean(axis=1) for score, half in zip(scores[::-1], halves, strict=True)])
    both = (scores[0] + scores[1]) / 2
    own = moments(both[values.reshape(*values.shape[:2], -1)].mean(axis=2)[..., None], weights)
    error = np.array([rows.var() / max(len(rows), 1)])
    compared = contrasts(own.mean, np.array([rows.mean()]), error, len(rows))
    return compared, scatter(own.mean, own.variance, own.effective)


def _smoothed(rows: IntArray, count: int) -> FloatArray:
    counts = np.bincount(rows.reshape(-1), minlength=count) + _SMOOTHING
    return np.asarray(counts / counts.sum())
