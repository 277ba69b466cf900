"""Engines: where the lineages of a sweep grow. Each leaves the same bytes, and gives on what a lost worker had.

`process` runs each stage as a task on worker processes of this machine. `ray` and `dask` run each lineage as a task on
a cluster, `deployments` each as a flow run on a work pool; then this session only watches, records and compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from dwindle.config.sweep import Engine
from dwindle.errors import NotReachable
from dwindle.session import Growing, Session
from flows.clusters import Submit, dask_cluster, ray_cluster
from flows.orders import Orders
from flows.review import reviewed
from tasks.curate import curate
from tasks.evaluate import evaluate
from tasks.generate import generate
from tasks.grow import grow
from tasks.train import train

__all__ = ["grow_all", "grow_here"]

WAITING = 64
"""Lineages whose end is waited for at the same time; those behind them grow all the same."""

LOST = frozenset(
    {
        "NotReachable",  # WorkerLost is one
        *("WorkerCrashedError", "ActorDiedError", "NodeDiedError", "LocalRayletDiedError"),  # Ray
        *("OutOfMemoryError", "ObjectLostError"),  # Ray's worker was killed for want of memory; its node died later
        *("KilledWorker", "CommClosedError"),  # Dask
    }
)
"""Errors that say that a worker was lost, by name: neither Ray nor Dask need be installed."""

Work = Callable[[str], Awaitable[None]]
"""Grow a lineage elsewhere; ends when it is grown."""


async def grow_all(session: Session, params: Path, overrides: Sequence[str]) -> None:
    """Grow all lineages of a session on the engine that its sweep names.

    Args:
        session: the session, entered.
        params: the sweep's file, as a worker finds it in its folder.
        overrides: what was laid over the file.

    Raises:
        BadInput: if the engine's package is not installed.
        NotReachable: if a lineage lost more workers than `engine.retries`.
    """
    engine = session.sweep.engine
    if engine.name == "process":
        await _side_by_side(session, lambda name: grow_here(session, name))
    elif engine.name == "deployments":
        async with Orders(engine.deployment, params, overrides) as orders:
            await _watched(session, orders.grown)
    else:
        with _cluster(engine) as submit, ThreadPoolExecutor(WAITING) as threads:
            await _watched(session, lambda name: _submitted(session, name, submit, threads))


async def grow_here(session: Session, name: str) -> None:
    """Grow a lineage as far as its sweep asks for; what is done already is passed over."""
    root, log = str(session.root), get_run_logger()
    async with session.lineage(name) as lineage:
        for key in lineage.unfinished:
            await generate(root, key)
            await curate(root, key)
            await reviewed(session, key)
            await train(root, key)
            await evaluate(root, key)
            log.info(lineage.record(key))


async def _side_by_side(session: Session, grown: Work) -> None:
    # One flat flow: a subflow a lineage would cost a second each and collide in Prefect's database.
    async with asyncio.TaskGroup() as lineages:
        for name in session.names:
            lineages.create_task(grown(name))


async def _watched(session: Session, work: Work) -> None:
    """Watch lineages grow elsewhere; one that is grown already is not given out."""

    async def watch(name: str) -> None:
        async with session.lineage(name, elsewhere=True) as growing:
            if growing.unfinished:
                await session.follow(growing, _given_on(session, growing, work))

    await _side_by_side(session, watch)


async def _given_on(session: Session, growing: Growing, work: Work) -> None:
    """Give a lineage to another worker as often as its worker may be lost."""
    retries = session.sweep.engine.retries
    for attempt in range(retries + 1):
        try:
            return await work(growing.name)
        except Exception as error:
            if LOST.isdisjoint(kind.__name__ for kind in type(error).__mro__):
                raise
            lost = error
        told = f"{growing.name}: its worker was lost ({type(lost).__name__}: {lost})"
        get_run_logger().warning("%s; %s", told, f"given on, {retries - attempt} times more at most")
    raise NotReachable(f"{told} {retries + 1} times; nothing is lost, run the same command again") from lost


def _server() -> str:
    """Return the address of the server that this flow run tells its states, an embedded one too."""
    context = FlowRunContext.get()
    assert context is not None
    return str(context.client.api_url).rstrip("/")


def _cluster(engine: Engine) -> AbstractContextManager[Submit]:
    return ray_cluster(engine) if engine.name == "ray" else dask_cluster(engine)


async def _submitted(session: Session, name: str, submit: Submit, threads: ThreadPoolExecutor) -> None:
    engine = session.sweep.engine
    device = "" if not engine.gpus else "cuda,cpu" if engine.cpu_fallback else "cuda"
    parameters = {"root": str(session.root), "name": name, "exchange": engine.exchange, "device": device}
    # Without the address each worker of the cluster would start an embedded server of its own.
    with temporary_settings(updates={PREFECT_API_URL: _server()}):
        result, cancel = submit(grow, parameters)
    try:
        await asyncio.get_running_loop().run_in_executor(threads, result)
    except asyncio.CancelledError:
        cancel()  # or the thread would wait for its end, and the sweep for the thread
        raise
