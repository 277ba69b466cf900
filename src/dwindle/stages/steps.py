"""Steps: a stage of the plan as it can be run, and whether what stands at its place is what it would make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.data.manifest import digest_of, read_manifest, verify
from dwindle.data.workspace import read_sealed
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import STAGES, Plan

__all__ = [
    "CURVES",
    "StageName",
    "Step",
    "key_of",
    "output",
    "payload_digest",
    "published",
    "stage_key",
    "step_of",
]

CURVES = "plots/curves.csv"

_OPTIONAL = ("prompts", "pool", "restart", "reference", "first", "maker")

StageName = str
"""The name DVC gives a stage: `train@replace-g003`, `draw@digits-1a2b3c4d`, `compare`."""


@dataclass(frozen=True)
class Step:
    """A stage as the plan describes it."""

    verb: str
    lineage: str
    generation: int
    digest: str
    target: Path
    inputs: Mapping[str, Path]


def step_of(root: Path, plan: Plan, name: StageName) -> Step:
    """Return a stage of the plan as it can be run.

    Raises:
        BadInput: if the plan has no such stage.
    """
    verb, _, key = name.partition("@")
    entries = plan.real if verb == "draw" else plan.chain
    if verb not in (*STAGES, "draw") or key not in entries:
        raise BadInput(f"plan.json has no stage '{name}'; `dwindle plan` brings it up to date with params.yaml")
    entry = entries[key]
    if verb == "draw":
        return Step(verb, plan.drawn_for(key), 0, entry["draw"], root / entry["folder"], {})
    slots = {slot: root / path for slot, path in _slots(entry)[verb].items()}
    return Step(verb, entry["lineage"], entry["generation"], entry[verb], root / output(name, plan), slots)


def _slots(entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the folders that each stage of a generation reads.

    A slot of the plan that names a manifest is empty: DVC has no other way to leave one open.
    """
    folder = entry["folder"]
    optional = {slot: entry[slot] for slot in _OPTIONAL if not entry[slot].endswith(".json")}
    return {
        "generate": {"generator": entry["generator"]}
        | ({"prompts": optional["prompts"]} if "prompts" in optional else {}),
        "curate": {"rows": entry["rows"], "real": entry["real"]}
        | {slot: optional[slot] for slot in ("pool", "first", "maker") if slot in optional},
        "train": {"train": f"data/{folder}/train"} | ({"parent": optional["restart"]} if "restart" in optional else {}),
        "evaluate": {"model": f"models/{folder}", "train": f"data/{folder}/train", "real": entry["real"]}
        | ({"reference": optional["reference"]} if "reference" in optional else {}),
    }


def output(name: StageName, plan: Plan) -> str:
    """Return the path of a stage's output below the workspace."""
    verb, _, key = name.partition("@")
    if verb == "compare":
        return CURVES
    if verb == "draw":
        return str(plan.real[key]["folder"])
    entry = plan.chain[key]
    folder = entry["folder"]
    places = {"generate": entry["rows"], "curate": f"data/{folder}/train", "train": f"models/{folder}"}
    return str(places.get(verb, f"metrics/{folder}.json"))


def payload_digest(folder: Path, *, whole: bool = True) -> str:
    """Return the digest of a published folder, after holding the folder to it.

    Raises:
        DataDamaged: if the folder is missing or is not what its manifest says.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataDamaged(f"{folder}: not there yet; run the stages before it first, or `dvc pull`")
    verify(folder, manifest, whole=whole)
    return manifest.digest


def published(step: Step, key: str, *, whole: bool) -> str | None:
    """Return the digest of what stands at a stage's target if it is what the key stands for and is whole."""
    if step.verb == "evaluate":
        found = read_sealed(step.target)
        return found[1] if found is not None and found[0]["record"][0].get("key") == key else None
    try:
        manifest = read_manifest(step.target)
        if manifest is None or manifest.key != key:
            return None
        verify(step.target, manifest, whole=whole)
        return manifest.digest
    except DataDamaged:
        return None


def stage_key(step: Step, *, whole: bool = True) -> tuple[str, dict[str, str]]:
    """Return the key of a stage and the payload digest of each input.

    Args:
        step: the stage.
        whole: hold every file of the inputs to its digest, not only to its presence and size.

    Raises:
        DataDamaged: if an input is missing or is not what its manifest says.
    """
    inputs = {slot: payload_digest(path, whole=whole) for slot, path in step.inputs.items()}
    return key_of(step, inputs), inputs


def key_of(step: Step, inputs: Mapping[str, str]) -> str:
    """Return the key of a stage whose inputs have these payload digests."""
    return digest_of({"stage": step.digest, "inputs": inputs})
