"""Recipes: everything that determines a lineage, frozen, with a digest."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Literal

from dwindle.components import Room, component, name_of, names
from dwindle.config.reading import KeyPath
from dwindle.config.schema import Problems, build, convert, expected, schema, settings_of
from dwindle.contracts import FRESH, Curator, Exacting, Family, Informed, Metric, Regime, Source, Within
from dwindle.data.manifest import digest_of
from dwindle.errors import BadInput, nearest
from dwindle.samplers import Sampler

__all__ = ["LINEAGE_NAME", "PARTS", "Recipe", "advice", "fresh_rows", "is_pretrained", "misnamed", "recipe_from"]

LINEAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

Restart = Literal["cold", "warm", "base"]

PARTS: dict[str, Any] = {
    "seed": Annotated[int, Within(low=0, high=2**63 - 1)],
    "chains": Annotated[int, Within(low=1, high=1_000_000, unit="chains")],
    "budget": Annotated[int, Within(low=2, high=1_000_000_000, unit="rows")],
    "threads": Annotated[int, Within(low=1, high=256, unit="threads")],
    "restart": Restart,
}
"""The settings of a recipe that are not components."""

_SINGLE: dict[str, Room] = {"source": "sources", "family": "families", "regime": "regimes"}
_SEVERAL: dict[str, Room] = {"curators": "curators", "metrics": "metrics"}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a lineage but its name and how far it has grown.

    Args:
        seed: root seed.
        chains: independent replicates, the unit of statistics.
        budget: real rows of the anchor, and rows that a generation may train on.
        threads: threads of the numerical libraries; other threads give other bits.
        restart: where training starts: `cold` (anew), `warm` (from the parent) or `base`: from the weights that a
            pretrained family is given, and from generation 0's where a family is given none.
        source: where real rows come from.
        family: which kind of model.
        regime: what trains generation t >= 1.
        sampler: how models are sampled.
        curators: judges of the new rows, in order.
        metrics: what is measured.
    """

    seed: int
    chains: int
    budget: int
    threads: int
    restart: Restart
    source: Source
    family: Family
    regime: Regime
    sampler: Sampler
    curators: tuple[Curator, ...]
    metrics: tuple[Metric, ...]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The recipe as plain data, defaults included: what plan.json stores."""
        plain: dict[str, Any] = {key: getattr(self, key) for key in PARTS}
        plain |= {key: described(getattr(self, key)) for key in _SINGLE}
        plain |= {key: [described(item) for item in getattr(self, key)] for key in _SEVERAL}
        return plain | {"sampler": settings_of(self.sampler)}

    @cached_property
    def digest(self) -> str:
        """The recipe digest."""
        return digest_of(self.settings | {"sampler": self.honoured})

    @cached_property
    def honoured(self) -> dict[str, Any]:
        """The settings of the sampler that the family honours: a setting for other families changes no digest."""
        known = self.family.knobs | {"oversample"}
        return {key: value for key, value in settings_of(self.sampler).items() if key in known}


def described(instance: object) -> dict[str, Any]:
    """Return a component as params.yaml would write it, every setting spelled out."""
    return {"name": name_of(instance), **settings_of(instance)}


def misnamed(name: object) -> str:
    """Say what is wrong with the name of a sweep or a lineage, which is also the name of a folder; empty if nothing is.

    A letter that only looks like one of a to z is named by its Unicode name.
    """
    if isinstance(name, str) and LINEAGE_NAME.fullmatch(name):
        return ""
    strange = next((c for c in name if not c.isascii()), "") if isinstance(name, str) else ""
    told = f"; it holds U+{ord(strange):04X}, {unicodedata.name(strange, 'unnamed')}" if strange else ""
    return f"expected a name of 1 to 64 letters a-z, digits, _ and -, with a letter or digit first{told}"


def fresh_rows(regime: Regime, generation: int, budget: int) -> int:
    """Return how many new real rows a chain needs at generation t."""
    return 0 if generation == 0 else regime.asks(generation, budget=budget).get(FRESH, 0)


def is_pretrained(family: Family) -> bool:
    """Say whether a family starts from weights that it is given, so that no generation starts anew."""
    return bool(getattr(family, "pretrained", False))


def recipe_from(data: Mapping[str, Any], path: KeyPath, problems: Problems) -> Recipe | None:
    """Build a recipe from plain data, or note everything that is wrong and return None."""
    before = len(problems)
    _note_keys(data, path, problems)
    given = [key for key in PARTS if key in data]
    parts: dict[str, Any] = {key: convert(PARTS[key], data[key], (*path, key), problems) for key in given}
    for key, room in _SINGLE.items():
        parts |= {key: _component(room, data[key], (*path, key), problems)} if key in data else {}
    parts |= {key: _components(room, data.get(key), (*path, key), problems) for key, room in _SEVERAL.items()}
    sampler = {} if data.get("sampler") is None else data["sampler"]
    if isinstance(sampler, Mapping):
        parts["sampler"] = build(Sampler, sampler, (*path, "sampler"), problems)
    else:
        problems.add((*path, "sampler"), sampler, f"expected a mapping of {', '.join(schema(Sampler))}")
    if len(problems) > before:
        return None
    recipe = Recipe(**parts)
    _agree(recipe, path, problems)
    return recipe if len(problems) == before else None


def _note_keys(data: Mapping[str, Any], path: KeyPath, problems: Problems) -> None:
    """Note the keys that are unknown and those that are missing."""
    for key in data:
        if key not in {*PARTS, *_SINGLE, *_SEVERAL, "sampler"}:
            problems.add((*path, key), data[key], f"unknown key{advice(key)}")
    wanted = {key: expected(hint) for key, hint in PARTS.items()}
    wanted |= {key: f"one of {', '.join(names(room))}" for key, room in _SINGLE.items()}
    for key in wanted:
        if key not in data:
            # Said once where it belongs: only the regime is each lineage's own.
            where = (key,) if path[:1] == ("lineages",) and key != "regime" else (*path, key)
            problems.append(f"{problems.document.place(where)}: missing; expected {wanted[key]}")


def _component(room: Room, data: Any, path: KeyPath, problems: Problems) -> Any:
    reference = {"name": data} if isinstance(data, str) else data
    if not isinstance(reference, Mapping) or not isinstance(reference.get("name"), str):
        problems.add(path, data, f"expected a name, or a mapping with a name; known: {', '.join(names(room))}")
        return None
    try:
        kind = component(room, reference["name"])
    except BadInput as error:
        where = (*path, "name") if isinstance(data, Mapping) else path
        problems.add(where, reference["name"], str(error), error)
        return None
    return build(kind, {key: value for key, value in reference.items() if key != "name"}, path, problems)


def _components(room: Room, data: Any, path: KeyPath, problems: Problems) -> tuple[Any, ...]:
    if data is None:
        return ()
    if not isinstance(data, list):
        problems.add(path, data, f"expected a list of names; known: {', '.join(names(room))}")
        return ()
    return tuple(_component(room, item, (*path, str(index)), problems) for index, item in enumerate(data))


def advice(word: str, also: Iterable[str] = ()) -> str:
    """Name the nearest key of a lineage, down to the settings of regime and sampler, with its range.

    Args:
        word: the unknown key.
        also: other keys that are allowed where it stands.
    """
    plain = {key: expected(hint) for key, hint in PARTS.items()}
    plain |= dict.fromkeys([*_SINGLE, *_SEVERAL, "sampler", *also], "")
    kinds = [("sampler", Sampler), *(("regime", component("regimes", name)) for name in names("regimes"))]
    inner = {f"{slot}.{name}": expected(hint) for slot, kind in kinds for name, (_, hint) in schema(kind).items()}
    known = inner | plain
    ends = {key.rpartition(".")[2]: key for key in known}
    close = difflib.get_close_matches(word, ends, n=1, cutoff=0.5)
    if not close:
        return nearest(word, plain)
    key = ends[close[0]]
    return f"; did you mean {key}?" + (f" (expected {known[key]})" if known[key] else "")


def _agree(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note settings that are fine by themselves and wrong together."""
    source = recipe.source
    _kinds_agree(recipe, path, problems)
    _all_informed(recipe, path, problems)
    _none_refuses(recipe, path, problems)
    known, symbols = (getattr(part, "symbols", None) for part in (recipe.family, source))
    if isinstance(known, int) and isinstance(symbols, int) and known < symbols:
        text = f"the family knows fewer symbols than the {symbols} of source {name_of(source)}"
        problems.add((*path, "family", "symbols"), known, text)
    for field in fields(Sampler):
        value, knobs = getattr(recipe.sampler, field.name), recipe.family.knobs
        if field.name not in knobs | {"oversample"} and value != field.default:
            honoured = ", ".join(sorted(knobs)) or "none"
            text = f"family {name_of(recipe.family)} does not honour it; it honours: {honoured}"
            problems.add((*path, "sampler", field.name), value, text)
    if source.capacity is not None and recipe.budget > source.capacity:
        problems.add((*path, "budget"), recipe.budget, f"source {name_of(source)} has {source.capacity} rows a chain")
    if recipe.restart == "cold" and is_pretrained(recipe.family):
        text = "the family starts from weights that it is given; expected base (from those weights) or warm"
        problems.add((*path, "restart"), recipe.restart, text)
    measured = [name_of(metric) for metric in recipe.metrics]
    for name in sorted({name for name in measured if measured.count(name) > 1}):
        problems.add((*path, "metrics"), name, "the metric stands here twice")


def _kinds_agree(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note components that cannot take the rows of the source."""
    given = f"source {name_of(recipe.source)} gives {recipe.source.kind}"
    family = recipe.family
    kinds = getattr(family, "kinds", {family.kind})
    if recipe.source.kind not in kinds:
        problems.add((*path, "family"), name_of(family), f"takes {', '.join(sorted(kinds))}, but {given}")
    judges: list[tuple[str, Metric | Curator, str]] = [("metrics", metric, "measures") for metric in recipe.metrics]
    judges += [("curators", curator, "judges") for curator in recipe.curators]
    for key, judge, verb in judges:
        if recipe.source.kind not in judge.kinds:
            text = f"{verb} {', '.join(sorted(judge.kinds))}, but {given}"
            problems.add((*path, key), name_of(judge), text)


def _all_informed(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note components that must know the source and cannot make anything of this one."""
    knowing = [("family", recipe.family), *(("curators", curator) for curator in recipe.curators)]
    for key, knower in knowing:
        if isinstance(knower, Informed):
            try:
                knower.given(recipe.source)
            except ValueError as error:
                problems.add((*path, key), name_of(knower), str(error), error)


def _none_refuses(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note components that say themselves why they do not go with the rest."""
    several = [(key, part) for key in _SEVERAL for part in getattr(recipe, key)]
    for key, part in [*((key, getattr(recipe, key)) for key in _SINGLE), *several]:
        if isinstance(part, Exacting) and (why := part.refuses(recipe)):
            problems.add((*path, key), name_of(part), why)
