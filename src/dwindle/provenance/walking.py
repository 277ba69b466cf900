"""Walk a row back: to the file it stands in, the model that made it, the prompt it answers, and real rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.contracts import FRESH, REAL, Array
from dwindle.data.manifest import read_manifest
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import Plan
from dwindle.provenance.ancestry import Ancestor, RealRows, ancestors, hold_to_maker, hold_to_rows, real_rows
from dwindle.provenance.datasets import Producer, datasets, entry_of, origin_name, recorded_digest
from dwindle.provenance.opened import Opened, Place, open_rows, shown_row

if TYPE_CHECKING:
    from dwindle.provenance.beyond import Beyond

__all__ = ["RealRow", "Step", "Walk", "parsed_row", "walk_back", "walk_from"]

_ROW = re.compile(r"(?P<lineage>[^/]+)/(?P<generation>\d{1,9})/(?P<row>\d{1,12})", re.ASCII)


@dataclass(frozen=True)
class RealRow:
    """A row that no model of the lineage made.

    Args:
        source: the source's name.
        chain: the chain whose stream it is of.
        number: its number in that stream, from 0.
        copied: the row of the source's own data that it is; None where the source draws from a law.
        anchor: whether it is one of the lineage's fixed real rows; False for fresh ones.
        depth: its synthetic ancestors at most: 0 unless it was published before.
    """

    source: str
    chain: int
    number: int
    copied: int | None
    anchor: bool
    depth: int = 0


@dataclass(frozen=True)
class Step:
    """A row on the way back.

    Args:
        place: where it stands.
        chain: its chain.
        row: its number among the chain's rows there, from 0.
        shown: the row itself, in a line.
        origin: `real`, `fresh`, or the generation that made it.
        number: its number among the rows of its origin and chain.
        changed: whether a curator changed it after it was made or drawn; None where that cannot be said.
        maker: the model that made it.
        real: where it was drawn from, if it is real.
        again: whether the curate stage sampled it in the place of a row that was rejected.
    """

    place: Place
    chain: int
    row: int
    shown: str
    origin: str
    number: int
    changed: bool | None = None
    maker: Producer | None = None
    real: RealRow | None = None
    again: bool = False


@dataclass(frozen=True)
class Walk:
    """All that a row came from.

    Args:
        lineage: the lineage.
        generation: whose dataset the row is in.
        steps: the row, then the row that it answers if it answers one, the row that this one answers, and so on; none
            for a walk behind all rows of a folder.
        ancestors: the models behind it, the latest first; none for a real row.
        real: the real rows at the end.
        recorded: MD5 that DVC has on record for the dataset, which is also its digest in MLflow; empty if none.
        beyond: where it goes on, if the source's rows were published before.
    """

    lineage: str
    generation: int
    steps: tuple[Step, ...]
    ancestors: tuple[Ancestor, ...]
    real: RealRows
    recorded: str
    beyond: tuple[Beyond, ...] = ()


def parsed_row(text: str) -> tuple[str, int, int]:
    """Return lineage, generation and row of `LINEAGE/GENERATION/ROW`.

    Raises:
        BadInput: if it is not of that form.
    """
    found = _ROW.fullmatch(text)
    if found is None:
        raise BadInput(f"ROW = {text!r}: expected LINEAGE/GENERATION/ROW, e.g. replace/5/17")
    return found["lineage"], int(found["generation"]), int(found["row"])


def walk_back(root: Path, plan: Plan, lineage: str, generation: int, row: int, *, chain: int = 0) -> Walk:
    """Walk a training row back to real rows.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: the lineage.
        generation: whose dataset the row is in.
        row: its number among the chain's rows there, from 0.
        chain: the chain.

    Raises:
        BadInput: if there is no such lineage, generation, chain or row, or the generation is not grown.
        DataDamaged: if a file on the way is missing or not what it was written as.
    """
    dataset = datasets(root, plan, lineage, upto=generation)[-1]
    hold_to_rows(root, plan, dataset)
    opened = open_rows(root, dataset.folder)
    if not 0 <= chain < opened.chains:
        raise BadInput(f"chain = {chain}: {lineage} has chains 0..{opened.chains - 1}")
    places = opened.places(chain)
    if not 0 <= row < len(places):
        told = f"chain {chain} of generation {generation} of {lineage} has rows 0..{len(places) - 1}"
        raise BadInput(f"row = {row}: {told}")
    recorded = recorded_digest(root, plan.generations(lineage)[generation])
    return walk_from(root, plan, (lineage, generation), opened, (chain, int(places[row])), recorded)


def walk_from(
    root: Path, plan: Plan, whose: tuple[str, int], opened: Opened, at: tuple[int, int], recorded: str
) -> Walk:
    """Walk a row of an opened folder back.

    Args:
        root: the workspace.
        plan: its plan.
        whose: lineage and generation of the folder.
        opened: the folder.
        at: the row's chain and its place in the joined shards.
        recorded: MD5 that DVC has on record for the folder; empty if none.

    Raises:
        DataDamaged: if a file on the way is missing or not what it was written as.
    """
    lineage, generation = whose
    steps = tuple(_Walker(root, plan, lineage).steps(opened, *at))
    maker = steps[0].maker
    models = ancestors(root, plan, lineage, maker.generation) if maker is not None else ()
    return Walk(lineage, generation, steps, models, real_rows(root, plan, lineage), recorded)


@dataclass(frozen=True)
class _Walker:
    """Follows rows of one lineage from folder to folder."""

    root: Path
    plan: Plan
    lineage: str

    def steps(self, opened: Opened, chain: int, place: int) -> Iterator[Step]:
        """Yield the row at a place of a folder's joined shards, then the row that it answers, and so on."""
        while True:
            name, own = opened.at(place)
            rows = opened.shards[name]
            known = rows.provenance
            assert known is not None
            origin, asked = int(known.origin[chain, own]), int(known.source[chain, own])
            row = int((opened.places(chain) < place).sum())
            shown = shown_row(self.plan.recipe(self.lineage), rows, chain, own)
            step = Step(opened.found(chain, place), chain, row, shown, origin_name(origin), int(known.row[chain, own]))
            values = rows.values[chain, own]
            if origin in (REAL, FRESH):
                yield self._drawn(step, origin, asked, values)
                return
            yield self._made(step, origin, values)
            if asked < 0:
                return
            opened, place = self._prompts(origin, asked), asked

    def _drawn(self, step: Step, origin: int, copied: int, values: Array) -> Step:
        """Return a real row with what there is to say of it."""
        recipe, rows = self.plan.recipe(self.lineage), real_rows(self.root, self.plan, self.lineage)
        anchor = origin == REAL and step.number < recipe.budget
        real = RealRow(rows.source, step.chain, step.number, copied if copied >= 0 else None, anchor, rows.depth)
        before = open_rows(self.root, rows.folder) if anchor else None
        return replace(step, real=real, changed=_differs(before, step, values))

    def _made(self, step: Step, origin: int, values: Array) -> Step:
        """Return a synthetic row with its maker, after holding what was sampled to the model that stands there."""
        folder = str(entry_of(self.plan, self.lineage, origin)["rows"])
        maker = hold_to_maker(self.root, self.plan, self.lineage, origin)
        before = open_rows(self.root, folder) if read_manifest(self.root / folder) is not None else None
        again = before is not None and step.number >= before.manifest.facts["rows"]["synthetic"]
        return replace(step, maker=maker, changed=_differs(before, step, values), again=again)

    def _prompts(self, origin: int, place: int) -> Opened:
        """Return the rows that a generation's prompts were: the anchor, or what trained the generation before."""
        folder = str(entry_of(self.plan, self.lineage, origin)["prompts"])
        if folder.endswith(".json"):
            raise DataDamaged(f"generation {origin} of {self.lineage}: prompt {place}, but the plan says it asked none")
        return open_rows(self.root, folder)


def _differs(before: Opened | None, step: Step, values: Array) -> bool | None:
    """Say whether a row is another one than was drawn or sampled; None where it is not there any more."""
    for rows in () if before is None else before.shards.values():
        assert rows.provenance is not None
        same = (rows.provenance.row[step.chain] == step.number) & (rows.filled_weights()[step.chain] > 0)
        for place in np.flatnonzero(same)[:1]:
            return not np.array_equal(rows.values[step.chain, place], values, equal_nan=values.dtype.kind == "f")
    return None
