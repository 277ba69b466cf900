"""Gaussian, accumulate-subsample: a budget-sized draw of all rows so far trains each generation. The loss is bounded.

n rows a generation; k counts fits: k = 1 is the fit to the n real rows, all of them; fit k > 1 is to n out of k n rows,
drawn with or without replacement, which are two different loops.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.regimes import AccumulateSubsample
from dwindle.theory.gaussian_kinship import Loop, Moments, moment_curves, moments
from dwindle.theory.matching import gaussian, is_component, spread_alone

__all__ = ["applies", "curves", "mean_error", "variance"]

_SOURCE = "accumulate-subsample of Kazdan et al. 2024, exact for Gaussians by the kinship of rows"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a Gaussian on Gaussian rows that accumulates and subsamples, at any spread."""
    subsamples = is_component(conditions.regime, "regimes.AccumulateSubsample")
    return subsamples and gaussian(conditions) and spread_alone(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any number of dimensions."""
    return moment_curves(conditions, generations, _SOURCE)


def variance(fits: IntArray, rows: int, ddof: int = 0, *, replacement: bool = False) -> FloatArray:
    """Return the expected variance after k fits, relative to the true one; about prod of 1 - 3/(n k^2) for ddof 0.

    Source: derived here, see `gaussian_kinship.moments`.
    """
    return _after(fits, rows, ddof, replacement).variance[np.asarray(fits) - 1]


def mean_error(fits: IntArray, rows: int, ddof: int = 0, *, replacement: bool = False) -> FloatArray:
    """Return the expected squared error of the mean after k fits, relative to the true variance.

    For ddof 0 it is what the variance has lost, 1 - `variance`; for many rows `universality.subsample_ratio` over n.

    Source: derived here, see `gaussian_kinship.moments`.
    """
    return _after(fits, rows, ddof, replacement).mean_error[np.asarray(fits) - 1]


def _after(fits: IntArray, rows: int, ddof: int, replacement: bool) -> Moments:
    return moments(Loop(AccumulateSubsample(replacement), rows, ddof), int(np.max(fits)) - 1)
