"""Lineages given to a pool where no worker is: what becomes of those that are cancelled, deleted, or never begun."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from dwindle.errors import NotReachable, StageFailed
from flows import orders
from flows.orders import Orders
from tests.flows.prefect_server import prefect_server
from tests.shared_state.postgres import REPOSITORY, free_port

PATIENCE = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def running(home, port):
    """What runs the server; closing it ends the server."""
    with ExitStack() as running:
        yield running


@pytest.fixture(scope="module")
def server(running, home, port, deployable):
    server = running.enter_context(prefect_server(home, port))
    done = server.run("flows.deploy", cwd=deployable.root)
    assert done.returncode == 0, done.stdout + done.stderr
    with temporary_settings(updates={PREFECT_API_URL: server.url}):
        yield server


def put(server, run, kind):
    server.post(f"flow_runs/{run}/set_state", state={"type": kind}, force=True)


def ended(server, name, meddle):
    """Order a lineage, meddle with its flow run, and return what the order ends with."""

    async def order():
        async with Orders("lineage", Path("params.yaml"), ()) as given:
            grown = asyncio.create_task(given.grown(name))
            while not given._ended:
                await asyncio.sleep(0.05)
            [run] = given._ended
            await asyncio.to_thread(meddle, run)
            await asyncio.wait([grown], timeout=PATIENCE)
            assert grown.done(), "it waits for ever"
            return run, grown.exception()

    return asyncio.run(order())


def test_a_pool_without_a_worker_is_told_of(server, caplog):
    with caplog.at_level(logging.WARNING, logger="dwindle.orders"):
        ended(server, "told", lambda run: put(server, run, "COMPLETED"))
    assert "no worker of work pool 'lineages' is online" in caplog.text


def test_a_cancelled_lineage_is_not_given_on(server):
    _, error = ended(server, "cancelled", lambda run: put(server, run, "CANCELLED"))
    assert type(error) is StageFailed
    assert str(error).startswith("cancelled")


def test_a_flow_run_that_the_server_no_longer_knows_is_lost(server):
    def delete(run):
        request = urllib.request.Request(f"{server.url}/flow_runs/{run}", method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()

    _, error = ended(server, "deleted", delete)
    assert isinstance(error, NotReachable)
    assert "no longer knows it" in str(error)


def test_a_flow_run_that_is_not_begun_in_time_is_cancelled_before_its_lineage_is_given_on(server, monkeypatch):
    monkeypatch.setattr(orders, "PENDING", timedelta(seconds=0))
    run, error = ended(server, "pending", lambda run: put(server, run, "PENDING"))
    assert isinstance(error, NotReachable)
    assert server.state(run)["type"] == "CANCELLED"


def test_a_worker_may_take_as_long_to_begin_as_kubernetes_watches_a_pod():
    pool = json.loads((REPOSITORY / "deploy/pools/kubernetes.json").read_text())
    watched = pool["variables"]["properties"]["pod_watch_timeout_seconds"]["default"]
    assert orders.PENDING.total_seconds() > watched


def test_orders_that_nobody_waits_for_any_more_are_cancelled(server):
    async def leave():
        async with Orders("lineage", Path("params.yaml"), ()) as given:
            waiting = [asyncio.create_task(given.grown(name)) for name in ("one", "two")]
            while len(given._ended) < 2:
                await asyncio.sleep(0.05)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return list(given._ended)

    assert {server.state(run)["type"] for run in asyncio.run(leave())} == {"CANCELLED"}


def test_a_defect_of_the_watch_reaches_everybody_who_waits(server):
    async def order():
        async with Orders("lineage", Path("params.yaml"), ()) as given:
            waiting = [asyncio.create_task(given.grown(name)) for name in ("one", "two")]
            while len(given._ended) < 2:
                await asyncio.sleep(0.05)
            given._look_at = None  # calling it is a TypeError
            await asyncio.wait(waiting, timeout=PATIENCE)
            assert all(task.done() for task in waiting), "they wait for ever"
            return [task.exception() for task in waiting]

    assert [type(error) for error in asyncio.run(order())] == [TypeError, TypeError]


def test_a_server_that_is_away_for_a_while_is_asked_on(server, running, home, port, caplog):
    def away(run):
        running.close()
        asyncio.run(asyncio.sleep(3))
        running.enter_context(prefect_server(home, port))
        put(server, run, "CANCELLED")

    told = caplog.at_level(logging.WARNING, logger="dwindle.orders")
    with told, temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}):  # by itself it is patient for a minute
        _, error = ended(server, "patient", away)
    assert type(error) is StageFailed
    assert "does not answer, it is asked on" in caplog.text
