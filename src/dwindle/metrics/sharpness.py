"""How sharp the samples are as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, Pictured
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Sharpness"]


@dataclass(frozen=True)
class Sharpness:
    """Variance of the Laplacian of the samples as pictures, over that of the held-out ones: below 1 they are blurred.

    The Laplacian of a pixel is the sum of its four neighbours less four times itself; pixels on the border have none.
    Its variance is taken within each picture and colour and averaged over them.

    Source: Pech-Pacheco et al. 2000 (the variance of the Laplacian as a measure of focus).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "sharpness": Measure(
            "as_anchor", "ratio", "variance of the Laplacian of the pictures, over the real one", "log"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined unless rows are pictures of three pixels a side that are not flat."""
        samples, source = evidence.samples.values, evidence.source
        if not isinstance(source, Pictured):
            return {"sharpness": Measurement.undefined(len(samples), "the source's rows are no pictures")}
        pictures = source.images(evidence.held_out.values[0], seed=evidence.seed)
        if min(pictures.shape[1:3]) < 3:
            return {"sharpness": Measurement.undefined(len(samples), "a Laplacian takes three pixels a side")}
        real = _variance(pictures)
        if not real > 0:
            return {"sharpness": Measurement.undefined(len(samples), "the held-out pictures are flat")}
        usable, values = usable_chains(samples), np.full(len(samples), np.nan)
        values[usable] = [_variance(source.images(chain, seed=evidence.seed)) / real for chain in samples[usable]]
        return {"sharpness": Measurement(values, "" if usable.all() else NOT_FINITE)}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _variance(pictures: FloatArray) -> float:
    """Return the mean over pictures and colours of the variance of the Laplacian, of (n, h, w) or (n, h, w, 3)."""
    inner = pictures[:, 1:-1, 1:-1]
    beside = pictures[:, 1:-1, :-2] + pictures[:, 1:-1, 2:]
    laplacian = pictures[:, :-2, 1:-1] + pictures[:, 2:, 1:-1] + beside - 4.0 * inner
    return float(laplacian.var(axis=(1, 2)).mean())
