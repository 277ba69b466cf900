"""Two families that keep every claim, for tests that break them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from dwindle.contracts import Rows, Within


@dataclass(frozen=True, eq=False)
class NormalModel:
    means: np.ndarray
    variances: np.ndarray

    def sample(self, count, *, sampler, seed, prompts=None):
        noise = seed.numpy().standard_normal((len(self.means), count, self.means.shape[1]))
        return Rows(self.means[:, None] + noise * np.sqrt(self.variances * sampler.variance_factor)[:, None])

    def log_prob(self, rows):
        squares = (rows.values - self.means[:, None]) ** 2 / self.variances[:, None]
        return -0.5 * (squares + np.log(2 * np.pi * self.variances)[:, None]).sum(axis=2)

    def mean(self):
        return self.means

    def covariance(self):
        return self.variances[:, :, None] * np.eye(self.means.shape[1])

    def save(self, folder):
        np.savez(folder / "model.npz", means=self.means, variances=self.variances)


@dataclass(frozen=True)
class Normal:
    """Independent normal laws, one a dimension.

    Args:
        ridge: what is added to each variance.
    """

    kind: ClassVar[str] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    model: ClassVar[type] = NormalModel

    ridge: Annotated[float, Within(low=0.0, high=1.0)] = 1e-9

    def fit(self, rows, *, seed, parent=None):
        weights = rows.filled_weights()[..., None]
        weights = weights / weights.sum(axis=1, keepdims=True)
        means = (weights * rows.values).sum(axis=1)
        variances = (weights * (rows.values - means[:, None]) ** 2).sum(axis=1) + self.ridge
        return self.model(means, variances)

    def load(self, folder):
        with np.load(folder / "model.npz") as saved:
            return self.model(saved["means"], saved["variances"])

    @classmethod
    def smallest(cls):
        return cls()


@dataclass(frozen=True, eq=False)
class SharesModel:
    shares: np.ndarray

    def sample(self, count, *, sampler, seed, prompts=None):
        generator = seed.numpy()
        return Rows(np.array([generator.choice(len(p), count, p=p) for p in self.shares]))

    def probabilities(self):
        return self.shares

    def save(self, folder):
        np.save(folder / "shares.npy", self.shares)


@dataclass(frozen=True)
class Shares:
    """The share of each symbol.

    Args:
        symbols: size of the alphabet.
    """

    kind: ClassVar[str] = "symbols"
    chains_at_once: ClassVar[bool] = False
    knobs: ClassVar[frozenset[str]] = frozenset()
    model: ClassVar[type] = SharesModel

    symbols: Annotated[int, Within(low=2)] = 5

    def fit(self, rows, *, seed, parent=None):
        weights = rows.filled_weights()
        counts = [np.bincount(*chain, minlength=self.symbols) for chain in zip(rows.values, weights, strict=True)]
        return self.model(np.array(counts) / weights.sum(axis=1, keepdims=True))

    def load(self, folder):
        return self.model(np.load(folder / "shares.npy"))

    @classmethod
    def smallest(cls):
        return cls()
