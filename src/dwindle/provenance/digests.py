"""Walk back by digests alone, where rows and models stand but the plan that they were grown by does not any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dwindle.data.manifest import Manifest, read_manifest
from dwindle.errors import DataDamaged
from dwindle.provenance.ancestry import Ancestor, RealRows
from dwindle.provenance.datasets import Producer, number_of
from dwindle.provenance.opened import whole_manifest
from dwindle.provenance.walking import Walk

__all__ = ["walk_by_digests"]


def walk_by_digests(root: Path, folder: str, origin: int | None) -> Walk:
    """Walk back from a folder of rows to the models behind it, and to the draw of its real rows.

    Which family a model is of, and whether it started from the weights of another, only a plan tells.

    Args:
        root: the project.
        folder: data/<lineage>/<generation>/train or synthetic, below it.
        origin: the generation that a row of it was made for, 0 or less for a real one; None: all its rows.

    Returns:
        A walk without steps.

    Raises:
        DataDamaged: if a folder on the way is not there.
    """
    _, lineage, number, _ = folder.split("/")
    models = () if origin is not None and origin <= 0 else tuple(_models(root, folder, origin))
    last = models[-1].folder if models else folder
    return Walk(lineage, int(number), (), models, _drawn(root, whole_manifest(root, last)), "")


def _models(root: Path, folder: str, origin: int | None) -> Iterator[Ancestor]:
    """Yield the models behind rows of a folder, the latest first, without those that are later than the rows."""
    while True:
        made, known = folder, whole_manifest(root, folder)
        if folder.endswith("/train"):
            if not any(name.isdigit() for name in known.facts["rows"]["origin"]):
                return
            made = _standing(root, "data/*/*/synthetic", known.inputs.get("rows", ""), f"the rows of {folder}")
        target = whole_manifest(root, made).inputs.get("generator", "")
        model = _standing(root, "models/*/*", target, f"the model of {made}")
        held = whole_manifest(root, model)
        folder = _standing(root, "data/*/*/train", held.inputs.get("train", ""), f"what trained {model}")
        if origin is None or number_of(made.rpartition("/")[0]) <= origin:
            yield _ancestor(root, model, folder, held)


def _ancestor(root: Path, folder: str, trained: str, model: Manifest) -> Ancestor:
    dataset = whole_manifest(root, trained)
    chains, rows = max(1, int(dataset.facts["chains"])), dataset.facts["rows"]
    origins = {name: count / chains for name, count in rows["origin"].items()}
    if dataset.facts.get("depths", {}).get("real") and "real" in origins:
        origins = {"published": origins.pop("real"), **origins}
    producer = Producer(number_of(folder), "model", model.digest, folder)
    return Ancestor(producer, dataset.digest, trained, rows["total"] / chains, origins, "")


def _drawn(root: Path, made: Manifest) -> RealRows:
    """Return the draw that a dataset goes back to."""
    folder = _standing(root, "data/real/*", made.inputs.get("real", ""), "the real rows")
    drawn = whole_manifest(root, folder)
    name, facts = folder.rpartition("/")[2].rpartition("-")[0], drawn.facts
    first, last = 0, int(facts["rows"]["real"]) - 1
    depth = int(facts.get("depth", 0))
    return RealRows(name, facts.get("source", {}), first, last, int(facts["chains"]), folder, drawn.digest, depth)


def _standing(root: Path, pattern: str, digest: str, what: str) -> str:
    """Return the folder of a payload digest, below the project.

    Raises:
        DataDamaged: if none stands there.
    """
    for path in sorted(root.glob(pattern)) if digest else ():
        known = read_manifest(path) if path.is_dir() else None
        if known is not None and known.digest == digest:
            return path.relative_to(root).as_posix()
    raise DataDamaged(f"{what}, {digest[:12] or 'no digest'}: not there")
