"""Worker processes on this machine, shared by the lineages that grow side by side.

One process a core with one numerical thread each: two single-thread processes do about twice the work of one, two
threads in one process do not.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dwindle import errors
from dwindle.errors import DwindleError, NotReachable, StageFailed
from dwindle.plan import Plan, read_plan
from dwindle.stages.gathering import SHARED, Gathering, Request
from dwindle.stages.runner import Outcome
from dwindle.stages.steps import StageName

__all__ = ["WorkerLost", "Workers", "on_worker"]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class WorkerLost(NotReachable):
    """A worker process died in the middle of a stage; the stage left nothing behind and can be run again."""


@dataclass
class _Place:
    """What a worker process is given, and the process once it has started."""

    environment: Mapping[str, str]
    process: Process | None = None


class Workers:
    """A set of worker processes.

    Args:
        environments: what each worker process finds in its environment beside what this one has; a GPU of its own.
        threads: threads of the numerical libraries in each.
        cohorts: lineages that are trained and sampled together.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        *,
        threads: int = 1,
        cohorts: Sequence[tuple[str, ...]] = (),
    ) -> None:
        shared = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
        self._environments = [{**shared, **own} for own in environments]
        self._idle: asyncio.LifoQueue[_Place] = asyncio.LifoQueue()
        self._started: list[Process] = []
        self._plans: dict[Path, Plan] = {}
        self._cohorts: dict[str, Gathering] = {}
        for members in cohorts:
            self._cohorts |= dict.fromkeys(members, Gathering(members, self._together))

    async def __aenter__(self) -> Self:
        """Make room for the workers; each starts with its first stage."""
        for environment in self._environments:
            self._idle.put_nowait(_Place(environment))
        _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        for gathering in self._cohorts.values():
            gathering.close()
        for process in self._started:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def leave(self, lineage: str) -> None:
        """Let a cohort go on without a lineage: it is grown, or has ended."""
        if lineage in self._cohorts:
            self._cohorts[lineage].leave(lineage)

    async def run(self, root: Path, stage: StageName) -> Outcome:
        """Run a stage on the next idle worker, by the plan that stood here when the first one was run.

        A stage that a cohort shares waits for the other lineages of the cohort.

        Raises:
            BadInput: if plan.json has become another one since.
            WorkerLost: if the worker dies.
            DwindleError: whatever the stage raised.
        """
        if not self._environments:
            raise NotReachable(f"{stage}: this session has no workers of its own; its lineages grow elsewhere")
        if root not in self._plans:
            self._plans[root] = read_plan(root)
        verb, _, key = stage.partition("@")
        entry = self._plans[root].chain.get(key, {})
        gathering = self._cohorts.get(entry.get("lineage", "")) if verb in SHARED else None
        if gathering is not None:
            return await gathering.ask(entry["lineage"], entry["generation"], (root, stage))
        (found,) = await self._together([(root, stage)])
        if isinstance(found, Exception):
            raise found
        return found

    async def _together(self, requests: Sequence[Request]) -> list[Outcome | Exception]:
        """Run the same stage of lineages that share a batch, or one stage, on the next idle worker."""
        root, stages = requests[0][0], [stage for _, stage in requests]
        place = await self._idle.get()
        try:
            if place.process is None or place.process.returncode is not None:
                place.process = await self._start(place.environment)
            return [_outcome(answer) for answer in await self._ask(place.process, root, stages)]
        finally:
            self._idle.put_nowait(place)

    async def _start(self, environment: Mapping[str, str]) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dwindle.stages.worker"),
            stdin=PIPE,
            stdout=PIPE,
            env=environment,
            limit=1 << 24,
        )
        self._started.append(process)
        return process

    async def _ask(self, process: Process, root: Path, stages: Sequence[StageName]) -> list[dict[str, Any]]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            digests = [self._plans[root].digest(stage) for stage in stages]
            request = {"root": str(root), "stages": stages, "digests": digests}
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except asyncio.CancelledError:
            process.kill()  # or its answer would be taken for the next stage's
            raise
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            code = await process.wait()
            cause = f"signal {-code}, perhaps for want of memory" if code < 0 else f"exit code {code}"
            raise WorkerLost(
                f"the worker that ran {', '.join(stages)} died ({cause}); nothing is lost, run the same command again"
            )
        answers: list[dict[str, Any]] = json.loads(line)
        return answers


_current: ContextVar[Workers] = ContextVar("workers")


async def on_worker(root: Path, stage: StageName) -> Outcome:
    """Run a stage on the workers of the flow that this is called from."""
    return await _current.get().run(root, stage)


def _outcome(answer: dict[str, Any]) -> Outcome | Exception:
    if "error" not in answer:
        return Outcome(answer["stage"], ran=answer["ran"], digest=answer["digest"])
    kind = getattr(errors, answer["kind"], None) if answer["kind"] else None
    if kind is not None and issubclass(kind, DwindleError):
        error: DwindleError = kind(answer["error"])
        return error
    failure = StageFailed(answer["error"])
    failure.add_note(answer.get("trace", ""))
    return failure
