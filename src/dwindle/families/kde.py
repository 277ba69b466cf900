"""The kernel density family: the training rows themselves, each with a Gaussian kernel around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.data.summaries import chain_blocks
from dwindle.samplers import Sampler

__all__ = ["Kde", "KdeModel"]

_NUMBERS_AT_ONCE = 1 << 17  # kernels that `log_prob` holds at a time: 1 MiB, within the cache


@dataclass(frozen=True)
class Kde:
    """A Gaussian kernel density estimate, all chains at once; nothing is estimated but the width of the kernel.

    Sampled rows spread by a kernel a generation: where nothing else is at work the rows diffuse and do not collapse.

    Args:
        rule: width of the kernel. `fixed`: the standard deviation is `bandwidth` in every dimension, whatever the rows.
            `scott`, `silverman`: the unbiased covariance of a chain's rows times the squared factor n^(-1/(d + 4)), or
            (n (d + 2) / 4)^(-1/(d + 4)), where weighted rows count as n = (sum of w)^2 / sum of w^2.
            Source: Scott 1992; Silverman 1986; with the conventions of scipy's gaussian_kde.
        bandwidth: standard deviation of a fixed kernel; the other rules do not read it.
            Source: Kazdan et al. 2024 use 0.1, 0.5 and 1 and both rules.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})

    rule: Literal["fixed", "scott", "silverman"] = "scott"
    bandwidth: Annotated[float, Within(low=1e-9, high=1e9, unit="source units")] = 0.5

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> KdeModel:
        """Keep the rows of every chain and set its kernel; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a chain has no rows, or fewer than two where the kernel follows their covariance.
        """
        fewest = 1 if self.rule == "fixed" else 2
        short = np.flatnonzero(rows.counts < fewest)
        if short.size:
            raise ValueError(f"the {self.rule} rule needs {fewest} rows or more; chain {short[0]} has fewer")
        values, shares = _present(rows)
        return KdeModel(values, shares, self._kernels(values, shares))

    def _kernels(self, values: FloatArray, shares: FloatArray | None) -> FloatArray:
        """Return the covariance of each chain's kernel, (c, d, d)."""
        chains, count, dimensions = values.shape
        if self.rule == "fixed":
            return np.tile(self.bandwidth**2 * np.eye(dimensions), (chains, 1, 1))
        concentration = np.full(chains, 1.0 / count) if shares is None else np.einsum("cn,cn->c", shares, shares)
        scale = 1.0 if self.rule == "scott" else 4.0 / (dimensions + 2)
        squared_factor = (scale * concentration) ** (2.0 / (dimensions + 4))
        stretch = squared_factor / (1.0 - concentration)
        return np.asarray(stretch[:, None, None] * _moments(values, shares)[1], dtype=np.float64)

    def load(self, folder: Path) -> KdeModel:
        """Read what `KdeModel.save` wrote."""
        values, kernels = (np.load(folder / name, allow_pickle=False) for name in ("rows.npy", "kernels.npy"))
        weighted = folder / "shares.npy"
        return KdeModel(values, np.load(weighted, allow_pickle=False) if weighted.exists() else None, kernels)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


@dataclass(frozen=True, eq=False)
class KdeModel:
    """The kernel density estimate of every chain.

    A direction in which the kernel is narrower than rounding error relative to its widest one counts as collapsed:
    nothing is added along it, and a row that leaves the remaining directions has density 0.

    Args:
        rows: (c, n, d) training rows; what stands in a place of share 0 means nothing.
        shares: (c, n) weight of each row, each chain sums to 1; None means all equal.
        kernels: (c, d, d) covariance of the kernel.
    """

    rows: FloatArray
    shares: FloatArray | None
    kernels: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample rows x, exactly; a variance_factor l makes them m + sqrt(l) (x - m), m the model's mean."""
        spectrum, axes = _spectrum(self.kernels)
        chosen = self._chosen(count, seed.at("rows").numpy())
        noise = seed.at("noise").numpy().standard_normal((*chosen.shape, self.rows.shape[2]))
        values = (noise * np.sqrt(spectrum)[:, None]) @ axes.swapaxes(1, 2)
        values += np.take_along_axis(self.rows, chosen[..., None], axis=1)
        if sampler.variance_factor != 1.0:
            middle = self.mean()[:, None]
            values = middle + np.sqrt(sampler.variance_factor) * (values - middle)
        return Rows(values)

    def _chosen(self, count: int, generator: np.random.Generator) -> IntArray:
        """Return training rows drawn with replacement by their shares, (c, count); never one of share 0."""
        chains, size = self.rows.shape[:2]
        if self.shares is None:
            return generator.integers(0, size, (chains, count))
        # The cumulative shares of all chains in one ascending line, chain i on (i, i + 1]: one search for all draws.
        lines = np.arange(chains)[:, None]
        reach = np.cumsum(self.shares, axis=1)
        reach = lines + reach / reach[:, -1:]
        draws = lines + generator.random((chains, count))
        places = np.searchsorted(reach.reshape(-1), draws.reshape(-1), side="right").reshape(draws.shape)
        last = size - 1 - np.argmax(self.shares[:, ::-1] > 0, axis=1)
        return np.asarray(np.minimum(places - size * lines, last[:, None]), dtype=np.int64)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n).

        In a collapsed chain it is the density on the directions that remain; -inf for rows that lie elsewhere.
        """
        spectrum, axes = _spectrum(self.kernels)
        alive, middle = spectrum > 0, self.mean()[:, None]
        deviations = np.sqrt(np.where(alive, spectrum, 1.0))
        scale = (alive / deviations)[:, None]
        away = (np.asarray(rows.values, dtype=np.float64) - middle) @ axes
        volume = (np.log(deviations) + 0.5 * np.log(2 * np.pi) * alive).sum(axis=1)
        found = self._log_means(away * scale, ((self.rows - middle) @ axes) * scale) - volume[:, None]
        return np.where(_outside(away, spectrum), -np.inf, found)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def _log_means(self, asked: FloatArray, centres: FloatArray) -> FloatArray:
        """Return the log of the mean kernel at each row, (c, m), its deviations the units of length, block by block."""
        shares = np.full(centres.shape[:2], 1.0 / centres.shape[1]) if self.shares is None else self.shares
        heights = np.log(shares) - 0.5 * np.einsum("cnd,cnd->cn", centres, centres)
        means = np.empty(asked.shape[:2])
        for chains, some in _blocks(len(asked), asked.shape[1], centres.shape[1]):
            exponents = asked[chains, some] @ centres[chains].swapaxes(1, 2)
            exponents += heights[chains, None]
            top = exponents.max(axis=2)
            exponents -= top[..., None]
            means[chains, some] = top + np.log(np.exp(exponents, out=exponents).sum(axis=2))
        means -= 0.5 * np.einsum("cmd,cmd->cm", asked, asked)
        # So far off that the square of the distance overflows.
        return np.where(np.isnan(means), -np.inf, means)

    def mean(self) -> FloatArray:
        """Return the mean, (c, d)."""
        return _moments(self.rows, self.shares)[0]

    def covariance(self) -> FloatArray:
        """Return the covariance of the rows, divided by n, plus that of the kernel, (c, d, d)."""
        return _moments(self.rows, self.shares)[1] + self.kernels

    def save(self, folder: Path) -> None:
        """Write rows.npy, kernels.npy and, for weighted rows, shares.npy."""
        parts = {"rows": self.rows, "kernels": self.kernels, "shares": self.shares}
        for name, part in parts.items():
            if part is not None:
                np.save(folder / f"{name}.npy", part, allow_pickle=False)


def _present(rows: Rows) -> tuple[FloatArray, FloatArray | None]:
    """Return values and shares; a place of weight 0, which may hold nan, holds a copy of a row that exists."""
    values = np.asarray(rows.values, dtype=np.float64)
    if rows.weights is None:
        return values, None
    present = rows.weights > 0
    first = np.take_along_axis(values, present.argmax(axis=1)[:, None, None], axis=1)
    shares = rows.weights / rows.weights.sum(axis=1, keepdims=True)
    return np.where(present[..., None], values, first), shares


def _moments(values: FloatArray, shares: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the mean (c, d) and the covariance (c, d, d) of weighted rows; that of equal rows is exactly 0."""
    count = values.shape[1]
    # Differences to the first row keep the digits of a chain that has nearly collapsed onto a point far from zero.
    shifted = values - values[:, :1]
    row = np.full((1, count), 1.0 / count) if shares is None else shares[:, None]
    offset = row @ shifted
    shifted -= offset
    scatter = shifted.swapaxes(1, 2) @ (shifted / count if shares is None else shares[..., None] * shifted)
    return np.asarray(values[:, 0] + offset[:, 0]), scatter


def _spectrum(kernels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return variances along the principal axes, 0 where collapsed, (c, d), and the axes as columns, (c, d, d)."""
    spectrum, axes = np.linalg.eigh(kernels)
    floor = spectrum[:, -1:] * (spectrum.shape[1] * np.finfo(np.float64).eps)
    return np.where(spectrum > floor, spectrum, 0.0), axes


def _outside(away: FloatArray, spectrum: FloatArray) -> Array:
    """Say which rows, (c, m, d) along the principal axes, leave the directions that have not collapsed, (c, m)."""
    slack = np.sqrt(np.finfo(np.float64).eps * spectrum[:, -1])
    return np.asarray(((np.abs(away) > slack[:, None, None]) & (spectrum == 0)[:, None]).any(axis=2))


def _blocks(chains: int, asked: int, centres: int) -> Iterator[tuple[slice, slice]]:
    """Split chains and rows into blocks of a bounded number of kernels, one row of one chain at the least."""
    step = min(asked, max(1, _NUMBERS_AT_ONCE // centres))
    for some in chain_blocks(chains, step * centres, limit=_NUMBERS_AT_ONCE):
        for start in range(0, asked, max(1, step)):
            yield some, slice(start, start + step)
