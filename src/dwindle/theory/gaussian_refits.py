"""Exact means and variances along a chain of Gaussian refits: arithmetic that the Gaussian closed forms share.

A refit takes the covariance V of a chain's rows so far and the error m of their mean to

    V' = kept V + V^(1/2) (spread W + between z z') V^(1/2),    m' = m + sqrt(step) V^(1/2) z,

W a Wishart matrix of `freedom` degrees, z a standard normal vector. The expectations of tr V and |m|^2, and of their
second moments, are then linear recursions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.contracts import FloatArray

__all__ = ["Refit", "Trajectory", "trajectory"]


@dataclass(frozen=True)
class Refit:
    """The coefficients of one refit.

    Args:
        kept: share of the old covariance that stays.
        spread: factor of the Wishart matrix.
        freedom: its degrees of freedom.
        between: factor of z z'.
        step: variance of the step of the mean, relative to V.
    """

    kept: float
    spread: float
    freedom: int
    between: float
    step: float

    @property
    def growth(self) -> float:
        """Expected factor of V."""
        return self.kept + self.spread * self.freedom + self.between


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Means and standard deviations over chains after each refit, averaged over dimensions; arrays (g,).

    Args:
        variance: expectation of tr V / d.
        variance_deviation: its standard deviation over chains.
        mean_error: expectation of |m|^2 / d.
        mean_error_deviation: its standard deviation over chains.
    """

    variance: FloatArray
    variance_deviation: FloatArray
    mean_error: FloatArray
    mean_error_deviation: FloatArray


def trajectory(refits: Sequence[Refit], covariance: FloatArray) -> Trajectory:
    """Return what the refits make of rows drawn from a Gaussian.

    Args:
        refits: one after another.
        covariance: (d, d) true covariance of the real rows.

    Source: derived here from the second moments of a Wishart matrix, E[W A W] = v^2 S A S + v (S A S + S tr(A S)) for
        W of v degrees with scale S and symmetric A; Muirhead 1982, chapter 3.
    """
    first = np.array([np.trace(covariance), 0.0])
    second = np.array([first[0] ** 2, np.trace(covariance @ covariance), 0.0, 0.0, 0.0])
    means, squares = [], []
    for refit in refits:
        first, second = _first(refit) @ first, _second(refit) @ second
        means.append(first)
        squares.append(second[[0, 2]])
    dimensions = len(covariance)
    mean = np.array(means) / dimensions
    deviation = np.sqrt(np.maximum(np.array(squares) / dimensions**2 - mean**2, 0.0))
    return Trajectory(mean[:, 0], deviation[:, 0], mean[:, 1], deviation[:, 1])


def _first(refit: Refit) -> FloatArray:
    """Return the matrix that takes E[tr V, |m|^2] to those after a refit."""
    return np.array([[refit.growth, 0.0], [refit.step, 1.0]])


def _second(refit: Refit) -> FloatArray:
    """Return the matrix that takes E[(tr V)^2, tr V^2, |m|^4, |m|^2 tr V, m'Vm] to those after a refit."""
    growth, step = refit.growth, refit.step
    noise = refit.spread**2 * refit.freedom + refit.between**2
    own = step * (growth - refit.between)
    both = step * refit.between
    return np.array(
        [
            [growth**2, 2 * noise, 0, 0, 0],
            [noise, growth**2 + noise, 0, 0, 0],
            [step**2, 2 * step**2, 1, 2 * step, 4 * step],
            [own + both, 2 * both, 0, growth, 0],
            [both, own + 2 * both, 0, 0, growth],
        ]
    )
