"""A sweep: lineages that share most of their recipe, read from params.yaml and `key=value` overrides.

Lineages are named one by one under `lineages`, or are the points of a grid under `axes`, or both: then each named
lineage is grown at every point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dwindle.config.arms import CONTROL, with_arms
from dwindle.config.axes import axes_from
from dwindle.config.branches import note_taken_names, with_branches
from dwindle.config.building import advice, misnamed
from dwindle.config.lineages import Lineage, Point, Shared, control_beside, grown_over, lineage_from
from dwindle.config.machine import Engine, Tracking, engine_from, lay_environment, tracking_from
from dwindle.config.overrides import lay_over
from dwindle.config.preset import Preset, preset_from
from dwindle.config.prices import Prices, prices_from
from dwindle.config.reading import Document, read_yaml
from dwindle.config.schema import Problems
from dwindle.errors import BadInput, nearest

__all__ = ["Engine", "Lineage", "Point", "Sweep", "Tracking", "branched", "load_sweep"]

_OWN = ("sweep", "generations", "lineages", "axes", "control", "arms", "preset", "tracking", "engine", "prices")
_SHARED = (
    "seed",
    "chains",
    "budget",
    "threads",
    "restart",
    "source",
    "family",
    "regime",
    "sampler",
    "curators",
    "metrics",
    "purpose",
    "curation",
    "policy",
    "gates",
    "review",
    "teacher",
    "phases",
)
_DEFAULTS: dict[str, Any] = {"seed": 0, "chains": 8, "threads": 1, "restart": "cold"}


@dataclass(frozen=True)
class Sweep:
    """Lineages grown to be compared.

    Args:
        name: the sweep's name, and its MLflow experiment's.
        lineages: by name, in the order of the file; those of a grid with the last axis fastest, controls last.
        tracking: where MLflow keeps the runs.
        engine: who grows lineages side by side.
        root: the project: everything is written below it.
        preset: the published result that it reproduces, if it is one of those.
        points: every point of the grid, if it has axes; several may share a lineage.
        params: the file that it was read from, below the root.
        overrides: `key.path=value`, what was laid over the file.
        prices: what an hour, a token and a byte cost.
    """

    name: str
    lineages: Mapping[str, Lineage]
    tracking: Tracking = field(default_factory=Tracking)
    engine: Engine = field(default_factory=Engine)
    root: Path = field(default_factory=Path)
    preset: Preset | None = None
    points: tuple[Point, ...] = ()
    params: Path = Path("params.yaml")
    overrides: tuple[str, ...] = ()
    prices: Prices = field(default_factory=Prices)

    def chosen(self, name: str | None) -> tuple[str, ...]:
        """Return the names of the lineages to grow: one, the first if the name is empty, all if it is None.

        Raises:
            BadInput: if there is no such lineage.
        """
        if name is None:
            return tuple(self.lineages)
        found = name or next(iter(self.lineages))
        if found not in self.lineages:
            raise BadInput(f"no lineage '{found}'{nearest(found, self.lineages)}")
        return (found,)


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read, merge and validate a sweep.

    Args:
        path: params.yaml; its folder is the project's root.
        overrides: `key.path=value`, laid over the file and over the environment's settings of the machine.

    Raises:
        BadInput: every problem found, one line each.
    """
    document = read_yaml(path)
    problems = Problems(document)
    lay_over(document, overrides, problems)
    lay_environment(document)
    for key in document.data:
        if key not in (*_OWN, *_SHARED):
            problems.add((key,), document.data[key], f"unknown key{advice(key, _OWN)}")
    sweep = _sweep(document, path.resolve().parent, problems)
    if sweep is None or problems:
        raise BadInput(*dict.fromkeys(problems)) from problems.cause
    return branched(replace(sweep, params=Path(path.name), overrides=tuple(overrides)))


def branched(sweep: Sweep) -> Sweep:
    """Return a sweep with the branches that its lineages have come to need."""
    return replace(sweep, lineages=with_branches(sweep.lineages, sweep.root))


def _sweep(document: Document, root: Path, problems: Problems) -> Sweep | None:
    data = document.data
    name = data.get("sweep", root.name)
    if told := misnamed(name):
        problems.add(("sweep",), name, told)
    tracking, engine = tracking_from(data, problems), engine_from(data, problems)
    prices = prices_from(data, problems)
    found = _lineages(data, problems)
    if found is None:
        return None
    lineages, points, names = found
    note_taken_names(lineages, problems)
    preset = preset_from(data.get("preset"), names, problems)
    if problems or tracking is None or engine is None or prices is None:
        return None
    return Sweep(name, lineages, tracking, engine, root, preset, points, prices=prices)


def _lineages(
    data: Mapping[str, Any], problems: Problems
) -> tuple[dict[str, Lineage], tuple[Point, ...], Sequence[str]] | None:
    """Return lineages, points, and the names that checks may use; None where nothing can be made of the data."""
    before = len(problems)
    axes = axes_from(data.get("axes"), problems)
    if len(problems) > before:
        return None
    entries = {} if axes and data.get("lineages") is None else data.get("lineages")
    if not isinstance(entries, Mapping) or not (entries or axes):
        problems.add(
            ("lineages",), entries, "expected at least one lineage: a name and what differs from the rest, or axes"
        )
        return None
    settings = _DEFAULTS | {key: data[key] for key in _SHARED if key in data}
    shared = Shared(settings, data.get("generations", 10), problems)
    if axes:
        if data.get("arms") is not None:
            told = "arms and axes do not go together; give the arms an axis of their own"
            problems.add(("arms",), data["arms"], told)
        grown, points = grown_over(axes, entries, data.get("control", False), shared)
        return (grown, points, tuple(grown)) if len(problems) == before else None
    entries = with_arms(entries, data.get("arms"), problems)
    read = {key: lineage_from(key, entry, shared) for key, entry in entries.items()}
    grown = {key: lineage for key, lineage in read.items() if lineage is not None}
    grown |= control_beside(data.get("control", False), grown, shared)
    return grown, (), (*entries, *([CONTROL] if data.get("control") is True else []))
