"""How a closed form recognises the recipes that it speaks of: by the names of their components."""

from __future__ import annotations

from dataclasses import replace

from dwindle.contracts import Conditions
from dwindle.samplers import Sampler

__all__ = ["accumulates", "all_kept", "gaussian", "is_component", "replaces", "spread_alone", "spread_of", "unbiased"]


def is_component(instance: object, name: str) -> bool:
    """Say whether an instance is exactly the component of that name below dwindle, as `families.gaussian.Gaussian`."""
    return f"{type(instance).__module__}.{type(instance).__name__}" == f"dwindle.{name}"


def all_kept(conditions: Conditions, besides: str = "") -> bool:
    """Say whether no curator drops rows, but for those of the name `besides`."""
    names = ("curators.keep_all.KeepAll", besides)
    return all(any(is_component(curator, name) for name in names) for curator in conditions.curators)


def unbiased(conditions: Conditions) -> bool:
    """Say whether new rows are sampled from the model as it is and all of them kept."""
    return all_kept(conditions) and conditions.sampler == Sampler()


def spread_alone(conditions: Conditions, *, besides: str = "") -> bool:
    """Say whether all new rows are kept and nothing but how many there are and how far they spread is off default.

    Curators of the name `besides` may drop rows nevertheless. The spread of a truncated Gaussian is `spread_of` while
    its training rows outnumber the dimensions.
    """
    sampler = replace(conditions.sampler, variance_factor=1.0, top_p=1.0, oversample=1.0)
    regular = conditions.sampler.top_p == 1.0 or conditions.budget > conditions.source.dimensions
    return all_kept(conditions, besides) and sampler == Sampler() and regular


def gaussian(conditions: Conditions) -> bool:
    """Say whether a Gaussian is fitted to Gaussian rows."""
    known = is_component(conditions.source, "sources.gaussian.Gaussian")
    return known and is_component(conditions.family, "families.gaussian.Gaussian")


def spread_of(sampler: Sampler, dimensions: int) -> float:
    """Return the variance of what is sampled from a Gaussian over that of what was fitted, the same in any direction.

    The densest region that holds the mass p of d dimensions is a ball of radius c after whitening; within it the
    variance of a coordinate is P(chi2 of d + 2 degrees <= c^2) / p.

    Source: the truncated normal; lambda of Alemohammad et al. 2023 is the sampler's `variance_factor`.
    """
    if sampler.top_p == 1.0:
        return sampler.variance_factor
    from scipy.stats import chi2

    squared = chi2.ppf(sampler.top_p, dimensions)
    return float(sampler.variance_factor * chi2.cdf(squared, dimensions + 2) / sampler.top_p)


def replaces(conditions: Conditions) -> bool:
    """Say whether each generation trains on a budget of the newest synthetic rows and on nothing else."""
    regime = conditions.regime
    if is_component(regime, "regimes.Mixture"):
        regime = replace(regime, real="fresh", real_weight=None, ramp=10)  # without real rows these say nothing
        return bool(regime == type(regime)(synthetic_ratio=1.0))
    mixed = any(is_component(regime, f"regimes.{name}") for name in ("Blend", "Fresh"))
    return is_component(regime, "regimes.Replace") or (mixed and regime.synthetic_ratio == 1.0)


def accumulates(conditions: Conditions) -> bool:
    """Say whether each generation trains on the anchor and all synthetic rows so far, a budget a generation."""
    return is_component(conditions.regime, "regimes.Accumulate")
