"""What a model of text still knows, and what it makes up, where the source's law and facts are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Evidence,
    Facts,
    Factual,
    FloatArray,
    Kind,
    KnownLaw,
    Measure,
    Measurement,
    NextTokens,
    Rows,
    Scorable,
)

__all__ = ["FactRecall"]


@dataclass(frozen=True)
class FactRecall:
    """Facts recalled, common and rare, samples that the source could never have drawn, and the divergence from it.

    A fact is recalled if its object is the one likeliest token after its prompt; a tie is no recall. The divergence
    KL(source | model) is the mean of log p_source - log p_model over the held-out rows: both logarithms are exact, and
    as their sampling errors cancel, the entropy of the source is not needed.

    Source: Kandpal et al. 2023, Large language models struggle to learn long-tail knowledge, section 3 (accuracy by the
        frequency of a fact).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "fact_recall_common": Measure("higher", "fraction", "common facts whose object is the likeliest token"),
        "fact_recall_rare": Measure("higher", "fraction", "rare facts whose object is the likeliest token"),
        "hallucinations": Measure("lower", "fraction", "share of samples that the source can never draw"),
        "divergence_from_source": Measure("lower", "nats a row", "KL divergence of the model from the source's law"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the source or the model does not know enough."""
        source, chains = evidence.source, evidence.samples.chains
        unknown = Measurement.undefined(chains, "the law of the source is not known")
        found = {"hallucinations": unknown, "divergence_from_source": unknown}
        if isinstance(source, KnownLaw):
            impossible = np.isneginf(source.log_prob(Rows(evidence.samples.values))).mean(axis=1)
            found = {"hallucinations": Measurement(impossible), "divergence_from_source": _divergence(evidence, source)}
        return {**_recalled(evidence), **found}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _divergence(evidence: Evidence, source: KnownLaw) -> Measurement:
    """Return the divergence of the model of each chain from the source."""
    model, chains = evidence.model, evidence.samples.chains
    if not isinstance(model, Scorable):
        return Measurement.undefined(chains, "the model does not know its density")
    gaps = np.asarray(source.log_prob(evidence.held_out) - model.log_prob(evidence.held_out)).mean(axis=1)
    finite = np.isfinite(gaps)
    reason = "" if finite.all() else "a held-out row has no probability under the model"
    return Measurement(np.where(finite, gaps, np.nan), reason)


def _recalled(evidence: Evidence) -> Mapping[str, Measurement]:
    """Return the shares of common and of rare facts that are recalled."""
    source, model, chains = evidence.source, evidence.model, evidence.samples.chains
    reason = "" if isinstance(model, NextTokens) else "the model does not know the law of the next token"
    reason = reason if isinstance(source, Factual) else "the source states no facts that are known"
    names = {"fact_recall_common": False, "fact_recall_rare": True}
    if not (isinstance(source, Factual) and isinstance(model, NextTokens)):
        return {name: Measurement.undefined(chains, reason) for name in names}
    facts = source.known_facts()
    right = _right(facts, np.asarray(model.next_probabilities(Rows(facts.prompts[None]))))
    return {name: _share(right[:, np.asarray(facts.rare, dtype=bool) == rare]) for name, rare in names.items()}


def _right(facts: Facts, laws: FloatArray) -> Array:
    """Say which facts each chain recalls, (c, k), for the laws of the next token (c, k, K)."""
    place = facts.objects[None, :, None]
    own = np.take_along_axis(laws, place, axis=2)
    others = laws.copy()
    np.put_along_axis(others, np.broadcast_to(place, own.shape), -np.inf, axis=2)
    return np.asarray(own[..., 0] > others.max(axis=2))


def _share(right: Array) -> Measurement:
    if not right.shape[1]:
        return Measurement.undefined(len(right), "the source has no such fact")
    return Measurement(right.mean(axis=1))
