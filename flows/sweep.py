"""Grow the lineages of a sweep side by side and compare them.

Usage: python -m flows.sweep [preset=NAME | params=FILE] [engine=process|ray|dask|deployments] [key=value ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import flow

from dwindle.config.sweep import branched, load_sweep
from dwindle.session import Session
from flows.command import Overrides, ParamsFile, command, publish
from flows.engines import grow_all
from tasks.draw import draw

__all__ = ["sweep"]


@flow(name="sweep", persist_result=False, result_serializer="json")
async def sweep(params: ParamsFile = "params.yaml", overrides: Overrides = (), shown: bool = True) -> None:
    """Grow every lineage of a sweep.

    Args:
        params: the sweep's file, relative to where the flow runs.
        overrides: `key.path=value`, laid over the file.
        shown: whether to print the comparison.
    """
    session = Session(load_sweep(params, overrides))
    while not await _grown(session, params, overrides, shown):
        session = Session(branched(session.sweep))
    session.judge()


async def _grown(session: Session, params: Path, overrides: Sequence[str], shown: bool) -> bool:
    """Grow the lineages there are and compare them; say whether there is none that has to go on on a branch."""
    async with session:
        for key in session.real if session.here else ():
            await draw(str(session.root), key)
        await grow_all(session, params, overrides)
        whole = list(branched(session.sweep).lineages) == list(session.sweep.lineages)
        if whole:
            await publish(await session.finish(), shown=shown)
    return whole


if __name__ == "__main__":
    command(sweep)
