"""Grow a sweep without Prefect, or one lineage of it where a cluster has put it: the same stages, called in a loop."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from dwindle.config.sweep import Sweep, branched
from dwindle.data.workspace import held, sweep_litter
from dwindle.errors import DwindleError, StageFailed
from dwindle.plan import STAGES, Plan, read_plan, unroll
from dwindle.recording import Recorder
from dwindle.report.summary import Summary, show_summary
from dwindle.session import Session
from dwindle.stages.runner import run_stage
from dwindle.survey import finished_generations
from dwindle.transport import Transport

__all__ = ["grow_elsewhere", "grow_sweep", "grown_here", "is_grown", "record_sweep"]


def grow_sweep(
    sweep: Sweep,
    name: str | None = None,
    *,
    tracking: bool = True,
    versioning: bool = True,
    shown: bool = True,
    grown: bool = False,
) -> None:
    """Grow the lineages of a sweep as far as they are asked to, and show the comparison.

    Args:
        sweep: the sweep.
        name: the one lineage to grow; the first if empty, all if None.
        tracking: whether to record in MLflow.
        versioning: whether to record in DVC.
        shown: whether to print the comparison.
        grown: whether `is_grown` says that only the comparison is left, which needs no device.

    Raises:
        StageFailed: if a lineage broke down, after the others have grown.
    """
    session = Session(grown_here(sweep, grown=grown), name, tracking=tracking, versioning=versioning)
    while (summary := asyncio.run(_grow(session))) is None:
        session = Session(branched(session.sweep), tracking=tracking, versioning=versioning)
    if shown:
        show_summary(summary)
    session.judge()


def grown_here(sweep: Sweep, *, grown: bool = False) -> Sweep:
    """Return a sweep as this machine grows it, whatever engine it names; what is grown already asks for no device."""
    gpus = 0.0 if grown else sweep.engine.gpus
    return replace(sweep, engine=replace(sweep.engine, name="process", gpus=gpus))


def is_grown(sweep: Sweep, name: str | None = None) -> bool:
    """Say whether there is nothing left to grow."""
    plan = unroll(sweep)
    return not any(finished_generations(sweep.root, plan, chosen)[1] for chosen in sweep.chosen(name))


async def _grow(session: Session) -> Summary | None:
    """Grow the lineages there are and compare them; None if one of them has to go on on a branch."""
    async with session:
        for key in session.real:
            await session.workers.run(session.root, f"draw@{key}")
        async with asyncio.TaskGroup() as group:
            for name in session.names:
                group.create_task(_grow_lineage(session, name))
        again = session.name is None and list(branched(session.sweep).lineages) != list(session.sweep.lineages)
        return None if again else await session.finish()


async def _grow_lineage(session: Session, name: str) -> None:
    async with session.lineage(name) as lineage:
        for key in lineage.unfinished:
            for stage in STAGES:
                await session.workers.run(session.root, f"{stage}@{key}")
            lineage.record(key)


def grow_elsewhere(root: Path, name: str, *, exchange: str = "", device: str = "") -> int:
    """Grow one lineage of the plan in this process, which some cluster has started; another session records it.

    Args:
        root: the workspace.
        name: the lineage.
        exchange: DVC remote by which it travels; empty if the workspace is shared with that session.
        device: what DWINDLE_DEVICE shall be: `cuda`, `cuda,cpu`, or empty to leave it.

    Returns:
        How many generations were grown.

    Raises:
        DwindleError: whatever a stage raises.
    """
    if device:
        os.environ["DWINDLE_DEVICE"] = device
    plan = read_plan(root)
    with held(root, f"lineage-{name}", wait=True):  # a process that was given up may still be at its last stage
        for area in ("data", "models", "metrics"):
            sweep_litter(root / area / name)
        transport = Transport(root, plan, exchange) if exchange else None
        if transport is not None:
            transport.fetch(name)
        done, _ = finished_generations(root, plan, name)
        keys = plan.generations(name)
        for key in plan.real if done < 0 else ():
            if plan.real[key]["folder"] == plan.chain[keys[0]]["real"]:
                _run_here(root, f"draw@{key}", plan)
        for generation, key in enumerate(keys[done + 1 :], done + 1):
            for stage in STAGES:
                _run_here(root, f"{stage}@{key}", plan)
            if transport is not None:
                transport.send(name, generation)
        return len(keys) - 1 - done


def _run_here(root: Path, stage: str, plan: Plan) -> None:
    """Run a stage in this process; whatever it raises reaches the other session as one of our errors."""
    try:
        run_stage(root, stage, plan=plan)
    except DwindleError:
        raise
    except Exception as error:
        raise StageFailed(f"{stage}: {type(error).__name__}: {error}") from error


def record_sweep(sweep: Sweep) -> None:
    """Write into MLflow and DVC what the files of a sweep say."""
    import typer

    plan = unroll(sweep)
    recorder = Recorder(sweep, plan)
    recorder.begin()
    for name in sweep.lineages:
        done, missing = finished_generations(sweep.root, plan, name)
        if done >= 0:
            recorder.generations(name, range(done + 1))
            recorder.enter(name, done)
            recorder.finish(name)
        typer.echo(f"{name}: {done + 1} generations recorded" + (f"; next is {missing}" if missing else ""))
    recorder.stop("FINISHED")
