"""Look over a workspace: what is done, what is missing, what is damaged. Reads, never writes."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dwindle.data.manifest import read_manifest, verify
from dwindle.data.workspace import read_document
from dwindle.errors import DataDamaged
from dwindle.plan import STAGES, Plan
from dwindle.stages.endings import endings
from dwindle.stages.glance import Glance
from dwindle.stages.results import is_done
from dwindle.stages.steps import StageName, output

__all__ = ["LineageState", "damaged", "finished_generations", "survey"]


@dataclass(frozen=True)
class LineageState:
    """How far a lineage has come.

    Args:
        name: the lineage.
        wanted: number of the last generation that the plan asks for.
        done: number of the last generation up to which everything is done; -1 for none.
        digest: digest of the last finished generation's dataset, or empty.
        next_stage: the first stage that is missing or stale, or empty.
        environments: how many different environments its generations were made in.
        ended: what ended it early, with a result, or empty.
    """

    name: str
    wanted: int
    done: int
    digest: str
    next_stage: str
    environments: int
    ended: str = ""


def survey(root: Path, plan: Plan) -> list[LineageState]:
    """Return the state of every lineage, by manifests and sizes; `damaged` reads every byte."""
    glance = Glance(root, plan)
    states = [_lineage(glance, name) for name in plan.recipes]
    ended = endings(root, plan, {state.name: state.done for state in states})
    return [replace(state, ended=ended[state.name].told) if state.name in ended else state for state in states]


def _lineage(glance: Glance, name: str) -> LineageState:
    plan, keys = glance.plan, glance.plan.generations(name)
    pending = glance.pending(name)
    manifests = [glance.manifest(glance.root / output(f"curate@{key}", plan)) for key in keys[: pending.done + 1]]
    known = [manifest for manifest in manifests if manifest is not None]
    environments = {tuple(sorted(manifest.environment.items())) for manifest in known}
    digest = known[-1].digest if known else ""
    return LineageState(name, len(keys) - 1, pending.done, digest, pending.next_stage, len(environments))


def finished_generations(root: Path, plan: Plan, name: str, *, whole: bool = True) -> tuple[int, str]:
    """Return the last generation up to which every stage is done, and the first stage that is not.

    Args:
        root: the workspace.
        plan: the plan.
        name: the lineage.
        whole: also hold every file to its digest, not only to its size.
    """
    keys = plan.generations(name)
    for generation, key in enumerate(keys):
        for stage in STAGES:
            if not is_done(root, f"{stage}@{key}", plan, whole=whole):
                return generation - 1, f"{stage}@{key}"
    return len(keys) - 1, ""


def damaged(root: Path, plan: Plan, recorded: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield each output of the plan with what is wrong with it, or with an empty text; every byte is read.

    What is missing at the end of a lineage was never made, and is left out: it ended there, or is still to be grown.

    Args:
        root: the workspace.
        plan: its plan.
        recorded: paths below the workspace of outputs that are known to have been made.
    """

    def made(name: StageName) -> bool:
        path = output(name, plan)
        return path in recorded or os.path.lexists(root / path)

    grown: list[StageName] = []
    begun: set[str] = set()
    for lineage in plan.recipes:
        keys = plan.generations(lineage)
        stages = [f"{stage}@{key}" for key in keys for stage in STAGES]
        count = max((place for place, name in enumerate(stages, 1) if made(name)), default=0)
        grown += stages[:count]
        begun |= {plan.chain[key]["real"] for key in keys if count}
    draws = [f"draw@{key}" for key, real in plan.real.items() if real["folder"] in begun or made(f"draw@{key}")]
    for name in (*draws, *grown):
        yield name, _damage(root / output(name, plan))


def _damage(path: Path) -> str:
    if path.suffix == ".json":
        return "" if read_document(path) is not None else f"{path}: missing or not what it was published as"
    try:
        manifest = read_manifest(path)
        if manifest is None:
            return f"{path}: missing"
        verify(path, manifest, afresh=True)
    except DataDamaged as error:
        return str(error)
    return ""
