"""What a sweep cost: rows sampled, bytes on the disk, and seconds of compute where they were noted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dwindle.plan import STAGES
from dwindle.report.page.markup import Markup, breakable
from dwindle.report.page.material import Material, folders
from dwindle.report.page.tables import Cell, Column, number, table
from dwindle.report.wording import UNDEFINED
from dwindle.stages.seconds import stage_seconds

__all__ = ["Cost", "cost_table", "costs"]


@dataclass(frozen=True)
class Cost:
    """What a lineage cost.

    Args:
        lineage: its name.
        rows: synthetic rows sampled, of all chains and generations.
        data: bytes of its datasets; a file that several generations share counts once.
        models: bytes of its models.
        seconds: seconds of compute of each stage, where any generation's were noted here.
    """

    lineage: str
    rows: int
    data: int
    models: int
    seconds: dict[str, float]


@lru_cache(maxsize=1)  # the table and its CSV: bytes are counted once
def costs(material: Material) -> tuple[Cost, ...]:
    """Return what each lineage cost."""
    timed = stage_seconds(material.sweep.root)
    return tuple(_cost(material, name, timed) for name in material.plan.recipes)


def _cost(material: Material, name: str, timed: dict[str, float]) -> Cost:
    keys = material.plan.generations(name)
    entries = [material.plan.chain[key] for key in keys]
    places = [{part: material.sweep.root / path for part, path in folders(entry).items()} for entry in entries]
    sampled = 0
    for generation in range(1, len(keys)):
        manifest = material.manifest(name, generation, "rows")
        if manifest is not None:
            sampled += int(manifest.facts["rows"].get("synthetic", 0)) * int(manifest.facts["chains"])
    data = _bytes(place[part] for place in places for part in ("rows", "train"))
    seconds = {stage: [timed[f"{stage}@{key}"] for key in keys if f"{stage}@{key}" in timed] for stage in STAGES}
    noted = {stage: sum(found) for stage, found in seconds.items() if found}
    return Cost(name, sampled, data, _bytes(place["model"] for place in places), noted)


def _bytes(places: Iterable[Path]) -> int:
    """Return the bytes of all files in some folders; one that stands in several counts once."""
    found: dict[tuple[int, int], int] = {}
    for place in places:
        if place.is_dir():
            for path in place.iterdir():
                status = path.lstat()
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def cost_table(material: Material) -> Markup:
    """Return the table of costs, with a line for all lineages at its end."""
    found = costs(material)
    columns = [
        Column("lineage"),
        Column("rows sampled", numeric=True),
        Column("data", "on the disk", numeric=True),
        Column("models", "on the disk", numeric=True),
        *(Column(stage, "seconds of compute", numeric=True) for stage in STAGES),
        Column("in all", "seconds of compute", numeric=True),
    ]
    total = _row(_sum(found)) if len(found) > 1 else None
    notes = ["Files that several generations of a lineage share count once."]
    if not any(one.seconds for one in found):
        notes.append("Not timed: this workspace has no record of how long its stages took.")
    return table("Rows, disk and compute", columns, map(_row, found), notes=notes, total=total)


def _sum(found: tuple[Cost, ...]) -> Cost:
    seconds: dict[str, float] = {}
    for one in found:
        for stage, spent in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return Cost(
        "all lineages",
        sum(one.rows for one in found),
        sum(one.data for one in found),
        sum(one.models for one in found),
        seconds,
    )


def _row(one: Cost) -> list[Cell]:
    seconds = [_seconds(one.seconds.get(stage, math.nan)) for stage in STAGES]
    whole = _seconds(sum(one.seconds.values()) if one.seconds else math.nan)
    sizes = [number(sized(one.data), float(one.data)), number(sized(one.models), float(one.models))]
    return [
        Cell(breakable(one.lineage), one.lineage),
        number(f"{one.rows:,}", float(one.rows)),
        *sizes,
        *seconds,
        whole,
    ]


def _seconds(spent: float) -> Cell:
    if math.isnan(spent):
        return number(UNDEFINED, math.nan)
    return number(f"{spent:,.0f}" if spent >= 99.5 else f"{spent:.2g}" if spent < 1 else f"{spent:.1f}", spent)


def sized(count: float) -> str:
    """Spell bytes in the unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
