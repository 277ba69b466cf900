"""The plan as data: one entry a generation, and what can be looked up in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dwindle.config.building import recipe_from
from dwindle.config.reading import Document
from dwindle.config.recipe import Recipe
from dwindle.config.schema import Problems
from dwindle.errors import BadInput

__all__ = ["PLAN", "STAGES", "Plan", "chain_key", "generation_folder"]

PLAN = "plan.json"
STAGES = ("generate", "curate", "train", "evaluate")


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
        return self._keys.get(lineage, [])

    @cached_property
    def _keys(self) -> dict[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for key, entry in self.chain.items():
            keys.setdefault(entry["lineage"], []).append(key)
        return keys

    def digest(self, stage: str) -> str:
        """Return the digest that the plan has for a stage, by DVC's name for it; empty if it has no such stage."""
        verb, _, key = stage.partition("@")
        if verb == "compare":
            return self.compare
        return str((self.real if verb == "draw" else self.chain).get(key, {}).get(verb, ""))

    def drawn_for(self, key: str) -> str:
        """Return the first lineage that starts from a set of real rows, by the key of the set."""
        return self._starts[self.real[key]["folder"]]

    @cached_property
    def _starts(self) -> dict[str, str]:
        return {entry["real"]: entry["lineage"] for entry in reversed([*self.chain.values()])}

    def twins(self, key: str) -> list[str]:
        """Return the keys of the generations that are the same work as this one, itself left out.

        Generation 0 comes before any regime, so lineages of one source, family and seed share it; a branch shares the
        generations up to where it leaves its lineage.
        """
        return [twin for twin in self._alike[_work(self.chain[key])] if twin != key]

    @cached_property
    def _alike(self) -> dict[tuple[str, ...], list[str]]:
        alike: dict[tuple[str, ...], list[str]] = {}
        for key, entry in self.chain.items():
            alike.setdefault(_work(entry), []).append(key)
        return alike

    def stage_names(self) -> Iterator[str]:
        """Yield the DVC name of every stage, in an order that respects their dependencies."""
        yield from (f"draw@{key}" for key in self.real)
        yield from (f"{stage}@{key}" for key in self.chain for stage in STAGES)
        yield "compare"


def _work(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a generation's data and model follow from; what is measured of them may differ."""
    return (entry["real"], *(entry[stage] for stage in ("generate", "curate", "train")))


def chain_key(lineage: str, generation: int) -> str:
    """Return the key of a generation: `replace-g003`."""
    return f"{lineage}-g{generation:03d}"


def generation_folder(lineage: str, generation: int) -> str:
    """Return the folder of a generation below data/, models/ and metrics/."""
    return f"{lineage}/{generation:03d}"
