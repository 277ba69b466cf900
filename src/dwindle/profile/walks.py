"""Drift, random walk and noise of a mean path: which of them the generations seen speak for, and where they lead."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from dwindle.data.rows import FloatArray

__all__ = ["Seen", "draw_paths"]

_DRIFTS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
_WALKS = (-1.0, -0.5, 0.0, 0.5)
_NOISES = (0.0, 0.3, 1.0, 3.0, 10.0, 100.0)


@dataclass(frozen=True, eq=False)
class Seen:
    """The generations that were seen, on the measure's scale.

    Args:
        fits: (k,) t + 1.
        chains: (k, c) complete chains.
    """

    fits: FloatArray
    chains: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The mean over chains, (k,)."""
        return np.asarray(self.chains.mean(axis=1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Walk:
    """A walk whose steps have a variance of scale * k^(2 r) a generation, and noise that is new each generation.

    Args:
        power: r: -1 where rows accumulate, 0 where they are replaced, 1/2 for a squared error.
        variance: (k,) variance of the mean's walk since the first generation.
        noise: variance of the mean's noise.
        scale: variance of a step of the mean's walk at k = 1.
        weights: (k, k) inverse covariance of the mean path.
        misfit: minus twice the log-likelihood of the chains around their mean, and of the covariance's determinant.
    """

    power: float
    variance: FloatArray
    noise: float
    scale: float
    weights: FloatArray
    misfit: float


def draw_paths(seen: Seen, ahead: FloatArray, count: int, draw: np.random.Generator) -> FloatArray:
    """Draw mean paths over the generations ahead, (count, h).

    The drift is b (k^p - 1) / p. Its power, that of the walk and the share of the noise are weighted by their
    likelihood; b is drawn as uncertain as the chains' own slopes are, which also counts chains that drift apart.

    Args:
        seen: the generations seen.
        ahead: (h,) fits ahead.
        count: how many paths.
        draw: where they are drawn from.
    """
    level = float(seen.chains.mean())
    size = float(np.abs(seen.chains - level).max())
    if not size > 0:
        return np.full((count, len(ahead)), level)
    # On a scale of their own: the likelihood of very small numbers would overflow.
    return level + size * _standard_paths(Seen(seen.fits, (seen.chains - level) / size), ahead, count, draw)


def _standard_paths(seen: Seen, ahead: FloatArray, count: int, draw: np.random.Generator) -> FloatArray:
    """Draw mean paths of chains whose largest departure from their mean level is 1."""
    walks = [_walk(seen, power, noise) for power, noise in itertools.product(_WALKS, _NOISES)]
    cases = list(itertools.product(walks, _DRIFTS))
    fitted = [_slopes(_drift(seen.fits, power), seen.chains, walk.weights) for walk, power in cases]
    pairs = zip(cases, fitted, strict=True)
    scores = np.array([walk.misfit + _misfit(seen, power, slope.mean(), walk) for (walk, power), slope in pairs])
    shares = np.exp(-0.5 * (scores - scores.min()))
    counts = draw.multinomial(count, shares / shares.sum())
    parts = []
    for (walk, power), slope, paths in zip(cases, fitted, counts, strict=True):
        if paths:
            spread = slope.std(ddof=1) / math.sqrt(len(slope))
            slopes = slope.mean() + spread * draw.standard_t(len(slope) - 1, int(paths))
            parts.append(_ahead(seen, walk, power, slopes, ahead, draw))
    return np.concatenate(parts)


def _drift(fits: FloatArray, power: float) -> FloatArray:
    """Return (k^p - 1) / p, the logarithm of k for p = 0."""
    return np.asarray(np.log(fits) if power == 0 else (fits**power - 1) / power, dtype=np.float64)


def _steps(fits: FloatArray, power: float) -> FloatArray:
    """Return the variance of each step of a walk of scale 1, (k - 1,)."""
    return np.asarray(np.diff(fits) * fits[1:] ** (2 * power), dtype=np.float64)


def _walk(seen: Seen, power: float, noise: float) -> _Walk:
    """Return the walk whose size is fitted to the scatter of the chains' increments around the mean ones.

    Args:
        seen: the generations seen.
        power: of the walk.
        noise: variance of the noise over that of a mean step.
    """
    chains, steps = seen.chains.shape[1], _steps(seen.fits, power)
    variance = np.append(0.0, np.cumsum(steps))
    # A millionth of noise keeps the matrix regular where a walk alone leaves the first generation exact.
    level = (noise + 1e-6) * float(steps.mean())
    path = np.minimum.outer(variance, variance) + level * np.eye(len(variance))
    turn = np.diff(np.eye(len(variance)), axis=0)
    increments = turn @ path @ turn.T
    around = turn @ (seen.chains - seen.chains.mean(axis=1, keepdims=True))
    freedom = (chains - 1) * len(steps)
    scale = float((around * np.linalg.solve(increments, around)).sum()) / freedom
    # Chains that agree to the last digit leave rounding error to walk by.
    scale = max(scale, float(np.finfo(np.float64).eps) ** 2)
    misfit = freedom * math.log(scale) + chains * float(np.linalg.slogdet(increments)[1]) + len(steps) * math.log(scale)
    size = scale / chains
    weights = np.asarray(np.linalg.inv(path * size), dtype=np.float64)
    return _Walk(power, variance * size, level * size, size, weights, misfit)


def _slopes(drift: FloatArray, chains: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the generalised least-squares slope of each chain on a drift, (c,)."""
    level = weights.sum(axis=0)
    centred = drift - (level @ drift) / level.sum()
    return np.asarray((centred @ weights @ chains) / (centred @ weights @ centred), dtype=np.float64)


def _misfit(seen: Seen, power: float, slope: float, walk: _Walk) -> float:
    """Return minus twice the log-likelihood of the mean path, up to its determinant."""
    rest = seen.mean - slope * _drift(seen.fits, power)
    rest = rest - (walk.weights.sum(axis=0) @ rest) / walk.weights.sum()
    return float(rest @ walk.weights @ rest)


def _ahead(
    seen: Seen, walk: _Walk, power: float, slopes: FloatArray, ahead: FloatArray, draw: np.random.Generator
) -> FloatArray:
    """Draw the mean path ahead for each slope, (draws, h): the walk goes on from where it is believed to be now."""
    level = walk.weights.sum(axis=0)
    rest = seen.mean - slopes[:, None] * _drift(seen.fits, power)
    start = (rest @ level) / level.sum() + draw.standard_normal(len(slopes)) / math.sqrt(level.sum())
    # The walk at the last generation seen, given the whole path: a Gaussian conditioned on what it left behind.
    pull = walk.weights @ walk.variance
    doubt = max(0.0, float(walk.variance[-1] - pull @ walk.variance))
    now = start + (rest - start[:, None]) @ pull + math.sqrt(doubt) * draw.standard_normal(len(slopes))
    shape = (len(slopes), len(ahead))
    steps = np.sqrt(walk.scale * _steps(np.append(seen.fits[-1], ahead), walk.power)) * draw.standard_normal(shape)
    noise = math.sqrt(walk.noise) * draw.standard_normal(shape)
    return np.asarray(now[:, None] + slopes[:, None] * _drift(ahead, power) + np.cumsum(steps, axis=1) + noise)
