"""How well a classifier tells the samples from held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Rows, Within
from dwindle.data.classifiers import area
from dwindle.data.logistic import logistic
from dwindle.data.summaries import NOT_FINITE, mean_and_covariance, usable_chains

__all__ = ["TwoSampleAuc"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class TwoSampleAuc:
    """The chance that a classifier finds a sample more like a sample than a held-out row is: .5 for a faithful model.

    The classifier is a ridge logistic regression on the coordinates of a row and their squares, so that it sees
    means and variances. It is fitted to all parts but one and judged on that one, in turn; the number is the mean over
    parts of the area under the curve of true against false alarms, ties counting half. It may fall below .5 by chance.

    Args:
        components: rows of more dimensions are told by so many of their coordinates on the anchor's principal axes,
            widest first: what differs beyond them goes unseen.
        parts: of samples and held-out rows; a row's place says which part it is in.

    Source: Lopez-Paz and Oquab 2017, section 3 (classifier two-sample test); Mann and Whitney 1947 (the area).
    """

    components: Annotated[int, Within(low=1, high=1024, unit="components")] = 64
    parts: Annotated[int, Within(low=2, high=100)] = 5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "two_sample_auc": Measure(
            "lower", "probability", "chance that a classifier tells a sample from a held-out row"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where a part would hold no row."""
        samples, held_out = evidence.samples.values, evidence.held_out.values
        fewest = min(samples.shape[1], held_out.shape[1])
        if fewest < self.parts:
            return {"two_sample_auc": Measurement.undefined(len(samples), f"{fewest} rows are too few to part")}
        usable, values = usable_chains(samples), np.full(len(samples), np.nan)
        axes = self._axes(evidence.anchor)
        real = held_out[0] @ axes
        values[usable] = [self._area(chain @ axes, real) for chain in samples[usable]]
        return {"two_sample_auc": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return two parts."""
        return cls(parts=2)

    def _axes(self, anchor: Rows) -> FloatArray:
        """Return what turns rows into their coordinates, (d, k): the anchor's widest axes, or none where d is small."""
        dimensions = anchor.values.shape[2]
        if dimensions <= self.components:
            return np.eye(dimensions)
        present = anchor.filled_weights() > 0
        _, covariances = mean_and_covariance(anchor.values[present][None])
        return np.ascontiguousarray(np.linalg.eigh(covariances[0])[1][:, ::-1][:, : self.components])

    def _area(self, samples: FloatArray, real: FloatArray) -> float:
        """Return the mean area over the parts."""
        points = _points(np.concatenate([samples, real]))
        ours = np.arange(len(points)) < len(samples)
        part = np.where(ours, np.arange(len(points)), np.arange(len(points)) - len(samples)) % self.parts
        return float(np.mean([_judged(points, ours, part == one) for one in range(self.parts)]))


def _judged(points: FloatArray, ours: BoolArray, asked: BoolArray) -> float:
    """Return the area on the points that are asked about, of a classifier that is fitted to the others."""
    (slopes,) = logistic(points[None, ~asked], np.where(ours[None, ~asked], 1, -1))
    scores = points @ slopes[:-1]
    return area(scores[asked & ours], scores[asked & ~ours])


def _points(rows: Array) -> FloatArray:
    """Return standardised coordinates and their standardised squares, (n, 2 d); 0 where nothing varies."""
    coordinates = _standardised(np.asarray(rows, dtype=np.float64))
    return np.concatenate([coordinates, _standardised(coordinates**2)], axis=1)


def _standardised(values: FloatArray) -> FloatArray:
    # In units of the largest value first: squares of what is left cannot overflow.
    centred = values - values.mean(axis=0)
    centred /= np.maximum(np.abs(centred).max(axis=0), np.finfo(np.float64).tiny)
    deviation = centred.std(axis=0)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1.0))
