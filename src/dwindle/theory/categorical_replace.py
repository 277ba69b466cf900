"""Categorical, replace: symbols drift like the variants of a gene in a population of M, and are lost for good.

k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray, Probabilities
from dwindle.theory.matching import is_component, replaces, unbiased

__all__ = ["applies", "curves", "extinction", "heterozygosity", "support"]


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is an unsmoothed categorical on symbols of known probability that replaces."""
    categorical = is_component(conditions.family, "families.categorical.Categorical")
    known = isinstance(conditions.source, Probabilities)
    return categorical and conditions.family.smoothing == 0 and known and replaces(conditions) and unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return heterozygosity, exact, and support, approximate, at generations 0 .. `generations`."""
    fits = np.arange(1, generations + 2)
    probabilities = conditions.source.probabilities()[0]
    even = 1.0 - float(probabilities @ probabilities)
    exact = "Wright 1931, drift without selection: exact; replace as in Seddik et al. 2024"
    approximate = "branching approximation of Wright-Fisher extinction, for rare symbols; Suresh et al. 2024"
    return {
        "heterozygosity": Curve(heterozygosity(fits, conditions.budget, even), exact),
        "support": Curve(support(fits, conditions.budget, probabilities), approximate),
    }


def heterozygosity(fits: IntArray, rows: int, even: float) -> FloatArray:
    """Return the expected chance that two draws differ after k fits: (1 - 1/M)^k H0, exact.

    Args:
        fits: k.
        rows: M, rows a generation.
        even: H0, that of the real rows' law.

    Source: Wright 1931 for a haploid population; (1 - 1/M)^k is the rate of Seddik et al. 2024, arXiv 2404.05090.
    """
    return np.asarray(even * (1.0 - 1.0 / rows) ** np.asarray(fits, dtype=np.float64))


def extinction(generations: int) -> FloatArray:
    """Return the chance that the line of one row has ended after 0 .. `generations` generations.

    f_0 = 0, f_(j+1) = exp(f_j - 1): each row leaves a Poisson number of copies of mean 1.

    Source: Galton and Watson 1875; Fisher 1930 for a mutant without advantage.
    """
    ended = [0.0]
    for _ in range(generations):
        ended.append(math.exp(ended[-1] - 1.0))
    return np.array(ended)


def support(fits: IntArray, rows: int, probabilities: FloatArray) -> FloatArray:
    """Return the expected number of symbols alive after k fits: sum of 1 - exp(-M p (1 - f_(k-1))), approximate.

    Lines of rows are taken for independent, which holds for symbols that are rare; common ones are alive either way
    until k is near M.

    Args:
        fits: k.
        rows: M, rows a generation.
        probabilities: (K,) p of each symbol in the real rows' law.

    Source: the branching approximation of the Wright-Fisher chain; Suresh et al. 2024, arXiv 2412.17646, bound it.
    """
    fits = np.asarray(fits, dtype=np.int64)
    lasting = 1.0 - extinction(int(fits.max()) - 1)
    return np.array([-np.expm1(-rows * probabilities * lasting[k - 1]).sum() for k in fits])
