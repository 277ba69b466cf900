"""What Prefect's server keeps its state in, and how many workers that bears.

On SQLite a second worker costs events, heartbeats and automations, which are lost when the database is locked; flow
runs themselves survive. So more than one worker on a pool is refused there.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from dwindle.errors import BadInput, NotReachable

__all__ = [
    "ANYWAY",
    "Database",
    "database_kind",
    "online_workers",
    "pool_type",
    "refuse_sqlite",
    "require_postgres",
    "served",
]

Database = Literal["sqlite", "postgresql", "unknown"]

ANYWAY = "DWINDLE_SQLITE_ANYWAY"
SETTING = "PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://USER:PASSWORD@HOST:5432/prefect"

_BLOCK, _ESCAPED = "Secret", "S\\ecret"
"""A block type that every server registers, and its name with one sign escaped."""


@asynccontextmanager
async def served() -> AsyncIterator[PrefectClient]:
    """Connect to the server of one's own that PREFECT_API_URL names.

    Raises:
        BadInput: if it names none; an embedded server has no workers.
        NotReachable: if the server does not answer, or refuses.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise BadInput(
            "workers need a server that stays: start one (`prefect server start`) and set "
            "PREFECT_API_URL=http://HOST:4200/api, as deploy/shared.env does"
        )
    try:
        async with get_client() as client:
            yield client
    except httpx.TransportError as error:
        raise NotReachable(f"no Prefect server at {url}: {error or type(error).__name__}") from error
    except PrefectHTTPStatusError as error:
        raise NotReachable(f"the Prefect server at {url} refuses: {error}") from error


async def database_kind(client: PrefectClient) -> Database:
    """Return what a server keeps its state in.

    Its settings show a driver only if the database was given in parts; an address is masked whole. Then its answer to
    a search tells: PostgreSQL takes a backslash in LIKE for an escape, SQLite for itself. Both questions only read.
    """
    driver = await _driver(client)
    if driver:
        return "sqlite" if driver.startswith("sqlite") else "postgresql"
    if not await _block_types(client, _BLOCK):
        return "unknown"
    return "postgresql" if await _block_types(client, _ESCAPED) else "sqlite"


async def _driver(client: PrefectClient) -> str:
    try:
        settings = (await client.request("GET", "/admin/settings")).json()
    except PrefectHTTPStatusError:
        return ""  # a hosted API shows no settings
    return settings.get("server", {}).get("database", {}).get("driver") or ""


async def _block_types(client: PrefectClient, name: str) -> list[Any]:
    search = {"block_types": {"name": {"like_": name}}}
    return (await client.request("POST", "/block_types/filter", json=search)).json()


async def online_workers(client: PrefectClient, pool: str) -> set[str]:
    """Return the names of the workers of a pool that the server heard of lately; a dead one leaves after 90 s."""
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    await pool_type(client, pool)
    return {worker.name for worker in await client.read_workers_for_work_pool(pool, worker_filter=online)}


async def pool_type(client: PrefectClient, pool: str) -> str:
    """Return the type of a work pool.

    Raises:
        BadInput: if there is no such pool.
    """
    try:
        return (await client.read_work_pool(pool)).type
    except ObjectNotFound:
        raise BadInput(f"the server has no work pool '{pool}'; `python -m flows.deploy` makes the pools") from None


async def require_postgres(pool: str) -> set[str]:
    """Refuse a pool with several workers on a server that keeps its state in SQLite.

    Args:
        pool: name of the work pool.

    Returns:
        The names of its workers online.

    Raises:
        BadInput: if it has more than one worker online, on SQLite; or there is no such pool.
        NotReachable: if the server does not answer.
    """
    async with served() as client:
        workers = await online_workers(client, pool)
        await refuse_sqlite(client, pool, workers)
        return workers


async def refuse_sqlite(client: PrefectClient, pool: str, workers: Collection[str]) -> None:
    """Raise BadInput if there are several workers and the server keeps its state in SQLite.

    DWINDLE_SQLITE_ANYWAY=1 takes the risk.
    """
    if len(workers) > 1 and not os.environ.get(ANYWAY) and await database_kind(client) == "sqlite":
        raise BadInput(
            f"work pool '{pool}' would have {len(workers)} workers ({', '.join(sorted(workers))}), and the server at "
            f"{PREFECT_API_URL.value()} keeps its state in SQLite, which loses events and heartbeats of more than one; "
            f"start the server with {SETTING} (deploy/shared.env), or take the risk with {ANYWAY}=1"
        )
