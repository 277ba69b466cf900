"""How varied, how long-tailed and how repetitive the sampled text is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, IntArray, Kind, Measure, Measurement, Within
from dwindle.data.grams import compact, distinct, grams, matched

__all__ = ["LexicalDiversity"]

_STEEPEST = 64.0  # a Zipf exponent beyond any that can be told from a single token


@dataclass(frozen=True)
class LexicalDiversity:
    """Diversity of the sampled tokens, on as many samples as held-out blocks: most of it depends on the amount of text.

    N-grams, windows and repetitions are those within blocks. The Zipf exponent s maximises the likelihood of the
    tokens' ranks under r^-s on the ranks that occur. The compression ratio is that of the token numbers, four bytes
    each, over the held-out text's. Guard against reading variety as quality, noise is varied too: look at the share of
    tokens that the anchor lacks beside it.

    Args:
        window: tokens of the moving window of the type-token ratio; no wider than a block.

    Source: Li et al. 2016 (distinct-n); Covington and McFall 2010 (moving-average type-token ratio); Clauset et al.
        2009, appendix B (maximum-likelihood exponent of a discrete power law, here with a last rank); Su et al. 2022,
        section 4 (rep-n and diversity); Shaib et al. 2024 (compression ratio).
    """

    window: Annotated[int, Within(low=1, unit="tokens")] = 32

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "distinct_1": Measure("as_anchor", "fraction", "distinct tokens over all tokens sampled"),
        "distinct_2": Measure("as_anchor", "fraction", "distinct bigrams over all bigrams sampled"),
        "distinct_3": Measure("as_anchor", "fraction", "distinct trigrams over all trigrams sampled"),
        "distinct_4": Measure("as_anchor", "fraction", "distinct 4-grams over all 4-grams sampled"),
        "repetition_diversity": Measure("as_anchor", "fraction", "product over n = 2..4 of 1 - rep-n within blocks"),
        "mattr": Measure("as_anchor", "fraction", "distinct tokens in a moving window, over its width"),
        "unigram_entropy": Measure("as_anchor", "nats", "entropy of the sampled tokens' frequencies"),
        "zipf_exponent": Measure("as_anchor", "exponent", "maximum-likelihood exponent of the tokens' ranks"),
        "hapax_share": Measure(
            "as_anchor", "fraction", "distinct tokens that are sampled once, over all distinct ones"
        ),
        "vocabulary_coverage": Measure("higher", "fraction", "distinct held-out tokens that are sampled"),
        "bigram_coverage": Measure("higher", "fraction", "distinct held-out bigrams that are sampled"),
        "unseen_tokens": Measure("as_anchor", "fraction", "share of sampled tokens that the anchor lacks"),
        "compression_ratio": Measure("as_anchor", "ratio to real", "zlib compression ratio, over that of real text"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; what a block is too short for is undefined, as is the exponent of one token."""
        samples, real = matched(evidence.samples.values, evidence.held_out.values)
        found = {**_by_length(samples, real), **self._of_tokens(samples, real)}
        found["unseen_tokens"] = _unseen(samples, evidence.anchor.values)
        ratios = np.array([_ratio(blocks) for blocks in samples]) / _ratio(real[0])
        found["compression_ratio"] = Measurement(ratios)
        return {name: found[name] for name in self.measures}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(window=4)

    def _of_tokens(self, samples: IntArray, real: IntArray) -> dict[str, Measurement]:
        """Return what depends on the tokens' frequencies and places."""
        (tokens, held_out), symbols = compact([samples, real])
        counts = np.stack([np.bincount(chain.reshape(-1), minlength=symbols) for chain in tokens])
        in_use, real_ones = counts > 0, np.unique(held_out)
        hapax = (counts == 1).sum(axis=1) / in_use.sum(axis=1)
        return {
            "mattr": self._mattr(tokens),
            "unigram_entropy": Measurement(np.array([_entropy(own[own > 0]) for own in counts])),
            "zipf_exponent": _exponents(counts),
            "hapax_share": Measurement(hapax),
            "vocabulary_coverage": Measurement(in_use[:, real_ones].mean(axis=1)),
        }

    def _mattr(self, tokens: IntArray) -> Measurement:
        """Return the mean type-token ratio of all windows of a block.

        A token is the first of its type in the windows that begin after its last occurrence, and counts once in each.
        """
        chains, count, length = tokens.shape
        if length < self.window:
            return Measurement.undefined(chains, f"blocks of {length} tokens hold no window of {self.window}")
        flat = tokens.reshape(-1, length)
        last = length - self.window
        place = np.arange(length)
        first_window = np.maximum(_previous(flat) + 1, place - self.window + 1)
        windows = np.maximum(np.minimum(place, last) - np.maximum(first_window, 0) + 1, 0)
        types = windows.reshape(chains, -1).sum(axis=1)
        return Measurement(types / (count * (last + 1) * self.window))


def _by_length(samples: IntArray, real: IntArray) -> dict[str, Measurement]:
    """Return distinct-n, the diversity of repetition and the coverage of bigrams."""
    chains, _, length = samples.shape
    names = ["distinct_1", "distinct_2", "distinct_3", "distinct_4", "repetition_diversity", "bigram_coverage"]
    short = f"blocks of {length} tokens are too short for the n-grams"
    found = {name: Measurement.undefined(chains, short) for name in names}
    diversity = np.ones(chains)
    for size in range(1, min(4, length) + 1):
        own, held_out = grams([samples, real], size)
        found[f"distinct_{size}"] = Measurement(distinct(own) / own[0].size)
        if size > 1:
            diversity *= distinct(own.reshape(-1, own.shape[2])).reshape(chains, -1).mean(axis=1) / own.shape[2]
        if size == 2:
            found["bigram_coverage"] = Measurement(_covered(own, np.unique(held_out)))
    if length >= 4:
        found["repetition_diversity"] = Measurement(diversity)
    return found


def _covered(own: IntArray, wanted: IntArray) -> FloatArray:
    """Return the share of the wanted numbers that each chain holds, (c,)."""
    return np.array([np.isin(wanted, chain).mean() for chain in own])


def _unseen(samples: IntArray, anchor: Array) -> Measurement:
    """Return the share of each chain's tokens that its anchor lacks."""
    own = [anchor[min(chain, len(anchor) - 1)] for chain in range(len(samples))]
    missing = [~np.isin(blocks, np.unique(real)) for blocks, real in zip(samples, own, strict=True)]
    return Measurement(np.array([absent.mean() for absent in missing]))


def _previous(blocks: IntArray) -> IntArray:
    """Return the place of the last occurrence of each token before it in its block, (r, L); -1 for none."""
    order = np.argsort(blocks, axis=1, kind="stable")
    ordered = np.take_along_axis(blocks, order, axis=1)
    before = np.full_like(blocks, -1)
    before[:, 1:] = np.where(ordered[:, 1:] == ordered[:, :-1], order[:, :-1], -1)
    found = np.empty_like(before)
    np.put_along_axis(found, order, before, axis=1)
    return found


def _entropy(counts: IntArray) -> float:
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _exponents(counts: IntArray) -> Measurement:
    """Return the exponent of each chain, (c,), for the counts of its tokens (c, K)."""
    values = np.array([_exponent(np.sort(own[own > 0])[::-1]) for own in counts])
    reason = "" if np.isfinite(values).all() else "one token alone has no ranks"
    return Measurement(values, reason)


def _exponent(counts: IntArray) -> float:
    """Return the s at which the mean log-rank is the expected one under r^-s: the likelihood's only maximum."""
    from scipy.optimize import brentq

    if len(counts) < 2:
        return float("nan")
    logs = np.log(np.arange(1, len(counts) + 1))
    mean = float(counts @ logs / counts.sum())

    def excess(exponent: float) -> float:
        weights = np.exp(-exponent * logs)
        return float(weights @ logs / weights.sum()) - mean

    return 0.0 if excess(0.0) <= 0.0 else float(brentq(excess, 0.0, _STEEPEST, xtol=1e-12))


def _ratio(blocks: IntArray) -> float:
    """Return how many bytes of token numbers make one compressed byte."""
    content = blocks.astype("<u4").tobytes()
    return len(content) / len(zlib.compress(content, 9))
