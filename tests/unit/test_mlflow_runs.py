"""Runs are found again, named by what differs, and do not stay running after a kill."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dwindle.data.workspace import held
from dwindle.tracking.mlflow_tracker import LineageRecord, Tracker
from tests.unit.test_mlflow_tracker import LINEAGE, asked, contents, grown, select
from tests.unit.tracked_store import URI, stored


@pytest.fixture
def root(tmp_path) -> Path:
    return stored(tmp_path)


@pytest.fixture
def tracker(root) -> Tracker:
    return Tracker(URI, root)


def test_a_run_takes_a_better_name_but_not_in_place_of_one_that_somebody_gave_it(root, tracker):
    run, client = grown(tracker), asked(tracker)
    named = dataclasses.replace(LINEAGE, label="replace, small", derived={"axis.size": "small"})
    assert grown(Tracker(URI, root), named) == run
    assert client.get_run(run).info.run_name == "replace, small"
    assert client.get_run(run).data.params["axis.size"] == "small"

    client.update_run(run, name="mine")
    relabelled = dataclasses.replace(LINEAGE, label="replace, tiny", derived={"axis.size": "tiny"})
    assert grown(Tracker(URI, root), relabelled) == run
    assert client.get_run(run).info.run_name == "mine"
    assert client.get_run(run).data.params["axis.size"] == "small"
    assert client.get_run(run).data.tags["dwindle.lineage"] == "replace"


def test_a_run_has_the_colour_of_the_pictures_until_somebody_gives_it_another(root, tracker):
    def colour(run: str) -> str:
        return asked(tracker).get_run(run).data.tags["mlflow.runColor"]

    run = grown(tracker, dataclasses.replace(LINEAGE, colour="#D55E00"))
    assert colour(run) == "#D55E00"
    grown(Tracker(URI, root), dataclasses.replace(LINEAGE, colour="#0072B2"))
    assert colour(run) == "#0072B2"
    asked(tracker).set_tag(run, "mlflow.runColor", "#000000")
    grown(Tracker(URI, root), dataclasses.replace(LINEAGE, colour="#56B4E9"))
    assert colour(run) == "#000000"


def test_a_run_that_a_kill_left_running_is_ended_unless_its_lineage_is_growing(root, tracker):
    assert tracker.end_abandoned("study") == []
    left, grows = grown(tracker), grown(tracker, LineageRecord("blend", "digest-of-blend"))
    ended = grown(tracker, LineageRecord("fresh", "digest-of-fresh"))
    tracker.finish(ended)
    with held(root, "lineage-blend"):
        assert Tracker(URI, root).end_abandoned("study") == ["replace"]
    status = dict(select(root, "select run_uuid, status from runs where name != 'first sweep'"))
    assert status == {left: "KILLED", grows: "RUNNING", ended: "FINISHED"}
    assert grown(Tracker(URI, root)) == left
    assert dict(select(root, "select run_uuid, status from runs"))[left] == "RUNNING"


def test_runs_are_found_by_identity_and_left_as_they_are(root, tracker, tmp_path_factory):
    run = grown(tracker)
    tracker.finish(run)
    before = contents(root)
    assert Tracker(URI, root).known("study") == {"digest-of-replace": run}
    assert list(Tracker(URI, root).known("study", "sweep")) == ["digest-of-sweep"]
    assert contents(root) == before

    elsewhere = tmp_path_factory.mktemp("empty")
    assert Tracker(URI, elsewhere).known("study") == {}
    assert list(elsewhere.iterdir()) == []


def test_a_server_or_a_shared_database_keeps_runs_whose_locks_are_elsewhere(tmp_path):
    for uri in ("http://127.0.0.1:9", "postgresql://127.0.0.1:9/x"):
        assert Tracker(uri, tmp_path).end_abandoned("study") == []


def test_workspaces_that_open_a_sweep_at_the_same_moment_come_to_share_its_run(tmp_path):
    """Each workspace has locks of its own, as each machine has."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    roots = [tmp_path / f"machine{place}" for place in range(4)]
    for root in roots:
        root.mkdir()
    Tracker(uri, roots[0]).preflight()
    trackers, barrier = [Tracker(uri, root) for root in roots], threading.Barrier(4)

    def opened(tracker):
        barrier.wait()
        return tracker.sweep("together", "together", "the-same", {}, {})

    with ThreadPoolExecutor(4) as threads:
        first = set(threads.map(opened, trackers))
        again = set(threads.map(opened, trackers))
    assert len(again) == 1
    assert again <= first
