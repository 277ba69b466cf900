"""Gaussian, replace with selection: curators that prefer some rows narrow the law, and may carry it away.

For many rows a curator takes mean and variance of the fitted Gaussian to those of the next one. The best of k rows are
independent draws, so there the variance is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dwindle.contracts import Conditions, Curve
from dwindle.samplers import Sampler
from dwindle.theory.matching import gaussian, is_component, replaces

__all__ = ["applies", "best_of", "central_mass", "curves", "reward_tilt"]

Moved = tuple[float, float]
"""Mean and variance."""


def applies(conditions: Conditions) -> bool:
    """Say whether a Gaussian in one dimension replaces, with one curator that selects and a sampler as it is."""
    selecting = [curator for curator in conditions.curators if not is_component(curator, "curators.keep_all.KeepAll")]
    known = len(selecting) == 1 and _name(selecting[0]) is not None
    plain = conditions.sampler == Sampler(oversample=conditions.sampler.oversample)
    return known and plain and replaces(conditions) and gaussian(conditions) and conditions.source.dimensions == 1


def curves(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return variance and mean at generations 0 .. `generations`, for many rows."""
    (curator,) = (curator for curator in conditions.curators if _name(curator))
    name = str(_name(curator))
    rows, ddof = conditions.budget, int(conditions.family.ddof)
    first = float(conditions.source.covariance()[0, 0, 0]) * (rows - 1) / (rows - ddof)
    path = [(float(conditions.source.mean()[0, 0]), first)]
    for _ in range(generations):
        path.append(_STEPS[name](curator, conditions, *path[-1]))
    mean, variance = np.array(path).T
    return {"mean": Curve(mean, _SOURCES[name]), "variance": Curve(variance, _SOURCES[name])}


def central_mass(mass: float) -> float:
    """Return the variance of the central share q of a normal law over that of all of it: 1 - 2 c phi(c) / q.

    c is the quantile of (1 + q) / 2.

    Source: the truncated normal law, Johnson, Kotz and Balakrishnan 1994, section 13.10.
    """
    from scipy.stats import norm

    if mass in (0.0, 1.0):
        return mass
    cut = float(norm.ppf((1.0 + mass) / 2.0))
    return float(1.0 - 2.0 * cut * norm.pdf(cut) / mass)


def best_of(k: int) -> tuple[float, float]:
    """Return mean and variance of the largest of k standard normal draws: 1 / sqrt(pi) and 1 - 1/pi for two.

    Source: the order statistics of the normal law, by quadrature; the curated loop of Ferbach et al. 2024.
    """
    from scipy.stats import norm

    places = np.linspace(-12.0, 12.0, 4801)
    density = norm.pdf(places) * k * norm.cdf(places) ** (k - 1) * (places[1] - places[0])
    mean = float(places @ density)
    return mean, float((places - mean) ** 2 @ density)


def reward_tilt(mean: float, variance: float, *, target: float, width: float, steps: int = 1) -> Moved:
    """Return mean and variance of a Gaussian after k tilts by e^r, r = -(x - a)^2 / (2 width^2).

    The precision grows by k / width^2, and the mean walks to a as the mean of precisions has it.

    Source: Ferbach et al. 2024, the curated loop with endlessly many rows to choose among.
    """
    drawn = steps / width**2
    precision = 1.0 / variance + drawn
    return (mean / variance + target * drawn) / precision, 1.0 / precision


def _name(curator: object) -> str | None:
    """Return the name of a curator that is known here; of the best of k only the largest coordinate is."""
    name = next((name for name in _STEPS if is_component(curator, f"curators.{name}")), None)
    return name if getattr(curator, "reward", "coordinate") == "coordinate" else None


def _trim(curator: Any, _: Conditions, mean: float, variance: float) -> Moved:
    return mean, variance * central_mass(curator.mass)


def _pick(curator: Any, conditions: Conditions, mean: float, variance: float) -> Moved:
    step, left = best_of(curator.k)
    groups = round(conditions.budget * conditions.sampler.oversample) // curator.k
    rows, ddof = max(2, min(conditions.budget, groups)), int(conditions.family.ddof)  # fewer would starve
    return mean + step * variance**0.5, variance * left * (rows - 1) / (rows - ddof)


def _tilt(curator: Any, _: Conditions, mean: float, variance: float) -> Moved:
    return reward_tilt(mean, variance, target=curator.target, width=curator.width)


_STEPS: Mapping[str, Callable[[Any, Conditions, float, float], Moved]] = {
    "central_mass.CentralMass": _trim,
    "best_of.BestOf": _pick,
    "reward_tilt.RewardTilt": _tilt,
}
_SOURCES = {
    "central_mass.CentralMass": "the truncated normal law, generation by generation; asymptotic, many rows",
    "best_of.BestOf": "Ferbach et al. 2024, best of k: exact for the variance, for the mean asymptotic, many rows",
    "reward_tilt.RewardTilt": "Ferbach et al. 2024, tilt by e^r: precision 1/s^2 + k/t^2; asymptotic, many rows",
}
