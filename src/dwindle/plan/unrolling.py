"""Unroll a sweep: each generation with its folders and, for each stage, the digest of what the stage reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwindle.code import code_digest
from dwindle.config.agreement import is_pretrained
from dwindle.config.recipe import Recipe, described, fresh_rows
from dwindle.config.sweep import Lineage, Sweep
from dwindle.contracts import Informed
from dwindle.data.manifest import digest_of
from dwindle.plan.entries import STAGES, Plan, chain_key, generation_folder
from dwindle.regimes import Switched
from dwindle.seeds import Seed

__all__ = ["sampled_rows", "stage_digest", "stage_seed", "unroll"]

DIGEST_LENGTH = 32

_HELD = ("policy", "purpose")
"""Parts of a recipe that the curate stage of every generation reads, where the recipe has them."""


def unroll(sweep: Sweep) -> Plan:
    """Unroll a sweep into its plan."""
    real: dict[str, Mapping[str, Any]] = {}
    chain: dict[str, Mapping[str, Any]] = {}
    for lineage in sweep.lineages.values():
        key, entry = _real(lineage.recipe, real)
        real[key] = entry
        for generation in range(lineage.generations + 1):
            chain[chain_key(lineage.name, generation)] = _generation(lineage, generation, str(entry["folder"]))
    recipes = {name: lineage.recipe.settings for name, lineage in sweep.lineages.items()}
    compare = _digest(
        "compare", {"sweep": sweep.name, "lineages": list(sweep.lineages)}, None, "dwindle.stages.compare"
    )
    return Plan(sweep.name, real, chain, recipes, compare)


def _real(recipe: Recipe, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    """Return key and entry of a lineage's real rows; a key that other rows have already is made longer."""
    settings = {key: recipe.settings[key] for key in ("source", "chains", "budget", "threads")}
    digest = _digest("draw", settings, Seed(recipe.seed).at("real"), "dwindle.stages.draw", _module(recipe.source))
    source, length = recipe.settings["source"]["name"].rpartition(":")[2].lower(), 8
    while known.get(f"{source}-{digest[:length]}", {"draw": digest})["draw"] != digest:
        length += 8
    key = f"{source}-{digest[:length]}"
    return key, {"folder": f"data/real/{key}", "draw": digest}


def stage_seed(recipe: Recipe, lineage: str, generation: int, stage: str) -> Seed:
    """Return the address of a stage's random draws.

    Generation 0 comes before any regime, so all lineages of one source, family and seed share it; a branch shares the
    generations up to where it leaves its lineage.
    """
    shared = recipe.branch is not None and generation <= recipe.branch.at
    named = recipe.branch.of if recipe.branch is not None and shared else lineage
    return Seed(recipe.seed).at("generation-0" if generation == 0 else named, generation, stage)


def sampled_rows(recipe: Recipe, generation: int) -> int:
    """Return how many synthetic rows a chain the generate stage samples."""
    asked = recipe.regime.asks(generation, budget=recipe.budget).get(generation, 0)
    return round(asked * recipe.sampler.oversample)


def _generation(lineage: Lineage, generation: int, real: str) -> Mapping[str, Any]:
    name, recipe = lineage.name, lineage.recipe
    folder = generation_folder(name, generation)
    parent = generation_folder(name, generation - 1) if generation else ""
    rows = f"data/{folder}/{'synthetic' if generation else 'real'}"
    pooled = recipe.pools(generation) or (generation > 1 and recipe.remembers)
    empty = f"{rows}/manifest.json"
    again = recipe.curation.regenerate > 0
    start = _start(recipe, name, generation)
    referred = bool(generation) and any(getattr(metric, "needs_reference", False) for metric in recipe.metrics)
    generator = f"models/{parent}" if generation else real
    asked = {"none": "", "anchor": real, "previous": f"data/{parent}/train"}[recipe.sampler.prompts]
    digests = {stage: _stage_digest(recipe, name, generation, stage) for stage in STAGES}
    return {
        "lineage": name,
        "generation": generation,
        "folder": folder,
        "rows": rows,
        "generator": generator,
        "prompts": asked if asked and generation else f"{generator}/manifest.json",
        "real": real,
        "pool": f"data/{parent}/train" if pooled else empty,
        "first": f"models/{generation_folder(name, 0)}" if generation and recipe.needs("first") else empty,
        "maker": f"models/{parent}" if generation and (again or recipe.needs("maker")) else empty,
        "restart": f"models/{start}" if start else f"data/{folder}/train/manifest.json",
        "reference": f"models/{generation_folder(name, 0)}" if referred else f"data/{folder}/train/manifest.json",
        **digests,
    }


def _start(recipe: Recipe, name: str, generation: int) -> str:
    """Return the folder of the generation from whose model training starts; empty where the family starts by itself."""
    if not generation or recipe.restart == "cold":
        return ""
    if recipe.restart == "warm":
        return generation_folder(name, generation - 1)
    return "" if is_pretrained(recipe.family) else generation_folder(name, 0)


def stage_digest(plan: Plan, key: str, stage: str) -> str:
    """Return the digest that a stage of the plan would get from the code as it is now."""
    entry = plan.chain[key]
    return _stage_digest(plan.recipe(entry["lineage"]), entry["lineage"], entry["generation"], stage)


def _stage_digest(recipe: Recipe, lineage: str, generation: int, stage: str) -> str:
    return _digest(
        stage,
        _reads(recipe, stage, generation),
        stage_seed(recipe, lineage, generation, stage),
        f"dwindle.stages.{stage}",
        *_modules(recipe, stage, generation),
    )


def _reads(recipe: Recipe, stage: str, generation: int) -> Mapping[str, Any]:
    """Return the settings that a stage reads: nothing more, so that nothing else makes it stale."""
    settings, first = recipe.settings, generation == 0
    family, maker = described(recipe.family_of(generation)), described(recipe.family_of(max(0, generation - 1)))
    fresh = fresh_rows(recipe.regime, generation, recipe.budget)
    reads: dict[str, dict[str, Any]] = {
        "generate": {} if first else {"family": maker, "sampler": recipe.honoured},
        "curate": {"budget": recipe.budget, **{key: settings[key] for key in _HELD if key in settings}},
        "train": {"family": family, "restart": recipe.restart if not first else "cold"},
        "evaluate": {"family": family, "metrics": settings["metrics"], "source": settings["source"]},
    }
    phased = stage == "train" and bool(recipe.phases)
    if phased:
        reads[stage]["phases"] = settings["phases"]
    if stage == "generate" and not first:
        reads[stage]["rows"] = sampled_rows(recipe, generation)
        reads[stage] |= {"purpose": recipe.purpose} if recipe.purpose else {}
        informed = isinstance(recipe.family_of(generation - 1), Informed)
        reads[stage] |= {"source": settings["source"]} if informed else {}
    if stage == "train" and (phased or isinstance(recipe.family_of(generation), Informed)):
        reads[stage]["source"] = settings["source"]
    if stage == "curate" and not first:
        reads[stage] |= {"regime": described(recipe.regime_of(generation)), "curators": settings["curators"]}
        reads[stage] |= {"curation": settings["curation"]} if "curation" in settings else {}
        reads[stage] |= {"rejected": True} if recipe.keeps_rejected(generation) else {}
        reads[stage] |= _models_shown(recipe, generation)
        reads[stage] |= {"fresh": fresh} | _regimes_before(recipe, generation) if fresh else {}
        reads[stage] |= {"source": settings["source"]} if _reads_source(recipe, fresh) else {}
    if stage == "curate" and recipe.training_stage(generation) != "pre_training":
        reads[stage]["stage"] = recipe.training_stage(generation)
    if stage in ("generate", "curate"):
        reads[stage]["content"] = recipe.content
    return {**reads[stage], "generation": generation, "threads": recipe.threads}


def _regimes_before(recipe: Recipe, generation: int) -> dict[str, Any]:
    """Return the regimes that say how much of the stream of fresh rows is gone, where they were switched before."""
    regime = recipe.regime
    while isinstance(regime, Switched) and generation <= regime.until:
        regime = regime.before
    return {"switched": described(regime)} if isinstance(regime, Switched) else {}


def _models_shown(recipe: Recipe, generation: int) -> dict[str, Any]:
    """Return the families of the models that the curate stage loads, and how it samples, where it does."""
    again = recipe.curation.regenerate > 0
    shown = {"first": described(recipe.family_of(0))} if recipe.needs("first") else {}
    if again or recipe.needs("maker"):
        shown["maker"] = described(recipe.family_of(generation - 1))
    return shown | ({"sampler": recipe.honoured} if again else {})


def _reads_source(recipe: Recipe, fresh: int) -> bool:
    return bool(fresh) or any(isinstance(curator, Informed) for curator in recipe.curators)


def _modules(recipe: Recipe, stage: str, generation: int) -> list[str]:
    family = recipe.family_of(generation)
    used: dict[str, list[Any]] = {
        "generate": [recipe.family_of(generation - 1)] if generation else [],
        "curate": [recipe.regime_of(generation), *recipe.curators, *_shown(recipe, generation)] if generation else [],
        "train": [family],
        "evaluate": [family, recipe.source, *recipe.metrics],
    }
    if stage == "curate" and generation and _reads_source(recipe, fresh_rows(recipe.regime, generation, recipe.budget)):
        used[stage].append(recipe.source)
    if stage in ("generate", "train") and any(isinstance(part, Informed) for part in used[stage]):
        used[stage].append(recipe.source)
    return [name for item in used[stage] for name in (_module(item), *getattr(item, "modules", ()))]


def _shown(recipe: Recipe, generation: int) -> list[Any]:
    """Return the families whose models the curate stage loads."""
    first = [recipe.family_of(0)] if recipe.needs("first") else []
    asked = recipe.curation.regenerate > 0 or recipe.needs("maker")
    return first + ([recipe.family_of(generation - 1)] if asked else [])


def _module(instance: object) -> str:
    return type(instance).__module__


def _digest(stage: str, reads: Mapping[str, Any], seed: Seed | None, *modules: str) -> str:
    address = None if seed is None else [seed.root, *seed.path]
    whole = {"stage": stage, "reads": reads, "seed": address, "code": code_digest(*modules)}
    return digest_of(whole)[:DIGEST_LENGTH]
