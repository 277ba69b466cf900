"""How much of the vocabulary the sampled text uses, and whether it says the same token twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from dwindle.contracts import Evidence, Kind, Measure, Measurement
from dwindle.data.grams import distinct

__all__ = ["TextDiversity"]


@dataclass(frozen=True)
class TextDiversity:
    """Vocabulary in use and share of repeated tokens, on equally many blocks of both texts.

    Both depend on how much text there is: samples and held-out blocks are cut to the same number, and repetitions are
    those within blocks. Guard against reading variety as quality: noise is varied too.

    Source: Welleck et al. 2020, Neural text generation with unlikelihood training (repetition, with a window of one
        token).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "vocabulary_used": Measure("as_anchor", "ratio to real", "distinct tokens sampled, over those of real text"),
        "repeated_tokens": Measure("as_anchor", "fraction", "share of sampled tokens equal to the one before"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; blocks of one token cannot repeat one."""
        count = min(evidence.samples.count, evidence.held_out.count)
        samples, real = evidence.samples.values[:, :count], evidence.held_out.values[:, :count]
        used = Measurement(distinct(samples) / distinct(real))
        if samples.shape[2] < 2:
            missing = Measurement.undefined(len(samples), "blocks of one token repeat none")
            return {"vocabulary_used": used, "repeated_tokens": missing}
        repeated = (samples[..., :-1] == samples[..., 1:]).mean(axis=(1, 2))
        return {"vocabulary_used": used, "repeated_tokens": Measurement(repeated)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
