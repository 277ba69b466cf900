"""Mixture of Gaussians, replace: modes are lost like rare symbols, a mode for good when none of its rows is sampled.

k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1.
"""

from __future__ import annotations

import math

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.categorical_replace import extinction
from dwindle.theory.matching import is_component, replaces, unbiased

__all__ = ["alive", "applies", "covered", "curves"]

_SOURCE = "approximate: branching rows, each mode with a component of its own; for modes that hold 1 sample or more"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a mixture with a component a mode or more, on a grid of Gaussians, that replaces."""
    mixture = is_component(conditions.family, "families.gaussian_mixture.GaussianMixture")
    grid = is_component(conditions.source, "sources.grid_of_gaussians.GridOfGaussians")
    rich = mixture and grid and conditions.family.components >= conditions.source.side**2
    return rich and replaces(conditions) and unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return modes_covered, approximate, at generations 0 .. `generations`, as seen by as many samples as held out."""
    fits, source = np.arange(1, generations + 2), conditions.source
    seen = covered(fits, conditions.budget, source.side**2, source.held_out)
    return {"modes_covered": Curve(seen, _SOURCE)}


def alive(fits: IntArray, rows: int, modes: int) -> FloatArray:
    """Return the expected number of modes that the k-th fit still has rows of: K (1 - exp(-n/K (1 - f_(k-1)))).

    Args:
        fits: k.
        rows: n, rows a generation.
        modes: K, equally likely.

    Source: derived here; the branching approximation of `categorical_replace`, each row leaving a Poisson number of
        copies of mean 1 on its own mode.
    """
    fits = np.asarray(fits, dtype=np.int64)
    lasting = 1.0 - extinction(int(fits.max()) - 1)[fits - 1]
    return np.asarray(-modes * np.expm1(-rows / modes * lasting), dtype=np.float64)


def covered(fits: IntArray, rows: int, modes: int, samples: int) -> FloatArray:
    """Return the expected number of modes among m samples of the k-th model, at most what is `alive`.

    A row of the last generation leaves no sample with chance exp(-m/n), where an unseen line of `alive` has to end.

    Args:
        fits: k.
        rows: n, rows a generation.
        modes: K, equally likely.
        samples: m, samples that are looked at.

    Source: derived here as `alive`, f_0 = exp(-m/n) in place of 0.
    """
    fits = np.asarray(fits, dtype=np.int64)
    unseen = [math.exp(-samples / rows)]
    for _ in range(int(fits.max()) - 1):
        unseen.append(math.exp(unseen[-1] - 1.0))
    return np.asarray(-modes * np.expm1(-rows / modes * (1.0 - np.array(unseen)[fits - 1])), dtype=np.float64)
