"""Figures of a workspace: how long its stages took, and how many bytes its generations take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from dwindle.data.manifest import MANIFEST, Manifest
from dwindle.estimate.figures import Figures
from dwindle.estimate.outlook import Outlook
from dwindle.plan import STAGES
from dwindle.stages.glance import Glance
from dwindle.stages.seconds import stage_seconds
from dwindle.stages.steps import output

__all__ = ["note_measured"]

_LOOKED_AT = 8
"""Lineages of one shape, and generations of each, whose bytes are counted."""


def note_measured(figures: Figures, glance: Glance, found: Iterable[Outlook]) -> None:
    """Note what the finished stages of a workspace have cost.

    Args:
        figures: where to note it.
        glance: the workspace.
        found: its lineages.
    """
    seconds = stage_seconds(glance.root)
    weighed: dict[str, int] = defaultdict(int)
    for outlook in found:
        if seconds:
            _note_seconds(figures, glance, outlook, seconds)
        if weighed[outlook.kind.shape] < _LOOKED_AT and 0 not in outlook.pending.stages["evaluate"]:
            weighed[outlook.kind.shape] += 1
            _note_bytes(figures, glance, outlook)


def _note_seconds(figures: Figures, glance: Glance, outlook: Outlook, seconds: dict[str, float]) -> None:
    keys, drivers = glance.plan.generations(outlook.name), outlook.drivers
    for stage in STAGES:
        left = set(outlook.pending.stages[stage])
        for generation, key in enumerate(keys):
            spent = seconds.get(f"{stage}@{key}")
            if generation not in left and spent is not None:
                figures.note(outlook.kind, stage, float(drivers[stage][generation]), spent)
    for key, entry in glance.plan.real.items():
        drawn = seconds.get(f"draw@{key}")
        if drawn is not None and entry["folder"] == glance.plan.chain[keys[0]]["real"]:
            figures.note(outlook.kind, "draw", float(drivers["models"][0]), drawn)


def _note_bytes(figures: Figures, glance: Glance, outlook: Outlook) -> None:
    keys, drivers = glance.plan.generations(outlook.name), outlook.drivers
    step = max(1, (outlook.pending.done + 1) // _LOOKED_AT)
    for generation in range(0, outlook.pending.done + 1, step):
        sizes = _bytes(glance, keys[generation])
        for cost, size in sizes.items():
            figures.note(outlook.kind, cost, float(drivers[cost][generation]), size)
    real = glance.manifest(glance.root / glance.plan.chain[keys[0]]["real"])
    if real is not None:
        figures.note(outlook.kind, "real", float(drivers["models"][0]), sum(_sizes(real).values()))


def _bytes(glance: Glance, key: str) -> dict[str, int]:
    """Return the bytes that a generation has added; what is linked from an older folder stands on the disk already."""
    root, entry = glance.root, glance.plan.chain[key]
    folders = {stage: root / output(f"{stage}@{key}", glance.plan) for stage in STAGES[:3]}
    rows, train, model = (glance.manifest(folder) for folder in folders.values())
    if rows is None or train is None or model is None:
        return {}
    older = [glance.manifest(root / entry[slot]) for slot in ("real", "pool") if not entry[slot].endswith(".json")]
    linked = {digest for manifest in older if manifest is not None for digest in _sizes(manifest)}
    added = {digest: size for digest, size in (_sizes(rows) | _sizes(train)).items() if digest not in linked}
    records = [*(folder / MANIFEST for folder in folders.values()), root / output(f"evaluate@{key}", glance.plan)]
    return {"data": sum(added.values()), "models": sum(_sizes(model).values()) + sum(map(_size, records))}


def _sizes(manifest: Manifest) -> dict[str, int]:
    return {file["sha256"]: file["bytes"] for file in manifest.files.values()}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
