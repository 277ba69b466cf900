"""The axes of the scorecard: which measures speak of diversity, which of what rows give away, and how good they are."""

from __future__ import annotations

from typing import Literal

from dwindle.contracts import Measure
from dwindle.purposes import PURPOSES, PurposeName

__all__ = ["DIVERSITY", "PRIVACY", "UTILITY", "Axis", "Better", "axis_of", "better_for", "left_out"]

Axis = Literal["quality", "scale", "diversity"]

Better = Literal["higher", "lower", "as_anchor"]

DIVERSITY = frozenset(
    {
        *("recall", "recall_features", "coverage", "coverage_features", "modes_covered", "classes_covered"),
        *("class_entropy", "class_entropy_ratio", "vendi", "vendi_ratio", "variance", "variance_ratio", "log_variance"),
        *("second_moment", "within_mode_variance", "latent_deviation", "encoder_deviation", "encoder_deviation_ratio"),
        *("tail_mass", "tail_coverage", "heterozygosity", "support", "entropy", "missing_mass", "absent"),
        *("distinct_1", "distinct_2", "distinct_3", "distinct_4", "repetition_diversity", "mattr", "unigram_entropy"),
        *("zipf_exponent", "hapax_share", "vocabulary_coverage", "bigram_coverage", "unseen_tokens"),
        *("compression_ratio", "vocabulary_used", "repeated_tokens", "self_bleu", "next_token_gini"),
        *("next_token_entropy", "groups_alive", "smallest_share", "fact_recall_rare", "perplexity_rare"),
    }
)
"""The measures of diversity; what is measured and stands here not is quality."""

PRIVACY = (
    *("membership_auc", "record_distance", "copied_records", "anchor_memorisation_ratio", "memorisation_ratio"),
    *("anchor_copied_share", "copied_share", "anchor_runs", "near_anchor_copies", "anchor_copies", "training_copies"),
)
"""The measures of what rows give away of the records behind them, the most telling ones first."""

UTILITY = (
    *("downstream_accuracy", "downstream_ratio", "accuracy", "perplexity", "divergence_frontier", "two_sample_auc"),
    *("frechet", "frechet_features", "column_distance", "parameter_error", "risk", "missing_mass"),
)
"""The measures of what rows are worth to those who use them, the most telling ones first."""


def axis_of(measure: str) -> Axis:
    """Return the axis that a measure speaks of."""
    return "diversity" if measure in DIVERSITY else "quality"


def better_for(purpose: PurposeName, name: str, measure: Measure) -> Better:
    """Return which way is good: `higher`, `lower` or `as_anchor`, as the purpose sees it."""
    known = PURPOSES[purpose].better if purpose else {}
    return known.get(name, measure.better)


def left_out(purpose: PurposeName, name: str) -> str:
    """Say why a measure does not count for a purpose; empty if it does, as every measure does without a purpose."""
    if not purpose:
        return ""
    known = PURPOSES[purpose]
    if name in known.ignores:
        return known.why
    return "" if name in known.counts else f"it says nothing of the purpose {purpose}"
