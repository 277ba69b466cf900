"""What the models of a lineage make of the same latent numbers, generation by generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from dwindle.config.recipe import Recipe
from dwindle.contracts import Cohort
from dwindle.data.manifest import read_manifest
from dwindle.data.rows import Rows
from dwindle.plan import Plan, chain_key
from dwindle.seeds import Seed
from dwindle.stages.job import told
from dwindle.stages.lift import LiftedModel, load_model
from dwindle.stages.steps import output

__all__ = ["imagined"]


def imagined(root: Path, plan: Plan, lineage: str, generations: Sequence[int], *, count: int) -> dict[int, Rows]:
    """Sample a lineage's models at one seed, which all lineages and generations share, by the recipe's own sampler.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: whose models.
        generations: which of them.
        count: rows of the first chain.

    Returns:
        The rows of each generation, (1, count, d); nothing where the family does not say that one seed gives one latent
        each (`fixed_latents`), where its rows answer prompts, where a model before the last ones is not there, or where
        one cannot be sampled.
    """
    recipe = plan.recipe(lineage)
    if not getattr(recipe.family, "fixed_latents", False) or recipe.sampler.prompts != "none":
        return {}
    try:
        asked = {t: _asked(root / output(f"train@{chain_key(lineage, t)}", plan), recipe, count) for t in generations}
        there = {t: one for t, one in asked.items() if one is not None}
        whole = [*there] == [*generations][: len(there)]  # the last ones may still be to come
        return {t: _sampled(one) for t, one in there.items()} if whole else {}
    except Exception:  # a picture is no reason to fail: whatever goes wrong, rows that are stored are shown instead
        return {}


@dataclass(frozen=True)
class _Asked:
    """What a model is asked for; models of one digest and recipe answer the same.

    Args:
        digest: of the model's files.
        recipe_digest: of the lineage's recipe.
        count: rows of the first chain.
        folder: where the model is.
        recipe: the lineage's recipe.
    """

    digest: str
    recipe_digest: str
    count: int
    folder: Path = field(compare=False)
    recipe: Recipe = field(compare=False)


def _asked(folder: Path, recipe: Recipe, count: int) -> _Asked | None:
    manifest = read_manifest(folder)
    return None if manifest is None else _Asked(manifest.digest, recipe.digest, count, folder, recipe)


@lru_cache(maxsize=256)
def _sampled(asked: _Asked) -> Rows:
    """Return the first chain's rows; the others are not sampled where they can be left out."""
    recipe = asked.recipe
    family = told(recipe.family, recipe.source)
    model = load_model(family, asked.folder)
    if isinstance(model, LiftedModel):
        model = model.models[0]
    elif isinstance(family, Cohort) and recipe.chains > 1:
        model = family.apart(model, [1, recipe.chains - 1])[0]
    return model.sample(asked.count, sampler=recipe.sampler, seed=Seed(recipe.seed).at("grid")).chain(0)
