"""Whether the parts of a recipe go together: settings that are fine by themselves and wrong with others."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dwindle.components import name_of
from dwindle.config.reading import KeyPath
from dwindle.config.schema import Problems
from dwindle.contracts import Curator, Exacting, Family, Grouped, Informed, Metric, classes_of
from dwindle.errors import nearest
from dwindle.phases import objection
from dwindle.samplers import Sampler

if TYPE_CHECKING:
    from dwindle.config.recipe import Recipe

__all__ = ["is_pretrained", "note_disagreements"]


def is_pretrained(family: Family) -> bool:
    """Say whether a family starts from weights that it is given, so that no generation starts anew."""
    return bool(getattr(family, "pretrained", False))


def note_disagreements(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note settings that are fine by themselves and wrong together."""
    source = recipe.source
    _kinds_agree(recipe, path, problems)
    _gates_agree(recipe, path, problems)
    _teacher_agrees(recipe, path, problems)
    _phases_agree(recipe, path, problems)
    if recipe.curation.least > recipe.budget:
        text = f"no generation has more rows a chain than the budget, {recipe.budget}"
        problems.add((*path, "curation", "least"), recipe.curation.least, text)
    if recipe.curation.regenerate and recipe.sampler.prompts != "none":
        text = "rows that answer prompts are not sampled again; leave it 0, or sampler.prompts none"
        problems.add((*path, "curation", "regenerate"), recipe.curation.regenerate, text)
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
    knowing: list[tuple[str, Any]] = [("family", recipe.family), ("teacher", recipe.teacher)]
    knowing += [("curators", curator) for curator in recipe.curators]
    for key, knower in knowing:
        if isinstance(knower, Informed):
            try:
                knower.given(recipe.source)
            except ValueError as error:
                problems.add((*path, key), name_of(knower), str(error), error)


def _none_refuses(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note components that say themselves why they do not go with the rest."""
    parts: list[tuple[str, Any]] = [("source", recipe.source), ("family", recipe.family), ("regime", recipe.regime)]
    parts += [("gates", gate.regime) for gate in recipe.gates]
    parts += [("curators", curator) for curator in recipe.curators] + [("metrics", metric) for metric in recipe.metrics]
    for key, part in parts:
        if isinstance(part, Exacting) and (why := part.refuses(recipe)):
            problems.add((*path, key), name_of(part), why)


def _gates_agree(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note gates on measures that nobody takes, and more roll-backs than one."""
    measured = [name for metric in recipe.metrics for name in metric.measures]
    for place, gate in enumerate(recipe.gates):
        if gate.measure not in measured:
            text = f"no metric of the recipe measures it{nearest(gate.measure, measured)}"
            problems.add((*path, "gates", str(place), "measure"), gate.measure, text)
    back = [place for place, gate in enumerate(recipe.gates) if gate.action == "roll_back"]
    if len(back) > 1:
        problems.add((*path, "gates", str(back[1]), "action"), "roll_back", "a lineage is rolled back by one gate only")


def _teacher_agrees(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note a teacher whose rows or model the rest of the recipe cannot take."""
    teacher, at = recipe.teacher, (*path, "teacher")
    if teacher is None:
        return
    if recipe.source.kind not in getattr(teacher, "kinds", {teacher.kind}):
        problems.add(at, name_of(teacher), f"source {name_of(recipe.source)} gives {recipe.source.kind}")
    if recipe.restart == "warm" or (recipe.restart == "base" and not is_pretrained(recipe.family)):
        text = (
            f"a student cannot start from the model of its teacher; with restart {recipe.restart} leave the teacher out"
        )
        problems.add(at, name_of(teacher), text)
    for field in fields(Sampler):
        value = getattr(recipe.sampler, field.name)
        if value != field.default and field.name not in teacher.knobs | {"oversample"}:
            problems.add((*path, "sampler", field.name), value, f"teacher {name_of(teacher)} does not honour it")


def _phases_agree(recipe: Recipe, path: KeyPath, problems: Problems) -> None:
    """Note phases that do not part the rows of the source, or that the family would forget."""
    if not recipe.phases:
        return
    source = recipe.source
    known = classes_of(source) or (source.group_names() if isinstance(source, Grouped) else ())
    told = [[*phase.labels] for phase in recipe.phases]
    if text := objection(recipe.phases, known):
        problems.add((*path, "phases"), told, text)
    for family in {name_of(part): part for part in (recipe.family, recipe.family_of(0))}.values():
        if not getattr(family, "continues", False):
            text = f"family {name_of(family)} starts anew in every fit, so only the last phase would count"
            problems.add((*path, "phases"), told, text)
