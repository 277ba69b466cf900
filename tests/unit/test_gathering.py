"""Lineages of a cohort are worked on together when all of them wait, and wait for nobody who has left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from dwindle.errors import StageFailed
from dwindle.stages.gathering import Gathering, Request
from dwindle.stages.runner import Outcome
from dwindle.stages.workers import WorkerLost

ROOT = Path()


class Bench:
    """Works at what it is sent and notes who came together."""

    def __init__(self, broken: str = "") -> None:
        self.batches: list[list[str]] = []
        self.broken = broken

    async def send(self, requests: Sequence[Request]) -> list[Outcome | Exception]:
        self.batches.append(sorted(stage for _, stage in requests))
        await asyncio.sleep(0)
        return [
            StageFailed(stage) if stage == self.broken else Outcome(stage, ran=True, digest=stage)
            for _, stage in requests
        ]


async def grow(gathering: Gathering, name: str, first: int, last: int) -> list[str]:
    """Ask for the stages of a lineage as a session does."""
    done = []
    try:
        for generation in range(first, last + 1):
            for verb in ("generate", "train"):
                request = (ROOT, f"{verb}@{name}-g{generation:03d}")
                done.append((await gathering.ask(name, generation, request)).stage)
        return done
    finally:
        gathering.leave(name)


def grown(bench: Bench, lineages: dict[str, tuple[int, int]]) -> list[list[str] | BaseException]:
    async def run() -> list[list[str] | BaseException]:
        gathering = Gathering(lineages, bench.send)
        work = (grow(gathering, name, *ends) for name, ends in lineages.items())
        return await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 10)

    return asyncio.run(run())


def test_lineages_side_by_side_share_every_batch():
    bench = Bench()
    found = grown(bench, {"a": (0, 1), "b": (0, 1), "c": (0, 1)})
    assert [len(done) for done in found] == [4, 4, 4]
    assert bench.batches[0] == ["generate@a-g000", "generate@b-g000", "generate@c-g000"]
    assert [len(batch) for batch in bench.batches] == [3, 3, 3, 3]


def test_who_is_behind_catches_up_before_the_others_go_on():
    bench = Bench()
    grown(bench, {"ahead": (2, 3), "behind": (0, 3)})
    alone = [batch for batch in bench.batches if len(batch) == 1]
    assert alone == [[f"{verb}@behind-g{t:03d}"] for t in (0, 1) for verb in ("generate", "train")]
    assert all(len(batch) == 2 for batch in bench.batches[4:])


def test_who_has_less_to_do_is_not_waited_for():
    bench = Bench()
    found = grown(bench, {"short": (0, 0), "long": (0, 2), "none": (1, 0)})
    assert [len(done) for done in found] == [2, 6, 0]
    assert [len(batch) for batch in bench.batches] == [2, 2, 1, 1, 1, 1]


def test_a_stage_that_fails_ends_its_own_lineage():
    bench = Bench(broken="train@b-g000")
    found = grown(bench, {"a": (0, 1), "b": (0, 1)})
    assert len(found[0]) == 4
    assert isinstance(found[1], StageFailed)


def test_a_lost_worker_is_lost_to_all_it_worked_for():
    async def lost(requests: Sequence[Request]) -> list[Outcome | Exception]:
        raise WorkerLost("killed")

    async def run() -> list[object]:
        gathering = Gathering(("a", "b"), lost)
        return await asyncio.gather(
            *(grow(gathering, name, 0, 0) for name in ("a", "b")),
            return_exceptions=True,
        )

    assert [type(one) for one in asyncio.run(run())] == [WorkerLost, WorkerLost]


def test_who_is_cancelled_is_not_answered_and_does_not_hold_the_others():
    bench = Bench()

    async def run() -> list[str]:
        gathering = Gathering(("a", "b"), bench.send)
        first = asyncio.ensure_future(grow(gathering, "a", 0, 0))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await asyncio.wait_for(grow(gathering, "b", 0, 0), 10)

    assert len(asyncio.run(run())) == 2
    assert [len(batch) for batch in bench.batches] == [1, 1]
