"""Run a stage of the plan: find out whether it is done, and if not, do it and publish what it made.

Every caller comes through here: `dwindle run`, a Prefect task, a worker process and `dvc repro`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.data.manifest import digest_of, read_manifest, verify
from dwindle.data.workspace import (
    held,
    publish_document,
    publish_folder,
    publish_text,
    read_document,
    read_sealed,
    sweep_litter,
)
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import STAGES, Plan, read_plan, stage_seed
from dwindle.seeds import Seed
from dwindle.stages import compare
from dwindle.stages.environment import fingerprint
from dwindle.stages.job import Job

__all__ = [
    "CURVES",
    "Outcome",
    "StageName",
    "evaluation",
    "evaluations",
    "is_done",
    "output",
    "run_compare",
    "run_stage",
]

CURVES = "plots/curves.csv"

StageName = str
"""The name DVC gives a stage: `train@replace-g003`, `draw@digits-1a2b3c4d`, `compare`."""


@dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Args:
        stage: its name.
        ran: False if it was done already.
        digest: digest of its output.
    """

    stage: StageName
    ran: bool
    digest: str


def run_stage(root: Path, name: StageName, *, plan: Plan | None = None) -> Outcome:
    """Bring one stage of the plan up to date.

    Args:
        root: the workspace.
        name: the stage.
        plan: the plan, if the caller has read it already.

    Raises:
        BadInput: if the plan has no such stage.
        DataDamaged: if an input is missing or is not what its manifest says.
        StageFailed: if the stage cannot do its work.
    """
    plan = plan or read_plan(root)
    if name == "compare":
        return run_compare(root, plan)
    step = _step(root, plan, name)
    inputs = {slot: _digest_of(path) for slot, path in step.inputs.items()}
    key = digest_of({"stage": step.digest, "inputs": inputs})
    # Lineages that share real rows may draw them at the same moment.
    with held(root, step.target.name, wait=True) if step.verb == "draw" else nullcontext():
        if step.verb == "draw":
            sweep_litter(step.target.parent, step.target.name)
        found = _published(step, key, whole=True)
        if found is not None:
            return Outcome(name, ran=False, digest=found)
        return Outcome(name, ran=True, digest=_run(plan, step, key, inputs))


@dataclass(frozen=True)
class _Step:
    """A stage as the plan describes it."""

    verb: str
    lineage: str
    generation: int
    digest: str
    target: Path
    inputs: Mapping[str, Path]


def _step(root: Path, plan: Plan, name: StageName) -> _Step:
    verb, _, key = name.partition("@")
    entries = plan.real if verb == "draw" else plan.chain
    if verb not in (*STAGES, "draw") or key not in entries:
        raise BadInput(f"plan.yaml has no stage '{name}'; `dwindle plan` brings it up to date with params.yaml")
    entry = entries[key]
    if verb == "draw":
        lineage = next(name for name in plan.recipes if _real_folder(plan, name) == entry["folder"])
        return _Step(verb, lineage, 0, entry["draw"], root / entry["folder"], {})
    slots = {slot: root / path for slot, path in _slots(entry)[verb].items()}
    return _Step(verb, entry["lineage"], entry["generation"], entry[verb], root / output(name, plan), slots)


def _real_folder(plan: Plan, lineage: str) -> str:
    return str(next(entry["real"] for entry in plan.chain.values() if entry["lineage"] == lineage))


def _slots(entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the folders that each stage of a generation reads.

    A slot of the plan that names a manifest is empty: DVC has no other way to leave one open.
    """
    folder = entry["folder"]
    optional = {slot: entry[slot] for slot in ("prompts", "pool", "restart") if not entry[slot].endswith(".json")}
    return {
        "generate": {"generator": entry["generator"]}
        | ({"real": optional["prompts"]} if "prompts" in optional else {}),
        "curate": {"rows": entry["rows"], "real": entry["real"]}
        | ({"pool": optional["pool"]} if "pool" in optional else {}),
        "train": {"train": f"data/{folder}/train"} | ({"parent": optional["restart"]} if "restart" in optional else {}),
        "evaluate": {"model": f"models/{folder}", "train": f"data/{folder}/train", "real": entry["real"]},
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


def _digest_of(folder: Path, *, whole: bool = True) -> str:
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataDamaged(f"{folder}: not there yet; run the stages before it first, or `dvc pull`")
    verify(folder, manifest, whole=whole)
    return manifest.digest


def _published(step: _Step, key: str, *, whole: bool) -> str | None:
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


def _run(plan: Plan, step: _Step, key: str, inputs: Mapping[str, str]) -> str:
    recipe = plan.recipe(step.lineage)
    drawn = Seed(recipe.seed).at("real")
    seed = drawn if step.verb == "draw" else stage_seed(recipe, step.lineage, step.generation, step.verb)
    job = Job(recipe, step.generation, seed, step.inputs)
    environment = fingerprint(recipe.threads)
    stage = importlib.import_module(f"dwindle.stages.{step.verb}")
    with _numerical_threads(len(sys.modules)).limit(limits=recipe.threads):
        if step.verb == "evaluate":
            return _publish_evaluation(step, stage.run(job), key, inputs, recipe.digest, environment)
        manifest = publish_folder(
            step.target,
            lambda out: stage.run(job, out),
            stage=step.verb,
            key=key,
            inputs=inputs,
            recipe=recipe.digest,
            environment=environment,
        )
    return manifest.digest


@lru_cache(maxsize=1)
def _numerical_threads(_modules: int) -> Any:
    """Return the handle on the numerical libraries' threads; looked for anew only when a module was imported since."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _publish_evaluation(
    step: _Step, measured: Mapping[str, Any], key: str, inputs: Mapping[str, str], recipe: str, environment: Any
) -> str:
    """Publish the measures of a generation.

    DVC shows the numbers at the top of a metrics file and passes over lists, so all but the means stands in a list.
    """
    record = {"stage": "evaluate", "key": key, "inputs": dict(inputs), "recipe": recipe, "environment": environment}
    means = {name: described["mean"] for name, described in measured.items() if described["mean"] is not None}
    document = {**means, "record": [record, {"measures": dict(measured)}]}
    return publish_document(step.target, document)


def evaluation(root: Path, plan: Plan, key: str) -> Mapping[str, Any] | None:
    """Return the measures of a generation, or None if it was not evaluated."""
    document = read_document(root / output(f"evaluate@{key}", plan))
    return None if document is None else document["record"][1]["measures"]


def is_done(root: Path, name: StageName, plan: Plan, *, whole: bool = True) -> bool:
    """Say whether a stage is up to date: its output is what its inputs and the plan call for.

    Args:
        root: the workspace.
        name: the stage.
        plan: the plan.
        whole: hold every file to its digest, not only to its presence and size.
    """
    step = _step(root, plan, name)
    try:
        inputs = {slot: _digest_of(path, whole=whole) for slot, path in step.inputs.items()}
    except DataDamaged:
        return False
    return _published(step, digest_of({"stage": step.digest, "inputs": inputs}), whole=whole) is not None


def evaluations(root: Path, plan: Plan, lineage: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the measures of each generation of a lineage, up to the first that belongs to another plan."""
    for generation, key in enumerate(plan.generations(lineage)):
        document = read_document(root / output(f"evaluate@{key}", plan))
        if any(_is_stale(_step(root, plan, f"{stage}@{key}"), document) for stage in STAGES):
            return
        if document is not None:
            yield generation, document["record"][1]["measures"]


def _is_stale(step: _Step, evaluated: Mapping[str, Any] | None) -> bool:
    """Say whether what stands there was made for another key; where files are missing, nothing can be said."""
    try:
        inputs = {slot: _digest_of(path, whole=False) for slot, path in step.inputs.items()}
        key = digest_of({"stage": step.digest, "inputs": inputs})
        if step.verb == "evaluate":
            return evaluated is not None and evaluated["record"][0].get("key") != key
        manifest = read_manifest(step.target)
        return manifest is not None and manifest.key != key
    except DataDamaged:
        return False


def run_compare(root: Path, plan: Plan) -> Outcome:
    """Gather the metrics of all lineages of the plan into one CSV."""
    known = ((name, *found) for name in plan.recipes for found in evaluations(root, plan, name))
    text = compare.run(known)
    target = root / CURVES
    with held(root, "compare", wait=True):
        sweep_litter(target.parent)
        ran = not target.exists() or target.read_text() != text
        if ran:
            publish_text(target, text)
    return Outcome("compare", ran, digest_of(text))
