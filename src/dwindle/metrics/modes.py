"""Which of the real law's modes the samples still reach, and how well they stay on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle import contracts
from dwindle.contracts import Array, Evidence, FloatArray, IntArray, Kind, Measure, Measurement, Within
from dwindle.data.summaries import NOT_FINITE, chain_blocks, usable_chains

__all__ = ["Modes"]


@dataclass(frozen=True)
class Modes:
    """Modes covered, share of the samples on a mode, and the variance within modes over the real one.

    A sample is on the mode with the nearest centre if it lies within the source's mode radius of it. The variance
    within modes is that of the samples on a mode around their own mean there, pooled over modes and dimensions and
    unbiased, over the same number of the held-out rows: around the true centres it would not fall, because what the
    spread of a mode loses its place gains.

    Args:
        least: samples on a mode from which on it counts as covered.

    Source: Srivastava et al. 2017 (VEEGAN), section 5 (modes covered, share of samples on a mode); Shumailov et al.
        2024, supplement 4.1 (the variance of mixture components goes to 0).
    """

    least: Annotated[int, Within(low=1, unit="samples")] = 1

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "modes_covered": Measure("higher", "modes", "modes of the real law that hold samples"),
        "on_mode": Measure("higher", "fraction", "share of samples on a mode of the real law"),
        "within_mode_variance": Measure(
            "as_anchor", "ratio", "variance of the samples within modes, over the real one", scale="log"
        ),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined unless the source knows its modes."""
        samples, source = evidence.samples.values, evidence.source
        if not isinstance(source, contracts.Modes):
            reason = "the source knows of no modes"
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        centres, radius = source.modes(), source.mode_radius()
        usable = usable_chains(samples)
        (real,) = _counted(evidence.held_out.values, centres, radius)[1]
        counts, variance = _counted(samples[usable], centres, radius)
        measured = {
            "modes_covered": ((counts >= self.least).sum(axis=1).astype(np.float64), ""),
            "on_mode": (counts.sum(axis=1) / evidence.samples.count, ""),
            "within_mode_variance": _over(variance, float(real)),
        }
        return {name: _spread(*measured[name], usable=usable) for name in self.measures}

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


def _over(variance: FloatArray, real: float) -> tuple[FloatArray, str]:
    """Return the variance over the real one, and why it is nan where it is."""
    if not real > 0:
        return np.full_like(variance, np.nan), "the held-out rows do not vary within modes"
    return variance / real, "no mode holds two samples"


def _spread(values: FloatArray, reason: str, *, usable: Array) -> Measurement:
    """Put the values of the usable chains in their places, nan elsewhere, with every reason that applies."""
    everywhere = np.full(usable.shape, np.nan)
    everywhere[usable] = values
    reasons = [reason] if np.isnan(values).any() else []
    if not usable.all():
        reasons.append(NOT_FINITE)
    return Measurement(everywhere, "; ".join(reasons))


def _counted(values: Array, centres: FloatArray, radius: float) -> tuple[IntArray, FloatArray]:
    """Return the samples on each mode, (c, k), and the pooled variance within modes, (c,), nan where there is none."""
    chains, count = values.shape[:2]
    blocks = chain_blocks(chains, count * len(centres))
    found = [_of_block(np.asarray(values[block], dtype=np.float64), centres, radius) for block in blocks]
    if not found:
        return np.empty((0, len(centres)), dtype=np.int64), np.empty(0)
    counts, variances = zip(*found, strict=True)
    return np.concatenate(counts), np.concatenate(variances)


def _of_block(values: FloatArray, centres: FloatArray, radius: float) -> tuple[IntArray, FloatArray]:
    chains, modes, dimensions = len(values), len(centres), values.shape[2]
    nearest, distance = _nearest(values, centres)
    on = distance <= radius * radius
    cells = (nearest + modes * np.arange(chains)[:, None])[on]
    counts = np.bincount(cells, minlength=chains * modes)
    away = (values - centres[nearest])[on]
    sums = [np.bincount(cells, column, minlength=chains * modes) for column in away.T]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    squares = ((away - means[cells]) ** 2).sum(axis=1)
    scatter = np.bincount(cells // modes, squares, minlength=chains)
    by_chain = counts.reshape(chains, modes)
    freedom = by_chain.sum(axis=1) - np.count_nonzero(by_chain, axis=1)
    return by_chain, np.where(freedom > 0, scatter / np.maximum(freedom * dimensions, 1), np.nan)


def _nearest(values: FloatArray, centres: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the mode with the nearest centre and the squared distance to it, both (c, n)."""
    distance = np.zeros((*values.shape[:2], len(centres)))
    for axis in range(values.shape[2]):
        distance += (values[..., axis, None] - centres[:, axis]) ** 2
    return distance.argmin(axis=2), distance.min(axis=2)
