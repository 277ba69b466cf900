"""How a closed form recognises the recipes that it speaks of: by the names of their components."""

from __future__ import annotations

from dwindle.contracts import Conditions
from dwindle.samplers import Sampler

__all__ = ["accumulates", "is_component", "replaces", "unbiased"]


def is_component(instance: object, name: str) -> bool:
    """Say whether an instance is exactly the component of that name below dwindle, as `families.gaussian.Gaussian`."""
    return f"{type(instance).__module__}.{type(instance).__name__}" == f"dwindle.{name}"


def unbiased(conditions: Conditions) -> bool:
    """Say whether new rows are sampled from the model as it is and all of them kept."""
    kept = all(is_component(curator, "curators.keep_all.KeepAll") for curator in conditions.curators)
    return kept and conditions.sampler == Sampler()


def replaces(conditions: Conditions) -> bool:
    """Say whether each generation trains on a budget of the newest synthetic rows and on nothing else."""
    regime = conditions.regime
    mixed = any(is_component(regime, f"regimes.{name}") for name in ("Blend", "Fresh"))
    return is_component(regime, "regimes.Replace") or (mixed and regime.synthetic_ratio == 1.0)


def accumulates(conditions: Conditions) -> bool:
    """Say whether each generation trains on the anchor and all synthetic rows so far, a budget a generation."""
    return is_component(conditions.regime, "regimes.Accumulate")
