"""How much of the law of the next token lies on few tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, NextTokens, Rows, Within

__all__ = ["NextTokenConcentration"]

_AT_ONCE = 1 << 24  # probabilities


@dataclass(frozen=True)
class NextTokenConcentration:
    """Gini coefficient and entropy of the law of the next token, means over the first halves of held-out blocks.

    Gini 0: all tokens are equally likely; 1 - 1/K: one token has all the probability. Both need the whole law, so that
    a number has no sampling error beyond the choice of prefixes, which is the same in every generation.

    Args:
        prefixes: how many held-out blocks, from the first on; all of them where there are fewer.

    Source: Gambetta et al. 2024, arXiv 2410.12341 (concentration of next-token distributions by the Gini coefficient).
    """

    prefixes: Annotated[int, Within(low=1, unit="blocks")] = 128

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "next_token_gini": Measure("as_anchor", "fraction", "Gini coefficient of next-token laws after real text"),
        "next_token_entropy": Measure("as_anchor", "nats", "entropy of next-token laws after real text"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the model does not know the law of the next token."""
        model, chains = evidence.model, evidence.samples.chains
        if not isinstance(model, NextTokens):
            reason = "the model does not know the law of the next token"
            return {name: Measurement.undefined(chains, reason) for name in self.measures}
        prefixes = evidence.held_out.values[:, : self.prefixes]
        prefixes = prefixes[..., : prefixes.shape[2] // 2]
        count, step, sums = prefixes.shape[1], 1, np.zeros((2, chains))
        first = 0
        while first < count:
            laws = np.asarray(model.next_probabilities(Rows(prefixes[:, first : first + step])))
            sums += np.stack([_gini(laws).sum(axis=1), _entropy(laws).sum(axis=1)])
            first, step = first + step, max(1, _AT_ONCE // (chains * laws.shape[2]))
        return {name: Measurement(row / count) for name, row in zip(self.measures, sums, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(prefixes=10)


def _gini(laws: FloatArray) -> FloatArray:
    """Return the Gini coefficient of each law, (c, n), for laws (c, n, K)."""
    symbols = laws.shape[2]
    ranks = 2.0 * np.arange(1, symbols + 1) - symbols - 1
    return np.asarray(np.sort(laws, axis=2) @ ranks / (symbols * laws.sum(axis=2)))


def _entropy(laws: FloatArray) -> FloatArray:
    """Return the entropy of each law, (c, n), nats."""
    return np.asarray(-(laws * np.log(np.where(laws > 0, laws, 1.0))).sum(axis=2))
