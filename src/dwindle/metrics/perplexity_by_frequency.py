"""How surprised a model is by the tokens of real text, from the rarest tenth of them to the commonest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, IntArray, Kind, Measure, Measurement, TokenScorable, Within

__all__ = ["PerplexityByFrequency"]


_TENTHS = tuple(range(2, 10))  # the first and the last one are the rare and the common tokens, unless told otherwise


@dataclass(frozen=True)
class PerplexityByFrequency:
    """Perplexity of the held-out tokens that are rare, middling and common in the anchor, and coverage of the tail.

    Held-out tokens are put in the order of their frequency in the chain's anchor, rarest first, tokens that the anchor
    lacks before all others. The first share of them is rare, the last common, the middle one middling; the tenths
    between the first and the last are measured too, so that all deciles are there at the default share. Equally
    frequent tokens are not told apart: where the end of a share falls among them, each counts in part. A model that
    loses its tails grows more surprised by rare tokens first.

    Args:
        share: share of the held-out tokens that is rare, and common.
        threshold: log-probability above which a rare token counts as covered.

    Source: Dohmatob et al. 2024, A tale of tails (rare tokens are lost first); perplexity as of Jelinek et al. 1977.
    """

    share: Annotated[float, Within(low=1e-4, high=0.5, unit="fraction of held-out tokens")] = 0.1
    threshold: Annotated[float, Within(high=0.0, unit="nats")] = -9.0

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "perplexity_rare": Measure("lower", "tokens", "perplexity of the rarest share of the held-out tokens", "log"),
        "perplexity_middle": Measure("lower", "tokens", "perplexity of the middle share of the held-out tokens", "log"),
        "perplexity_common": Measure("lower", "tokens", "perplexity of the commonest share of held-out tokens", "log"),
        "tail_coverage": Measure("higher", "fraction", "rarest held-out tokens with log p above the threshold"),
        **{
            f"perplexity_decile_{tenth}": Measure("lower", "tokens", f"of tenth {tenth} of 10, by frequency", "log")
            for tenth in _TENTHS
        },
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the model does not know the probabilities of tokens."""
        if not isinstance(evidence.model, TokenScorable):
            reason = "the model does not know the probability of a token"
            return {name: Measurement.undefined(evidence.samples.chains, reason) for name in self.measures}
        tokens = evidence.held_out.values[0].reshape(-1)
        logs = np.asarray(evidence.model.token_log_prob(evidence.held_out)).reshape(-1, tokens.size)
        values = np.empty((len(self.measures), len(logs)))
        for chain, own in enumerate(logs):
            frequency = _frequency(evidence.anchor.chain(min(chain, evidence.anchor.chains - 1)).values, tokens)
            values[:, chain] = self._of_chain(own, frequency)
        return {name: _measured(row) for name, row in zip(self.measures, values, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(share=0.2)

    def _of_chain(self, logs: FloatArray, frequency: IntArray) -> FloatArray:
        """Return the perplexities of the three shares, the coverage, and the perplexities of the tenths, (12,)."""
        level = np.unique(frequency, return_inverse=True)[1]
        sizes = np.bincount(level)
        losses, covered = np.bincount(level, -logs), np.bincount(level, logs > self.threshold)
        middle = (1 - self.share) / 2
        parts = [_overlap(sizes, begin, begin + self.share) for begin in (0.0, middle, 1 - self.share)]
        tenths = [_overlap(sizes, (tenth - 1) / 10, tenth / 10) for tenth in _TENTHS]
        with np.errstate(over="ignore"):
            perplexities = [float(np.exp(_mean(losses, sizes, part))) for part in (*parts, *tenths)]
        return np.array([*perplexities[:3], _mean(covered, sizes, parts[0]), *perplexities[3:]])


def _frequency(anchor: Array, tokens: Array) -> IntArray:
    """Return how often each of the tokens, (q,), stands in the anchor, (q,)."""
    counts = np.bincount(anchor.reshape(-1), minlength=int(tokens.max(initial=0)) + 1)
    return np.asarray(counts[tokens], dtype=np.int64)


def _overlap(sizes: IntArray, begin: float, end: float) -> FloatArray:
    """Return how many tokens of each level lie in the part begin .. end, (v,), shares of all tokens."""
    ends = np.cumsum(sizes)
    part = np.minimum(ends, end * ends[-1]) - np.maximum(ends - sizes, begin * ends[-1])
    return np.asarray(np.where(part > 1e-9 * ends[-1], part, 0.0))


def _mean(sums: Array, sizes: IntArray, part: FloatArray) -> float:
    """Return the mean over the tokens of a part, given the sums over each level."""
    inside = part > 0
    return float((sums[inside] / sizes[inside] * part[inside]).sum() / part[inside].sum())


def _measured(values: FloatArray) -> Measurement:
    finite = np.isfinite(values)
    reason = "" if finite.all() else "a held-out token has no probability under the model"
    return Measurement(np.where(finite, values, np.nan), reason)
