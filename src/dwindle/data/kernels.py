"""Kernels between rows: discrepancies in tiles that stay in the processor's cache, Gram matrices, and a width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dwindle.data.kept import kept
from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.data.tiles import COLUMNS, ROWS, product, room_for, slices

__all__ = ["CubicKernel", "GaussianKernel", "Kernel", "discrepancies", "median_distance"]

_MANY, _NEAR = 2000, 64.0  # rows, squared widths: where single precision will do
_SOME = 64  # every 64th exponential tells how all of them err
_FARTHEST = 1e7  # widths; beyond it, rounding would make exponents that overflow
_MOST = 1000  # rows whose pairs the median distance is taken of


class Kernel(Protocol):
    """A positive definite function of two rows, as a function of a product of what is made of each."""

    def __hash__(self) -> int:
        """Return a hash of its settings."""
        ...

    def suited(self, *parts: FloatArray) -> Kernel:
        """Return the kernel in a precision that is enough for rows like these."""
        ...

    def left(self, rows: FloatArray) -> Array:
        """Return the factors of (n, d) rows on the left, (n, k)."""
        ...

    def right(self, rows: FloatArray) -> Array:
        """Return the factors of (n, d) rows on the right, (k, n)."""
        ...

    def total(self, products: Array) -> float:
        """Return the sum of the kernel over products of left and right factors, which may be overwritten."""
        ...


@dataclass(frozen=True)
class GaussianKernel:
    """exp(-|x - y|^2 / (2 width^2)), of coordinates within 1e7 widths: what lies beyond counts as there.

    Args:
        width: in the units of the rows, above 0.
        single: whether exponents and exponentials have single precision, which takes half the time; sums are double.
    """

    width: float
    single: bool = False

    def suited(self, *parts: FloatArray) -> GaussianKernel:
        """Return the kernel in single precision for thousands of rows that are not far from 0.

        Rounding errs by 1e-7 a pair there, at random, so that a mean over their millions of pairs errs by some 1e-10.
        """
        farthest = max(np.einsum("nd,nd->n", rows, rows).max(initial=0.0) for rows in parts)
        many = min(len(rows) for rows in parts) >= _MANY
        return GaussianKernel(self.width, many and bool(farthest <= _NEAR * self.width**2))

    def left(self, rows: FloatArray) -> Array:
        """Return factors whose products with those on the right are exponents, (n, d + 2)."""
        scaled, half = self._halves(rows)
        return np.concatenate([scaled, half, np.ones_like(half)], axis=1)

    def right(self, rows: FloatArray) -> Array:
        """Return the factors that go with those on the left, (d + 2, n)."""
        scaled, half = self._halves(rows)
        return np.ascontiguousarray(np.concatenate([scaled, np.ones_like(half), half], axis=1).T)

    def total(self, products: Array) -> float:
        """Return the sum of the exponentials."""
        some = products.reshape(-1)[::_SOME].astype(np.float64)
        every = np.exp(products, out=products).reshape(-1)
        # Single exponentials err by some 1e-9 in the mean, too, which a small discrepancy would show: taken off.
        error = float(np.mean(every[::_SOME] - np.exp(some))) if self.single else 0.0
        return float(every.sum(dtype=np.float64)) - error * every.size

    def matrix(self, rows: FloatArray) -> FloatArray:
        """Return the kernel between all rows, (n, n)."""
        return np.asarray(np.exp(self.left(rows) @ self.right(rows)), dtype=np.float64)

    def _halves(self, rows: FloatArray) -> tuple[Array, Array]:
        scaled = np.clip(rows / self.width, -_FARTHEST, _FARTHEST)
        half = -0.5 * np.einsum("nd,nd->n", scaled, scaled)[:, None]
        return (scaled.astype(np.float32), half.astype(np.float32)) if self.single else (scaled, half)


@dataclass(frozen=True)
class CubicKernel:
    """(x . y / d + 1)^3.

    Source: Binkowski et al. 2018, section 4 (the kernel inception distance).

    Args:
        dimensions: d, of a row.
    """

    dimensions: int

    def suited(self, *parts: FloatArray) -> CubicKernel:
        """Return the kernel itself: double precision."""
        return self

    def left(self, rows: FloatArray) -> FloatArray:
        """Return the rows over d, and ones, (n, d + 1)."""
        return np.concatenate([rows / self.dimensions, np.ones((len(rows), 1))], axis=1)

    def right(self, rows: FloatArray) -> FloatArray:
        """Return the rows and ones, (d + 1, n)."""
        return np.ascontiguousarray(np.concatenate([rows, np.ones((len(rows), 1))], axis=1).T)

    def total(self, products: FloatArray) -> float:
        """Return the sum of the cubes."""
        flat = products.reshape(-1)
        return float(np.dot(flat * flat, flat))


def discrepancies(samples: Array, real: Array, kernel: Kernel) -> FloatArray:
    """Return the squared maximum mean discrepancy of each chain to the real rows, unbiased, (c,).

    The mean of k(x, x') over pairs of different samples, and that over pairs of real rows, minus twice the mean of
    k(x, y) over samples and real rows. It is 0 on average for samples of the real law, so that it may be negative.

    Source: Gretton et al. 2012, equation 3.

    Args:
        samples: (c, n, d) finite numbers, n >= 2.
        real: (m, d) finite numbers, m >= 2; their own mean is kept for the next call.
        kernel: k.
    """
    real = np.asarray(real, dtype=np.float64)
    found = np.empty(len(samples))
    for chain, rows in enumerate(np.asarray(samples, dtype=np.float64)):
        suited = kernel.suited(rows, real)
        between = _sum(suited.left(rows), suited.right(real), suited) / (len(rows) * len(real))
        found[chain] = _mean_within(rows, suited) + _real_mean(real, suited) - 2.0 * between
    return found


@kept
def _real_mean(real: FloatArray, kernel: Kernel) -> float:
    """Return the mean within the real rows; every generation of a lineage asks for the same one."""
    return _mean_within(real, kernel)


def _mean_within(rows: FloatArray, kernel: Kernel) -> float:
    """Return the mean of the kernel over pairs of different rows; each pair is computed once."""
    left, right, total = kernel.left(rows), kernel.right(rows), 0.0
    for some in slices(len(rows), ROWS):
        square = left[some] @ right[:, some]
        total -= kernel.total(np.diagonal(square).copy())
        total += kernel.total(square) + 2.0 * _sum(left[some], right[:, some.stop :], kernel)
    return total / (len(rows) * (len(rows) - 1))


def _sum(left: Array, right: Array, kernel: Kernel) -> float:
    """Return the sum of the kernel over all pairs."""
    total, room = 0.0, room_for(left, right)
    for rows in slices(len(left), ROWS):
        for columns in slices(right.shape[1], COLUMNS):
            total += kernel.total(product(left[rows], right[:, columns], room))
    return total


def median_distance(rows: Rows) -> float:
    """Return the median distance between rows of all chains together, the present ones, spread evenly over them.

    Source: Gretton et al. 2012, section 8 (the width of a Gaussian kernel: the median heuristic).

    Args:
        rows: (c, n, d); the pairs of at most 1000 of them count.
    """
    chosen = np.flatnonzero(rows.filled_weights().ravel() > 0)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _MOST)).astype(np.int64)]
    return _median_of_pairs(np.asarray(rows.values.reshape(-1, rows.values.shape[2])[chosen], dtype=np.float64))


@kept
def _median_of_pairs(values: FloatArray) -> float:
    """Return the median distance between different rows, (n, d); 0 for a single one."""
    if len(values) < 2:
        return 0.0
    values = values - values.mean(axis=0)
    squares = np.einsum("nd,nd->n", values, values)
    gaps = squares[:, None] + squares - 2.0 * (values @ values.T)
    return float(np.median(np.sqrt(np.maximum(gaps[np.tri(len(gaps), k=-1, dtype=bool)], 0.0))))
