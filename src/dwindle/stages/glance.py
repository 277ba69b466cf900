"""A glance over a workspace: which stages are done, by manifests and sizes, where thousands are asked at once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dwindle.data.manifest import MANIFEST, Manifest, digest_of, folder_digest
from dwindle.data.workspace import read_document
from dwindle.plan import STAGES, Plan
from dwindle.stages.steps import StageName, key_of, step_of

__all__ = ["Glance", "Pending"]


@dataclass(frozen=True)
class Pending:
    """What a lineage still has to do.

    Args:
        done: number of the last generation up to which everything is done; -1 for none.
        next_stage: the first stage that is missing or stale, or empty.
        stages: for each stage, the generations in which it has to run.
    """

    done: int
    next_stage: StageName
    stages: dict[str, tuple[int, ...]]


class Glance:
    """Says what is done as `is_done` does without reading every file, and looks at no folder twice.

    It holds manifests to their seals and files to their sizes; that a manifest is spelled as it was written, it leaves
    to those who go on to use it.

    Args:
        root: the workspace, which nobody changes meanwhile.
        plan: the plan.
    """

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.plan = root, plan
        self._seen: dict[Path, Manifest | None] = {}

    def manifest(self, folder: Path) -> Manifest | None:
        """Return the manifest of a published folder, or None if it is missing or anything is amiss."""
        if folder not in self._seen:
            self._seen[folder] = _looked_at(folder)
        return self._seen[folder]

    def is_done(self, name: StageName) -> bool:
        """Say whether a stage is up to date: its output is what its inputs and the plan call for."""
        step = step_of(self.root, self.plan, name)
        inputs: dict[str, str] = {}
        for slot, folder in step.inputs.items():
            manifest = self.manifest(folder)
            if manifest is None:
                return False
            inputs[slot] = manifest.digest
        if step.verb == "evaluate":
            document = read_document(step.target)
            return document is not None and document["record"][0].get("key") == key_of(step, inputs)
        manifest = self.manifest(step.target)
        return manifest is not None and manifest.key == key_of(step, inputs)

    def pending(self, lineage: str) -> Pending:
        """Return what a lineage still has to do.

        From the first stage on whose rows or model are missing or stale, everything has to run; a missing evaluation
        is one evaluation.
        """
        keys = self.plan.generations(lineage)
        missing: dict[str, list[int]] = {stage: [] for stage in STAGES}
        first, broken = "", False
        for generation, key in enumerate(keys):
            for stage in STAGES:
                if not broken and self.is_done(f"{stage}@{key}"):
                    continue
                missing[stage].append(generation)
                first = first or f"{stage}@{key}"
                broken = broken or stage != "evaluate"
        done = min((found[0] for found in missing.values() if found), default=len(keys)) - 1
        return Pending(done, first, {stage: tuple(found) for stage, found in missing.items()})


def _looked_at(folder: Path) -> Manifest | None:
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        seal = document.pop("seal")
        manifest = Manifest(**document)
        with os.scandir(folder) as entries:
            sizes = {entry.name: _plain_size(entry) for entry in entries}
        sound = digest_of(document) == seal and folder_digest(manifest.files) == manifest.digest
        plain = sizes.pop(MANIFEST, -1) >= 0
        whole = sizes == {name: file["bytes"] for name, file in manifest.files.items()}
        return manifest if sound and plain and whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _plain_size(entry: os.DirEntry[str]) -> int:
    """Return the size of a regular file; -1 for anything else."""
    return entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else -1
