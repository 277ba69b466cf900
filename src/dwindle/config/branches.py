"""Branches: lineages that go on from a generation of another one, which a gate has rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dwindle.config.building import misnamed
from dwindle.config.lineages import Lineage
from dwindle.config.recipe import Branch
from dwindle.config.schema import Problems
from dwindle.data.workspace import read_document
from dwindle.policies import Finding, Gate, findings
from dwindle.regimes import Switched

__all__ = ["branch_of", "note_taken_names", "with_branches"]


def with_branches(lineages: Mapping[str, Lineage], root: Path) -> dict[str, Lineage]:
    """Return the lineages, each that was rolled back followed by the one that goes on in its place.

    Whether a gate has fired stands in the measures of the lineage that it ended, so a sweep has its branches from the
    moment on when they are needed, whoever reads it.

    Args:
        lineages: the lineages of a sweep, by name.
        root: the workspace.
    """
    grown: dict[str, Lineage] = {}
    for name, lineage in lineages.items():
        grown[name] = lineage
        ending = [gate for gate in lineage.recipe.gates if gate.action != "warn"]
        back = any(gate.action == "roll_back" for gate in ending)
        fired = _first_fired(lineage, ending, root) if back else None
        if fired is not None and fired.gate.action == "roll_back":
            branch = branch_of(lineage, fired.gate, last=fired.generation - 1)
            grown[branch.name] = branch
    return grown


def branch_of(lineage: Lineage, gate: Gate, *, last: int) -> Lineage:
    """Return the lineage that goes on where a gate has rolled another one back.

    Args:
        lineage: the lineage that ended.
        gate: the gate that fired.
        last: the last generation that may be kept.
    """
    assert gate.to is not None
    assert gate.regime is not None
    recipe, at = lineage.recipe, max(0, min(gate.to, last))
    gates = tuple(other for other in recipe.gates if other.action != "roll_back")
    switched = Switched(before=recipe.regime, after=gate.regime, until=at)
    changed = replace(recipe, regime=switched, gates=gates, branch=Branch(lineage.name, at))
    return Lineage(_named(lineage.name, at), changed, lineage.generations)


def note_taken_names(lineages: Mapping[str, Lineage], problems: Problems) -> None:
    """Note each gate whose branch would have a name that another lineage has, or that is too long for one."""
    for name, lineage in lineages.items():
        for place, gate in enumerate(lineage.recipe.gates):
            if gate.to is None:
                continue
            at, wanted = ("lineages", name, "gates", str(place), "to"), _named(name, gate.to)
            taken = [other for other in lineages if other in (_named(name, to) for to in range(gate.to + 1))]
            if taken:
                problems.add(
                    at, gate.to, f"the sweep names a lineage {taken[0]} itself, which a branch would be called"
                )
            elif told := misnamed(wanted):
                problems.add(at, gate.to, f"the branch would be called {wanted}: {told}")


def _named(lineage: str, at: int) -> str:
    return f"{lineage}-from-{at}"


def _first_fired(lineage: Lineage, gates: list[Gate], root: Path) -> Finding | None:
    """Return what the gates found first in the generations of this very recipe that stand in the workspace."""
    origin: Mapping[str, Any] = {}
    for generation in range(lineage.generations):
        document = read_document(root / "metrics" / lineage.name / f"{generation:03d}.json")
        if document is None or document["record"][0]["recipe"] != lineage.recipe.digest:
            return None
        measures = document["record"][1]["measures"]
        origin = origin or measures
        if found := findings(gates, measures, generation, origin):
            return found[0]
    return None
