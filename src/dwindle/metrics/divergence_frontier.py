"""How far the law of generated text lies from that of real text, both ways, on quantised features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, IntArray, Kind, Measure, Measurement, Seed, Within
from dwindle.data.grams import matched

__all__ = ["DivergenceFrontier", "frontier_area"]

_BUCKETS = 1 << 14  # of hashed tokens and pairs of tokens
_MOST = 4096  # anchor rows that the features are fitted on
_LAMBDAS = (1.0 - np.cos(np.linspace(0.0, np.pi, 1001))) / 2.0  # close together near 0 and 1, where the frontier bends


@dataclass(frozen=True)
class DivergenceFrontier:
    """Area under the divergence frontier of sampled and held-out blocks: 1 the same law, near 0 nothing shared.

    A block is the counts of its tokens and pairs of tokens, each 1 + log n, hashed, normed, and projected on the
    largest singular vectors of the first chain's anchor. Equally many sampled and held-out blocks are clustered
    together by k-means; the frontier is that of the two histograms over clusters. Features of counts, not of a language
    model: numbers compare generations with each other and not with published ones, and even two samples of one law
    stay below 1 by an amount that depends on how many blocks there are.

    Args:
        dimensions: singular vectors.
        per_cluster: held-out blocks for each cluster. Source: Pillutla et al. 2021, section 4: k = n / 10.
        scale: c, the rate at which divergence costs. Source: Pillutla et al. 2021, section 3: c = 5.

    Source: Pillutla et al. 2021, MAUVE, equations 1 and 2.
    """

    dimensions: Annotated[int, Within(low=1, high=1000, unit="dimensions")] = 32
    per_cluster: Annotated[float, Within(low=1.0, unit="blocks")] = 10.0
    scale: Annotated[float, Within(low=1e-3, high=1e3)] = 5.0

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "divergence_frontier": Measure("higher", "fraction", "area under the divergence frontier with real text"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for fewer than four blocks."""
        samples, real = matched(evidence.samples.values, evidence.held_out.values)
        chains, count, _ = samples.shape
        if count < 4:
            reason = f"{count} blocks make no histogram"
            return {"divergence_frontier": Measurement.undefined(chains, reason)}
        project, real_features = self._features(evidence, real[0])
        values = np.empty(chains)
        for chain, blocks in enumerate(samples):
            joined = np.concatenate([real_features, project(blocks)])
            clusters = self._clusters(joined, evidence.seed.at("clusters", chain))
            shares = [np.bincount(part, minlength=clusters.max() + 1) / count for part in np.split(clusters, 2)]
            values[chain] = frontier_area(*shares, scale=self.scale)
        return {"divergence_frontier": Measurement(values)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(dimensions=4)

    def _features(self, evidence: Evidence, real: IntArray) -> tuple[Any, FloatArray]:
        """Return the projection of blocks on features, and the features of the held-out blocks, (n, d)."""
        from sklearn.decomposition import TruncatedSVD

        counts = _counts(evidence.anchor.chain(0).values[0, :_MOST])
        seed = evidence.seed.at("features").integer()
        with np.errstate(divide="ignore", invalid="ignore"):  # blocks that are all the same have no variance to explain
            svd = TruncatedSVD(min(self.dimensions, counts.shape[0]), random_state=seed).fit(counts)
        return (lambda blocks: svd.transform(_counts(blocks))), svd.transform(_counts(real))

    def _clusters(self, features: FloatArray, seed: Seed) -> IntArray:
        """Return the cluster of each block, (2 n,)."""
        from sklearn.cluster import KMeans

        places = len(np.unique(features, axis=0))
        wanted = max(2, round(len(features) / 2 / self.per_cluster))
        found = KMeans(min(wanted, places), n_init=2, random_state=seed.integer()).fit_predict(features)
        return np.asarray(found, dtype=np.int64)


def _counts(blocks: Array) -> Any:
    """Return the hashed counts of tokens and pairs of tokens of each block, a sparse matrix (n, buckets) of norm 1."""
    from scipy.sparse import csr_array

    tokens = blocks.astype(np.uint64)
    pairs = (tokens[:, :-1] + np.uint64(1)) * np.uint64(1 << 32) + tokens[:, 1:]
    row = np.arange(len(blocks), dtype=np.int64)[:, None] * _BUCKETS
    found = np.concatenate([row + _hashed(tokens), row + _hashed(pairs)], axis=1)
    keys, counts = np.unique(found, return_counts=True)
    rows, weights = keys // _BUCKETS, 1.0 + np.log(counts)
    norms = np.sqrt(np.bincount(rows, weights**2, minlength=len(blocks)))
    return csr_array((weights / norms[rows], (rows, keys % _BUCKETS)), shape=(len(blocks), _BUCKETS))


def _hashed(numbers: Array) -> IntArray:
    """Return a bucket for each number. Source: Steele et al. 2014, SplitMix64."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) % np.uint64(_BUCKETS), dtype=np.int64)


def frontier_area(real: FloatArray, sampled: FloatArray, *, scale: float) -> float:
    """Return the area under the divergence frontier of two histograms, 0..1.

    The frontier is (exp(-c KL(Q | R)), exp(-c KL(P | R))), R = l P + (1 - l) Q, for l from 0 to 1; left of it all is
    as high as its first point.

    Source: Pillutla et al. 2021, equations 1 and 2.

    Args:
        real: P, (k,) shares that add up to 1.
        sampled: Q, (k,).
        scale: c.
    """
    across = np.exp(-scale * _divergences(sampled, real, 1.0 - _LAMBDAS))
    up = np.exp(-scale * _divergences(real, sampled, _LAMBDAS))
    return float(across[-1] * up[-1] + np.trapezoid(up[::-1], across[::-1]))


def _divergences(law: FloatArray, other: FloatArray, own: FloatArray) -> FloatArray:
    """Return KL(law | own law + (1 - own) other) for each weight of the law's own, nats."""
    inside = law > 0
    mixed = own[:, None] * law[inside] + (1.0 - own[:, None]) * other[inside]
    with np.errstate(divide="ignore"):
        return np.asarray((law[inside] * (np.log(law[inside]) - np.log(mixed))).sum(axis=1))
