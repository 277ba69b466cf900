"""The grid of a sweep: every lineage at every point of the axes, and the all-real controls that belong to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dwindle.config.arms import CONTROL, JUDGED, control_entry
from dwindle.config.axes import LINEAGE, Axis, Step, settled
from dwindle.config.building import LINEAGE_NAME, misnamed
from dwindle.config.merging import laid_over
from dwindle.config.reading import KeyPath
from dwindle.config.schema import Problems
from dwindle.contracts import Source

__all__ = ["LARGEST_SWEEP", "Entry", "control_entry_of", "crossed"]

LARGEST_SWEEP = 10_000
"""Lineages of a sweep, at most."""


@dataclass(frozen=True)
class Entry:
    """A lineage before it is read: its name and what differs from the shared settings.

    Args:
        name: its name.
        own: what differs.
        differs: what differs in the named lineage, without the axes.
        lineage: its label on the axis of named lineages; empty if the sweep names none.
        origin: the named lineage where the file gives the rest of its settings; empty: they are shared.
        at: axis and value for each axis of its point.
    """

    name: str
    own: Mapping[str, Any]
    differs: Mapping[str, Any]
    lineage: str = ""
    origin: str = ""
    at: tuple[tuple[str, Step], ...] = ()

    @property
    def coordinates(self) -> dict[str, str]:
        """Label of its value on each axis; none where no axis touches it."""
        named = {LINEAGE: self.lineage} if self.lineage and self.at else {}
        return named | {axis: step.label for axis, step in self.at}

    def whence(self, below: KeyPath) -> KeyPath:
        """Return where one of its settings stands in the file: below an axis, a named lineage or among the shared."""
        places = {path: place for _, step in self.at for path, place in step.places.items()}
        for length in range(len(below), 0, -1):
            if below[:length] in places:
                return (*places[below[:length]], *below[length:])
        return ("lineages", self.origin, *below) if self.origin else below or ("axes",)


def crossed(lineages: Mapping[str, Any], axes: Sequence[Axis], problems: Problems) -> tuple[Entry, ...]:
    """Return every named lineage at every point of the axes, or the points alone if no lineage is named.

    Args:
        lineages: what differs in each named lineage.
        axes: one at least.
        problems: where to note what is wrong.
    """
    before = len(problems)
    for name, own in lineages.items():
        if told := misnamed(name):
            problems.add(("lineages", name), name, told)
        elif own is not None and not isinstance(own, Mapping):
            problems.add(("lineages", name), own, "expected a mapping of what differs from the shared settings")
    sizes = [len(lineages)] * bool(lineages) + [len(axis.steps) for axis in axes]
    if (count := math.prod(sizes)) > LARGEST_SWEEP:
        told = f"{count} lineages are more than the {LARGEST_SWEEP} that a sweep may have"
        problems.add(("axes",), " x ".join(map(str, sizes)), told)
    if len(problems) > before:
        return ()
    names, places = [axis.name for axis in axes], [axis.steps for axis in axes]
    entries = tuple(
        _entry(lineage, own or {}, tuple(zip(names, steps, strict=True)))
        for (lineage, own), *steps in itertools.product((lineages or {"": {}}).items(), *places)
    )
    _note_names(entries, problems)
    return () if len(problems) > before else entries


def _entry(lineage: str, own: Mapping[str, Any], at: tuple[tuple[str, Step], ...]) -> Entry:
    name = "-".join([*([lineage] if lineage else []), *(step.part for _, step in at)])
    return Entry(name, laid_over(own, settled(step for _, step in at)), own, lineage, lineage, at)


def _note_names(entries: Sequence[Entry], problems: Problems) -> None:
    """Note the first name that is none, and the first one that two points have."""
    long = next((entry.name for entry in entries if not LINEAGE_NAME.fullmatch(entry.name)), "")
    if long:
        told = f"a name of {len(long)} characters, and 64 are the most; label the values, or shorten the axes' names"
        problems.add(("axes",), long, told)
    names: set[str] = set()
    twice = next((entry.name for entry in entries if entry.name in names or names.add(entry.name)), "")  # type: ignore[func-returns-value]
    if twice:
        problems.add(("axes",), twice, "two points of the grid would have this name; give other labels")


def control_entry_of(entry: Entry, source: Source) -> Entry:
    """Return the all-real control of a point: what it shares with the point, but for what controls are there to judge.

    It is named by the axes that set anything else, and by the lineage if that does: `control-small`.
    """
    outer = tuple((axis, step) for axis, step in entry.at if _outer(step.settings))
    origin = entry.lineage if _outer(entry.differs) else ""
    lineage = f"{CONTROL}-{origin}" if origin else CONTROL
    name = "-".join([lineage, *(step.part for _, step in outer)])
    own = {key: value for key, value in entry.own.items() if _outer((key,))}
    return Entry(name, own | control_entry(source), {}, lineage, origin, outer)


def _outer(keys: Iterable[str]) -> bool:
    """Say whether any of some dotted keys is one in which a lineage and its control agree."""
    return any(key.partition(".")[0] not in (*JUDGED, "generations") for key in keys)
