"""Orders: lineages given to a work pool, each as a flow run of `lineage/lineage`, and watched together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from dwindle.errors import BadInput, NotReachable, StageFailed, Starved
from flows.server import require_postgres, served

__all__ = ["Orders"]

LOOK_EVERY = 1.0
"""Seconds between two looks at all flow runs that are not ended."""

PENDING = timedelta(minutes=10)
"""How long a worker may take to begin: to fetch an image, to start a pod."""

PAGE = 200
"""Flow runs that the server tells of at once."""

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
        await require_postgres(deployment.work_pool_name or "")
        self._watch = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching, and cancel what nobody waits for any more; what is grown stays."""
        self._watch.cancel()
        for run, future in self._ended.items():
            if not future.done() or future.cancelled():
                with suppress(Exception):  # a server that is gone cannot be told either
                    await self._client.set_flow_run_state(run, Cancelling())
        await self._reached.aclose()

    async def grown(self, name: str) -> None:
        """Give a lineage to the pool and wait until it is grown.

        Raises:
            StageFailed: if it broke down.
            NotReachable: if its worker was lost, or it was cancelled.
        """
        run = await arun_deployment(
            self.deployment,
            parameters={"name": name, "params": str(self.params), "overrides": [*self.overrides, *OWN], "part": True},
            flow_run_name=name,
            timeout=0,
        )
        self._ended[run.id] = asyncio.get_running_loop().create_future()
        state = await self._ended[run.id]
        if state.is_completed():
            return
        if state.is_failed():
            raise _told(state.message or "failed")
        raise NotReachable(f"flow run {run.id} is {state.name}: {state.message or 'no reason given'}")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            waiting = [run for run, future in self._ended.items() if not future.done()]
            for first in range(0, len(waiting), PAGE):
                asked = FlowRunFilter(id=FlowRunFilterId(any_=waiting[first : first + PAGE]))
                for run in await self._client.read_flow_runs(flow_run_filter=asked, limit=PAGE):
                    if run.state is not None and _is_over(run.state) and not self._ended[run.id].done():
                        self._ended[run.id].set_result(run.state)


def _is_over(state: State) -> bool:
    """Say whether a flow run has ended, or was taken by a worker that was lost before it could begin."""
    return state.is_final() or (state.is_pending() and datetime.now(UTC) - state.timestamp > PENDING)


def _told(message: str) -> StageFailed | NotReachable:
    """Return the error that a flow run ended with, out of the message that Prefect keeps of it."""
    for kind in (Starved, NotReachable):
        if kind.__name__ in message:
            return kind(message)
    return StageFailed(message)
