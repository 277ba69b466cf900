"""How narrow the samples have become in a latent space that no generation has shaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, Within
from dwindle.data.summaries import NOT_FINITE, mean_and_covariance, usable_chains

__all__ = ["LatentDeviation"]


@dataclass(frozen=True)
class LatentDeviation:
    """Standard deviation of the samples over that of the held-out rows, in a frozen latent space.

    The latent space is that of each chain's anchor: its widest principal components, each divided by its deviation in
    the anchor, so that narrow directions count as much as wide ones. The deviation is the root of the mean variance of
    the latents. It is frozen because every generation of a lineage has the same anchor.

    The published statistic is the deviation of the latents that the encoder of generation 0 gives to the samples; a
    lineage of autoencoders is measured by it as `encoder_deviation`. The encoder here stands in for that one where
    there is none: it is linear and fitted by no model, so any family of vectors can be measured and compared by it, but
    it bends with no manifold, and its values are ratios to the real deviation (1 at the start of a faithful lineage),
    where those of an encoder are in units of its own prior.

    Source: Shumailov et al. 2024, supplement and notebooks, autoencoders (a deviation that falls by about a tenth in
        each generation).

    Args:
        components: latent dimensions; no more are used than the rows have, nor any along which the anchor is flat.
    """

    components: Annotated[int, Within(low=1, unit="components")] = 8

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "latent_deviation": Measure(
            "as_anchor", "ratio", "deviation in a frozen latent space over the real one", scale="log"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for single rows, a flat anchor and held-out rows that do not vary."""
        samples, held_out, anchor = (some.values for some in (evidence.samples, evidence.held_out, evidence.anchor))
        if min(samples.shape[1], held_out.shape[1], anchor.shape[1]) < 2:
            return {"latent_deviation": Measurement.undefined(len(samples), "a deviation takes two rows")}
        encoders = self._encoders(mean_and_covariance(anchor)[1])
        usable = usable_chains(samples)
        values = np.full(len(samples), np.nan)
        values[usable] = _deviations(mean_and_covariance(samples[usable])[1], encoders[usable])
        real = _deviations(mean_and_covariance(held_out)[1], encoders)
        values = np.divide(values, real, out=np.full(len(samples), np.nan), where=real > 0)
        flat = "" if (real > 0).all() else "the anchor or the held-out rows do not vary"
        return {"latent_deviation": Measurement(values, flat or ("" if usable.all() else NOT_FINITE))}

    def _encoders(self, covariances: FloatArray) -> FloatArray:
        """Return the directions that make the anchor's latents, as columns, (c, d, k); zeros where it is flat."""
        spectrum, axes = np.linalg.eigh(covariances)
        widest = np.maximum(spectrum[:, -1:], 0.0)
        rounding = widest * (spectrum.shape[1] * np.finfo(np.float64).eps)
        scale = np.where(spectrum > rounding, spectrum, np.inf) ** -0.5
        return np.asarray((axes * scale[:, None])[:, :, ::-1][:, :, : self.components])

    @classmethod
    def smallest(cls) -> Self:
        """Return one component."""
        return cls(components=1)


def _deviations(covariances: FloatArray, encoders: FloatArray) -> FloatArray:
    """Return the root of the mean variance of the latents of each chain, (c,); 0 where no latent is left."""
    variances = (encoders * (covariances @ encoders)).sum(axis=1)
    left = np.count_nonzero(encoders.any(axis=1), axis=1)
    return np.asarray(np.sqrt(np.maximum(variances.sum(axis=1), 0.0) / np.maximum(left, 1)))
