"""Gaussian, accumulate: each generation is fitted to the anchor and all synthetic rows so far. Something is left.

n rows a generation; k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1 on k n rows.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_refits import Refit, trajectory
from dwindle.theory.matching import accumulates, is_component, unbiased

__all__ = ["applies", "curves", "divisors", "limit", "mean_error", "refits", "variance"]

_SOURCE = (
    "the accumulating loop of Gerstgrasser et al. 2024, exact for Gaussians: product of (1 - 1/(n i^2)) for ddof 0"
)


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a Gaussian on Gaussian rows that accumulates, with nothing else at work."""
    gaussian = is_component(conditions.family, "families.gaussian.Gaussian")
    known = is_component(conditions.source, "sources.gaussian.Gaussian")
    return gaussian and known and accumulates(conditions) and unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any number of dimensions."""
    rows, ddof = conditions.budget, int(conditions.family.ddof)
    steps = refits(generations + 1, rows, ddof)
    path = trajectory(steps, conditions.source.covariance()[0])
    divisor = divisors(np.arange(1, generations + 2), rows, ddof)
    return {
        "variance": Curve(divisor * path.variance, _SOURCE, divisor * path.variance_deviation),
        "mean_error": Curve(path.mean_error, _SOURCE, path.mean_error_deviation),
    }


def refits(count: int, rows: int, ddof: int, spread: float = 1.0) -> list[Refit]:
    """Return what happens to mean and maximum-likelihood variance of the pool when a generation's rows join it.

    From i n to (i + 1) n rows: i/(i+1) of the variance stays, the new rows bring u/(n (i+1)) of a Wishart matrix of
    n - 1 degrees, and their mean brings i u/(n (i+1)^2), u the variance of what is sampled over that of the pool.

    Args:
        count: how many fits.
        rows: n, rows a generation.
        ddof: what is taken from the divisor of the variance.
        spread: variance of what is sampled over that of the model.

    Source: derived here; the decomposition of variance within and between two samples.
    """
    steps = []
    for i in range(count):
        sampled = spread * float(divisors(np.array([i]), rows, ddof)[0]) if i else 1.0
        share = sampled / (rows * (i + 1))
        steps.append(Refit(i / (i + 1), share, rows - 1, between=share * i / (i + 1), step=share / (i + 1)))
    return steps


def variance(fits: IntArray, rows: int, ddof: int = 0) -> FloatArray:
    """Return the expected variance after k fits, relative to the true one.

    For ddof 0 the product over i = 1..k of 1 - 1/(n i^2).

    Source: derived here by `refits`; for ddof 0 the same product as the heterozygosity of accumulated symbols.
    """
    fits = np.asarray(fits, dtype=np.int64)
    growth = np.cumprod([refit.growth for refit in refits(int(fits.max()), rows, ddof)])
    return divisors(fits, rows, ddof) * growth[fits - 1]


def mean_error(fits: IntArray, rows: int, ddof: int = 0) -> FloatArray:
    """Return the expected squared error of the mean after k fits, relative to the true variance.

    For ddof 0 it is what the variance has lost, 1 - `variance`.

    Source: derived here by `refits`.
    """
    fits = np.asarray(fits, dtype=np.int64)
    steps = refits(int(fits.max()), rows, ddof)
    before = np.cumprod([1.0] + [refit.growth for refit in steps[:-1]])
    return np.cumsum([refit.step for refit in steps] * before)[fits - 1]


def limit(rows: int) -> float:
    """Return the expected variance after endlessly many fits for ddof 0: sin(pi / sqrt n) / (pi / sqrt n).

    Source: Euler's product of the sine; to first order 1 - pi^2 / (6 n), the constant of Gerstgrasser et al. 2024.
    """
    angle = math.pi / math.sqrt(rows)
    return math.sin(angle) / angle


def divisors(fits: IntArray, rows: int, ddof: int) -> FloatArray:
    """Return the fitted variance over the maximum-likelihood one, k n / (k n - ddof)."""
    return np.asarray(fits * rows / (fits * rows - ddof), dtype=np.float64)
