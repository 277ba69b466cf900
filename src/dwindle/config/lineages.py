"""Lineages of a sweep, read one by one or over a grid, where a mistake is told once and not once a lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Annotated, Any

from dwindle.components import name_of
from dwindle.config.arms import CONTROL, control_entry
from dwindle.config.axes import LINEAGE, Axis, spelled
from dwindle.config.building import misnamed, recipe_from
from dwindle.config.grid import Entry, control_entry_of, crossed
from dwindle.config.merging import laid_over
from dwindle.config.reading import KeyPath
from dwindle.config.recipe import HOLDING, Recipe, fresh_rows
from dwindle.config.schema import Problems, convert
from dwindle.contracts import Regime, Within
from dwindle.data.manifest import digest_of

__all__ = ["Lineage", "Point", "Shared", "control_beside", "grown_over", "lineage_from"]

REAL_ROWS = "real"
"""The folder of real rows among those of the lineages."""

Generations = Annotated[int, Within(low=0, high=1_000_000, unit="generations")]


@dataclass(frozen=True)
class Lineage:
    """One lineage of a sweep.

    Args:
        name: its name, and its folder's.
        recipe: what determines it.
        generations: how far it grows: the last generation's number.
        coordinates: label of its value on each axis of the sweep; where named lineages are grown over a grid, its own
            label on the axis `lineage` comes first.
    """

    name: str
    recipe: Recipe
    generations: int
    coordinates: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """What differs, for people: `replace, ratio 0.9, small`; the name where there are no axes."""
        told = [label if axis == LINEAGE else spelled(axis, label) for axis, label in self.coordinates.items()]
        return ", ".join(told) or self.name


@dataclass(frozen=True)
class Point:
    """One point of a sweep's grid.

    Args:
        lineage: name of the lineage that is grown for it; points of one recipe and length share one.
        coordinates: label of its value on each axis.
    """

    lineage: str
    coordinates: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Shared:
    """What the lineages of a sweep share.

    Args:
        settings: those of the recipe.
        generations: how far lineages grow that do not say so themselves.
        problems: where to note what is wrong.
    """

    settings: Mapping[str, Any]
    generations: Any
    problems: Problems


def lineage_from(name: str, entry: Any, shared: Shared, coordinates: Mapping[str, str] | None = None) -> Lineage | None:
    """Read a lineage, or note what is wrong with it and return None.

    Args:
        name: its name.
        entry: what differs from the shared settings.
        shared: the shared settings.
        coordinates: label of its value on each axis.
    """
    path, problems = ("lineages", name), shared.problems
    entry = {} if entry is None else entry
    if told := misnamed(name) or (name == REAL_ROWS and f"data/{name}/ holds the real rows; give it another name"):
        problems.add(path, name, told)
        return None
    if not isinstance(entry, Mapping):
        problems.add(path, entry, "expected a mapping of what differs from the shared settings")
        return None
    own = {key: value for key, value in entry.items() if key != "generations"}
    where = (*path, "generations") if "generations" in entry else ("generations",)
    last = convert(Generations, entry.get("generations", shared.generations), where, problems)
    recipe = recipe_from(laid_over(shared.settings, own), path, problems)
    if "branch" in own:
        problems.add((*path, "branch"), own["branch"], "no setting: gates with the action roll_back make branches")
        return None
    if recipe is None or not isinstance(last, int):
        return None
    lineage = Lineage(name, recipe, last, coordinates or {})
    _enough_rows(lineage, path, problems)
    return lineage


def control_beside(wanted: Any, grown: Mapping[str, Lineage], shared: Shared) -> dict[str, Lineage]:
    """Return the all-real control of lineages without axes, if it is wanted."""
    if not _is_wanted(wanted, shared.problems):
        return {}
    if CONTROL in grown:
        shared.problems.add(("control",), wanted, f"the sweep names a lineage {CONTROL} itself")
        return {}
    source = next((lineage.recipe.source for lineage in grown.values()), None)
    lineage = lineage_from(CONTROL, control_entry(source), shared) if source is not None else None
    return {CONTROL: lineage} if lineage is not None else {}


def grown_over(
    axes: Sequence[Axis], entries: Mapping[str, Any], control: Any, shared: Shared
) -> tuple[dict[str, Lineage], tuple[Point, ...]]:
    """Return the lineages of a grid by name, its controls last, and the points of the grid.

    Args:
        axes: the axes, one at least.
        entries: what differs in each named lineage; may be empty.
        control: whether there is an all-real control, one for each size, source and seed.
        shared: the shared settings.
    """
    cells = crossed(entries, axes, shared.problems)
    found = _read(cells, shared)
    first: dict[tuple[str, str, int], str] = {}
    points = [Point(first.setdefault(_work(lineage), lineage.name), lineage.coordinates) for lineage in found.values()]
    grown = {name: found[name] for name in first.values()}
    if _is_wanted(control, shared.problems) and len(found) == len(cells):
        grown |= _controls(cells, found, shared)
    return grown, tuple(points)


def _work(lineage: Lineage) -> tuple[str, str, int]:
    """Return what lineages that would be the same work have in common: what they are, and how far they go."""
    held = {key: part for key, part in lineage.recipe.settings.items() if key in HOLDING}
    return lineage.recipe.digest, digest_of(held), lineage.generations


def _is_wanted(control: Any, problems: Problems) -> bool:
    if not isinstance(control, bool):
        problems.add(("control",), control, "expected true or false")
    return control is True


def _controls(cells: Iterable[Entry], grown: Mapping[str, Lineage], shared: Shared) -> dict[str, Lineage]:
    """Return one control for all points that agree in everything else, as long as the longest of them."""
    wanted: dict[str, Entry] = {}
    longest: dict[str, int] = {}
    for cell in cells:
        entry = control_entry_of(cell, grown[cell.name].recipe.source)
        same = wanted.setdefault(entry.name, entry)
        if entry.name in grown or same.own != entry.own:
            taken = "the sweep names a lineage" if entry.name in grown else "two points would have a control named"
            shared.problems.add(("control",), True, f"{taken} {entry.name} itself")
            return {}
        longest[entry.name] = max(longest.get(entry.name, 0), grown[cell.name].generations)
    once: dict[str, Lineage] = {}
    for name, lineage in _read(tuple(wanted.values()), shared).items():
        known = once.setdefault(lineage.recipe.digest, replace(lineage, generations=0))
        once[lineage.recipe.digest] = replace(known, generations=max(known.generations, longest[name]))
    return {lineage.name: lineage for lineage in once.values()}


def _read(cells: Sequence[Entry], shared: Shared) -> dict[str, Lineage]:
    """Read the lineages of a grid; what is wrong is noted once and not once a lineage."""
    problems, before = shared.problems, len(shared.problems)
    found: dict[str, Lineage] = {}
    told: dict[str, list[Entry]] = {}
    for cell in cells:
        problems.document.origins[cell.name] = cell.whence
        lineage = lineage_from(cell.name, cell.own, shared, cell.coordinates)
        if lineage is not None:
            found[cell.name] = lineage
        for line in problems[before:]:
            told.setdefault(line, []).append(cell)
        del problems[before:]
    problems += _told_once(told, cells)
    return found


def _told_once(told: Mapping[str, Sequence[Entry]], cells: Sequence[Entry]) -> list[str]:
    """Return each problem with the lineage that has it, unless all have it that share a value; no key twice."""
    sharing = Counter(id(step) for cell in cells for _, step in cell.at)
    lines: dict[str, str] = {}
    for line, at in told.items():
        place, _, rest = line.partition(" = ")
        unknown = rest.partition(": unknown key")[2]
        lines.setdefault(place + unknown if unknown else line, line + _whose(line, at, len(cells), sharing))
    return list(lines.values())


def _whose(line: str, at: Sequence[Entry], cells: int, sharing: Mapping[int, int]) -> str:
    first, origins = at[0], {cell.origin for cell in at}
    told = any(
        sharing[id(step)] == len(at) and all(cell.at[place][1] is step for cell in at)
        for place, (_, step) in enumerate(first.at)
    )
    if told or len(at) == cells or f" lineages.{first.origin}." in line:
        return ""
    if len(origins) == 1 and first.origin:
        return f"; in lineage {first.origin}"
    return f"; in lineage {first.name}{f' and {len(at) - 1} more' if len(at) > 1 else ''}"


def _enough_rows(lineage: Lineage, path: tuple[str, ...], problems: Problems) -> None:
    """Note a lineage whose fresh rows outrun its source, or those of a branch that it may come to need."""
    recipe, last = lineage.recipe, lineage.generations
    if recipe.source.capacity is None:
        return
    own = _fresh_by(recipe.regime, lineage)
    _note_outrun(own[last], lineage, (*path, "regime"), recipe.regime, problems)
    for place, gate in enumerate(recipe.gates):
        if gate.regime is not None and gate.to is not None and last > 1:
            after = _fresh_by(gate.regime, lineage)
            ends = range(max(0, min(gate.to, gate.first - 1, last - 2)), min(gate.to, last - 2) + 1)
            most = max(own[at] + after[last] - after[at] for at in ends)
            _note_outrun(most, lineage, (*path, "gates", str(place), "regime"), gate.regime, problems)


def _fresh_by(regime: Regime, lineage: Lineage) -> list[int]:
    """Return the fresh rows a chain that a regime takes up to each generation."""
    counts = (fresh_rows(regime, t, lineage.recipe.budget) for t in range(lineage.generations + 1))
    return list(accumulate(counts))


def _note_outrun(fresh: int, lineage: Lineage, at: KeyPath, regime: Regime, problems: Problems) -> None:
    recipe, capacity = lineage.recipe, lineage.recipe.source.capacity
    if capacity is not None and recipe.budget + fresh > capacity:
        text = (
            f"budget {recipe.budget} + {fresh} fresh rows over {lineage.generations} generations are more than the "
            f"{capacity} rows a chain of source {name_of(recipe.source)}; lower generations, budget or held_out"
        )
        problems.add(at, name_of(regime), text)
