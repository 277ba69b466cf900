"""Lineages beside those that a sweep names: the all-real control, and arms that separate the sources of error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwindle.config.merging import laid_over
from dwindle.config.recipe import HOLDING
from dwindle.config.schema import Problems
from dwindle.contracts import Source
from dwindle.errors import nearest

__all__ = ["ARMS", "CONTROL", "JUDGED", "control_entry", "control_of", "controls", "with_arms"]

CONTROL = "control"
"""Name of the lineage that trains on real rows only, with the same restarts: what no synthetic row has touched."""

JUDGED = ("regime", "sampler", "curators", *HOLDING, "branch")
"""What a control is there to judge: a lineage and its control agree in everything else."""

ARMS = ("rows", "capacity", "fit")
"""More rows, more capacity, a better fit: each takes away one source of error.

Source: Shumailov et al. 2024: statistical approximation, functional expressivity, functional approximation.
"""


def control_entry(source: Source) -> dict[str, Any]:
    """Return what differs in the control: new real rows each generation, or the anchor again if the source ends.

    No gate ends it and nobody reviews it, because it is what the others are held to.
    """
    regime = {"name": "fresh" if source.capacity is None else "blend", "synthetic_ratio": 0.0}
    return {"regime": regime, "gates": None, "review": None}


def controls(recipes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the controls: `control`, and the all-real lineages of a grid that are named after it.

    Args:
        recipes: each lineage's recipe as plain data.
    """
    return tuple(name for name, recipe in recipes.items() if name == CONTROL or _of_grid(name, recipe))


def _of_grid(name: str, recipe: Mapping[str, Any]) -> bool:
    return name.startswith(f"{CONTROL}-") and recipe["regime"] in (
        {"name": regime, "synthetic_ratio": 0.0} for regime in ("fresh", "blend")
    )


def control_of(recipes: Mapping[str, Mapping[str, Any]], lineage: str) -> str | None:
    """Return the control that a lineage is judged against; None if there is none, or the lineage is one itself.

    It is one that agrees in everything but regime, sampler, curators and restart, in the restart too if there is such
    a one; otherwise the lineage `control`.

    Args:
        recipes: each lineage's recipe as plain data.
        lineage: its name.
    """
    known = controls(recipes)
    if lineage in known:
        return None
    for apart in (JUDGED, (*JUDGED, "restart")):
        alike = _rest(recipes[lineage], apart)
        for name in known:
            if _rest(recipes[name], apart) == alike:
                return name
    return CONTROL if CONTROL in known else None


def _rest(recipe: Mapping[str, Any], apart: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in apart}


def with_arms(entries: Mapping[str, Any], arms: Any, problems: Problems) -> dict[str, Any]:
    """Return the lineages of a sweep with its arms among them, each named `<lineage>-<arm>`.

    Args:
        entries: what differs in each lineage.
        arms: `of`, the lineage whose error is taken apart, and what differs in each arm.
        problems: where to note what is wrong.
    """
    if arms is None:
        return dict(entries)
    if not isinstance(arms, Mapping) or not isinstance(arms.get("of"), str):
        problems.add(("arms",), arms, f"expected `of: LINEAGE` and what differs in {', '.join(ARMS)}")
        return dict(entries)
    of = arms["of"]
    if of not in entries:
        problems.add(("arms", "of"), of, f"no lineage of that name{nearest(of, entries)}")
        return dict(entries)
    if entries[of] is not None and not isinstance(entries[of], Mapping):
        return dict(entries)  # told where the lineage itself is read
    found = dict(entries)
    for arm, differs in arms.items():
        if arm == "of":
            continue
        if arm not in ARMS:
            problems.add(("arms", arm), differs, f"unknown arm{nearest(arm, ARMS)}; arms are {', '.join(ARMS)}")
        elif not isinstance(differs, Mapping):
            problems.add(("arms", arm), differs, "expected a mapping of what differs from the lineage")
        elif f"{of}-{arm}" in entries:
            problems.add(("arms", arm), differs, f"the sweep names a lineage {of}-{arm} itself")
        else:
            found[f"{of}-{arm}"] = laid_over(entries[of] or {}, differs)
            _place(of, arm, problems)
    return found


def _place(of: str, arm: str, problems: Problems) -> None:
    """Note on which line each setting of an arm stands: its own ones first, then those of its lineage."""
    lines, placed = problems.document.lines, ("lineages", f"{of}-{arm}")
    for above in (("lineages", of), ("arms", arm)):
        lines |= {(*placed, *path[2:]): line for path, line in list(lines.items()) if path[:2] == above}
