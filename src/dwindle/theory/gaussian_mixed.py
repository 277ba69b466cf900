"""Gaussian, real rows mixed in: they set a floor to the variance and a ceiling to the drift of the mean.

The curves are exact for fresh, replayed and fixed real rows, at any ratio, weight, window, growth and schedule, and for
replacement at any spread of the sampler. The limits below them say where they end; a is the real share of M rows.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.gaussian_kinship import moment_curves
from dwindle.theory.matching import gaussian, is_component, replaces, spread_alone, unbiased

__all__ = [
    "applies",
    "best_weight",
    "curves",
    "effective_real_rows",
    "fresh_limit",
    "grown_mean_error",
    "mad_floor",
    "mad_variance",
    "replayed_limit",
    "weighted_limit",
]

_SOURCE = "loops of Alemohammad et al. 2023, Shumailov et al. 2024 and He et al. 2025, exact by the kinship of rows"
_REGIMES = ("Blend", "Fresh", "Mixture", "Replace", "Web")


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a Gaussian on Gaussian rows that mixes or replaces, at any spread.

    Plain replacement is left to `gaussian_replace`, which knows more of it.
    """
    mixes = any(is_component(conditions.regime, f"regimes.{name}") for name in _REGIMES)
    plain = replaces(conditions) and unbiased(conditions)
    return mixes and not plain and gaussian(conditions) and spread_alone(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any number of dimensions."""
    return moment_curves(conditions, generations, _SOURCE)


def fresh_limit(real_share: float, rows: int) -> float:
    """Return the squared error of the mean that fresh real rows end at, relative to the true variance, for ddof 0.

    V = (1/M) / (1 - (1-a)^2 + (1-a)/M); the variance ends at 1 - V.

    Source: derived here; the fresh data loop of Alemohammad et al. 2023.
    """
    old = 1.0 - real_share
    return (1.0 / rows) / (1.0 - old**2 + old / rows)


def replayed_limit(real_share: float, rows: int) -> float:
    """Return the squared error of the mean that the same a M real rows in every generation end at, for ddof 0.

    V = [(1 - (1-a)^2) / (a M) + (1-a)/M] / (1 - (1-a)^2 + (1-a)/M), more than the 1/(a M) of the real rows alone; the
    variance ends at 1 - V.

    Source: derived here; the synthetic augmentation loop of Alemohammad et al. 2023.
    """
    old = 1.0 - real_share
    return ((1.0 - old**2) / (real_share * rows) + old / rows) / (1.0 - old**2 + old / rows)


def effective_real_rows(real_share: float, rows: int) -> float:
    """Return how many real rows alone would give the error of the mean that fresh ones end at: 1/V, about a M (2 - a).

    Synthetic rows at most double what the real ones are worth.

    Source: the effective sample size n_e of Alemohammad et al. 2023, for the mean.
    """
    return 1.0 / fresh_limit(real_share, rows)


def weighted_limit(weight: float, real: float, synthetic: float) -> float:
    """Return the squared error of the mean that fresh real rows of total weight w end at, for many rows.

    V(w) = [w^2/n_r + (1-w)^2/n_s] / (1 - (1-w)^2), lowest at `best_weight`.

    Args:
        weight: w, share of the total weight that the real rows have together.
        real: n_r, real rows a generation.
        synthetic: n_s, synthetic rows a generation.

    Source: He et al. 2025, arXiv 2502.18049.
    """
    return (weight**2 / real + (1.0 - weight) ** 2 / synthetic) / (1.0 - (1.0 - weight) ** 2)


def best_weight(ratio: float) -> float:
    """Return the weight w of the real rows with the lowest `weighted_limit`, which is w/n_r: (sqrt(k^2 + 4k) - k) / 2.

    Args:
        ratio: k, real rows over synthetic ones; at 1 the golden ratio, .618.

    Source: He et al. 2025, arXiv 2502.18049.
    """
    return (math.sqrt(ratio**2 + 4.0 * ratio) - ratio) / 2.0


def mad_floor(real_share: float, spread: float) -> float:
    """Return the variance that fresh real rows end at if sampling has the spread lambda: a / (1 - (1-a) lambda).

    Many rows; no number of them lifts it.

    Source: derived here; the fresh data loop of Alemohammad et al. 2023 with sampling bias.
    """
    return real_share / (1.0 - (1.0 - real_share) * spread)


def mad_variance(fits: IntArray, rows: int, ddof: int, spread: float) -> FloatArray:
    """Return the expected variance after k fits of replacement: lambda^(k-1) for ddof 1, (1 - 1/n)^k of it for ddof 0.

    Source: Alemohammad et al. 2023, the fully synthetic loop with sampling bias.
    """
    fits = np.asarray(fits, dtype=np.float64)
    return np.asarray(((rows - 1) / (rows - ddof)) ** fits * spread ** (fits - 1.0))


def grown_mean_error(rows: IntArray) -> FloatArray:
    """Return the expected squared error of the mean under replacement with M_0, M_1 .. rows by generation, for ddof 0.

    1 - prod of (1 - 1/M_i), below 1 for ever if the sum of 1/M_i is finite: rows must grow faster than generations.

    Source: Shumailov et al. 2024, supplement, the sum of 1/M_i; Xu et al. 2025, arXiv 2505.13947.
    """
    return np.asarray(1.0 - np.cumprod(1.0 - 1.0 / np.asarray(rows, dtype=np.float64)))
