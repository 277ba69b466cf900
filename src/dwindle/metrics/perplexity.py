"""How surprised a model is by real text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Scorable

__all__ = ["Perplexity"]


@dataclass(frozen=True)
class Perplexity:
    """Perplexity of the held-out blocks: exp of the mean negative log-likelihood of a token.

    It counts how many equally likely tokens would be as hard to guess. The model is asked for its density, so that the
    number has no sampling error of its own.

    Source: Jelinek et al. 1977, Perplexity - a measure of the difficulty of speech recognition tasks.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "perplexity": Measure("lower", "tokens", "exp of the held-out tokens' mean negative log-likelihood", "log"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the model knows no density or finds a held-out token impossible."""
        if not isinstance(evidence.model, Scorable):
            reason = "the model does not know its density"
            return {"perplexity": Measurement.undefined(evidence.samples.chains, reason)}
        tokens = evidence.held_out.values[0].size
        losses = -np.asarray(evidence.model.log_prob(evidence.held_out)).sum(axis=1) / tokens
        with np.errstate(over="ignore"):
            values = np.exp(losses)
        finite = np.isfinite(values)
        reason = "" if finite.all() else "a held-out token has no probability under the model"
        return {"perplexity": Measurement(np.where(finite, values, np.nan), reason)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
