"""How good a classifier of the target is that has only ever seen samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Tabular
from dwindle.data.classifiers import NO_TARGET, judged, share_right, target_place
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Downstream"]

_NO_CLASS = "no sample has a level of the target"


@dataclass(frozen=True)
class Downstream:
    """Accuracy on held-out rows of a classifier trained on samples, and the same over one trained on the anchor.

    Train on synthetic, test on real. The classifier is a logistic regression with ridge 1 on all other columns, numbers
    in units of the anchor's deviation; several levels have one each against all others. A numeric target is cut at the
    median of the anchor's rows, and the classifier is to tell on which side of it a row lies: so there is one measure,
    one unit and one model for every target, between 0 and 1, where an explained variance has no lower end. Samples and
    anchor train with the same number of rows, the first ones. Samples of one class alone predict that class.

    Source: Esteban et al. 2017 (train on synthetic, test on real).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"tables"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "downstream_accuracy": Measure("higher", "fraction", "held-out targets right after training on samples"),
        "downstream_ratio": Measure("higher", "ratio", "that accuracy over the one after training on the anchor"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the source names no target."""
        samples, source = evidence.samples.values, evidence.source
        fewer = min(samples.shape[1], evidence.anchor.count)
        reason = "" if min(fewer, evidence.held_out.count) else "there are no rows"
        if not isinstance(source, Tabular) or target_place(source.columns()) is None:
            reason = NO_TARGET
        if reason or not isinstance(source, Tabular):
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        usable, held_out, columns = usable_chains(samples), evidence.held_out.values[0], source.columns()
        accuracy, real = np.full((2, len(samples)), np.nan)
        accuracy[usable] = share_right(judged(samples[usable, :fewer], held_out, columns, evidence.anchor))
        real[:] = share_right(judged(evidence.anchor.values[:, :fewer], held_out, columns, evidence.anchor))
        ratio = accuracy / np.where(real > 0, real, np.nan)
        lost = (
            ["a classifier trained on the anchor is never right"] if np.isnan(ratio[~np.isnan(accuracy)]).any() else []
        )
        reasons = _reasons(accuracy, usable)
        return {
            "downstream_accuracy": Measurement(accuracy, "; ".join(reasons)),
            "downstream_ratio": Measurement(ratio, "; ".join([*reasons, *lost])),
        }

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _reasons(accuracy: FloatArray, usable: Array) -> list[str]:
    reasons = [_NO_CLASS] if np.isnan(accuracy[usable]).any() else []
    return reasons + ([] if usable.all() else [NOT_FINITE])
