"""Grow one lineage: generate, curate, train, evaluate, again and again.

Usage: python -m flows.lineage [lineage=NAME] [key=value ...]
"""

from __future__ import annotations

import asyncio

from prefect import flow

from dwindle.config.sweep import load_sweep
from dwindle.growth import grown_here
from dwindle.session import Session
from dwindle.transport import with_branch
from flows.command import Overrides, ParamsFile, command, publish
from flows.engines import grow_here
from tasks.draw import draw

__all__ = ["lineage"]


@flow(name="lineage", flow_run_name="{name}", persist_result=False, result_serializer="json")
async def lineage(
    name: str = "", params: ParamsFile = "params.yaml", overrides: Overrides = (), part: bool = False
) -> None:
    """Grow one lineage.

    Args:
        name: the lineage; the first one of the file if empty.
        params: the sweep's file, relative to where the flow runs.
        overrides: `key.path=value`, laid over the file.
        part: whether a sweep's flow run has given it out, which compares it with the others.
    """
    known = await asyncio.to_thread(with_branch, load_sweep(params, overrides), name)
    session = Session(grown_here(known), name, part=part)
    async with session:
        for key in session.real:
            await draw(str(session.root), key)
        for chosen in session.names:
            await grow_here(session, chosen)
        if not part:
            await publish(await session.finish())
    session.judge()


if __name__ == "__main__":
    command(lineage, picks_lineage=True)
