"""Grow a sweep without Prefect: the same stages, workers and records, called from a plain loop."""

from __future__ import annotations

import asyncio

from dwindle.config.sweep import Sweep
from dwindle.plan import STAGES, unroll
from dwindle.recording import Recorder
from dwindle.report.summary import Summary, show_summary
from dwindle.session import Session
from dwindle.survey import finished_generations

__all__ = ["grow_sweep", "is_grown", "record_sweep"]


def grow_sweep(
    sweep: Sweep, name: str | None = None, *, tracking: bool = True, versioning: bool = True, shown: bool = True
) -> None:
    """Grow the lineages of a sweep as far as they are asked to, and show the comparison.

    Args:
        sweep: the sweep.
        name: the one lineage to grow; the first if empty, all if None.
        tracking: whether to record in MLflow.
        versioning: whether to record in DVC.
        shown: whether to print the comparison.

    Raises:
        StageFailed: if a lineage broke down, after the others have grown.
    """
    session = Session(sweep, name, tracking=tracking, versioning=versioning)
    summary = asyncio.run(_grow(session))
    if shown:
        show_summary(summary)
    session.judge()


def is_grown(sweep: Sweep, name: str | None = None) -> bool:
    """Say whether there is nothing left to grow."""
    plan = unroll(sweep)
    return not any(finished_generations(sweep.root, plan, chosen)[1] for chosen in sweep.chosen(name))


async def _grow(session: Session) -> Summary:
    async with session:
        for key in session.real:
            await session.workers.run(session.root, f"draw@{key}")
        async with asyncio.TaskGroup() as group:
            for name in session.names:
                group.create_task(_grow_lineage(session, name))
        return await session.finish()


async def _grow_lineage(session: Session, name: str) -> None:
    async with session.lineage(name) as lineage:
        for key in lineage.unfinished:
            for stage in STAGES:
                await session.workers.run(session.root, f"{stage}@{key}")
            lineage.record(key)


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
