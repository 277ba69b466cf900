"""The Gaussian mixture family: expectation-maximisation over all chains in one batch.

Rows are centred and divided by their overall deviation first, so that a collapsed chain is as well conditioned as a
wide one. Of the features (x_i x_j for i <= j, x_i, 1) of the rows, one matrix product gives the log-density of each row
under each component, and a second one all the sums of the next maximisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.samplers import Sampler

__all__ = ["GaussianMixture", "GaussianMixtureModel"]

_LLOYD_STEPS = 20
_LOST = 1e-12  # share of the rows below which a component has lost its rows
_FEATURES_AT_ONCE = 2**18  # numbers: 2 MiB, within the cache


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians with full covariances, fitted by expectation-maximisation, all chains at once.

    It starts once, from greedy k-means++ centres and a few steps of k-means, or from the parent's parameters. A
    component that loses its rows keeps place and shape, gets the share 0, stays lost for this fit and is never sampled.

    Args:
        components: number of components k.
        iterations: most rounds of expectation and maximisation.
        tolerance: a chain has converged when its log-likelihood changes by less a round.
        regularisation: what is added to the diagonal of each covariance, relative to the mean variance of the training
            rows, so that the amount shrinks with the rows and never holds a collapse up.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})

    components: Annotated[int, Within(low=1, high=10_000, unit="components")] = 10
    iterations: Annotated[int, Within(low=1, unit="rounds")] = 100
    tolerance: Annotated[float, Within(low=0.0, unit="nats per row")] = 1e-3
    regularisation: Annotated[float, Within(low=1e-8, high=1.0, unit="of the mean variance")] = 1e-6

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> GaussianMixtureModel:
        """Fit every chain; chains that have converged leave the batch.

        Raises:
            ValueError: if a chain has no rows, or the parent is not a mixture of as many components.
        """
        centre, deviation, batch = _framed(rows)
        draws = seed.at("centres").numpy().random((rows.chains, self.components, 2 + int(np.log(self.components))))
        warm = None if parent is None else self._continued(parent, centre, deviation)
        found = []
        for chains in batch.groups():
            group = batch.take(chains)
            start = warm.take(chains) if warm else _seeded(group, draws[chains], self.regularisation)
            found.append(self._climbed(group, start).parts)
        fitted = GaussianMixtureModel(*(np.concatenate(part) for part in zip(*found, strict=True)))
        return fitted.moved(deviation, centre)

    def _continued(self, parent: Model, centre: FloatArray, deviation: FloatArray) -> GaussianMixtureModel:
        """Return the parent's mixtures in terms of the centred and scaled rows."""
        if not isinstance(parent, GaussianMixtureModel) or parent.weights.shape != (len(centre), self.components):
            raise ValueError(f"{len(centre)} mixtures of {self.components} components cannot start from this parent")
        unit = np.where(deviation > 0, deviation, 1.0)
        warm = parent.moved(1.0 / unit, -centre / unit)
        warm.covariances[...] += self.regularisation * np.eye(centre.shape[2])
        return warm

    def _climbed(self, rows: _Batch, start: GaussianMixtureModel) -> GaussianMixtureModel:
        """Return the mixtures of a group at convergence."""
        current, found = start, start.take(slice(None))
        active, reached = np.arange(len(start.weights)), np.full(len(start.weights), -np.inf)
        for _ in range(self.iterations):
            sums, likelihood = _expected(rows, current)
            current = _maximised(sums, current, self.regularisation)
            for settled, newest in zip(found.parts, current.parts, strict=True):
                settled[active] = newest
            going = np.abs(likelihood - reached) >= self.tolerance
            if not going.any():
                break
            reached, active = likelihood[going], active[going]
            if len(active) < len(going):
                rows, current = rows.take(going), current.take(going)
        return found

    def load(self, folder: Path) -> GaussianMixtureModel:
        """Read what `GaussianMixtureModel.save` wrote."""
        parts = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("weights", "means", "covariances"))
        return GaussianMixtureModel(*parts)

    @classmethod
    def smallest(cls) -> Self:
        """Return two components and few rounds."""
        return cls(components=2, iterations=20)


@dataclass(frozen=True, eq=False)
class GaussianMixtureModel:
    """The mixture of every chain.

    Args:
        weights: (c, k) share of each component, 0 for a lost one.
        means: (c, k, d).
        covariances: (c, k, d, d).
    """

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample rows, each component's covariance times the sampler's variance_factor."""
        chains, components, dimensions = self.means.shape
        reach = np.cumsum(self.weights, axis=1)
        draws = seed.at("components").numpy().random((chains, count))
        chosen = sum((draws >= (reach[:, j] / reach[:, -1])[:, None] for j in range(components - 1)), np.int64(0))
        noise = seed.at("noise").numpy().standard_normal((chains, count, dimensions))
        factors, deviations, _ = _factors(self.covariances)
        factors *= (deviations * np.sqrt(sampler.variance_factor))[..., None, None]
        values = np.empty_like(noise)
        for j in range(components):
            rows = noise @ factors[:, j].swapaxes(1, 2) + self.means[:, j, None]
            np.copyto(values, rows, where=np.equal(chosen, j)[..., None])
        return Rows(values)

    @np.errstate(divide="ignore", over="ignore")
    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n).

        A component without any variance counts 1 for a row equal to its mean and 0 for every other.
        """
        factors, deviations, volumes = _factors(self.covariances)
        inverses, peaks = np.linalg.inv(factors), np.log(self.weights) - volumes
        narrow = np.maximum(deviations, np.finfo(np.float64).tiny)[..., None, None]
        total = np.full((len(self.means), rows.count), -np.inf)
        for j in range(self.means.shape[1]):
            away = (rows.values - self.means[:, j, None]) @ inverses[:, j].swapaxes(1, 2) / narrow[:, j]
            total = np.logaddexp(total, peaks[:, j, None] - 0.5 * (away * away).sum(axis=2))
        return total

    def mean(self) -> FloatArray:
        """Return the mean of the mixture, (c, d)."""
        return np.asarray((self.weights[:, None] @ self.means)[:, 0], dtype=np.float64)

    def covariance(self) -> FloatArray:
        """Return the covariance of the mixture, within and between components, (c, d, d)."""
        away = self.means - self.mean()[:, None]
        within = np.einsum("ck,ckde->cde", self.weights, self.covariances)
        return np.asarray(within + (self.weights[..., None] * away).swapaxes(1, 2) @ away, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write weights.npy, means.npy and covariances.npy."""
        for name, part in zip(("weights", "means", "covariances"), self.parts, strict=True):
            np.save(folder / f"{name}.npy", part, allow_pickle=False)

    @property
    def parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weights, means and covariances."""
        return self.weights, self.means, self.covariances

    def take(self, chains: Array | slice) -> GaussianMixtureModel:
        """Return a copy of the given chains."""
        return GaussianMixtureModel(*(part[chains].copy() for part in self.parts))

    def moved(self, scale: FloatArray, shift: FloatArray) -> GaussianMixtureModel:
        """Return the mixtures of the rows times scale (c, 1, 1) plus shift (c, 1, d)."""
        squared = (scale * scale)[..., None]
        return GaussianMixtureModel(self.weights, self.means * scale + shift, self.covariances * squared)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Centred rows in units of their overall deviation: values (c, d, n), shares (c, n) that sum to 1."""

    values: FloatArray
    shares: FloatArray

    def take(self, chains: Array) -> _Batch:
        return _Batch(self.values[chains], self.shares[chains])

    def groups(self) -> list[IntArray]:
        """Return the chains in groups whose features fit into the cache."""
        chains, dimensions, count = self.values.shape
        width = max(1, _FEATURES_AT_ONCE // (count * (dimensions + 1) * (dimensions + 2) // 2))
        return np.split(np.arange(chains), range(width, chains, width))

    @cached_property
    def features(self) -> FloatArray:
        """x_i x_j for i <= j, x_i and 1 of each row, (c, f, n)."""
        low, high = np.triu_indices(self.values.shape[1])
        squares = self.values[:, low] * self.values[:, high]
        return np.concatenate([squares, self.values, np.ones_like(self.values[:, :1])], axis=1)


def _framed(rows: Rows) -> tuple[FloatArray, FloatArray, _Batch]:
    """Return centre (c, 1, d), deviation (c, 1, 1) and the rows in these terms; a place of weight 0 may hold nan."""
    if not rows.counts.all():
        raise ValueError(f"chain {rows.counts.argmin()} has no rows to fit")
    shares = rows.filled_weights() / rows.filled_weights().sum(axis=1, keepdims=True)
    present = shares[..., None] > 0
    values = np.where(present, rows.values, 0.0)
    centre = shares[:, None] @ values
    values = np.where(present, values - centre, 0.0)
    deviation = np.sqrt((shares[:, None] @ (values * values)).mean(axis=2, keepdims=True))
    values /= np.where(deviation > 0, deviation, 1.0)
    return centre, deviation, _Batch(np.ascontiguousarray(values.swapaxes(1, 2)), shares)


def _seeded(batch: _Batch, draws: FloatArray, regularisation: float) -> GaussianMixtureModel:
    """Return the mixture of the clusters that k-means++ and a few Lloyd steps find."""
    centres = _centres(batch, draws)
    for _ in range(_LLOYD_STEPS):
        member = _nearest(batch, centres)
        mass, sums = member.sum(axis=2)[..., None], member @ batch.values.swapaxes(1, 2)
        before, centres = centres, np.where(mass > 0, sums / np.where(mass > 0, mass, 1.0), centres)
        if np.array_equal(before, centres):
            break
    shapes = np.eye(centres.shape[2]) + np.zeros((*centres.shape, 1))
    idle = GaussianMixtureModel(np.zeros(centres.shape[:2]), centres, shapes)
    return _maximised(_nearest(batch, centres) @ batch.features.swapaxes(1, 2), idle, regularisation)


def _centres(batch: _Batch, draws: FloatArray) -> FloatArray:
    """Return greedy k-means++ centres, (c, k, d): of rows drawn by their squared distance, the one that helps most."""
    chains, chosen, distance = np.arange(len(draws)), [], np.full_like(batch.shares, 1e300)
    for draw in draws.swapaxes(0, 1):
        reach = np.cumsum(batch.shares * (distance + np.finfo(np.float64).tiny), axis=1)[:, None]
        rows = batch.values[chains[:, None], :, (reach > draw[..., None] * reach[..., -1:]).argmax(axis=2)]
        left = np.minimum(distance[:, None], ((batch.values[:, None] - rows[..., None]) ** 2).sum(axis=2))
        best = (batch.shares[:, None] * left).sum(axis=2).argmin(axis=1)
        chosen.append(rows[chains, best])
        distance = left[chains, best]
    return np.stack(chosen, axis=1)


def _nearest(batch: _Batch, centres: FloatArray) -> FloatArray:
    """Return the share of each row at its nearest centre, 0 at the others, (c, k, n)."""
    distance = 0.5 * (centres * centres).sum(axis=2)[..., None] - centres @ batch.values
    nearest: Array = distance == distance.min(axis=1, keepdims=True)
    if np.count_nonzero(nearest) > batch.shares.size:
        nearest &= np.cumsum(nearest, axis=1) == 1  # of equal centres the first takes the row
    return nearest * batch.shares[:, None]


def _expected(batch: _Batch, model: GaussianMixtureModel) -> tuple[FloatArray, FloatArray]:
    """Return the sums of the features under each component's responsibility, (c, k, f), and the mean log-likelihood."""
    logs = _coefficients(model) @ batch.features
    top = logs.max(axis=1)
    member = np.exp(logs - top[:, None])
    mass = member.sum(axis=1)
    member *= (batch.shares / mass)[:, None]
    likelihood = (batch.shares * (top + np.log(mass))).sum(axis=1)
    return member @ batch.features.swapaxes(1, 2), likelihood


@np.errstate(divide="ignore")
def _coefficients(model: GaussianMixtureModel) -> FloatArray:
    """Return the factors of the features in log(share) + log-density, (c, k, f)."""
    factors, deviations, volumes = _factors(model.covariances)
    inverses = np.linalg.inv(factors) / deviations[..., None, None]
    precisions = inverses.swapaxes(2, 3) @ inverses
    low, high = np.triu_indices(precisions.shape[-1])
    pairs = precisions[..., low, high] * np.where(low == high, -0.5, -1.0)
    slope = (precisions @ model.means[..., None])[..., 0]
    height = np.log(model.weights) - volumes - 0.5 * (slope * model.means).sum(axis=2)
    return np.concatenate([pairs, slope, height[..., None]], axis=2)


def _maximised(sums: FloatArray, before: GaussianMixtureModel, regularisation: float) -> GaussianMixtureModel:
    """Return the mixture that the sums of the features give; components that lost their rows stay as they were."""
    dimensions = before.means.shape[2]
    low, high = np.triu_indices(dimensions)
    mass, lost = sums[..., -1], sums[..., -1] < _LOST
    shares = np.where(lost, 0.0, mass / np.where(lost, 0.0, mass).sum(axis=1, keepdims=True))
    sums = sums / np.where(lost, 1.0, mass)[..., None]
    means = sums[..., len(low) : -1]
    squares = np.empty((*means.shape, dimensions))
    squares[..., low, high] = squares[..., high, low] = sums[..., : len(low)]
    shapes = squares - means[..., None] * means[..., None, :] + regularisation * np.eye(dimensions)
    means = np.where(lost[..., None], before.means, means)
    shapes = np.where(lost[..., None, None], before.covariances, shapes)
    return GaussianMixtureModel(shares, means, shapes)


def _factors(covariances: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lower factors L, deviations s and log sqrt det(2 pi S), S = s^2 L L^T; identity, 0 and 0 where S is 0."""
    variance = np.trace(covariances, axis1=-2, axis2=-1)[..., None, None] / covariances.shape[-1]
    solid, unit = variance > 0, np.where(variance > 0, variance, 1.0)
    factors = np.linalg.cholesky(np.where(solid, covariances / unit, np.eye(covariances.shape[-1])))
    logs = np.log(np.diagonal(factors, axis1=-2, axis2=-1)) + 0.5 * np.log(2 * np.pi * unit[..., 0])
    return factors, np.sqrt(variance[..., 0, 0]), np.where(solid[..., 0, 0], logs.sum(axis=-1), 0.0)
