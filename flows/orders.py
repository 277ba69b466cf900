"""Orders: lineages given to a work pool, each as a flow run of `lineage/lineage`, and watched together."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from dwindle import errors
from dwindle.errors import BadInput, DwindleError, NotReachable, StageFailed
from dwindle.stages.workers import WorkerLost
from flows.server import require_postgres, served

__all__ = ["Orders"]

LOOK_EVERY = 1.0
"""Seconds between two looks at all flow runs that are not ended."""

PENDING = timedelta(minutes=70)
"""How long a worker may take to begin: to fetch an image, to start a pod, which Kubernetes' worker watches an hour."""

PAGE = 200
"""Flow runs that the server tells of at once."""

_KINDS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DwindleError)
}
_KINDS["WorkerLost"] = WorkerLost
_KIND = re.compile(rf"\b({'|'.join(_KINDS)}): ")

_log = logging.getLogger("dwindle.orders")

OWN = ("engine=process", "engine.workers=1")
"""A worker grows its lineage by itself, one stage at a time."""


class Orders:
    """Lineages that workers of a pool grow; use it as an async context.

    Args:
        deployment: name of a deployment of the flow `lineage`.
        params: the sweep's file, as a worker finds it in its folder.
        overrides: what was laid over the file.
    """

    def __init__(self, deployment: str, params: Path, overrides: Sequence[str]) -> None:
        self.deployment, self.params, self.overrides = f"lineage/{deployment}", params, overrides
        self._ended: dict[UUID, asyncio.Future[State]] = {}
        self._reached = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Reach the server and begin to watch.

        Raises:
            BadInput: if there is no server of one's own, no such deployment, or more workers than the database bears.
        """
        self._client = await self._reached.enter_async_context(served())
        try:
            deployment = await self._client.read_deployment_by_name(self.deployment)
        except ObjectNotFound:
            told = "`python -m flows.deploy` makes it and the pools"
            raise BadInput(f"engine.deployment: the server has no deployment {self.deployment}; {told}") from None
        pool = deployment.work_pool_name or ""
        if not await require_postgres(pool):
            told = f"no worker of work pool '{pool}' is online; lineages wait until one is started"
            _log.warning("%s: `python -m flows.workers`, or `prefect worker start --pool %s`", told, pool)
        self._watch = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching, and cancel what nobody waits for any more; what is grown stays."""
        self._watch.cancel()
        left = [run for run, future in self._ended.items() if not future.done() or future.cancelled()]
        await asyncio.gather(*(self._put(run, Cancelling()) for run in left))
        await self._reached.aclose()

    async def _put(self, run: UUID, state: State) -> None:
        with suppress(Exception):  # a server that is gone cannot be told either
            await self._client.set_flow_run_state(run, state)

    async def grown(self, name: str) -> None:
        """Give a lineage to the pool and wait until it is grown.

        Raises:
            StageFailed: if it broke down, or somebody cancelled it.
            NotReachable: if its worker was lost, or the server does not answer.
            DwindleError: whatever else it ended with.
        """
        run = await self._ordered(name)
        ended = self._ended[run] = asyncio.get_running_loop().create_future()
        await asyncio.wait([ended, self._watch], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            self._watch.result()  # raises what ended it
        state = ended.result()
        if state.is_completed():
            return
        if state.is_failed():
            raise _told(state.message or "failed")
        if state.is_cancelled():
            raise StageFailed(f"cancelled: flow run {run}: {state.message or 'no reason given'}")
        if state.is_pending():  # who took it may still begin, when another one has the lineage
            await self._put(run, Cancelled(message="It was not begun in time; its lineage is given to another worker."))
        raise NotReachable(f"flow run {run} is {state.name}: {state.message or 'no reason given'}")

    async def _ordered(self, name: str) -> UUID:
        parameters = {"name": name, "params": str(self.params), "overrides": [*self.overrides, *OWN], "part": True}
        try:
            return (await arun_deployment(self.deployment, parameters=parameters, flow_run_name=name, timeout=0)).id
        except httpx.HTTPError as error:
            raise NotReachable(f"the Prefect server takes no flow run: {error or type(error).__name__}") from error

    async def _look(self) -> None:
        """Look at all flow runs again and again; a server that does not answer is asked again."""
        silent = False
        while True:
            await asyncio.sleep(LOOK_EVERY)
            waiting = [run for run, future in self._ended.items() if not future.done()]
            try:
                for first in range(0, len(waiting), PAGE):
                    await self._look_at(waiting[first : first + PAGE])
            except httpx.HTTPError as error:
                if not silent:
                    _log.warning(
                        "the Prefect server does not answer, it is asked on: %s", error or type(error).__name__
                    )
                silent = True
            else:
                silent = False

    async def _look_at(self, waiting: Sequence[UUID]) -> None:
        asked = FlowRunFilter(id=FlowRunFilterId(any_=list(waiting)))
        runs = await self._client.read_flow_runs(flow_run_filter=asked, limit=PAGE)
        states = dict.fromkeys(waiting, Crashed(message="the server no longer knows it"))
        states |= {run.id: run.state for run in runs}
        for run, state in states.items():
            if state is not None and _is_over(state) and not self._ended[run].done():
                self._ended[run].set_result(state)


def _is_over(state: State) -> bool:
    """Say whether a flow run has ended, or was taken by a worker that was lost before it could begin."""
    return state.is_final() or (state.is_pending() and datetime.now(UTC) - state.timestamp > PENDING)


def _told(message: str) -> DwindleError:
    """Return the error that a flow run ended with, out of the message that Prefect keeps of it."""
    found = _KIND.search(message)
    return _KINDS[found[1]](message[found.end() :]) if found else StageFailed(message)
