"""Kernel density estimates: every generation adds a kernel to the spread of the rows, which diffuse, not collapse.

k counts fits: k = 1 is the fit to real rows, generation t is fit k = t + 1. The variance of a model is that of its
training rows, divided by their number, plus that of its kernel: what the `moments` metric measures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.contracts import Conditions, Curve, FloatArray, IntArray
from dwindle.theory.matching import accumulates, is_component, replaces, unbiased

__all__ = ["applies", "curves", "kernel", "mean_error", "path", "second_moment", "variance"]

_SOURCES = ("gaussian.Gaussian", "grid_of_gaussians.GridOfGaussians", "moons.Moons")
_SOURCE = "derived here, exact for every k; the kernel density experiments of Kazdan et al. 2024"


def applies(conditions: Conditions) -> bool:
    """Say whether the recipe is a kernel density estimate of rows of known moments that replaces or accumulates."""
    estimate = is_component(conditions.family, "families.kde.Kde")
    known = any(is_component(conditions.source, f"sources.{name}") for name in _SOURCES)
    return estimate and known and (replaces(conditions) or accumulates(conditions)) and unbiased(conditions)


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean_error at generations 0 .. `generations`, for any rule and number of dimensions."""
    family, rows, covariance = conditions.family, conditions.budget, conditions.source.covariance()[0]
    pools = [rows * (k if accumulates(conditions) else 1) for k in range(1, generations + 2)]
    kernels = [kernel(family.rule, family.bandwidth, pool, len(covariance)) for pool in pools]
    real = float(np.trace(covariance)) / len(covariance)
    spread, error = path(kernels, rows, real, accumulate=accumulates(conditions))
    return {"variance": Curve(spread, _SOURCE), "mean_error": Curve(error, _SOURCE)}


def kernel(rule: str, bandwidth: float, rows: int, dimensions: int) -> tuple[float, float]:
    """Return the variance of the kernel as a multiple of the rows' variance, divided by n, and as a constant.

    Args:
        rule: `fixed`, `scott` or `silverman`.
        bandwidth: standard deviation of a fixed kernel, source units.
        rows: n, rows that the estimate is fitted to, of equal weight.
        dimensions: d.

    Source: Scott 1992; Silverman 1986; the factor n / (n - 1) because the kernel follows the unbiased covariance.
    """
    if rule == "fixed":
        return 0.0, bandwidth**2
    scale = 1.0 if rule == "scott" else (dimensions + 2) / 4
    return float((scale * rows) ** (-2.0 / (dimensions + 4))) * rows / (rows - 1), 0.0


def path(
    kernels: Sequence[tuple[float, float]], rows: int, real: float = 1.0, *, accumulate: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the expected variance of the model and squared error of its mean after each fit, both (g,).

    Of the next training rows a share p is new, n of them drawn from a model of variance v: of the old rows' variance
    1 - p stays, v p (1 - p / n) is added, and the mean takes a step of variance v p^2 / n. p is 1 where new rows
    replace the old ones and 1 / (k + 1) where they accumulate.

    Args:
        kernels: what `kernel` says of each fit.
        rows: n, new rows a generation.
        real: variance of the real rows, averaged over dimensions.
        accumulate: whether new rows join the old ones.

    Source: derived here; the decomposition of variance within and between two samples.
    """
    spread, error = real * (1.0 - 1.0 / rows), real / rows
    models, errors = [], []
    for k, (own, constant) in enumerate(kernels, start=1):
        model = (1.0 + own) * spread + constant
        models.append(model)
        errors.append(error)
        share = 1.0 / (k + 1) if accumulate else 1.0
        spread = (1.0 - share) * spread + share * (1.0 - share / rows) * model
        error += share * share * model / rows
    return np.array(models), np.array(errors)


def variance(fits: IntArray, rows: int, bandwidth: float) -> FloatArray:
    """Return the expected variance after k fits of a fixed kernel to replaced rows, relative to the true one.

    (1 - 1/n)^k + n h^2 (1 - (1 - 1/n)^k): from the truth to n h^2, whatever the truth was.

    Args:
        fits: k.
        rows: n, rows a generation.
        bandwidth: h, relative to the true standard deviation.

    Source: derived here, S <- (1 - 1/n)(S + h^2) for the variance S of the rows, whose fixed point is h^2 (n - 1).
    """
    kept = (1.0 - 1.0 / rows) ** np.asarray(fits, dtype=np.float64)
    return np.asarray(kept + rows * bandwidth**2 * (1.0 - kept))


def mean_error(fits: IntArray, rows: int, bandwidth: float) -> FloatArray:
    """Return the expected squared error of the mean that goes with `variance`: what is left of 1 + k h^2.

    Source: derived here; of the second moment about the true mean a fit loses nothing and gains its kernel.
    """
    return 1.0 + np.asarray(fits, dtype=np.float64) * bandwidth**2 - variance(fits, rows, bandwidth)


def second_moment(fits: IntArray, bandwidth: float, *, accumulate: bool = False) -> FloatArray:
    """Return the expected second moment of the rows of fit k about the true mean, relative to the true variance.

    1 + (k - 1) h^2 where new rows replace the old ones, 1 + h^2 (1/2 + ... + 1/k) where they accumulate: slower, but
    without bound too. No number of rows changes it. The model's own, with its kernel, is h^2 more.

    Args:
        fits: k.
        bandwidth: h of a fixed kernel, relative to the true standard deviation.
        accumulate: whether new rows join the old ones.

    Source: derived here.
    """
    fits = np.asarray(fits, dtype=np.int64)
    added = 1.0 / np.arange(1, int(fits.max()) + 1) if accumulate else np.ones(int(fits.max()))
    return np.asarray(1.0 + bandwidth**2 * (np.cumsum(added) - 1.0)[fits - 1])
