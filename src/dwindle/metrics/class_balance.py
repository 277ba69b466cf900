"""Which classes the samples belong to, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, IntArray, Kind, Measure, Measurement, Within
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["ClassBalance"]


@dataclass(frozen=True)
class ClassBalance:
    """Entropy of the samples' classes, as a frozen classifier tells them, and how many classes are left.

    The classifier is that of `dwindle.nets.features`, trained once on the labelled rows of generation 0. Samples have
    the class that it gives them, whatever label they carry, and so have the held-out rows that they are compared with.

    Args:
        least: samples of a class from which on it counts as covered.

    Source: Salimans et al. 2016, section 4 (the entropy of the classes that a frozen classifier gives to samples).
    """

    least: Annotated[int, Within(low=1, unit="samples")] = 1

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "class_entropy": Measure("as_anchor", "nats", "entropy of the samples' classes"),
        "class_entropy_ratio": Measure("as_anchor", "ratio", "entropy of the samples' classes, over the real one"),
        "classes_covered": Measure("higher", "classes", "classes that hold samples"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where the real rows carry no classes."""
        from dwindle.nets.features import feature_net  # loads torch

        net, samples = feature_net(evidence), evidence.samples.values
        if not net.labels:
            reason = "the real rows carry no classes"
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        usable, values = usable_chains(samples), np.full((len(self.measures), len(samples)), np.nan)
        counts = _counts(net.classes(samples[usable]), net.labels)
        (real,) = _entropies(_counts(net.classes(evidence.held_out.values), net.labels))
        entropies = _entropies(counts)
        ratios = entropies / real if real > 0 else np.full_like(entropies, np.nan)
        values[:, usable] = entropies, ratios, (counts >= self.least).sum(axis=1)
        reasons = ["" if usable.all() else NOT_FINITE] * len(self.measures)
        if not real > 0:
            reasons[1] = "all held-out rows are of one class"
        found = (Measurement(row, reason, net.detail) for row, reason in zip(values, reasons, strict=True))
        return dict(zip(self.measures, found, strict=True))

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


def _counts(classes: IntArray, kinds: int) -> IntArray:
    """Return how many rows of each chain are of each class, (c, k), from (c, n)."""
    return np.asarray((classes[..., None] == np.arange(kinds)).sum(axis=1))


def _entropies(counts: IntArray) -> FloatArray:
    """Return the entropy of each chain's classes, nats, (c,)."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) + 0.0)
