"""Unroll a sweep: each generation with its folders and, for each stage, the digest of what the stage reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwindle.code import code_digest
from dwindle.config.agreement import is_pretrained
from dwindle.config.recipe import Recipe, fresh_rows
from dwindle.config.sweep import Lineage, Sweep
from dwindle.contracts import REAL, Informed
from dwindle.data.manifest import digest_of
from dwindle.plan.entries import STAGES, Plan, chain_key, generation_folder
from dwindle.seeds import Seed

__all__ = ["sampled_rows", "stage_digest", "stage_seed", "unroll"]

DIGEST_LENGTH = 32


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

    Generation 0 comes before any regime, so all lineages of one source, family and seed share it.
    """
    return Seed(recipe.seed).at("generation-0" if generation == 0 else lineage, generation, stage)


def sampled_rows(recipe: Recipe, generation: int) -> int:
    """Return how many synthetic rows a chain the generate stage samples."""
    asked = recipe.regime.asks(generation, budget=recipe.budget).get(generation, 0)
    return round(asked * recipe.sampler.oversample)


def _generation(lineage: Lineage, generation: int, real: str) -> Mapping[str, Any]:
    name, recipe = lineage.name, lineage.recipe
    folder = generation_folder(name, generation)
    parent = generation_folder(name, generation - 1) if generation else ""
    rows = f"data/{folder}/{'synthetic' if generation else 'real'}"
    pooled = bool(generation) and bool(
        recipe.regime.plan(1, {REAL: recipe.budget, 1: recipe.budget}, budget=recipe.budget).keep
    )
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
        "pool": f"data/{parent}/train" if pooled else f"{rows}/manifest.json",
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
    fresh = fresh_rows(recipe.regime, generation, recipe.budget)
    reads: dict[str, dict[str, Any]] = {
        "generate": {} if first else {"family": settings["family"], "sampler": recipe.honoured},
        "curate": {"budget": recipe.budget},
        "train": {"family": settings["family"], "restart": recipe.restart if not first else "cold"},
        "evaluate": {"family": settings["family"], "metrics": settings["metrics"], "source": settings["source"]},
    }
    if stage == "generate" and not first:
        reads[stage]["rows"] = sampled_rows(recipe, generation)
        reads[stage] |= {"source": settings["source"]} if isinstance(recipe.family, Informed) else {}
    if stage == "train" and isinstance(recipe.family, Informed):
        reads[stage]["source"] = settings["source"]
    if stage == "curate" and not first:
        reads[stage] |= {"regime": settings["regime"], "curators": settings["curators"]}
        reads[stage] |= {"fresh": fresh} if fresh else {}
        reads[stage] |= {"source": settings["source"]} if _reads_source(recipe, fresh) else {}
    return {**reads[stage], "generation": generation, "threads": recipe.threads}


def _reads_source(recipe: Recipe, fresh: int) -> bool:
    return bool(fresh) or any(isinstance(curator, Informed) for curator in recipe.curators)


def _modules(recipe: Recipe, stage: str, generation: int) -> list[str]:
    used: dict[str, list[Any]] = {
        "generate": [recipe.family] if generation else [],
        "curate": [recipe.regime, *recipe.curators] if generation else [],
        "train": [recipe.family],
        "evaluate": [recipe.family, recipe.source, *recipe.metrics],
    }
    if stage == "curate" and generation and _reads_source(recipe, fresh_rows(recipe.regime, generation, recipe.budget)):
        used[stage].append(recipe.source)
    if stage in ("generate", "train") and used[stage] and isinstance(recipe.family, Informed):
        used[stage].append(recipe.source)
    return [name for item in used[stage] for name in (_module(item), *getattr(item, "modules", ()))]


def _module(instance: object) -> str:
    return type(instance).__module__


def _digest(stage: str, reads: Mapping[str, Any], seed: Seed | None, *modules: str) -> str:
    address = None if seed is None else [seed.root, *seed.path]
    whole = {"stage": stage, "reads": reads, "seed": address, "code": code_digest(*modules)}
    return digest_of(whole)[:DIGEST_LENGTH]
