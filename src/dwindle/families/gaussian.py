"""The Gaussian family: mean and full covariance of every chain in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, FloatArray, Kind, Model, Rows, Seed, Within
from dwindle.data.gaussians import roots, spectrum, weighted_moments
from dwindle.samplers import Sampler

__all__ = ["Gaussian", "GaussianModel"]


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian with full covariance, fitted by its moments, all chains at once.

    Args:
        ddof: what is taken from the divisor of the covariance: 0 is maximum likelihood, which loses 1/n of the variance
            a generation on average; 1 is unbiased, and every chain dies all the same. Weighted rows are divided by
            1 - sum of w^2 in place of 1 - 1/n.
            Source: Shumailov et al. 2024, theorem 3.1 (unbiased); their notebooks use 0.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"top_p", "variance_factor"})

    ddof: Annotated[int, Within(low=0, high=1)] = 0

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> GaussianModel:
        """Fit mean and covariance of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a chain has fewer than ddof + 1 rows.
        """
        short = np.flatnonzero(rows.counts <= self.ddof)
        if short.size:
            raise ValueError(f"a Gaussian with ddof {self.ddof} needs {self.ddof + 1} rows; chain {short[0]} has fewer")
        values = np.asarray(rows.values, dtype=np.float64)
        if rows.weights is None:
            return _moments(values, self.ddof)
        return GaussianModel(*weighted_moments(values, rows.weights, self.ddof))

    def load(self, folder: Path) -> GaussianModel:
        """Read what `GaussianModel.save` wrote."""
        means, covariances = (np.load(folder / name, allow_pickle=False) for name in ("means.npy", "covariances.npy"))
        return GaussianModel(means, covariances)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


@dataclass(frozen=True, eq=False)
class GaussianModel:
    """The Gaussian of every chain.

    A direction whose variance is below rounding error relative to the widest one counts as collapsed: nothing is
    sampled along it, and a row that leaves the remaining directions has density 0.

    Args:
        means: (c, d).
        covariances: (c, d, d).
    """

    means: FloatArray
    covariances: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample N(m, variance_factor S), or its densest region of mass top_p; a collapsed chain repeats its mean."""
        chains, dimensions = self.means.shape
        noise = seed.at("noise").numpy().standard_normal((chains, count, dimensions))
        if sampler.top_p < 1.0:
            noise *= _shrinkage(noise, self.covariances, sampler.top_p)
        factors = roots(self.covariances) * np.sqrt(sampler.variance_factor)
        turned = np.multiply(noise, factors, out=noise) if dimensions == 1 else noise @ factors
        turned += self.means[:, None]
        return Rows(turned)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n).

        In a collapsed chain it is the density on the directions that remain; -inf for rows that lie elsewhere.
        """
        variances, axes = spectrum(self.covariances)
        alive = variances > 0
        deviation = np.sqrt(np.where(alive, variances, 1.0))
        along = (rows.values - self.means[:, None]) @ axes
        outside = _outside(along, variances)
        along = along / deviation[:, None] * alive[:, None]
        volume = (np.log(deviation) + 0.5 * np.log(2 * np.pi) * alive).sum(axis=1)
        return np.where(outside, -np.inf, -0.5 * (along * along).sum(axis=2) - volume[:, None])

    def mean(self) -> FloatArray:
        """Return the mean, (c, d)."""
        return self.means

    def covariance(self) -> FloatArray:
        """Return the covariance, (c, d, d)."""
        return self.covariances

    def save(self, folder: Path) -> None:
        """Write means.npy and covariances.npy."""
        np.save(folder / "means.npy", self.means, allow_pickle=False)
        np.save(folder / "covariances.npy", self.covariances, allow_pickle=False)


def _moments(values: FloatArray, ddof: int) -> GaussianModel:
    """Return the model of rows of equal weight, values (c, n, d)."""
    means = values.mean(axis=1)
    centred = values - means[:, None]
    return GaussianModel(means, np.matmul(centred.swapaxes(1, 2), centred) / (values.shape[1] - ddof))


def _shrinkage(noise: FloatArray, covariances: FloatArray, top_p: float) -> FloatArray:
    """Return the factors that draw noise into the densest region of the Gaussian that holds top_p of it, (c, n, 1).

    The densest region is a ball of the noise, so its directions stay, and the quantile u of the squared radius, which
    follows a chi-squared law, becomes u top_p. Directions in which a chain has collapsed do not count.
    """
    from scipy.special import erf, erfinv, gammainc, gammaincinv

    if noise.shape[2] == 1:  # the same radii, thirty times as fast
        radius = np.abs(noise) * np.sqrt(0.5)
        return np.asarray(erfinv(top_p * erf(radius)) / np.where(radius > 0, radius, 1.0), dtype=np.float64)
    variances, axes = spectrum(covariances)
    alive = variances > 0
    squared = np.square((noise @ axes) * alive[:, None]).sum(axis=2)
    shape = np.maximum(alive.sum(axis=1), 1)[:, None] / 2  # chi-squared of k degrees: twice a gamma of shape k / 2
    shrunk = 2.0 * gammaincinv(shape, top_p * gammainc(shape, squared / 2))
    return np.asarray(np.sqrt(shrunk / np.where(squared > 0, squared, 1.0)), dtype=np.float64)[..., None]


def _outside(along: FloatArray, variances: FloatArray) -> Array:
    """Say which rows, (c, n, d) along the principal axes, leave the directions that have not collapsed, (c, n)."""
    slack = np.sqrt(np.finfo(np.float64).eps * variances[:, -1])
    return np.asarray(((np.abs(along) > slack[:, None, None]) & (variances == 0)[:, None]).any(axis=2))
