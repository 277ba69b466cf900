"""Gaussian, replace: each generation is fitted to n rows of the one before. The variance dies, the mean walks off.

With unit true variance the variance after k fits is a product of k independent chi-squared laws over their divisor: the
law is known, not only its mean. k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_refits import Refit, trajectory
from dwindle.theory.matching import is_component, replaces, unbiased

__all__ = [
    "applies",
    "curves",
    "deviation",
    "log_variance",
    "log_variance_deviation",
    "mean_error",
    "variance",
    "wasserstein",
]

_SOURCE = "Shumailov et al. 2024, Theorem 3.1 and its supplement, exact for every k: product of chi-squared laws"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a Gaussian on Gaussian rows that replaces, with nothing else at work."""
    gaussian = is_component(conditions.family, "families.gaussian.Gaussian")
    known = is_component(conditions.source, "sources.gaussian.Gaussian")
    return gaussian and known and replaces(conditions) and unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance, mean_error and, where n > d, log_variance at generations 0 .. `generations`."""
    rows, ddof = conditions.budget, int(conditions.family.ddof)
    covariance = conditions.source.covariance()[0]
    fits, dimensions = np.arange(1, generations + 2), len(covariance)
    refit = Refit(kept=0.0, spread=1 / (rows - ddof), freedom=rows - 1, between=0.0, step=1 / rows)
    path = trajectory([refit] * len(fits), covariance)
    scale = float(np.trace(covariance)) / dimensions
    found = {
        "variance": Curve(scale * variance(fits, rows, ddof), _SOURCE, path.variance_deviation),
        "mean_error": Curve(scale * mean_error(fits, rows, ddof), _SOURCE, path.mean_error_deviation),
    }
    if dimensions == 1:
        found["wasserstein"] = Curve(scale * wasserstein(fits, rows, ddof), _SOURCE)
    if rows > dimensions and scale > 0:
        logs = log_variance(fits, rows, ddof, dimensions)
        found["log_variance"] = Curve(logs, _SOURCE, log_variance_deviation(fits, rows, dimensions))
    return found


def variance(fits: IntArray, rows: int, ddof: int) -> FloatArray:
    """Return the expected variance after k fits, relative to the true one: (1 - 1/n)^k for ddof 0, 1 for ddof 1.

    With ddof 1 the mean stays at 1 though every chain dies: it is carried by ever fewer chains.

    Source: Shumailov et al. 2024, Theorem 3.1 (ddof 1); ddof 0 by the same independence of the generations.
    """
    return ((rows - 1) / (rows - ddof)) ** np.asarray(fits, dtype=np.float64)


def mean_error(fits: IntArray, rows: int, ddof: int) -> FloatArray:
    """Return the expected squared error of the mean after k fits, relative to the true variance.

    1 - (1 - 1/n)^k for ddof 0, what the variance has lost; k/n for ddof 1.

    Source: the supplement of Shumailov et al. 2024 (to first order in 1/n); exact as the sum of the expected steps.
    """
    return 1.0 - variance(fits, rows, 0) if ddof == 0 else np.asarray(fits, dtype=np.float64) / rows


def log_variance(fits: IntArray, rows: int, ddof: int, dimensions: int = 1) -> FloatArray:
    """Return the expected log det(S S0^-1) / d after k fits, nats; finite for n > d.

    k [sum over i = 1..d of psi((n - i) / 2) + d log(2 / (n - ddof))] / d.

    Source: the determinant of a Wishart matrix is a product of chi-squared laws, Muirhead 1982, section 3.2.
    """
    from scipy.special import digamma

    halves = (rows - np.arange(1, dimensions + 1)) / 2
    return np.asarray(fits * float(digamma(halves).mean() + math.log(2 / (rows - ddof))), dtype=np.float64)


def log_variance_deviation(fits: IntArray, rows: int, dimensions: int = 1) -> FloatArray:
    """Return the standard deviation over chains of log det(S S0^-1) / d after k fits, nats; the same for either ddof.

    sqrt(k sum over i = 1..d of psi'((n - i) / 2)) / d.

    Source: as `log_variance`.
    """
    from scipy.special import polygamma

    halves = (rows - np.arange(1, dimensions + 1)) / 2
    return np.asarray(np.sqrt(fits * float(polygamma(1, halves).sum())) / dimensions, dtype=np.float64)


def deviation(fits: IntArray, rows: int, ddof: int) -> FloatArray:
    """Return the expected standard deviation of the model after k fits in one dimension, relative to the true one.

    (sqrt(2 / (n - ddof)) Gamma(n / 2) / Gamma((n - 1) / 2))^k: below 1 for either ddof, so every chain dies.

    Source: the mean of the chi law; with Markov's inequality it gives a bound of Suresh et al. 2024, arXiv 2412.17646.
    """
    log_factor = math.lgamma(rows / 2) - math.lgamma((rows - 1) / 2) + 0.5 * math.log(2 / (rows - ddof))
    return np.asarray(np.exp(fits * log_factor), dtype=np.float64)


def wasserstein(fits: IntArray, rows: int, ddof: int) -> FloatArray:
    """Return the expected squared 2-Wasserstein distance to the truth after k fits, one dimension, in true variances.

    E[(m - mu)^2] + E[S] - 2 E[sqrt S] + 1: at most 2 for ddof 0, without bound for ddof 1.

    Source: the risk of Shumailov et al. 2024, Theorem 3.1, whose supplement has 3 k / (2 n) for small k.
    """
    return mean_error(fits, rows, ddof) + variance(fits, rows, ddof) + 1.0 - 2.0 * deviation(fits, rows, ddof)
