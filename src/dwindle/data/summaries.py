"""Summaries of rows, chain by chain: which chains can be summed up at all, their means and their covariances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dwindle.data.rows import Array, FloatArray

__all__ = [
    "NOT_FINITE",
    "chain_blocks",
    "frechet_distances",
    "mean_and_covariance",
    "squared_wasserstein",
    "usable_chains",
]

NOT_FINITE = "the samples hold nan, inf or numbers too large to square"
"""Why a chain that `usable_chains` refuses has no number."""

_LARGEST = 1e140


def usable_chains(values: Array) -> NDArray[np.bool_]:
    """Say which chains hold only finite numbers whose squares are finite too, (c,).

    Args:
        values: (c, n, d) numbers.
    """
    return np.asarray(np.abs(values).max(axis=(1, 2), initial=0.0) < _LARGEST)


def chain_blocks(chains: int, numbers: int, *, limit: int = 1 << 20) -> Iterator[slice]:
    """Split the chains into blocks that bound the memory of a batched computation.

    Args:
        chains: how many chains there are.
        numbers: numbers that the computation holds for each chain.
        limit: numbers that a block may hold; a block is never smaller than one chain.
    """
    step = max(1, limit // max(1, numbers))
    return (slice(start, min(start + step, chains)) for start in range(0, chains, step))


def mean_and_covariance(values: Array) -> tuple[FloatArray, FloatArray]:
    """Return the mean (c, d) and the unbiased covariance (c, d, d) of each chain.

    The covariance of equal rows is exactly zero; that of fewer than two rows is nan.

    Args:
        values: (c, n, d) numbers.
    """
    count = values.shape[1]
    # Differences to the first row keep the digits of a chain that has nearly collapsed onto a point far from zero.
    shifted = np.asarray(values, dtype=np.float64) - values[:, :1]
    offset = np.full((1, count), 1.0 / max(count, 1)) @ shifted
    shifted -= offset
    mean = np.asarray(values[:, 0] + offset[:, 0]) if count else np.full(values.shape[::2], np.nan)
    if count < 2:
        return mean, np.full((*mean.shape, mean.shape[1]), np.nan)
    return mean, shifted.swapaxes(1, 2) @ shifted / (count - 1)


def frechet_distances(samples: Array, held_out: Array) -> tuple[FloatArray, str]:
    """Return each chain's squared Frechet distance over the real total variance, (c,), and why there is none, else "".

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), divided by tr S2, with unbiased covariances.

    Source: Dowson and Landau 1982 (distance between normal laws).

    Args:
        samples: (c, n, d) finite numbers.
        held_out: (1, m, d) finite numbers.
    """
    if min(samples.shape[1], held_out.shape[1]) < 2:
        return np.full(len(samples), np.nan), "a covariance takes two rows"
    (real_mean,), (real_covariance,) = mean_and_covariance(held_out)
    if not np.trace(real_covariance) > 0:
        return np.full(len(samples), np.nan), "the held-out rows do not vary"
    distances = np.empty(len(samples))
    for block in chain_blocks(len(samples), samples.shape[1] * samples.shape[2] + 2 * real_covariance.size):
        mean, covariance = mean_and_covariance(samples[block])
        distances[block] = squared_wasserstein(mean, covariance, real_mean, real_covariance)
    return np.asarray(distances / np.trace(real_covariance)), ""


def squared_wasserstein(
    means: FloatArray, covariances: FloatArray, real_mean: FloatArray, real_covariance: FloatArray
) -> FloatArray:
    """Return the squared 2-Wasserstein distance of each Gaussian to the real one, (c,).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    Source: Dowson and Landau 1982; for laws that are not Gaussian it is the Frechet distance of their moments.

    Args:
        means: (c, d).
        covariances: (c, d, d).
        real_mean: (d,).
        real_covariance: (d, d).
    """
    factor = _factor(real_covariance)
    # L^T S1 L is symmetric and has the eigenvalues of S1 S2, so no matrix square root is needed.
    eigenvalues = np.linalg.eigvalsh(factor.T @ covariances @ factor)
    shared = np.sqrt(np.maximum(eigenvalues, 0.0)).sum(axis=1)
    total = np.trace(covariances, axis1=1, axis2=2) + np.trace(real_covariance)
    return np.asarray(((means - real_mean) ** 2).sum(axis=1) + np.maximum(total - 2 * shared, 0.0))


def _factor(covariance: FloatArray) -> FloatArray:
    """Return L with L L^T = S, also for a singular S."""
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        eigenvalues, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))
