"""Whether what a model or a source says it knows is true of the rows it gives."""

from __future__ import annotations

import numpy as np

from dwindle.checks.claims import expect
from dwindle.contracts import Array, KnownLaw, Moments, Probabilities, Rows

__all__ = ["MANY", "expect_law", "expect_moments", "expect_probabilities"]

MANY = 4000
"""Rows a chain that these expectations are made for."""

_STANDARD_ERRORS = 6.0
_SHARE_OF_VARIANCE = 0.25  # more than 6 standard errors of a correlation or, in units of itself, of a variance


def expect_moments(values: Array, knows: Moments) -> None:
    """Expect the mean and covariance of each chain to be those that are known.

    Args:
        values: (c, n, d) rows.
        knows: a model of c chains, or a source with c = 1.
    """
    mean, covariance = knows.mean(), knows.covariance()
    chains, count, width = values.shape
    expect(mean.shape == (chains, width), f"a mean of shape {(chains, width)}", mean.shape)
    expect(covariance.shape == (chains, width, width), f"covariances {(chains, width, width)}", covariance.shape)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    errors = np.abs(values.mean(axis=1) - mean) / (spread / np.sqrt(count) + 1e-12)
    expect(errors.max() < _STANDARD_ERRORS, "the mean of the rows", f"one {errors.max():.1f} standard errors off")
    seen = np.array([np.cov(chain, rowvar=False).reshape(width, width) for chain in values])
    gaps = np.abs(seen - covariance) / (spread[:, :, None] * spread[:, None, :] + 1e-12)
    expect(gaps.max() < _SHARE_OF_VARIANCE, "the covariance of the rows", f"one {gaps.max():.0%} of the variance off")


def expect_probabilities(values: Array, knows: Probabilities) -> None:
    """Expect the frequencies of each chain to be the probabilities that are known.

    Args:
        values: (c, n) symbols.
        knows: a model of c chains, or a source with c = 1.
    """
    known = knows.probabilities()
    chains, count = values.shape
    expect(known.ndim == 2 and len(known) == chains, f"probabilities of {chains} chains", known.shape)
    sums = known.sum(axis=1)
    expect(np.allclose(sums, 1.0) and (known >= 0).all(), "probabilities >= 0 that sum to 1", f"sums {sums}")
    expect(values.max() < known.shape[1], f"symbols below {known.shape[1]}", values.max())
    seen = np.array([np.bincount(chain, minlength=known.shape[1]) for chain in values]) / count
    errors = np.abs(seen - known) / (np.sqrt(known * (1 - known) / count) + 1e-9)
    expect(errors.max() < _STANDARD_ERRORS, "the frequencies of the rows", f"{errors.max():.1f} standard errors off")


def expect_law(values: Array, knows: KnownLaw) -> None:
    """Expect each row to be possible under the known law, and their mean surprise to be its entropy.

    Args:
        values: (1, n, ...) rows.
        knows: a source.
    """
    found = knows.log_prob(Rows(values))
    expect(found.shape == values.shape[:2], f"log-probabilities of shape {values.shape[:2]}", found.shape)
    expect(np.isfinite(found).all(), "rows that are possible", f"{np.count_nonzero(~np.isfinite(found))} that are not")
    error = abs(found.mean() + knows.entropy()) / (found.std() / np.sqrt(found.size) + 1e-9)
    expect(error < _STANDARD_ERRORS, "a mean surprise as large as the entropy", f"one {error:.1f} standard errors off")
