"""How far the fitted coefficients are from the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Coefficients, Evidence, Kind, Measure, Measurement

__all__ = ["ParameterError"]


@dataclass(frozen=True)
class ParameterError:
    """Squared error of the coefficients, summed over the inputs.

    For least squares on inputs of N(0, I) it is the excess test risk: what the squared error of a new response has
    above its noise.

    Source: Gerstgrasser et al. 2024, section 2 (test error of a regression); Dey and Donoho 2024, arXiv 2410.22812
        (error of any regular estimator relative to the first fit's).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        # Averaged arithmetically: that is the mean of which the closed forms speak.
        "parameter_error": Measure("lower", "coefficient units^2", "squared error of the coefficients, summed"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined unless model and source know their coefficients."""
        chains = evidence.samples.chains
        if not isinstance(evidence.model, Coefficients):
            return {"parameter_error": Measurement.undefined(chains, "the model does not know its coefficients")}
        if not isinstance(evidence.source, Coefficients):
            return {"parameter_error": Measurement.undefined(chains, "the true coefficients are not known")}
        with np.errstate(over="ignore", invalid="ignore"):
            errors = ((evidence.model.coefficients() - evidence.source.coefficients()) ** 2).sum(axis=1)
        finite = np.isfinite(errors)
        reason = "" if finite.all() else "the model's coefficients are not finite, or their error overflows"
        return {"parameter_error": Measurement(np.where(finite, errors, np.nan), reason)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
