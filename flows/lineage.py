"""Grow one lineage: generate, curate, train, evaluate, again and again.

Usage: python -m flows.lineage [lineage=NAME] [key=value ...]
"""

from __future__ import annotations

from prefect import flow
from prefect.logging import get_run_logger

from dwindle.config.sweep import load_sweep
from dwindle.session import Session
from flows.command import Overrides, ParamsFile, command, publish
from tasks.curate import curate
from tasks.draw import draw
from tasks.evaluate import evaluate
from tasks.generate import generate
from tasks.train import train

__all__ = ["grow", "lineage"]


async def grow(session: Session, name: str) -> None:
    """Grow a lineage as far as its sweep asks for; what is done already is passed over."""
    root, log = str(session.root), get_run_logger()
    async with session.lineage(name) as lineage:
        for key in lineage.unfinished:
            await generate(root, key)
            await curate(root, key)
            await train(root, key)
            await evaluate(root, key)
            log.info(lineage.record(key))


@flow(name="lineage", flow_run_name="{name}", persist_result=False, result_serializer="json")
async def lineage(name: str = "", params: ParamsFile = "params.yaml", overrides: Overrides = ()) -> None:
    """Grow one lineage.

    Args:
        name: the lineage; the first one of the file if empty.
        params: the sweep's file, relative to where the flow runs.
        overrides: `key.path=value`, laid over the file.
    """
    session = Session(load_sweep(params, overrides), name)
    async with session:
        for key in session.real:
            await draw(str(session.root), key)
        for chosen in session.names:
            await grow(session, chosen)
        await publish(await session.finish())
    session.judge()


if __name__ == "__main__":
    command(lineage, picks_lineage=True)
