"""Categorical, mixed: real rows join the newest symbols, or the pool is drawn from. Drift is stopped, not undone.

k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1. F is the homozygosity, the chance that two
draws are the same symbol; F0 is that of the real rows' law.
"""

from __future__ import annotations

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_kinship import Loop, moments
from dwindle.theory.matching import accumulates, is_component, replaces
from dwindle.theory.wright_fisher import drift_alone

__all__ = ["applies", "curves", "homozygosity", "limit", "limit_of_random_counts"]

_SOURCE = (
    "Malécot 1948, kinship of two rows by descent: exact; the loops of Alemohammad et al. 2023 and Kazdan et al. 2024"
)
_REGIMES = ("AccumulateSubsample", "Blend", "Fresh", "Mixture", "Web")


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is an unsmoothed categorical on symbols of known probability in a mixed regime."""
    mixed = any(is_component(conditions.regime, f"regimes.{name}") for name in _REGIMES)
    return mixed and drift_alone(conditions) and not replaces(conditions) and not accumulates(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return heterozygosity at generations 0 .. `generations`.

    It is the total variance of symbols written as unit vectors, and the recursion of second moments asks nothing else
    of the rows: that of a Gaussian serves.
    """
    even = 1.0 - float((conditions.source.probabilities()[0] ** 2).sum())
    found = moments(Loop(conditions.regime, conditions.budget), generations)
    return {"heterozygosity": Curve(even * found.variance, _SOURCE)}


def homozygosity(fits: IntArray, rows: int, fresh: float, alike: float) -> FloatArray:
    """Return E sum p^2 after k fits where a fixed number of fresh real rows joins each generation after the first.

    F_1 = F0 + (1 - F0)/M and, with a the fresh fraction of the M rows,
    F_k = [a (1 - F0) + (1 - a)(1 - F_(k-1))]/M + (1 - (1 - a)^2) F0 + (1 - a)^2 F_(k-1).

    Args:
        fits: k.
        rows: M.
        fresh: a.
        alike: F0.

    Source: derived here from the moments of a multinomial sample; Wright 1931 for migration from a continent.
    """
    fits, old = np.asarray(fits, dtype=np.int64), 1.0 - fresh
    path = [alike + (1.0 - alike) / rows]
    for _ in range(int(fits.max()) - 1):
        sampling = (fresh * (1.0 - alike) + old * (1.0 - path[-1])) / rows
        path.append(sampling + (1.0 - old**2) * alike + old**2 * path[-1])
    return np.array(path)[fits - 1]


def limit(rows: int, fresh: float, alike: float) -> float:
    """Return E sum p^2 after endlessly many fits, a fixed number of fresh rows a generation.

    {[a (1 - F0) + (1 - a)]/M + (1 - (1 - a)^2) F0} / {1 + (1 - a)/M - (1 - a)^2}; 1 where a = 0.

    Source: the fixed point of `homozygosity`.
    """
    old = 1.0 - fresh
    above = (fresh * (1.0 - alike) + old) / rows + (1.0 - old**2) * alike
    return above / (1.0 + old / rows - old**2)


def limit_of_random_counts(rows: int, fresh: float, alike: float) -> float:
    """Return E sum p^2 after endlessly many fits where each row is fresh with probability a, whatever the others are.

    {1/M + c (a^2 + 2 a (1 - a)) F0} / {1 - c (1 - a)^2}, c = 1 - 1/M: a little more drift than with a fixed number.

    Source: derived here; each row is a draw from a p_0 + (1 - a) p_(k-1), the mixture of Shumailov et al. 2024.
    """
    share, old = 1.0 - 1.0 / rows, 1.0 - fresh
    return (1.0 / rows + share * (1.0 - old**2) * alike) / (1.0 - share * old**2)
