"""Lineages of a sweep that differ in their synthetic ratio alone, each way in which real rows come in by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from dwindle.components import name_of
from dwindle.config.arms import JUDGED, controls
from dwindle.config.differences import differences
from dwindle.config.recipe import Recipe
from dwindle.errors import BadInput
from dwindle.plan import Plan
from dwindle.regimes import Blend, Fresh, Mixture
from dwindle.theory.matching import replaces

__all__ = ["Group", "at_ratio", "ratio_groups"]

_FREE = ("seed", "chains", "threads", "metrics", "regime")
_EXAMPLE = (
    "lineages: {fresh-50: {regime: {name: fresh, synthetic_ratio: 0.5}}, "
    "fresh-90: {regime: {name: fresh, synthetic_ratio: 0.9}}}"
)


@dataclass(frozen=True)
class Group:
    """Lineages that are equal but for their synthetic ratio, seed, chains and metrics.

    Args:
        name: how the real rows come in, and what else sets the group apart from others.
        real: `fresh`, `replayed` or `fixed`; the name of the regime for regimes from outside.
        lineages: names by synthetic ratio, ascending; pure replacement stands at 1.
        controls: names of the all-real lineages that are equal in everything but the regime: the sweep's controls, else
            the group's own ratio 0; empty where there are none.
        recipe: the recipe of one of them, whose regime has a synthetic ratio.
    """

    name: str
    real: str
    lineages: Mapping[float, tuple[str, ...]]
    controls: tuple[str, ...]
    recipe: Recipe


def at_ratio(recipe: Recipe, ratio: float) -> Recipe:
    """Return a recipe with another synthetic ratio.

    Args:
        recipe: its regime has a synthetic ratio.
        ratio: the other one.
    """
    regime: Any = recipe.regime
    return replace(recipe, regime=replace(regime, synthetic_ratio=ratio))


def ratio_groups(plan: Plan) -> tuple[Group, ...]:
    """Return the groups of a sweep in which at least two ratios were tried, pure replacement included.

    Recipes that are equal to the last setting count once, whatever their lineages are called.

    Raises:
        BadInput: if there is none.
    """
    all_real = {name: plan.recipe(name) for name in controls(plan.recipes)}
    recipes = {name: recipe for name, recipe in _different(plan).items() if name not in all_real}
    found: list[dict[str, Recipe]] = []
    for name, recipe in recipes.items():
        if _ratio(recipe) is None:
            continue
        home = next((group for group in found if _kin(recipe, next(iter(group.values())))), None)
        if home is None:
            found.append({name: recipe})
        else:
            home[name] = recipe
    titles = _titles([next(iter(group.items())) for group in found])
    groups = [_group(title, group, recipes, all_real) for title, group in zip(titles, found, strict=True)]
    # One ratio that is pure replacement in another's dress tells nothing of how real rows come in.
    usable = tuple(group for group in groups if len(group.lineages) > 1 and min(group.lineages) < 1)
    if not usable:
        raise BadInput(
            f"{plan.sweep}: no two lineages differ in their synthetic ratio alone; vary regime.synthetic_ratio of the "
            f"regime fresh (new real rows), blend (replayed ones) or mixture, e.g. {_EXAMPLE}"
        )
    return usable


def _different(plan: Plan) -> dict[str, Recipe]:
    """Return the recipes by the first lineage that has each."""
    by_digest: dict[str, str] = {}
    for name in plan.recipes:
        by_digest.setdefault(plan.recipe(name).digest, name)
    return {name: plan.recipe(name) for name in by_digest.values()}


def _ratio(recipe: Recipe) -> float | None:
    """Return the synthetic ratio in whole rows at the end of any schedule; None for a regime that has none."""
    ratio = getattr(recipe.regime, "synthetic_ratio", None)
    return None if ratio is None else round(ratio * recipe.budget) / recipe.budget


def _alike(one: Recipe, other: Recipe, apart: tuple[str, ...] = ()) -> bool:
    """Say whether two recipes differ in nothing but seed, chains, threads, metrics, regime, and some more settings."""
    first, second = (
        {key: value for key, value in recipe.settings.items() if key not in (*_FREE, *apart)} for recipe in (one, other)
    )
    return first == second


def _kin(one: Recipe, other: Recipe) -> bool:
    return _alike(one, other) and _mixing(one) == _mixing(other)


def _mixing(recipe: Recipe) -> Any:
    """Return the regime at ratio 0, spelled as a mixture if it is one: `fresh` and `blend` are corners of it."""
    regime: Any = recipe.regime
    if type(regime) in (Fresh, Blend):
        return Mixture(synthetic_ratio=0.0, ramp=1, real="fresh" if type(regime) is Fresh else "replayed")
    unused = {"ramp": 1} if isinstance(regime, Mixture) and regime.schedule == "constant" else {}
    return replace(regime, synthetic_ratio=0.0, **unused)


def _real(recipe: Recipe) -> str:
    """Return how real rows come in."""
    regime = recipe.regime
    if isinstance(regime, Mixture):
        return str(regime.real)
    known = {Fresh: "fresh", Blend: "replayed"}
    return known.get(type(regime), name_of(regime).rpartition(":")[2].lower())


def _titles(firsts: Sequence[tuple[str, Recipe]]) -> list[str]:
    """Name each group by its way of real rows, by what else sets it apart, and by a lineage if that is not enough."""
    apart = differences({name: {"real": _real(recipe)} | _settings(recipe) for name, recipe in firsts})
    titles = [
        ", ".join([_real(recipe), *(f"{key} {value}" for key, value in apart[name].items() if key != "real")])
        for name, recipe in firsts
    ]
    return [
        f"{title} ({name})" if titles.count(title) > 1 else title
        for title, (name, _) in zip(titles, firsts, strict=True)
    ]


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Return what may set a group apart."""
    rest = {key: value for key, value in recipe.settings.items() if key not in _FREE}
    regime: Any = _mixing(recipe)
    own = {field.name: getattr(regime, field.name) for field in fields(regime)}
    return rest | {key: value for key, value in own.items() if key not in ("synthetic_ratio", "real")}


def _group(
    title: str, members: Mapping[str, Recipe], recipes: Mapping[str, Recipe], all_real: Mapping[str, Recipe]
) -> Group:
    """Add pure replacement at ratio 1, and find the all-real controls."""
    first = next(iter(members.values()))
    by_ratio: dict[float, list[str]] = {}
    for name, recipe in members.items():
        by_ratio.setdefault(_ratio(recipe) or 0.0, []).append(name)
    if replaces(at_ratio(first, 1.0)):
        others = (name for name, recipe in recipes.items() if name not in members and replaces(recipe))
        by_ratio.setdefault(1.0, []).extend(name for name in others if _alike(recipes[name], first))
    lineages = {ratio: tuple(by_ratio[ratio]) for ratio in sorted(by_ratio) if by_ratio[ratio]}
    return Group(title, _real(first), lineages, _controls(first, all_real) or lineages.get(0.0, ()), first)


def _controls(first: Recipe, all_real: Mapping[str, Recipe]) -> tuple[str, ...]:
    """Return the sweep's controls that agree with a recipe, in the restart too if there are such ones."""
    for apart in (JUDGED, (*JUDGED, "restart")):
        if alike := tuple(name for name, recipe in all_real.items() if _alike(recipe, first, apart)):
            return alike
    return ()
