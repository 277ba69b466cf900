"""Gaussians of many chains at once: moments of weighted rows, and the roots of covariances that may have collapsed."""

from __future__ import annotations

import numpy as np

from dwindle.data.rows import FloatArray

__all__ = ["roots", "spectrum", "weighted_moments"]


def weighted_moments(values: FloatArray, weights: FloatArray, ddof: int) -> tuple[FloatArray, FloatArray]:
    """Return the mean (c, d) and the covariance (c, d, d) of weighted rows.

    Args:
        values: (c, n, d) rows; a place of weight 0 may hold anything, nan included.
        weights: (c, n).
        ddof: the covariance is divided by 1 - ddof sum of w^2, the weights w of a chain adding up to 1.
    """
    shares = (weights / weights.sum(axis=1, keepdims=True))[..., None]
    present = shares > 0
    values = np.where(present, values, 0.0)
    means = (shares * values).sum(axis=1)
    centred = np.where(present, values - means[:, None], 0.0)
    scatter = np.matmul((shares * centred).swapaxes(1, 2), centred)
    return means, scatter / (1.0 - ddof * (shares * shares).sum(axis=1, keepdims=True))


def spectrum(covariances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return variances along the principal axes, 0 where collapsed, (c, d), and the axes as columns, (c, d, d).

    A direction whose variance is below rounding error relative to the widest one counts as collapsed.
    """
    variances, axes = np.linalg.eigh(covariances)
    floor = variances[:, -1:] * (variances.shape[1] * np.finfo(np.float64).eps)
    return np.where(variances > floor, variances, 0.0), axes


def roots(covariances: FloatArray) -> FloatArray:
    """Return the symmetric square root of each covariance, (c, d, d), whatever has collapsed."""
    if covariances.shape[-1] == 1:
        return np.sqrt(covariances)
    variances, axes = spectrum(covariances)
    return (axes * np.sqrt(variances)[:, None]) @ axes.swapaxes(1, 2)
