"""What counts as a worker that was lost, and what ends a sweep at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from prefect.logging import disable_run_logger
from ray import exceptions

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput, DataDamaged, NotReachable, StageFailed, Starved
from dwindle.session import Growing, Session
from dwindle.stages.workers import WorkerLost
from flows.engines import LOST, _given_on
from flows.orders import _told
from tests.conftest import PARAMS

RETRIES = 2


@pytest.fixture
def session(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    return Session(load_sweep(tmp_path / "params.yaml", [f"engine.retries={RETRIES}"]))


def given(session, error):
    """Give a lineage to workers that all end so; return how often it was given, and what the sweep ends with."""
    times = []

    async def work(name):
        times.append(name)
        raise error

    growing = Growing("replace", session.plan.generations("replace"), -1, str)
    with disable_run_logger(), pytest.raises(Exception, match=r".") as ended:
        asyncio.run(_given_on(session, growing, work))
    return len(times), ended.value


@pytest.mark.parametrize(
    "error",
    [
        WorkerLost("died"),
        NotReachable("gone"),
        exceptions.WorkerCrashedError(),
        exceptions.ActorDiedError(),
        exceptions.NodeDiedError("gone"),
        exceptions.OutOfMemoryError("full"),
        KilledWorker("grow", SimpleNamespace(address="tcp://127.0.0.1:1"), 0),
        CommClosedError("closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lineage_whose_worker_was_lost_is_given_on(session, error):
    times, ended = given(session, error)
    assert times == RETRIES + 1
    assert isinstance(ended, NotReachable)
    assert ended.__cause__ is error


@pytest.mark.parametrize("kind", [BadInput, DataDamaged, StageFailed, Starved, ValueError, OSError, TypeError])
def test_any_other_error_is_let_through_at_once(session, kind):
    error = kind("wrong")
    assert given(session, error) == (1, error)


def test_every_kind_of_a_lost_worker_is_one_that_ray_or_dask_has():
    theirs = {*vars(exceptions), KilledWorker.__name__, CommClosedError.__name__}
    assert LOST - theirs == {"NotReachable"}


@pytest.mark.parametrize("kind", [BadInput, NotReachable, DataDamaged, StageFailed, Starved, WorkerLost])
def test_an_error_has_its_kind_again_after_a_trip_through_prefect(kind):
    found = _told(f"Flow run encountered an exception: {kind.__name__}: train@replace-g003: no rows left")
    assert type(found) is kind
    assert found.exit_code == kind.exit_code
    assert str(found) == "train@replace-g003: no rows left"


def test_a_kind_that_a_message_only_mentions_is_not_the_errors():
    assert type(_told("Flow run encountered an exception: ValueError: NotReachable is no number")) is StageFailed
    assert type(_told("Flow run encountered an exception: MyBadInput: no")) is StageFailed
    assert type(_told("Flow run encountered an exception: StageFailed: evaluate: BadInput: no")) is StageFailed
