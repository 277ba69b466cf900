"""Missing mass, replace: the real probability that a lineage of memorising models no longer covers.

A Zipf law makes the tail heavy enough to see a power law; the sums hold for symbols of any known probability. k counts
fits: k = 1 is the fit to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.matching import replaces
from dwindle.theory.wright_fisher import branching_extinction, drift_alone, extinction_of_shares

__all__ = ["applies", "curves", "exponent", "missing_mass"]

_LARGEST_CHAIN = 300
_MOST_SYMBOLS = 20_000
_SOURCE = "sum over symbols of p P(lost); Dohmatob et al. 2024, A tale of tails, for the first fit; {}"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is an unsmoothed categorical on symbols of known probability that replaces."""
    return replaces(conditions) and drift_alone(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return missing_mass and absent at generations 0 .. `generations`; exact for 300 rows or fewer."""
    fits, rows = np.arange(1, generations + 2), conditions.budget
    real = conditions.source.probabilities()[0]
    real = real[real > 0]
    exact = rows <= _LARGEST_CHAIN and len(real) <= _MOST_SYMBOLS
    lost = (extinction_of_shares if exact else branching_extinction)(real, rows, fits)
    source = _SOURCE.format("exact Wright-Fisher chain" if exact else "branching approximation")
    return {"missing_mass": Curve(lost @ real, source), "absent": Curve(lost.mean(axis=1), source)}


def missing_mass(fits: IntArray, rows: int, probabilities: FloatArray) -> FloatArray:
    """Return the expected missing mass after k fits: sum of p exp(-M p (1 - f_(k-1))), approximate, (g,).

    Grows as (k / M)^((b - 1) / b) for a Zipf law of exponent b: k fits cost what a k times smaller sample costs.

    Args:
        fits: k.
        rows: M, rows a generation.
        probabilities: (K,) p of each symbol in the real rows' law.

    Source: Dohmatob et al. 2024, arXiv 2402.07043 (k = 1); the branching approximation of the chain beyond.
    """
    return branching_extinction(probabilities, rows, fits) @ np.asarray(probabilities)


def exponent(zipf: float) -> float:
    """Return the power of M with which the missing mass of a Zipf law of exponent b > 1 falls: -(b - 1) / b.

    Source: Dohmatob et al. 2024, arXiv 2402.07043; Hutter 2021 for his memorising learner.
    """
    return -(zipf - 1.0) / zipf
