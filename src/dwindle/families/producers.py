"""Several producers who share a pool: each fits a Gaussian to a part of it, and all write the next one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.data.gaussians import roots, weighted_moments
from dwindle.samplers import Sampler

__all__ = ["Producers", "ProducersModel"]


@dataclass(frozen=True)
class Producers:
    """Producers who each fit a Gaussian to a part of the training rows of their own and write in turn.

    The rows are dealt out at random, anew in each generation, in parts that differ by one row at most. Of the rows
    that are written, number i is by producer i modulo `count`, so that a detector can tell by a row's number whether
    its producer marks. Together they are a mixture of Gaussians whose mean and, for `ddof` 0, covariance are those of
    one Gaussian for the whole pool, if the parts are equal; apart from each other, each with a pool of its own, they
    would drift `count` times as fast.

    Args:
        count: producers m.
        ddof: what is taken from the divisor of each covariance, as in the family `gaussian`.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})

    count: Annotated[int, Within(low=1, high=1000, unit="producers")] = 4
    ddof: Annotated[int, Within(low=0, high=1)] = 0

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> ProducersModel:
        """Fit mean and covariance of every producer of every chain; a parent changes nothing.

        Raises:
            ValueError: if a part has fewer than ddof + 1 rows.
        """
        needed = self.count * (self.ddof + 1)
        short = np.flatnonzero(rows.counts < needed)
        if short.size:
            raise ValueError(f"{self.count} producers need {needed} rows; chain {short[0]} has {rows.counts[short[0]]}")
        values, weights = np.asarray(rows.values, dtype=np.float64), rows.filled_weights()
        owners = _owners(weights, self.count, seed.at("parts"))
        fitted = [weighted_moments(values, weights * (owners == own), self.ddof) for own in range(self.count)]
        means, covariances = (np.stack(part, axis=1) for part in zip(*fitted, strict=True))
        return ProducersModel(means, covariances)

    def load(self, folder: Path) -> ProducersModel:
        """Read what `ProducersModel.save` wrote."""
        means, covariances = (np.load(folder / name, allow_pickle=False) for name in ("means.npy", "covariances.npy"))
        return ProducersModel(means, covariances)

    @classmethod
    def smallest(cls) -> Self:
        """Return two producers."""
        return cls(count=2)


@dataclass(frozen=True, eq=False)
class ProducersModel:
    """The Gaussian of every producer of every chain.

    Args:
        means: (c, m, d).
        covariances: (c, m, d, d).
    """

    means: FloatArray
    covariances: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample N(m, variance_factor S) of each producer in turn."""
        chains, producers, dimensions = self.means.shape
        shape = (chains, -(-count // producers), producers, dimensions)
        flat = roots(self.covariances.reshape(-1, dimensions, dimensions)).reshape(self.covariances.shape)
        noise = seed.at("noise").numpy().standard_normal(shape)
        turned = np.einsum("ctme,cmde->ctmd", noise, flat * np.sqrt(sampler.variance_factor))
        values = (turned + self.means[:, None]).reshape(chains, -1, dimensions)
        return Rows(np.ascontiguousarray(values[:, :count]))

    def mean(self) -> FloatArray:
        """Return the mean of the mixture, (c, d)."""
        return np.asarray(self.means.mean(axis=1))

    def covariance(self) -> FloatArray:
        """Return the covariance of the mixture, within and between producers, (c, d, d)."""
        apart = self.means - self.mean()[:, None]
        return np.asarray(self.covariances.mean(axis=1) + apart.swapaxes(1, 2) @ apart / apart.shape[1])

    def save(self, folder: Path) -> None:
        """Write means.npy and covariances.npy."""
        np.save(folder / "means.npy", self.means, allow_pickle=False)
        np.save(folder / "covariances.npy", self.covariances, allow_pickle=False)


def _owners(weights: FloatArray, count: int, seed: Seed) -> IntArray:
    """Return which producer each row goes to, (c, n), 0 .. count-1; what a place of weight 0 says means nothing.

    Who gets the rows that are left over is drawn, too: no producer has more rows than another on average.
    """
    random = seed.numpy()
    keys = random.random(weights.shape)
    keys[weights == 0] = 2.0  # after every row that exists
    ranks = keys.argsort(axis=1).argsort(axis=1)
    return np.asarray((ranks + random.integers(count, size=(len(weights), 1))) % count)
