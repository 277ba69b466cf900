"""What theory expects of a recipe: finds the closed form that fits it, and holds chains to it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType

import numpy as np

from dwindle.contracts import Array, Conditions, Curve, FloatArray

__all__ = ["expected", "z_scores"]


def expected(conditions: Conditions, generations: int) -> dict[str, Curve]:
    """Return what theory expects of each measure that it knows; nothing where no closed form fits the recipe.

    Every module of `dwindle.theory` that has `applies(conditions)` and `curves(conditions, generations)` is asked, in
    the order of the names; where two know the same measure, the first one speaks.

    Args:
        conditions: the recipe.
        generations: the last generation's number: curves run over generations 0 .. `generations`.
    """
    if _is_beyond(conditions):
        return {}
    digest = getattr(conditions, "digest", None)
    known = _Known(conditions, digest, generations)
    return dict(_expected(known) if digest is not None else _expected.__wrapped__(known))


def _is_beyond(conditions: Conditions) -> bool:
    """Say whether a recipe trains otherwise than any closed form has it: a teacher, phases, rows sampled again."""
    curation = getattr(conditions, "curation", None)
    again = curation is not None and curation.regenerate > 0
    return again or bool(getattr(conditions, "teacher", None) or getattr(conditions, "phases", ()))


@dataclass(frozen=True)
class _Known:
    """Conditions that equal others of the same digest: a lineage asks for its curves once a measure and picture."""

    conditions: Conditions = field(compare=False)
    digest: str | None
    generations: int


@lru_cache(maxsize=256)
def _expected(known: _Known) -> dict[str, Curve]:
    conditions, generations = known.conditions, known.generations
    found: dict[str, Curve] = {}
    for theory in _theories():
        if theory.applies(conditions):
            found = {**theory.curves(conditions, generations), **found}
    if "second_moment" not in found and {"variance", "mean_error"} <= found.keys():
        variance, drift = found["variance"], found["mean_error"]
        found["second_moment"] = Curve(variance.mean + drift.mean, variance.source)
    return found


def _theories() -> Iterator[ModuleType]:
    package = importlib.import_module("dwindle.theory")
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        module = importlib.import_module(f"dwindle.theory.{name}")
        # A module without `applies` holds arithmetic that several closed forms share.
        if hasattr(module, "applies"):
            yield module


def z_scores(curve: Curve, chains: FloatArray) -> FloatArray:
    """Return how many standard errors the mean over chains lies from theory at each generation, (g,).

    The mean is the arithmetic one, whatever the measure's scale, because that is what a closed form expects. Its
    standard error comes from the deviation over chains that theory knows, where it knows it, else from the chains: few
    chains of a skewed quantity underestimate theirs.

    Args:
        curve: what theory expects, of g generations or more.
        chains: (g, c) the value of each chain, nan where undefined.

    Returns:
        z-scores, nan where no chain has a value, the standard error is unknown or zero, or theory is silent.

    Raises:
        ValueError: if there are more generations than theory speaks of.
    """
    generations = len(chains)
    if generations > len(curve.mean):
        raise ValueError(f"{generations} generations were measured, theory speaks of {len(curve.mean)}")
    known = np.isfinite(chains)
    counts = known.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(known, chains, 0.0).sum(axis=1) / counts
        deviations = _deviations(chains, known, means) if curve.deviation is None else curve.deviation[:generations]
        scores = (means - curve.mean[:generations]) / (deviations / np.sqrt(counts))
    return np.asarray(np.where(deviations > 0, scores, np.nan))


def _deviations(chains: FloatArray, known: Array, means: FloatArray) -> FloatArray:
    """Return the unbiased standard deviation over the chains that have a value, (g,); nan with fewer than two."""
    gaps = np.where(known, chains - means[:, None], 0.0)
    counts = known.sum(axis=1)
    return np.asarray(np.sqrt((gaps * gaps).sum(axis=1) / np.where(counts > 1, counts - 1, np.nan)))
