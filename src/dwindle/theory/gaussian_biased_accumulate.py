"""Gaussian, accumulate with a biased sampler: what cures the noise of sampling does not cure its bias.

lambda, the spread, is the variance of what is sampled over that of what was fitted. k counts fits: k = 1 is the fit to
real rows, generation t is fit k = t + 1 on k n rows.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_accumulate import divisors, refits
from dwindle.theory.gaussian_kinship import moment_curves
from dwindle.theory.gaussian_refits import trajectory
from dwindle.theory.matching import accumulates, gaussian, spread_alone, unbiased

__all__ = ["applies", "curves", "variance"]

_SOURCE = "the accumulating loop of Alemohammad et al. 2023 with sampling bias, exact for Gaussians, derived"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a Gaussian on Gaussian rows that accumulates, with another spread than its own."""
    return accumulates(conditions) and gaussian(conditions) and spread_alone(conditions) and not unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any number of dimensions.

    How far chains scatter is known only where all sampled rows are normal and no more are sampled than asked for.
    """
    rows, ddof, sampler = conditions.budget, int(conditions.family.ddof), conditions.sampler
    if sampler.top_p < 1.0 or sampler.oversample > 1.0:
        return moment_curves(conditions, generations, _SOURCE)
    path = trajectory(refits(generations + 1, rows, ddof, sampler.variance_factor), conditions.source.covariance()[0])
    divisor = divisors(np.arange(1, generations + 2), rows, ddof)
    return {
        "variance": Curve(divisor * path.variance, _SOURCE, divisor * path.variance_deviation),
        "mean_error": Curve(path.mean_error, _SOURCE, path.mean_error_deviation),
    }


def variance(fits: IntArray, spread: float) -> FloatArray:
    """Return the expected variance after k fits for many rows: Gamma(k + lambda) / (Gamma(1 + lambda) Gamma(k + 1)).

    It falls as k^-(1 - lambda) / Gamma(1 + lambda), to nothing for any lambda below 1.

    Source: derived here: fit i + 1 multiplies the variance of the pool by (i + lambda) / (i + 1).
    """
    from scipy.special import gammaln

    fits = np.asarray(fits, dtype=np.float64)
    return np.asarray(np.exp(gammaln(fits + spread) - gammaln(1.0 + spread) - gammaln(fits + 1.0)))
