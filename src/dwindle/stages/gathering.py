"""Gathering: the lineages of a cohort ask for their stages one by one, and are answered together.

Whoever grows a lineage asks for the next stage and waits, as if it were alone. When every lineage of the cohort that is
still growing waits, those furthest behind are worked on together; the others wait until these have caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from dwindle.plan import STAGES
from dwindle.stages.runner import Outcome
from dwindle.stages.steps import StageName

__all__ = ["SHARED", "Gathering", "Request"]

SHARED = frozenset({"generate", "train", "evaluate"})
"""The stages that a cohort shares; curating is each lineage's own."""

Place = tuple[int, int]
"""Generation and stage, in the order in which a lineage asks for them."""

Request = tuple[Path, StageName]
"""A stage, and the workspace that it is in."""

Send = Callable[[Sequence[Request]], Awaitable[Sequence[Outcome | Exception]]]


class Gathering:
    """The lineages of one cohort while they grow.

    Args:
        members: the lineages; each one must leave in the end, or the others would wait for it for ever.
        send: works at the same stage of several lineages.
    """

    def __init__(self, members: Iterable[str], send: Send) -> None:
        self._growing, self._send = set(members), send
        self._waiting: dict[str, tuple[Place, Request, asyncio.Future[Outcome]]] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def ask(self, lineage: str, generation: int, request: Request) -> Outcome:
        """Have a stage worked at, with those that the others wait for; return what became of it."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[lineage] = ((generation, STAGES.index(request[1].partition("@")[0])), request, answer)
        self._begin()
        try:
            return await answer
        finally:
            self._waiting.pop(lineage, None)

    def leave(self, lineage: str) -> None:
        """Wait for a lineage no longer: it is grown, or has ended."""
        self._growing.discard(lineage)
        self._begin()

    def close(self) -> None:
        """Give up what is being worked at."""
        for task in self._working:
            task.cancel()

    def _begin(self) -> None:
        if not self._waiting or not self._growing <= self._waiting.keys():
            return
        first = min(place for place, _, _ in self._waiting.values())
        chosen = {name: (request, own) for name, (place, request, own) in self._waiting.items() if place == first}
        for name in chosen:
            del self._waiting[name]
        task = asyncio.ensure_future(self._work(list(chosen.values())))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, asked: Sequence[tuple[Request, asyncio.Future[Outcome]]]) -> None:
        try:
            found = await self._send([request for request, _ in asked])
        except Exception as error:  # a lost worker is lost to all whom it worked for
            found = [error] * len(asked)
        for (_, answer), outcome in zip(asked, found, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
