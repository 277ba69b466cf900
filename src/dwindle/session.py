"""A session: one sweep being grown. It holds what every way of growing one shares.

That is the plan, the worker processes, the lineage locks, the progress on the terminal, and the one thread that writes
to MLflow and DVC while the workers compute. How the stages of a generation are called is left to the caller: a Prefect
flow calls tasks, `dwindle run` calls the workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dwindle.config.sweep import Sweep
from dwindle.data.workspace import held, sweep_litter
from dwindle.errors import Ended, StageFailed
from dwindle.examining import examine
from dwindle.plan import Plan, unroll, write_plan
from dwindle.recording import Recorder
from dwindle.report.profiles import details, extinctions, passages, profile_tags
from dwindle.report.progress import Progress
from dwindle.report.summary import Summary
from dwindle.stages.cohorts import divided
from dwindle.stages.endings import note_ending
from dwindle.stages.equipment import equipped, prepared
from dwindle.stages.results import collapsed, evaluations, is_done
from dwindle.stages.runner import run_stage
from dwindle.stages.workers import Workers
from dwindle.survey import finished_generations
from dwindle.transport import Transport

__all__ = ["Growing", "Session"]

COMMIT_EVERY = 50
"""Generations between two entries in DVC on long lineages: a kill loses no data, only their entry."""

LOOK_EVERY = 0.5
"""Seconds between two looks at what a lineage that grows elsewhere has left in the folder."""


@dataclass
class Growing:
    """A lineage while it grows.

    Args:
        name: the lineage.
        keys: plan keys of all its generations.
        done: last generation that was finished before this session; -1 for none.
        record: writes a generation that was just evaluated to MLflow and the progress bar; returns a line for a log.
    """

    name: str
    keys: Sequence[str]
    done: int
    record: Callable[[str], str]

    @property
    def unfinished(self) -> Sequence[str]:
        """Plan keys of the generations that are still to be grown, in order."""
        return self.keys[self.done + 1 :]


@dataclass
class Session:
    """One sweep being grown; use it as an async context.

    Args:
        sweep: the sweep.
        name: the one lineage to grow; the first if empty, all if None.
        part: whether the lineage is one of a sweep that another session grows and compares.
        tracking: whether to record in MLflow.
        versioning: whether to record in DVC.
    """

    sweep: Sweep
    name: str | None = None
    part: bool = False
    tracking: bool = True
    versioning: bool = True
    plan: Plan = field(init=False)
    workers: Workers = field(init=False)
    ended: dict[str, StageFailed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root: Path = self.sweep.root
        self.names = self.sweep.chosen(self.name)
        self.plan = unroll(self.sweep)
        self._recorder = Recorder(self.sweep, self.plan, tracking=self.tracking, versioning=self.versioning)
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="record")
        self._transport: Transport | None = None
        self._progress = Progress({name: len(self.plan.generations(name)) for name in self.names}, self.root)
        self._held = ExitStack()

    async def __aenter__(self) -> Self:
        """See that this machine has what it takes, reach MLflow, write the plan, start progress and workers."""
        recipes = {name: self.sweep.lineages[name].recipe for name in self.names} if self.here else {}
        if self.here:
            prepared(self.root, self.plan, recipes, self.sweep.engine)
        await self._at_desk(self._recorder.begin)
        write_plan(self.plan, self.root)
        if self.sweep.engine.exchange:
            self._transport = await self._at_desk(Transport, self.root, self.plan, self.sweep.engine.exchange)
        threads = max(lineage.recipe.threads for lineage in self.sweep.lineages.values())
        given: Sequence[Mapping[str, str]] = ()
        if self.here:
            given = self._held.enter_context(equipped(self.sweep.engine, workers=1 if self.part else 0))
        cohorts = divided(recipes, most=self.sweep.engine.cohort, places=len(given))
        self.workers = Workers(given, threads=threads, cohorts=cohorts)
        self._progress.start()
        await self.workers.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, finish what is being recorded."""
        await self.workers.__aexit__(kind, error, trace)
        self._held.close()
        if kind is not None and not self.part:
            await self._at_desk(self._recorder.stop, "FAILED" if issubclass(kind, Exception) else "KILLED")
        self._desk.shutdown(wait=True)
        self._progress.stop()

    async def _at_desk(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._desk, call, *arguments)

    @asynccontextmanager
    async def lineage(self, name: str, *, elsewhere: bool = False) -> AsyncIterator[Growing]:
        """Hold a lineage while it grows: replay what is recorded nowhere yet, and record what is added.

        A lineage that cannot go on, because it ended or a fit is impossible, is noted in `ended`; the others go on.

        Args:
            name: the lineage.
            elsewhere: whether another process grows it, and holds it.

        Raises:
            NotReachable: if another process is growing it.
        """
        if self.sweep.engine.name == "deployments":
            async with self._told(name) as growing:
                yield growing
            return
        lock = nullcontext() if elsewhere else held(self.root, f"lineage-{name}", wait=self.part)
        with lock:
            if not elsewhere:
                await self._prepare(name)
            done, _ = finished_generations(self.root, self.plan, name)
            recorded = [self._submit(self._recorder.open, name)]
            if done >= 0:
                recorded.append(self._submit(self._replay, name, done))
            self._progress.advance(name, done + 1)

            def record(key: str) -> str:
                recorded.append(self._recorded(key))
                return self._progress.line(name)

            growing = Growing(name, self.plan.generations(name), done, record)
            try:
                yield growing
            except StageFailed as error:
                self.ended[name] = error
            except BaseException as error:
                status = "FAILED" if isinstance(error, Exception) else "KILLED"
                await self._close(name, recorded, status)
                raise
            finally:
                self.workers.leave(name)
            await self._close(name, recorded, "FAILED" if self._broke(name) else "FINISHED")

    @asynccontextmanager
    async def _told(self, name: str) -> AsyncIterator[Growing]:
        """Watch a lineage that another session grows and records."""
        done, _ = finished_generations(self.root, self.plan, name)
        keys = self.plan.generations(name)
        self._progress.advance(name, done + 1)

        def record(key: str) -> str:
            self._progress.advance(name, keys.index(key) + 1, self.root, key, self.plan)
            return self._progress.line(name)

        try:
            yield Growing(name, keys, done, record)
        except StageFailed as error:
            self.ended[name] = error

    async def _prepare(self, name: str) -> None:
        """Clear away what a killed process left, and fetch what other machines have grown."""
        for area in ("data", "models", "metrics"):
            sweep_litter(self.root / area / name)
        if self._transport is not None:
            await self._at_desk(self._transport.fetch, name)

    async def follow(self, growing: Growing, work: Awaitable[None]) -> None:
        """Record the generations of a lineage that grows elsewhere as they appear in the folder, until it is grown."""
        task, waiting = asyncio.ensure_future(work), list(growing.unfinished)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=LOOK_EVERY)
                self._record_grown(growing, waiting)
        finally:
            task.cancel()
            await asyncio.wait([task])  # where it runs is told before whoever runs it ends
        if self._transport is not None:
            await self._at_desk(self._transport.fetch, growing.name)
        self._record_grown(growing, waiting)
        await task

    def _record_grown(self, growing: Growing, waiting: list[str]) -> None:
        while waiting and is_done(self.root, f"evaluate@{waiting[0]}", self.plan, whole=False):
            growing.record(waiting.pop(0))

    def _broke(self, name: str) -> bool:
        """Say whether a lineage broke down; to starve or to be stopped is a result."""
        return name in self.ended and not isinstance(self.ended[name], Ended)

    @property
    def here(self) -> bool:
        """Whether this session's own workers grow the lineages."""
        return self.sweep.engine.name == "process"

    @property
    def real(self) -> list[str]:
        """Plan keys of the real rows that the lineages to grow start from."""
        folders = {entry["real"] for entry in self.plan.chain.values() if entry["lineage"] in self.names}
        return [key for key, entry in self.plan.real.items() if entry["folder"] in folders]

    def _submit(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._desk, call, *arguments)

    def _recorded(self, key: str) -> asyncio.Future[Any]:
        entry = self.plan.chain[key]
        name, generation = entry["lineage"], entry["generation"]
        self._progress.advance(name, generation + 1, self.root, key, self.plan)
        recorded = self._submit(self._recorder.generations, name, [generation])
        if generation and generation % COMMIT_EVERY == 0:
            recorded = self._submit(self._recorder.enter, name, generation)
        if self._transport is not None:
            recorded = self._submit(self._transport.send, name, generation)
        return recorded

    def _replay(self, name: str, done: int) -> None:
        """Record what an earlier session finished, in case it was killed before it recorded it."""
        self._recorder.generations(name, range(done + 1))
        self._recorder.enter(name, done)

    async def _close(self, name: str, recorded: Sequence[asyncio.Future[Any]], status: str) -> None:
        """Wait for what is being recorded, then enter the lineage into DVC and close its run."""
        await asyncio.gather(*recorded)
        done, _ = finished_generations(self.root, self.plan, name)
        if done >= 0:
            await self._at_desk(self._recorder.enter, name, done)
        outcome = note_ending(self.root, self.plan, name, done, self.ended.get(name)) or status.lower()
        if outcome == "finished" and collapsed(self.root, self.plan, name, done):
            outcome = "collapsed"
        await self._at_desk(self._recorder.finish, name, status, {"outcome": outcome})

    async def finish(self) -> Summary:
        """Compare the lineages: the table, the pictures, and their place in MLflow and DVC."""
        grown = any(True for name in self.names for _ in evaluations(self.root, self.plan, name))
        if len(self.ended) == len(self.names) and not grown:
            self.judge()  # nothing was evaluated, so there is nothing to compare
        compared = await self._at_desk(run_stage, self.root, "compare")
        await self._at_desk(self._recorder.commit, ["compare"])
        commands = await self._at_desk(lambda: self._recorder.commands)
        whole = len(self.names) == len(self.sweep.lineages)
        examined = await asyncio.to_thread(
            examine, self.sweep, self.plan, whole=whole, changed=compared.ran, commands=commands
        )
        summary, found = examined.summary, examined.profiles
        for name in found:
            times = passages(found[name]) | extinctions(found[name])
            await self._at_desk(self._recorder.judged, name, profile_tags(found[name]), times)
        tables = {"summary": summary.columns} | {table.name: table.by_column for table in summary.tables}
        tables |= {"profile_details": details(found)} if found else {}
        await self._at_desk(self._recorder.finish_sweep, tables, summary.pictures)
        if summary.report is not None:
            summary.page = await self._at_desk(lambda: self._recorder.report_page) or summary.report.as_uri()
        notes = [*self._recorder.notes, *(f"{name} ended early: {error}" for name, error in self.ended.items())]
        if self._recorder.pending:
            notes.append(f"{self._recorder.pending} entries did not reach MLflow; run `dwindle sync`")
        summary.notes.extend(notes)
        return summary

    def judge(self) -> None:
        """Raise what ended a lineage early; in a sweep of several, an early end is a result like another.

        Raises:
            StageFailed: naming the lineages.
        """
        wrong = [name for name in self.ended if self._broke(name) or len(self.names) == 1]
        if wrong:
            kind = StageFailed if any(map(self._broke, wrong)) else type(self.ended[wrong[0]])
            raise kind("\n".join(f"{name}: {self.ended[name]}" for name in wrong))
