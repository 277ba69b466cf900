"""Many rows: the error of any regular estimator grows by the same factors, whatever the model.

n rows a generation, many of them; the error is that of the coefficients, in units of the first fit's. k counts fits:
k = 1 is the fit to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.linear_regression import unbiased_answers
from dwindle.theory.matching import accumulates, is_component, replaces

__all__ = [
    "accumulate_ratio",
    "applies",
    "curves",
    "limit",
    "logistic_error",
    "replace_ratio",
    "subsample_ratio",
]

_SOURCE = (
    "asymptotic: Dey and Donoho 2024, arXiv 2410.22812, times the inverse Fisher information of logistic regression"
)
_DRIFT = 0.1  # expected error, log-odds^2, up to which the information at the true coefficients is that of the fitted
_RIDGE = 1e-3  # ridge over one standard error of the mean score, below which it is not seen


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is logistic regression on many logistic rows, in a workflow whose factor is known."""
    family, source = conditions.family, conditions.source
    if not is_component(family, "families.logistic_regression.LogisticRegression") or family.labels != "drawn":
        return False
    if not is_component(source, "sources.logistic.Logistic") or not unbiased_answers(conditions):
        return False
    if family.ridge * math.sqrt(conditions.budget) > _RIDGE:
        return False
    known = replaces(conditions) or accumulates(conditions) or _subsamples(conditions)
    return known and logistic_error(conditions.budget, source.dimensions, source.norm) <= _DRIFT


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return parameter_error at generations 0 .. `generations`, asymptotic.

    Theory is silent, nan, where the expected error is so large that the coefficients have left the place for which the
    information was computed.
    """
    fits = np.arange(1, generations + 2)
    if replaces(conditions):
        ratio = replace_ratio(fits)
    elif accumulates(conditions):
        ratio = accumulate_ratio(fits)
    else:
        ratio = subsample_ratio(fits, replacement=conditions.regime.replacement)
    source = conditions.source
    errors = ratio * logistic_error(conditions.budget, source.dimensions, source.norm)
    return {"parameter_error": Curve(np.where(errors <= _DRIFT, errors, np.nan), _SOURCE)}


def replace_ratio(fits: IntArray) -> FloatArray:
    """Return the error after k fits, each to n rows of the one before, over the first: k.

    Source: Dey and Donoho 2024, arXiv 2410.22812, the discard workflow.
    """
    return np.asarray(fits, dtype=np.float64)


def accumulate_ratio(fits: IntArray) -> FloatArray:
    """Return the error after k fits to all rows so far over the first: sum of 1/i^2 for i <= k, at most pi^2/6.

    Source: Dey and Donoho 2024, arXiv 2410.22812, the augment workflow.
    """
    fits = np.asarray(fits, dtype=np.int64)
    return np.asarray(np.cumsum(1.0 / np.arange(1, int(fits.max()) + 1) ** 2.0)[fits - 1])


def subsample_ratio(fits: IntArray, *, replacement: bool, first_drawn: bool = False) -> FloatArray:
    """Return the error after k fits to n rows drawn from all k n so far, over that of a fit to n real rows.

    The rows so far have the error v_k, v_1 = 1; the draw adds u_k, which is 1 - 1/k without replacement and 1 with; the
    rows of a model that strays by u_k from them leave v_(k+1) = v_k + (1 + u_k) / (k + 1)^2. The fit has v_k + u_k.

    Args:
        fits: k.
        replacement: whether the n rows are drawn with replacement.
        first_drawn: whether the first fit, too, has a draw with replacement in place of its n rows as they are; a
            lineage's generation 0 has not.

    Source: derived here, for the augment-subsample workflow of Dey and Donoho 2024, arXiv 2410.22812.
    """
    fits = np.asarray(fits, dtype=np.int64)
    k = np.arange(1, int(fits.max()) + 1)
    drawn = np.ones(len(k)) if replacement else 1.0 - 1.0 / k
    if replacement and not first_drawn:
        drawn[0] = 0.0
    pool = np.concatenate([[1.0], 1.0 + np.cumsum((1.0 + drawn[:-1]) / (k[:-1] + 1.0) ** 2)])
    return np.asarray((pool + drawn)[fits - 1])


def limit(*, replacement: bool, first_drawn: bool = False) -> float:
    """Return what `subsample_ratio` tends to: pi^2/2 - 2 without replacement, pi^2/3 - 1/4 with.

    pi^2/3 where the first fit, too, has a draw with replacement.

    Source: derived here by summing the recursion of `subsample_ratio`.
    """
    if not replacement:
        return math.pi**2 / 2 - 2.0
    return math.pi**2 / 3 - (0.0 if first_drawn else 0.25)


def logistic_error(rows: int, dimensions: int, norm: float) -> float:
    """Return the expected squared error of the coefficients of one logistic fit, asymptotic: tr I^-1 / n.

    For inputs of N(0, I) the information I is E[p (1 - p) z^2] along b and E[p (1 - p)] across it, p = 1 / (1 +
    exp(-|b| z)) and z standard normal.

    Args:
        rows: n.
        dimensions: d.
        norm: |b|.

    Source: Fisher's information of the logistic model, McCullagh and Nelder 1989, section 4.4; by quadrature.
    """
    from scipy.integrate import quad

    def density(z: float, power: int) -> float:
        tail = math.exp(-norm * abs(z))  # p (1 - p) = tail / (1 + tail)^2
        return z**power * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * tail / (1 + tail) ** 2

    across, along = (2 * quad(density, 0.0, np.inf, args=(power,))[0] for power in (0, 2))
    return float(((dimensions - 1) / across + 1 / along) / rows)


def _subsamples(conditions: Conditions) -> bool:
    return is_component(conditions.regime, "regimes.AccumulateSubsample")
