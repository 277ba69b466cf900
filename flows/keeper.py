"""Keeps Prefect workers alive, and ends them with everything that they started.

Prefect's worker, killed, leaves its flow run computing on the device; told to end, it leaves the run in state Running
for ever. So each worker is started with a mark in its environment, which all that it starts inherits: by it everything
of a dead worker is found and ended, the flow runs that the server has under its name are reported as crashed, and only
then is the device used again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from dwindle.errors import DwindleError
from flows.lifeline import cut, tied
from flows.server import served

__all__ = ["Keeper", "WorkerSetup", "end", "mind", "report"]

MARK, RUN = "DWINDLE_WORKER", "PREFECT__FLOW_RUN_ID"

GRACE = 10.0
"""Seconds in which a flow run may report that it ends."""

STEADY = 60.0
"""A worker that lived so long, in seconds, is started again at once; one that did not, after a pause."""


@dataclass(frozen=True)
class WorkerSetup:
    """One worker as it shall run.

    Args:
        name: its name on the server.
        pool: the work pool that it serves.
        limit: flow runs at a time.
        environment: variables that it and its flow runs get above this process's own.
    """

    name: str
    pool: str
    limit: int
    environment: Mapping[str, str]

    @property
    def command(self) -> tuple[str, ...]:
        """The command that runs it."""
        start = (sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--install-policy", "never")
        return (*start, "--pool", self.pool, "--name", self.name, "--limit", str(self.limit))


@dataclass
class Keeper:
    """Keeps one worker alive.

    Args:
        setup: the worker.
        mark: what marks it and all that it starts; begins with the mark of its launcher.
    """

    setup: WorkerSetup
    mark: str

    async def keep(self) -> None:
        """Run the worker, again and again, until this is cancelled."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            code = await self._live()
            pause = 0.0 if time.monotonic() - started > STEADY else min(2 * pause + 1, STEADY)
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            _say(f"{self.setup.name}: ended ({how}); started again in {pause:.0f} s")
            await asyncio.to_thread(end, self.mark)
            await report(self.setup.pool, [self.setup.name], f"The worker {self.setup.name} died ({how}).")

    async def _live(self) -> int:
        """Run the worker once; return its exit code."""
        worker = subprocess.Popen(
            self.setup.command,
            env={**os.environ, **self.setup.environment, MARK: self.mark},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the launcher, which ends it in order
        )
        _say(
            f"{self.setup.name}: process {worker.pid}, devices {self.setup.environment['CUDA_VISIBLE_DEVICES'] or '-'}"
        )
        while (code := worker.poll()) is None:
            await asyncio.sleep(0.5)
        return code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _variable(process: psutil.Process, name: str) -> str:
    try:
        return process.environ().get(name, "")
    except psutil.Error:
        return ""


def _marked(mark: str) -> list[psutil.Process]:
    """Return the processes with a mark; one that has ended and was not yet fetched has no environment."""
    return [process for process in psutil.process_iter() if _variable(process, MARK).startswith(mark)]


def end(mark: str) -> None:
    """End every process with a mark.

    Workers are stopped first, so that they take no new work and do not kill a flow run that is about to report; flow
    runs are told to end and have a moment to say so; then everything that is left is killed.
    """
    for process in _marked(mark):
        if not _variable(process, RUN):
            _send(process, signal.SIGSTOP)
    runs = {process.pid: process for process in _marked(mark) if _variable(process, RUN)}
    told = [process for process in runs.values() if _parent(process) not in runs]
    for process in told:
        _send(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(_variable(process, RUN) for process in told):
        time.sleep(0.05)
    while left := _marked(mark):
        for process in left:
            _send(process, signal.SIGKILL)
        time.sleep(0.05)


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)


async def report(pool: str, workers: Collection[str], message: str) -> None:
    """Have the server know that the flow runs which dead workers had begun have crashed."""
    begun = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    try:
        async with served() as client:
            runs = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=begun)),
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
                limit=200,
            )
            for run in runs:
                if run.labels.get("prefect.worker.name") in workers:
                    await client.set_flow_run_state(run.id, Crashed(message=message))
    except DwindleError as error:
        _say(f"flow runs of {', '.join(workers)} could not be reported as crashed: {error}")


def mind(mark: str, pool: str, workers: Collection[str]) -> subprocess.Popen[bytes]:
    """Start a process that ends all with a mark when this one has ended, even by a kill, and then ends itself."""
    return tied("flows.keeper", mark, pool, *workers)


def main(mark: str, pool: str, *workers: str) -> None:
    """Wait for the lifeline to be cut, then end what has the mark."""
    cut()
    end(mark)
    asyncio.run(report(pool, workers, "The launcher of its worker was killed."))


if __name__ == "__main__":
    main(*sys.argv[1:])
