"""How narrow the samples have become in the latent space of generation 0's own encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Encoding, Evidence, FloatArray, Kind, Measure, Measurement

__all__ = ["EncoderDeviation"]

_NOT_ENCODED = "the encoder of generation 0 gives samples no finite latents"


@dataclass(frozen=True)
class EncoderDeviation:
    """Standard deviation of the latents that the encoder of generation 0 gives to the samples.

    It is the root of the mean variance of the latent means, over the latent dimensions; each chain has the encoder of
    its own generation 0, which no synthetic row has touched. As published it is in units of the prior, whose deviation
    is 1: that of real rows is below 1 even so, by what the encoder is unsure of and by dimensions that it leaves idle.
    The ratio is the same over the held-out rows' own deviation: 1 for rows like real ones, and fit to be compared
    between autoencoders.

    Families without an encoder are measured by `latent_deviation`, whose encoder is linear: principal components of the
    anchor. The two agree on the direction and not on the number: that one gives all components the same weight and is a
    ratio by definition.

    Source: Shumailov et al. 2024, supplement and notebooks, autoencoders (digits of 28 x 28 pixels, five runs: .67 to
        .70 in the first generation, .43 to .47 in the fifth, a factor of about .89 in each).
    """

    needs_reference: ClassVar[bool] = True
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "encoder_deviation": Measure(
            "as_anchor", "prior deviations", "deviation of the samples' latents under the first encoder", scale="log"
        ),
        "encoder_deviation_ratio": Measure(
            "as_anchor", "ratio", "the same over that of the held-out rows' latents", scale="log"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined without an encoder, for single rows and for latents that are not finite."""
        samples, held_out, encoder = evidence.samples, evidence.held_out, evidence.reference
        if not isinstance(encoder, Encoding):
            return self._undefined(samples.chains, "the model of generation 0 has no encoder")
        if min(samples.count, held_out.count) < 2:
            return self._undefined(samples.chains, "a deviation takes two rows")
        found, real = _deviations(encoder.encode(samples)), _deviations(encoder.encode(held_out))
        ratio = np.divide(found, real, out=np.full(len(found), np.nan), where=real > 0)
        obstacle = "" if np.isfinite(found).all() else _NOT_ENCODED
        flat = "" if (real > 0).all() else "the encoder of generation 0 tells no held-out rows apart"
        return {
            "encoder_deviation": Measurement(found, obstacle),
            "encoder_deviation_ratio": Measurement(ratio, flat or obstacle),
        }

    def _undefined(self, chains: int, reason: str) -> Mapping[str, Measurement]:
        return {name: Measurement.undefined(chains, reason) for name in self.measures}

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


def _deviations(latents: FloatArray) -> FloatArray:
    """Return the root of the mean variance of each chain's latents, (c,); nan where some are not finite."""
    deviations = np.full(len(latents), np.nan)
    finite = np.isfinite(latents).all(axis=(1, 2))
    deviations[finite] = np.sqrt(latents[finite].var(axis=1, ddof=1).mean(axis=1))
    return deviations
