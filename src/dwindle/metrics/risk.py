"""How well the model predicts real rows that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, Kind, Measure, Measurement, Scorable

__all__ = ["Risk"]


@dataclass(frozen=True)
class Risk:
    """Mean negative log-likelihood of the frozen held-out rows: the population risk, estimated on real rows.

    Of pairs it is the likelihood of the response given its inputs. One row of density 0 makes a chain's risk infinite;
    it is then undefined, with that reason.

    Source: Schaeffer et al. 2025 (collapse as an increase of the population risk); the test losses of Gerstgrasser et
        al. 2024 and Kazdan et al. 2024.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "risk": Measure("lower", "nats a row", "mean negative log-likelihood of the held-out rows"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined unless the model knows its density."""
        if not isinstance(evidence.model, Scorable):
            return {"risk": Measurement.undefined(evidence.samples.chains, "the model does not know its density")}
        risks = -evidence.model.log_prob(evidence.held_out.anonymous()).mean(axis=1)
        reasons = ["the model gives a held-out row density 0"] if np.isposinf(risks).any() else []
        if (np.isnan(risks) | np.isneginf(risks)).any():
            reasons.append("the model's density of a held-out row is not finite")
        return {"risk": Measurement(np.where(np.isfinite(risks), risks, np.nan), "; ".join(reasons))}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
