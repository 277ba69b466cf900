"""How varied the sampled text is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, IntArray, Kind, Measure, Measurement

__all__ = ["TextDiversity"]


@dataclass(frozen=True)
class TextDiversity:
    """Vocabulary in use, share of distinct bigrams, and share of repeated tokens, on equally many blocks of both texts.

    All three depend on how much text there is: samples and held-out blocks are cut to the same number, and bigrams and
    repetitions are those within blocks. Guard against reading variety as quality: noise is varied too.

    Source: Li et al. 2016, A diversity-promoting objective function for neural conversation models (distinct-n);
        Welleck et al. 2020, Neural text generation with unlikelihood training (repetition, with a window of one token).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "vocabulary_used": Measure("as_anchor", "ratio to real", "distinct tokens sampled, over those of real text"),
        "distinct_2": Measure("as_anchor", "fraction", "distinct bigrams over all bigrams sampled"),
        "repeated_tokens": Measure("as_anchor", "fraction", "share of sampled tokens equal to the one before"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; blocks of one token have no bigrams, so the last two are undefined for them."""
        count = min(evidence.samples.count, evidence.held_out.count)
        samples, real = evidence.samples.values[:, :count], evidence.held_out.values[:, :count]
        used = Measurement(_distinct(samples) / _distinct(real))
        if samples.shape[2] < 2:
            missing = Measurement.undefined(len(samples), "blocks of one token have no bigrams")
            return {"vocabulary_used": used, "distinct_2": missing, "repeated_tokens": missing}
        first, second = samples[..., :-1], samples[..., 1:]
        bigrams = first.astype(np.int64) * (int(samples.max()) + 1) + second
        return {
            "vocabulary_used": used,
            "distinct_2": Measurement(_distinct(bigrams) / bigrams[0].size),
            "repeated_tokens": Measurement((first == second).mean(axis=(1, 2))),
        }

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _distinct(values: Array) -> IntArray:
    """Return how many distinct numbers each chain holds, (c,)."""
    ordered = np.sort(values.reshape(len(values), -1), axis=1)
    return np.asarray(1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1), dtype=np.int64)
