"""Linear regression, replace and accumulate: the test error grows without bound, or to pi^2/6 of the first one.

T rows a generation, d inputs of N(0, I), noise of variance s2; the error is |b - b0|^2. k counts fits: k = 1 is the fit
to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.samplers import Sampler
from dwindle.theory.matching import accumulates, is_component, replaces

__all__ = [
    "accumulate_error",
    "accumulate_error_of_fresh_inputs",
    "applies",
    "curves",
    "mixed_error",
    "replace_error",
    "unbiased_answers",
]

_REPLACE = "Gerstgrasser et al. 2024, section 2: exact, n s2 d / (T - d - 1)"
_SAME_INPUTS = "Gerstgrasser et al. 2024, Theorem 2 with its sum left open: exact for the same X in every generation"
_FRESH_INPUTS = "the accumulating loop of Gerstgrasser et al. 2024 with a fresh X in every generation: exact"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is least squares of known noise on linear rows that replaces or accumulates."""
    family, source = conditions.family, conditions.source
    if not is_component(family, "families.linear_regression.LinearRegression"):
        return False
    if not is_component(source, "sources.linear.Linear"):
        return False
    known = family.ridge == 0 and family.noise == source.noise
    enough = conditions.budget > source.dimensions + 1  # with fewer rows the expected error is infinite
    return known and enough and unbiased_answers(conditions) and (replaces(conditions) or accumulates(conditions))


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return parameter_error at generations 0 .. `generations`."""
    fits, rows, source = np.arange(1, generations + 2), conditions.budget, conditions.source
    if replaces(conditions):
        curve = Curve(replace_error(fits, rows, source.dimensions, source.noise), _REPLACE)
    elif conditions.sampler.prompts == "anchor":
        curve = Curve(accumulate_error(fits, rows, source.dimensions, source.noise), _SAME_INPUTS)
    else:
        errors = accumulate_error_of_fresh_inputs(fits, rows, source.dimensions, source.noise)
        curve = Curve(errors, _FRESH_INPUTS)
    return {"parameter_error": curve}


def unbiased_answers(conditions: Conditions) -> bool:
    """Say whether the model as it is answers new inputs or those of the anchor, and all its answers are kept."""
    kept = all(is_component(curator, "curators.keep_all.KeepAll") for curator in conditions.curators)
    return kept and replace(conditions.sampler, prompts="none") == Sampler()


def replace_error(fits: IntArray, rows: int, dimensions: int, noise: float) -> FloatArray:
    """Return the expected error after k fits, each to rows of the one before: k s2 d / (T - d - 1), same or fresh X.

    Args:
        fits: k.
        rows: T, above d + 1.
        dimensions: d.
        noise: s, the standard deviation of a response.

    Source: Gerstgrasser et al. 2024, section 2, E_test of replacing; Dohmatob et al. 2024, arXiv 2402.07712 (the error
        is linear in the number of generations). s2 E[tr (X'X)^-1] by the mean of the inverse Wishart law.
    """
    return np.asarray(np.asarray(fits, dtype=np.float64) * noise**2 * dimensions / (rows - dimensions - 1))


def accumulate_error(fits: IntArray, rows: int, dimensions: int, noise: float) -> FloatArray:
    """Return the expected error after k fits to all rows so far, the same X each time: sum of 1/i^2 for i <= k.

    In units of the first error, hence at most pi^2/6 of it; arguments as in `replace_error`.

    Source: Gerstgrasser et al. 2024, Theorem 2.
    """
    fits = np.asarray(fits, dtype=np.int64)
    steps = 1.0 / np.arange(1, int(fits.max()) + 1) ** 2.0
    return np.asarray(replace_error(np.array(1), rows, dimensions, noise) * np.cumsum(steps)[fits - 1])


def accumulate_error_of_fresh_inputs(fits: IntArray, rows: int, dimensions: int, noise: float) -> FloatArray:
    """Return the expected error after k fits to all rows so far, a fresh X each time.

    s2 d times the sum over i = 1..k of 1 / (i (i T - d - 1)): less than with the same X, and the same for many rows.
    Arguments as in `replace_error`.

    Source: derived here. Fit i moves b by (X'X)^-1 X_i'e_i, X all inputs so far; its i blocks share tr (X'X)^-1 evenly.
    """
    fits = np.asarray(fits, dtype=np.int64)
    i = np.arange(1, int(fits.max()) + 1)
    steps = 1.0 / (i * (i * rows - dimensions - 1))
    return np.asarray(noise**2 * dimensions * np.cumsum(steps)[fits - 1])


def mixed_error(rows: IntArray, dimensions: int, noise: float, ratio: float, shift: float) -> FloatArray:
    """Return the expected error of one fit to rows of which a share has responses from shifted coefficients.

    d s2 / (n - d - 1) + p^2 c^2 + p (1 - p) c^2 d / n: the plateau p^2 c^2 stays however many rows there are. The last
    term is to first order in d / n.

    Args:
        rows: n, all rows.
        dimensions: d.
        noise: s, the standard deviation of a response.
        ratio: p, synthetic rows over all rows.
        shift: c, distance between the coefficients of synthetic and of real rows.

    Source: the setting of Dohmatob et al. 2025, Strong model collapse, arXiv 2410.04840; least squares derived here.
    """
    rows = np.asarray(rows, dtype=np.float64)
    scatter = dimensions * noise**2 / (rows - dimensions - 1)
    plateau = (ratio * shift) ** 2
    return np.asarray(scatter + plateau + ratio * (1.0 - ratio) * shift**2 * dimensions / rows)
