"""The plan: params.yaml unrolled, generation by generation, into what DVC and every worker read.

DVC has neither a loop nor a previous item, so the chain is written out. Each entry carries, per stage, a digest of the
parameters, seeds and code that the stage reads; together with the digests of its inputs that is the stage key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from dwindle.code import code_digest
from dwindle.config.reading import Document
from dwindle.config.recipe import Recipe, fresh_rows, recipe_from
from dwindle.config.schema import Problems
from dwindle.config.sweep import Lineage, Sweep
from dwindle.contracts import REAL, Informed
from dwindle.data.manifest import digest_of
from dwindle.data.workspace import held, publish_text
from dwindle.errors import BadInput
from dwindle.seeds import Seed

__all__ = ["PLAN", "STAGES", "Plan", "chain_key", "generation_folder", "read_plan", "unroll", "write_plan"]

PLAN = "plan.yaml"
STAGES = ("generate", "curate", "train", "evaluate")
DIGEST_LENGTH = 32

_HEAD = """\
# Written by `dwindle plan` from params.yaml; do not edit. One entry a generation: its folder, what it reads, and for
# each stage the digest of the parameters, seeds and code that the stage depends on.
"""


@dataclass(frozen=True)
class Plan:
    """A sweep, unrolled.

    Args:
        sweep: the sweep's name.
        real: folder and digest of each set of real rows, by key.
        chain: one entry a generation, by key (`replace-g003`).
        recipes: each lineage's recipe as plain data.
        compare: digest of the last stage, which gathers all metrics.
    """

    sweep: str
    real: Mapping[str, Mapping[str, Any]]
    chain: Mapping[str, Mapping[str, Any]]
    recipes: Mapping[str, Mapping[str, Any]]
    compare: str

    def recipe(self, lineage: str) -> Recipe:
        """Return the recipe of a lineage.

        Raises:
            BadInput: if the plan has no such lineage, or was edited into something that is no recipe.
        """
        if lineage not in self.recipes:
            raise BadInput(f"{PLAN}: no lineage '{lineage}'; it has: {', '.join(self.recipes)}")
        return self._parsed[lineage]

    @cached_property
    def _parsed(self) -> dict[str, Recipe]:
        problems = Problems(Document(PLAN, {}))
        parsed = {name: recipe_from(data, ("recipes", name), problems) for name, data in self.recipes.items()}
        if problems:
            raise BadInput(*problems)
        return {name: recipe for name, recipe in parsed.items() if recipe is not None}

    def generations(self, lineage: str) -> list[str]:
        """Return the chain keys of a lineage, generation by generation."""
        return [key for key, entry in self.chain.items() if entry["lineage"] == lineage]

    def stage_names(self) -> Iterator[str]:
        """Yield the DVC name of every stage, in an order that respects their dependencies."""
        yield from (f"draw@{key}" for key in self.real)
        yield from (f"{stage}@{key}" for key in self.chain for stage in STAGES)
        yield "compare"


def chain_key(lineage: str, generation: int) -> str:
    """Return the key of a generation: `replace-g003`."""
    return f"{lineage}-g{generation:03d}"


def generation_folder(lineage: str, generation: int) -> str:
    """Return the folder of a generation below data/, models/ and metrics/."""
    return f"{lineage}/{generation:03d}"


def unroll(sweep: Sweep) -> Plan:
    """Unroll a sweep into its plan."""
    real: dict[str, Mapping[str, Any]] = {}
    chain: dict[str, Mapping[str, Any]] = {}
    for lineage in sweep.lineages.values():
        key, entry = _real(lineage.recipe)
        real[key] = entry
        for generation in range(lineage.generations + 1):
            chain[chain_key(lineage.name, generation)] = _generation(lineage, generation, str(entry["folder"]))
    recipes = {name: lineage.recipe.settings for name, lineage in sweep.lineages.items()}
    compare = _digest(
        "compare", {"sweep": sweep.name, "lineages": list(sweep.lineages)}, None, "dwindle.stages.compare"
    )
    return Plan(sweep.name, real, chain, recipes, compare)


def _real(recipe: Recipe) -> tuple[str, Mapping[str, Any]]:
    settings = {key: recipe.settings[key] for key in ("source", "chains", "budget", "threads")}
    digest = _digest("draw", settings, Seed(recipe.seed).at("real"), "dwindle.stages.draw", _module(recipe.source))
    key = f"{recipe.settings['source']['name'].rpartition(':')[2].lower()}-{digest[:8]}"
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
    start = {"cold": "", "warm": parent, "base": generation_folder(name, 0)}[recipe.restart] if generation else ""
    generator = f"models/{parent}" if generation else real
    asked = bool(generation) and recipe.sampler.prompts == "anchor"
    digests = {stage: _stage_digest(recipe, name, generation, stage) for stage in STAGES}
    return {
        "lineage": name,
        "generation": generation,
        "folder": folder,
        "rows": rows,
        "generator": generator,
        "prompts": real if asked else f"{generator}/manifest.json",
        "real": real,
        "pool": f"data/{parent}/train" if pooled else f"{rows}/manifest.json",
        "restart": f"models/{start}" if start else f"data/{folder}/train/manifest.json",
        **digests,
    }


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
        "generate": {} if first else {"family": settings["family"], "sampler": settings["sampler"]},
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
    return [_module(item) for item in used[stage]]


def _module(instance: object) -> str:
    return type(instance).__module__


def _digest(stage: str, reads: Mapping[str, Any], seed: Seed | None, *modules: str) -> str:
    address = None if seed is None else [seed.root, *seed.path]
    whole = {"stage": stage, "reads": reads, "seed": address, "code": code_digest(*modules)}
    return digest_of(whole)[:DIGEST_LENGTH]


def write_plan(plan: Plan, root: Path) -> bool:
    """Write plan.yaml unless it already says the same; return whether it was written."""
    text = plan_text(plan)
    path = root / PLAN
    with held(root, "plan", wait=True):
        if path.exists() and path.read_bytes() == text.encode():
            return False
        publish_text(path, text)
    return True


def plan_text(plan: Plan) -> str:
    """Return the text of plan.yaml."""
    data = {
        "name": plan.sweep,  # not `sweep`: DVC lays plan.yaml over params.yaml and refuses a key that both have
        "recipes": plan.recipes,
        "real": plan.real,
        "chain": plan.chain,
        "compare": plan.compare,
    }
    return _HEAD + "\n".join(_lines(data)) + "\n"


def _lines(data: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Spell plain data as YAML, a key a line; texts are quoted, or the digest 12345e67 would be read as a number."""
    for key, value in data.items():
        name = key if key.isidentifier() and key not in _WORDS else json.dumps(key)
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {json.dumps(value)}"


_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Names that some YAML dialect reads as something else."""


def read_plan(root: Path) -> Plan:
    """Read plan.yaml.

    Raises:
        BadInput: if it is missing or is no plan.
    """
    path = root / PLAN
    try:
        status = path.stat()
    except OSError:
        raise BadInput(f"{path}: missing; `dwindle plan` writes it from params.yaml") from None
    return _read_plan(path, status.st_mtime_ns, status.st_ino)


def _hold_together(plan: Plan) -> None:
    """Look up what every reader of the plan relies on, so that a plan edited by hand or half merged is refused here."""
    texts = [plan.sweep, plan.compare, *(entry[key] for entry in plan.real.values() for key in ("folder", "draw"))]
    for entry in plan.chain.values():
        texts += [entry[key] for key in ("folder", "rows", "generator", "prompts", "real", "pool", "restart", *STAGES)]
        dict(plan.recipes[entry["lineage"]])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a path or a digest is no text")


@lru_cache(maxsize=4)
def _read_plan(path: Path, _modified: int, _inode: int) -> Plan:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe").load(path.read_bytes().decode())
        plan = Plan(data["name"], data["real"], data["chain"], data["recipes"], data["compare"])
        _hold_together(plan)
        return plan
    except (YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a plan ({type(error).__name__}); write it anew with `dwindle plan`") from error
