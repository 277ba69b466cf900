"""Purposes: what synthetic rows are made for, which measures count as good for it, and what policy goes with it.

The same number is good for one purpose and says nothing for another: rows that are to hide persons shall keep the
distribution and lose the persons, rows that are to take a bias away shall not keep the distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["PURPOSES", "Purpose", "PurposeName"]

PurposeName = Literal["", "privacy", "debias", "augment", "robustness"]
"""A purpose by its name; empty for none."""


Direction = Literal["higher", "lower"]
"""Which way a measure is good."""


@dataclass(frozen=True)
class Purpose:
    """What synthetic rows are for.

    Args:
        name: its name.
        about: one line.
        counts: the measures that count as good or bad for it.
        ignores: the measures that do not count, because for this purpose a bad value is no fault.
        why: why they do not.
        better: which way is good where the purpose sees it otherwise than the measure itself.
        advice: what to heed, one line each.
        policy: settings of the policy that a recipe of this purpose has unless it gives its own.
        curators: the curators that it has unless it gives its own, as params.yaml writes them.
    """

    name: PurposeName
    about: str
    counts: tuple[str, ...]
    ignores: tuple[str, ...]
    why: str
    better: Mapping[str, Direction] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    policy: Mapping[str, Any] = field(default_factory=dict)
    curators: tuple[Any, ...] = ()


_DISTANCES = (
    "frechet",
    "frechet_features",
    "sliced_wasserstein",
    "wasserstein",
    "mmd",
    "kernel_distance",
    "mean_error",
    "column_distance",
    "column_distance_max",
    "correlation_distance",
    "correlation_error",
    "two_sample_auc",
    "divergence_frontier",
    "divergence_from_source",
)
"""Measures of how far the rows are from the real distribution."""

_REALISM = ("precision", "precision_features", "on_mode", "sharpness", "hallucinations")
_REACH = ("recall", "recall_features", "coverage", "coverage_features", "modes_covered", "classes_covered", "support")
_SPREAD = (
    "variance_ratio",
    "log_variance",
    "vendi",
    "vendi_ratio",
    "heterozygosity",
    "entropy",
    "class_entropy",
    "class_entropy_ratio",
    "latent_deviation",
    "encoder_deviation_ratio",
    "within_mode_variance",
    "distinct_2",
    "self_bleu",
    "vocabulary_used",
)
_RARE = (
    "tail_mass",
    "tail_coverage",
    "missing_mass",
    "absent",
    "perplexity_rare",
    "fact_recall_rare",
    "hapax_share",
    "vocabulary_coverage",
    "bigram_coverage",
)
"""Measures of whether what is rare is still there."""

_UTILITY = ("downstream_accuracy", "downstream_ratio", "accuracy", "perplexity", "risk", "parameter_error")
_FACTS = ("fact_recall_common", "fact_recall_rare", "hallucinations")
_GROUPS = ("smallest_share", "groups_alive", "fidelity_gap", "utility_gap", "bias_amplification")
_APART = ("record_distance", "memorisation_ratio", "anchor_memorisation_ratio")
"""Distances to training records; the farther, the less a row gives away."""

_COPIES = (
    "copied_records",
    "membership_auc",
    "copied_share",
    "anchor_copied_share",
    "training_copies",
    "anchor_copies",
    "near_anchor_copies",
    "anchor_runs",
)
"""How much of the training records can be read off the rows."""

_FARTHER: dict[str, Direction] = dict.fromkeys(_APART, "higher")
_FEWER: dict[str, Direction] = dict.fromkeys(_COPIES, "lower")

PURPOSES: Mapping[str, Purpose] = {
    "privacy": Purpose(
        "privacy",
        "rows that stand in for persons: the distribution is kept, no record is",
        counts=(*_APART, *_COPIES, *_DISTANCES, *_UTILITY, *_SPREAD, "group_share_distance", "utility_gap"),
        ignores=_RARE,
        why="what is rare is what a person is recognised by, so that losing it is no fault by itself",
        better=_FARTHER | _FEWER,
        advice=(
            "keep the distribution, and no row that lies closer to a training record than held-out rows do",
            "judge closeness to training records beside utility: `dwindle frontier` does",
        ),
        curators=("deduplicate",),
    ),
    "debias": Purpose(
        "debias",
        "rows that take a bias out of the data: groups are to be even, the distribution is to change",
        counts=(*_GROUPS, *_UTILITY, *_REALISM, *_FACTS),
        ignores=(*_DISTANCES, *_SPREAD, "group_share_distance", "tail_mass"),
        why="the real distribution holds the bias, so that a distance to it is no fault",
        advice=("do not hold the rows to the real distribution", "judge each group by itself"),
        policy={"rounds": 1},
        curators=("quota",),
    ),
    "augment": Purpose(
        "augment",
        "rows beside real ones, where there are too few: they must be right and add variety",
        counts=(*_UTILITY, *_REALISM, *_REACH, *_SPREAD, *_RARE, *_FACTS, *_COPIES, "utility_gap", "smallest_share"),
        ignores=("group_share_distance", "column_distance", "column_distance_max", "mean_error"),
        why="rows are added where real ones are few, so that their shares may differ from the real ones",
        better=_FEWER,
        advice=("a supplement and no substitute: keep the real rows in", "rows that copy real ones add nothing"),
        policy={"rounds": 1},
        curators=("deduplicate",),
    ),
    "robustness": Purpose(
        "robustness",
        "rows that harden a model: noise, rare and extreme cases",
        counts=(*_UTILITY, *_REACH, *_RARE, *_GROUPS, *_FACTS),
        ignores=(*_DISTANCES, *_SPREAD, "precision", "precision_features", "sharpness", "density", "density_features"),
        why="noise and rare cases are meant to lie off the real distribution",
        advice=("judge what is trained on the rows, not the rows", "make more of the tail than there is"),
        curators=("noise",),
    ),
}
"""What each purpose counts.

Source: features named by the articles behind dwindle: sets are labelled and kept apart by purpose; quality depends on
purpose; the distribution is to be preserved for privacy and not for taking a bias away.
"""
