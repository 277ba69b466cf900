"""The Wright-Fisher chain: when a symbol that is refitted to its own samples is lost, and when one is left.

Arithmetic that the closed forms of symbols share. M rows a generation; k counts fits: k = 1 is the fit to real rows.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, FloatArray, IntArray, Probabilities
from dwindle.theory.categorical_replace import extinction, heterozygosity
from dwindle.theory.matching import is_component, unbiased

__all__ = [
    "branching_extinction",
    "drift_alone",
    "extinction_of_shares",
    "identity_error",
    "time_to_one_symbol",
]


def drift_alone(conditions: Conditions) -> bool:
    """Say whether symbols of known probability are counted and sampled as counted, so that only chance moves them."""
    family, known = conditions.family, isinstance(conditions.source, Probabilities)
    counted = is_component(family, "families.categorical.Categorical") and family.smoothing == 0
    return counted and known and unbiased(conditions)


def extinction_of_shares(probabilities: FloatArray, rows: int, fits: IntArray) -> FloatArray:
    """Return the chance that a symbol is lost after k fits, exact, (g, K).

    A symbol with j of M rows has a binomial number of the next M, whatever the others do; the chain of these numbers
    is followed to its state 0. It holds M^2 numbers: thousands of rows are many.

    Args:
        probabilities: (K,) p of each symbol in the real rows' law.
        rows: M.
        fits: (g,) k, 1 or more.

    Source: Wright 1931, Fisher 1930; the absorbing Markov chain of Shumailov et al. 2024, discrete case.
    """
    from scipy.stats import binom

    fits, states = np.asarray(fits, dtype=np.int64), np.arange(rows + 1)
    step = binom.pmf(states[None], rows, states[:, None] / rows)
    lost = [(states == 0).astype(np.float64)]
    for _ in range(int(fits.max()) - 1):
        lost.append(step @ lost[-1])
    first = binom.pmf(states[None], rows, np.asarray(probabilities)[:, None])
    return np.asarray((first @ np.array(lost)[fits - 1].T).T)


def branching_extinction(probabilities: FloatArray, rows: int, fits: IntArray) -> FloatArray:
    """Return the chance that a symbol is lost after k fits, approximate, (g, K): exp(-M p (1 - f_(k-1))).

    The lines of a symbol's rows are taken for independent, which holds while the symbol is rare. A minority of 2 % of
    500 rows is lost after 30 fits with chance .53.

    Args:
        probabilities: (K,) p of each symbol in the real rows' law.
        rows: M.
        fits: (g,) k, 1 or more.

    Source: the critical branching process of Galton and Watson 1875; Suresh et al. 2024, arXiv 2412.17646, bound it.
    """
    fits = np.asarray(fits, dtype=np.int64)
    lasting = 1.0 - extinction(int(fits.max()) - 1)[fits - 1]
    return np.exp(-rows * lasting[:, None] * np.asarray(probabilities)[None])


def time_to_one_symbol(probabilities: FloatArray, rows: int) -> float:
    """Return the mean number of fits until one symbol is left: -2 M sum of (1 - p) log(1 - p), for large M.

    Two symbols: -2 M [p log p + (1 - p) log(1 - p)]. A great many rare ones: 2 M.

    Args:
        probabilities: (K,) p of each symbol, summing to 1.
        rows: M.

    Source: the diffusion limit of Kimura and Ohta 1969 (a symbol against all others), summed over the one that is left.
    """
    others = 1.0 - np.asarray(probabilities, dtype=np.float64)
    others = others[others > 0]
    return float(-2.0 * rows * (others * np.log(others)).sum())


def identity_error(fits: IntArray, rows: int, even: float) -> FloatArray:
    """Return the expected squared distance |p_k - p_0|^2 after k fits: H0 (1 - (1 - 1/M)^k), exact.

    It is what the heterozygosity has lost, since no symbol gains or loses on average.

    Args:
        fits: k.
        rows: M.
        even: H0, heterozygosity of the real rows' law.

    Source: Wright 1931.
    """
    return even - heterozygosity(fits, rows, even)
