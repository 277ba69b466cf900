"""The models behind a row, back to the one that real rows alone trained, each link held to its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dwindle.components import name_of
from dwindle.contracts import Documented
from dwindle.data.manifest import Manifest, read_manifest
from dwindle.errors import DataDamaged
from dwindle.plan import Plan
from dwindle.provenance.datasets import Dataset, Producer, datasets, entry_of, family_of, number_of, producer_of
from dwindle.provenance.opened import whole_manifest

__all__ = ["Ancestor", "RealRows", "ancestors", "hold_to_maker", "hold_to_rows", "real_rows"]


@dataclass(frozen=True)
class Ancestor:
    """A model and what trained it.

    Args:
        model: the model.
        dataset: payload digest of the dataset that trained it.
        folder: the dataset's folder below the workspace.
        rows: its rows a chain, a mean where chains differ.
        origins: the same by origin: `real`, `fresh`, or the generation that made them.
        started: folder of the model whose weights its training started from; empty if it started by itself.
    """

    model: Producer
    dataset: str
    folder: str
    rows: float
    origins: Mapping[str, float]
    started: str


@dataclass(frozen=True)
class RealRows:
    """The real rows of a lineage: where every walk ends.

    Args:
        source: the source's name.
        card: package, version, licence and SHA-256 of what the rows were taken from; empty for a law.
        first: number of the anchor's first row in each chain's stream.
        last: number of its last row.
        chains: how many chains.
        folder: the anchor's folder below the workspace.
        digest: the folder's payload digest.
        depth: most synthetic ancestors of any of them: 0 unless they were published rows.
    """

    source: str
    card: Mapping[str, str]
    first: int
    last: int
    chains: int
    folder: str
    digest: str
    depth: int = 0


def _hold_together(made: Manifest, slot: str, of: Manifest, folders: tuple[str, str]) -> None:
    """Hold what was made to what it was made of.

    Args:
        made: manifest of what was made.
        slot: the input in question.
        of: manifest of the folder that stands where that input stood.
        folders: where the two stand below the workspace.

    Raises:
        DataDamaged: if something else stands there now.
    """
    if made.inputs.get(slot) != of.digest:
        was = str(made.inputs.get(slot, "nothing"))[:12]
        told = f"{folders[0]}: made of {was}, but {of.digest[:12]} stands in {folders[1]}"
        raise DataDamaged(f"{told}; the lineage was grown anew in part, run the sweep again")


def hold_to_maker(root: Path, plan: Plan, lineage: str, generation: int) -> Producer:
    """Hold the new rows of a generation t >= 1 to the model that stands where their maker stood, and return it.

    Raises:
        DataDamaged: if that is another model by now.
    """
    entry, maker = entry_of(plan, lineage, generation), producer_of(root, plan, lineage, generation)
    made = read_manifest(root / entry["rows"])
    if made is not None:
        of = whole_manifest(root, maker.folder)
        _hold_together(made, "generator", of, (str(entry["rows"]), maker.folder))
    return maker


def hold_to_rows(root: Path, plan: Plan, dataset: Dataset) -> None:
    """Hold a dataset to the new rows that it was curated from, and these to the model that made them.

    Raises:
        DataDamaged: if other rows stand there by now, or another model.
    """
    folder = str(entry_of(plan, dataset.lineage, dataset.generation)["rows"])
    made = read_manifest(root / folder)
    if made is not None:
        _hold_together(dataset.manifest, "rows", made, (dataset.folder, folder))
    if dataset.generation:
        hold_to_maker(root, plan, dataset.lineage, dataset.generation)


def ancestors(root: Path, plan: Plan, lineage: str, generation: int) -> tuple[Ancestor, ...]:
    """Return the model of a generation and every model before it that a row of its dataset or its weights came from.

    Returns:
        The latest generation first; each one's dataset is trained on rows of those behind it, the last one's on real
        rows alone.

    Raises:
        DataDamaged: if one is missing or was made of something else than stands there now.
    """
    held = datasets(root, plan, lineage, upto=generation)
    wanted, found = {generation}, []
    while wanted:
        number = max(wanted)
        wanted.remove(number)
        ancestor = _ancestor(root, plan, held[number])
        found.append(ancestor)
        made = [int(origin) for origin in ancestor.origins if origin.isdigit()]
        wanted |= {number_of(str(entry_of(plan, lineage, origin)["generator"])) for origin in made}
        wanted |= {number_of(ancestor.started)} if ancestor.started else set()
    return tuple(found)


def _ancestor(root: Path, plan: Plan, dataset: Dataset) -> Ancestor:
    entry = entry_of(plan, dataset.lineage, dataset.generation)
    folder = f"models/{entry['folder']}"
    model = whole_manifest(root, folder)
    _hold_together(model, "train", dataset.manifest, (folder, dataset.folder))
    hold_to_rows(root, plan, dataset)
    producer = Producer(dataset.generation, family_of(plan, dataset.lineage, dataset.generation), model.digest, folder)
    origins = {origin: count / dataset.chains for origin, count in dataset.origins_told.items()}
    started = "" if str(entry["restart"]).endswith(".json") else str(entry["restart"])
    return Ancestor(producer, dataset.manifest.digest, dataset.folder, dataset.rows / dataset.chains, origins, started)


def real_rows(root: Path, plan: Plan, lineage: str) -> RealRows:
    """Return where a lineage's real rows come from.

    Raises:
        DataDamaged: if the anchor is not here.
    """
    folder = str(entry_of(plan, lineage, 0)["real"])
    manifest, recipe = whole_manifest(root, folder), plan.recipe(lineage)
    now = recipe.source.card() if isinstance(recipe.source, Documented) else {}
    card, depth = _card(manifest.facts.get("source"), now), int(manifest.facts.get("depth", 0))
    return RealRows(name_of(recipe.source), card, 0, recipe.budget - 1, recipe.chains, folder, manifest.digest, depth)


def _card(drawn: Mapping[str, str] | None, now: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a source's card said when the rows were drawn; of the same data, a licence that was found since."""
    if drawn is None:
        return now
    same = bool(drawn.get("sha256")) and drawn.get("sha256") == now.get("sha256")
    return {**now, **{key: text for key, text in drawn.items() if text}} if same else drawn
