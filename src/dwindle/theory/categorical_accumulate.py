"""Categorical, accumulate: symbols are counted over the anchor and all synthetic rows so far. None is lost any more.

n rows a generation; k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1 on k n rows.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_accumulate import variance
from dwindle.theory.matching import accumulates
from dwindle.theory.wright_fisher import drift_alone

__all__ = ["applies", "curves", "heterozygosity"]

_DRIFT = "the accumulating loop of Gerstgrasser et al. 2024, exact for symbols: H0 times the product of (1 - 1/(n i^2))"
_FIRST = "the anchor never leaves the pool, so what the first fit has seen is all there ever is: exact"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is an unsmoothed categorical on symbols of known probability that accumulates."""
    return accumulates(conditions) and drift_alone(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return heterozygosity, support, missing_mass and absent at generations 0 .. `generations`, all exact."""
    fits, rows = np.arange(1, generations + 2), conditions.budget
    real = conditions.source.probabilities()[0]
    real = real[real > 0]
    unseen = (1.0 - real) ** rows
    flat = np.ones(len(fits))
    return {
        "heterozygosity": Curve(heterozygosity(fits, rows, 1.0 - float(real @ real)), _DRIFT),
        "support": Curve(flat * (1.0 - unseen).sum(), _FIRST),
        "missing_mass": Curve(flat * (real @ unseen), _FIRST),
        "absent": Curve(flat * unseen.mean(), _FIRST),
    }


def heterozygosity(fits: IntArray, rows: int, even: float) -> FloatArray:
    """Return the expected chance that two draws differ after k fits: H0 prod over i = 1..k of (1 - 1/(n i^2)), exact.

    Heterozygosity is the total variance of symbols written as unit vectors, so it goes the way of a Gaussian variance.

    Args:
        fits: k.
        rows: n, rows a generation.
        even: H0, that of the real rows' law.

    Source: derived here, from the conditional mean and variance of a multinomial sample; the limit is H0 times
        `gaussian_accumulate.limit`.
    """
    return even * variance(fits, rows)
