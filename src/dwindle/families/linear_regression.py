"""Linear regression: least squares without intercept, all chains in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import FloatArray, Kind, Model, Rows, Seed, Within
from dwindle.samplers import Sampler

__all__ = ["LinearRegression", "LinearRegressionModel"]


@dataclass(frozen=True)
class LinearRegression:
    """Least squares of a response on d inputs, without intercept, all chains at once.

    The line minimises the weighted mean of the squared residuals plus `ridge` |b|^2; where the inputs leave a direction
    open, b is 0 along it.

    Source: the setting of Gerstgrasser et al. 2024, section 2; Dohmatob et al. 2024, arXiv 2402.07712 (ridge).

    Args:
        ridge: penalty on |b|^2, in units of the mean square of an input.
        noise: standard deviation of a sampled response around the line; None estimates it from the residuals, with the
            divisor n less the degrees of freedom (n - d without a ridge), its counterpart for weighted rows.
            Source: Gerstgrasser et al. 2024 take it for known.
    """

    kind: ClassVar[Kind] = "pairs"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"prompts", "variance_factor"})

    ridge: Annotated[float, Within(low=0.0, unit="squared input units")] = 0.0
    noise: Annotated[float, Within(low=0.0, unit="response units")] | None = None

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> LinearRegressionModel:
        """Fit the line of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a chain has fewer than d rows, or d + 1 where the noise is to be estimated.
        """
        self._refuse_short(rows)
        values, shares = _present(rows)
        scatter = np.matmul((shares * values).swapaxes(1, 2), values)
        hat = self._inverted(scatter[:, :-1, :-1])
        slopes = np.matmul(hat, scatter[:, :-1, -1:])[..., 0]
        if self.noise is not None:
            return LinearRegressionModel(slopes, np.full(rows.chains, self.noise))
        return LinearRegressionModel(slopes, _estimated_noise(values, shares, slopes, hat))

    def load(self, folder: Path) -> LinearRegressionModel:
        """Read what `LinearRegressionModel.save` wrote."""
        slopes, noise = (np.load(folder / name, allow_pickle=False) for name in ("slopes.npy", "noise.npy"))
        return LinearRegressionModel(slopes, noise)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _refuse_short(self, rows: Rows) -> None:
        dimensions = rows.values.shape[2] - 1
        needed = dimensions + (self.noise is None)
        short = np.flatnonzero(rows.counts < needed)
        if short.size:
            told = "a line" if self.noise is not None else "a line and its noise"
            raise ValueError(f"{told} on {dimensions} inputs need {needed} rows; chain {short[0]} has fewer")

    def _inverted(self, gram: FloatArray) -> FloatArray:
        """Return the inverse of X'X / n + ridge I, 0 along the directions that no input has, (c, d, d)."""
        dimensions = gram.shape[-1]
        limit = dimensions * np.finfo(np.float64).eps
        inverse = np.linalg.pinv(gram + self.ridge * np.eye(dimensions), rcond=limit, hermitian=True)
        return np.asarray(inverse, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class LinearRegressionModel:
    """The line of every chain, and how far responses stray from it.

    Args:
        slopes: (c, d).
        noise: (c,) standard deviation of a response around the line.
    """

    slopes: FloatArray
    noise: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample y = x . b + noise, whose variance is `variance_factor` times that of the model.

        Args:
            count: rows a chain.
            sampler: only its `variance_factor` matters here.
            seed: address of every random draw made here.
            prompts: (1 or c, n, d + 1) rows whose inputs are answered, in their order and from the start again: the
                same X. None: the inputs are new draws of N(0, I), a fresh X.
        """
        chains = len(self.slopes)
        inputs = _inputs(prompts, (chains, count, self.slopes.shape[1]), seed)
        noise = seed.at("noise").numpy().standard_normal((chains, count, 1))
        noise *= self.noise[:, None, None] * np.sqrt(sampler.variance_factor)
        return Rows(np.concatenate([inputs, np.matmul(inputs, self.slopes[..., None]) + noise], axis=2))

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each response given its inputs, nats, (c, n).

        Without noise all mass is on the line: 0 for a response there, -inf for one that lies elsewhere.
        """
        fitted = np.matmul(rows.values[..., :-1], self.slopes[..., None])[..., 0]
        residuals = rows.values[..., -1] - fitted
        noise = np.where(self.noise > 0, self.noise, 1.0)[:, None]
        scores = -0.5 * (residuals / noise) ** 2 - np.log(noise) - 0.5 * np.log(2 * np.pi)
        slack = np.sqrt(np.finfo(np.float64).eps) * (np.abs(fitted) + np.finfo(np.float64).tiny)
        return np.where(self.noise[:, None] > 0, scores, np.where(np.abs(residuals) <= slack, 0.0, -np.inf))

    def coefficients(self) -> FloatArray:
        """Return the slopes b, (c, d)."""
        return self.slopes

    def save(self, folder: Path) -> None:
        """Write slopes.npy and noise.npy."""
        np.save(folder / "slopes.npy", self.slopes, allow_pickle=False)
        np.save(folder / "noise.npy", self.noise, allow_pickle=False)


def _present(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the values, 0 where there is no row, and each row's share of its chain's weight, (c, n, 1)."""
    values = np.asarray(rows.values, dtype=np.float64)
    if rows.weights is None:
        return values, np.full((1, 1, 1), 1.0 / rows.count)
    shares = (rows.weights / rows.weights.sum(axis=1, keepdims=True))[..., None]
    return np.where(shares > 0, values, 0.0), shares


def _estimated_noise(values: FloatArray, shares: FloatArray, slopes: FloatArray, hat: FloatArray) -> FloatArray:
    """Return the standard deviation of the residuals, (c,), its square unbiased where there is no ridge.

    The expected weighted mean of the squared residuals is the variance times 1 - tr[(X'SX)^-1 X'S^2X], S the shares:
    (n - d) / n for equal ones.
    """
    line = np.concatenate([-slopes, np.ones((len(slopes), 1))], axis=1)
    residuals = np.matmul(values, line[..., None])
    squares = (shares * residuals * residuals).sum(axis=(1, 2))
    inputs = shares * values[..., :-1]
    freedom = np.einsum("cij,cji->c", hat, np.matmul(inputs.swapaxes(1, 2), inputs))
    return np.asarray(np.sqrt(squares / (1.0 - freedom)))


def _inputs(prompts: Rows | None, shape: tuple[int, int, int], seed: Seed) -> FloatArray:
    """Return the inputs of the prompts in their order, from the start again where they end, or new ones."""
    if prompts is None:
        return seed.at("inputs").numpy().standard_normal(shape)
    existing = np.argsort(prompts.filled_weights() == 0, axis=1, kind="stable")
    places = np.arange(shape[1]) % prompts.counts[:, None]
    inputs = prompts.take(np.take_along_axis(existing, places, axis=1)).values[..., :-1]
    return np.asarray(np.broadcast_to(inputs, shape), dtype=np.float64)
