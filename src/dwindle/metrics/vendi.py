"""How many different rows the samples amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Within
from dwindle.data.kept import kept
from dwindle.data.kernels import GaussianKernel, median_distance
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Vendi"]

_FLAT = "the anchor's rows lie in so few places that the kernel has no width"
_NO_DIRECTION = "a row of length 0 has no direction"


@dataclass(frozen=True)
class Vendi:
    """The Vendi score: the exponential of the entropy of the eigenvalues of K / n, K the kernel between all samples.

    1 where all samples are the same, n where no two are alike. It is also told over the score of as many held-out rows.

    Args:
        kernel: `gaussian` sees how far rows lie apart, in units of the anchor's median distance; `cosine` only the
            angle between them, seen from 0, and is cheap for many rows of few dimensions.
        rows: the first so many samples and held-out rows are taken: the score grows with their number, and a Gaussian
            kernel costs its cube.

    Source: Friedman and Dieng 2023, definition 3.1; section 3.3 (the d x d form of a linear kernel).
    """

    kernel: Literal["gaussian", "cosine"] = "gaussian"
    rows: Annotated[int, Within(low=2, high=20_000, unit="rows")] = 500

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "vendi": Measure("as_anchor", "rows", "effective number of different samples"),
        "vendi_ratio": Measure("as_anchor", "ratio", "effective number of samples over the real one", scale="log"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined without a width of the kernel, or a direction of every row."""
        count = min(self.rows, evidence.samples.count, evidence.held_out.count)
        samples, real = evidence.samples.values[:, :count], evidence.held_out.values[0, :count]
        width = median_distance(evidence.anchor) if self.kernel == "gaussian" else 0.0
        if self.kernel == "gaussian" and not width > 0:
            return {name: Measurement.undefined(len(samples), _FLAT) for name in self.measures}
        usable = usable_chains(evidence.samples.values)
        scores = np.full(len(samples), np.nan)
        scores[usable] = [_score(rows, width) for rows in samples[usable]]
        reason = NOT_FINITE if not usable.all() else (_NO_DIRECTION if np.isnan(scores).any() else "")
        ratios = scores / _real_score(real, width)
        unknown = "" if np.isfinite(ratios[usable]).all() else _NO_DIRECTION
        return {"vendi": Measurement(scores, reason), "vendi_ratio": Measurement(ratios, reason or unknown)}

    @classmethod
    def smallest(cls) -> Self:
        """Return few rows."""
        return cls(rows=30)


@kept
def _real_score(rows: Array, width: float) -> float:
    """Return the score of the held-out rows; every generation of a lineage asks for the same one."""
    return _score(rows, width)


def _score(rows: Array, width: float) -> float:
    """Return the Vendi score of (n, d) rows, by a Gaussian kernel or, without a width, by the cosine."""
    centred = np.asarray(rows, dtype=np.float64)
    if width > 0:
        return _effective(GaussianKernel(width).matrix(centred - centred.mean(axis=0)) / len(rows))
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    if not (lengths > 0).all():
        return float("nan")
    turned = centred / lengths
    smaller = turned.T @ turned if len(rows) > rows.shape[1] else turned @ turned.T
    return _effective(smaller / len(rows))


def _effective(matrix: FloatArray) -> float:
    """Return the exponential of the entropy of the eigenvalues, which sum to 1."""
    eigenvalues = np.linalg.eigvalsh(matrix)
    positive = eigenvalues[eigenvalues > 0]
    return float(np.exp(-(positive * np.log(positive)).sum()))
