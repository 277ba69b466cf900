"""How often the model knows which label is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Coefficients, Evidence, FloatArray, Kind, Measure, Measurement

__all__ = ["Accuracy"]


@dataclass(frozen=True)
class Accuracy:
    """Share of the held-out inputs whose likelier label under the model is the right one.

    Right is the likelier label under the source, not the label that happened to be drawn: the truth has accuracy 1. Of
    a response that is no label, the sign is judged.

    Source: Feng et al. 2025, section 4 (accuracy of a classifier trained on labels that are partly wrong).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "accuracy": Measure("higher", "fraction", "held-out inputs whose likelier label under the model is right"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined unless model and source know their coefficients."""
        chains = evidence.samples.chains
        if not isinstance(evidence.model, Coefficients):
            return {"accuracy": Measurement.undefined(chains, "the model does not know its coefficients")}
        if not isinstance(evidence.source, Coefficients):
            return {"accuracy": Measurement.undefined(chains, "the true coefficients are not known")}
        inputs, slopes = evidence.held_out.values[0, :, :-1], evidence.model.coefficients()
        known = np.asarray(np.isfinite(slopes).all(axis=1))
        likelier = _ones(inputs, np.where(known[:, None], slopes, 0.0))
        agreed = np.equal(likelier, _ones(inputs, evidence.source.coefficients())).mean(axis=1)
        reason = "" if known.all() else "the model's coefficients are not finite"
        return {"accuracy": Measurement(np.where(known, agreed, np.nan), reason)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _ones(inputs: FloatArray, slopes: FloatArray) -> Array:
    """Say for which inputs, (n, d), label 1 is the likelier one, (c, n)."""
    return np.asarray(slopes @ inputs.T > 0)
