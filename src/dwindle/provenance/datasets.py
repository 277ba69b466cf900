"""The datasets of a lineage as their manifests tell of them: rows by origin, who made them, and how often over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dwindle.components import name_of
from dwindle.data.manifest import Manifest, read_manifest
from dwindle.data.rows import FRESH, REAL
from dwindle.errors import BadInput, nearest
from dwindle.plan import Plan
from dwindle.stages.endings import endings
from dwindle.stages.glance import Glance
from dwindle.versioning.lock_file import recorded_hashes

__all__ = [
    "Dataset",
    "Producer",
    "datasets",
    "entry_of",
    "family_of",
    "number_of",
    "origin_name",
    "producer_of",
    "recorded_digest",
]


@dataclass(frozen=True)
class Producer:
    """A model that made rows.

    Args:
        generation: whose model it is.
        family: its family.
        digest: payload digest of its folder; empty where the folder is not here.
        folder: its folder below the workspace.
    """

    generation: int
    family: str
    digest: str
    folder: str

    @property
    def short(self) -> str:
        """Family and the first twelve digits of the digest."""
        return f"{self.family} {self.digest[:12] or 'not here'}"


@dataclass(frozen=True)
class Dataset:
    """What trained a generation.

    Args:
        lineage: the lineage.
        generation: t.
        folder: its folder below the workspace.
        manifest: the folder's manifest.
        depths: most synthetic ancestors of a row, by origin: 0 for real rows.
        producer: the model of which the generation's new rows are; None where none of them train it.
    """

    lineage: str
    generation: int
    folder: str
    manifest: Manifest = field(repr=False)
    depths: Mapping[str, int]
    producer: Producer | None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of its manifest."""
        return self.manifest.facts

    @property
    def chains(self) -> int:
        """How many chains it has."""
        return max(1, int(self.facts["chains"]))

    @property
    def rows(self) -> int:
        """Rows of all chains."""
        return int(self.facts["rows"]["total"])

    @property
    def origins(self) -> Mapping[str, int]:
        """Rows of all chains by origin: `real`, `fresh`, or the generation that made them."""
        found: Mapping[str, int] = self.facts["rows"]["origin"]
        return {origin: found[origin] for origin in sorted(found, key=_in_order)}

    @property
    def origins_told(self) -> Mapping[str, int]:
        """The same for a reader: rows that were published with synthetic ancestors are not called real."""
        return {self.told(origin): count for origin, count in self.origins.items()}

    def told(self, origin: str) -> str:
        """Return what to call an origin: `published`, not `real`, where its rows have synthetic ancestors."""
        if origin.isdigit() or not self.depths.get(origin, 0):
            return origin
        return {"real": "published"}.get(origin, f"{origin} published")

    @property
    def sampled(self) -> int:
        """Rows of all chains that models of the lineage made."""
        return sum(count for origin, count in self.origins.items() if origin.isdigit())

    @property
    def synthetic(self) -> int:
        """Rows of all chains with at least one synthetic ancestor, whoever made them."""
        if "rounds" not in self.facts:
            return self.sampled
        return sum(count for depth, count in self.rounds.items() if depth)

    @property
    def published(self) -> int:
        """Those of them that came with the source: rows of an anchor that is itself synthetic, and fresh ones."""
        return self.synthetic - self.sampled

    @property
    def rounds(self) -> Mapping[int, int]:
        """Rows of all chains by the number of synthetic ancestors that a row of their origin has at most."""
        if "rounds" in self.facts:
            return {int(depth): int(count) for depth, count in self.facts["rounds"].items()}
        found: dict[int, int] = {}
        for origin, count in self.origins.items():
            found[self.depths[origin]] = found.get(self.depths[origin], 0) + count
        return dict(sorted(found.items()))

    @property
    def purpose(self) -> str:
        """What its synthetic rows are for; empty if nobody said."""
        return str(self.facts.get("purpose", ""))

    @property
    def dropped(self) -> Mapping[str, int]:
        """Rows of all chains that curators dropped, by reason."""
        found: Mapping[str, int] = self.facts.get("dropped", {})
        return found


def _in_order(origin: str) -> int:
    """Real rows first, then fresh ones, then those of each generation."""
    return int(origin) if origin.isdigit() else {"real": -2}.get(origin, -1)


def origin_name(origin: int) -> str:
    """Return the name that manifests have for an origin: `real`, `fresh`, or the generation that made the rows."""
    return {REAL: "real", FRESH: "fresh"}.get(origin, f"{origin}")


def entry_of(plan: Plan, lineage: str, generation: int) -> Mapping[str, Any]:
    """Return what the plan says of a generation.

    Raises:
        BadInput: if the plan has no such lineage, with the nearest one, or no such generation.
    """
    if lineage not in plan.recipes:
        raise BadInput(f"no lineage '{lineage}'{nearest(lineage, plan.recipes)}")
    keys = plan.generations(lineage)
    if not 0 <= generation < len(keys):
        raise BadInput(f"generation = {generation}: lineage {lineage} is planned with generations 0..{len(keys) - 1}")
    return plan.chain[keys[generation]]


def number_of(folder: str) -> int:
    """Return the generation whose folder this is: 4 of `models/replace/004`."""
    return int(folder.rpartition("/")[2])


def family_of(plan: Plan, lineage: str, generation: int) -> str:
    """Return the name of the family of a generation's model."""
    return name_of(plan.recipe(lineage).family_of(generation))


def producer_of(root: Path, plan: Plan, lineage: str, generation: int) -> Producer:
    """Return the model that sampled the new rows of a generation t >= 1.

    Raises:
        DataDamaged: if its manifest is not what it was written as.
    """
    folder = str(entry_of(plan, lineage, generation)["generator"])
    manifest, number = read_manifest(root / folder), number_of(folder)
    return Producer(number, family_of(plan, lineage, number), "" if manifest is None else manifest.digest, folder)


def datasets(root: Path, plan: Plan, lineage: str, *, upto: int | None = None) -> list[Dataset]:
    """Return the datasets of a lineage, generation by generation, up to the first one that is not here.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: whose.
        upto: the last generation that is looked for; None: the plan's last one.

    Raises:
        BadInput: if there is no such lineage or generation, or `upto` is not grown.
        DataDamaged: if a manifest is not what it was written as.
    """
    last = len(plan.generations(lineage)) - 1
    entry_of(plan, lineage, 0 if upto is None else upto)
    found: list[Dataset] = []
    for generation in range((last if upto is None else upto) + 1):
        folder = f"data/{entry_of(plan, lineage, generation)['folder']}/train"
        manifest = read_manifest(root / folder)
        if manifest is None:
            break
        origins = manifest.facts["rows"]["origin"]
        depths = manifest.facts.get("depths") or {origin: _depth(origin, plan, found) for origin in origins}
        made = producer_of(root, plan, lineage, generation) if f"{generation}" in origins else None
        found.append(Dataset(lineage, generation, folder, manifest, depths, made))
    if upto is not None and len(found) <= upto:
        told = f"; its last one here is {len(found) - 1}" if found else ""
        ended = endings(root, plan, {lineage: Glance(root, plan).pending(lineage).done})
        if lineage in ended:
            raise BadInput(f"there is no generation {upto} of {lineage}{told}; it ended: {ended[lineage].told}")
        raise BadInput(f"generation {upto} of {lineage} is not grown yet{told}; grow the sweep first, or `dvc pull`")
    return found


def _depth(origin: str, plan: Plan, before: list[Dataset]) -> int:
    """Return how many synthetic ancestors a row of an origin has at most: one more than the rows its maker saw."""
    if not origin.isdigit() or int(origin) == 0:
        return 0
    maker = number_of(str(entry_of(plan, before[0].lineage, int(origin))["generator"]))
    return 1 + max(before[maker].depths[own] for own in before[maker].origins)


def recorded_digest(root: Path, key: str) -> str:
    """Return the MD5 that DVC has on record for a generation's dataset, by chain key; empty if it has none.

    It is also the digest under which MLflow knows the dataset.
    """
    return next(iter(recorded_hashes(root, [f"curate@{key}"]).values()), "")
