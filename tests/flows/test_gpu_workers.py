"""One worker a device, on a real server with PostgreSQL: never two flow runs on one, and nothing survives a kill."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from itertools import pairwise

import psutil
import pytest

from flows.deploy import zombies
from flows.keeper import MARK, RUN
from tests.flows.prefect_server import background, prefect_on_postgres
from tests.shared_state.postgres import REPOSITORY

FLOW = """
import json, os, subprocess, sys, time
from prefect import flow

@flow(name="tiny")
def tiny(seconds: float, log: str):
    stage = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # as a stage's process would
    begin = time.monotonic()
    time.sleep(seconds)
    stage.kill()
    with open(log, "a") as file:
        file.write(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], begin, time.monotonic(), os.getcwd()]) + chr(10))
"""

DEPLOYMENTS = """
pull: [{prefect.deployments.steps.set_working_directory: {directory: .}}]
deployments:
  - {name: one, entrypoint: "tiny.py:tiny", work_pool: {name: lineages}}
  - {name: two, entrypoint: "tiny.py:tiny", work_pool: {name: lineages}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with prefect_on_postgres(home) as server:
        server.env.update(CUDA_VISIBLE_DEVICES="0,1", PYTHONPATH=str(REPOSITORY))
        server.env.update(DWINDLE_SLOT_FOLDER=str(home / "slots"))
        yield server


@pytest.fixture(scope="module")
def place(server, tmp_path_factory):
    """A folder with the small flow, deployed on a pool of the template."""
    place = tmp_path_factory.mktemp("place")
    (place / "tiny.py").write_text(FLOW)
    (place / "prefect.yaml").write_text(DEPLOYMENTS)
    template = json.loads((REPOSITORY / "deploy/pools/process.json").read_text())
    server.post("work_pools/", name="lineages", type="process", base_job_template=template)
    done = server.run("prefect", "--no-prompt", "deploy", "--all", cwd=place, PWD=str(place))
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@contextmanager
def workers(server, place, *options):
    """Run the launcher until the block ends, then see to it that nothing of it is left."""
    launcher = (sys.executable, "-m", "flows.workers", *options)
    with background(*launcher, cwd=place, env=server.env, stderr=subprocess.PIPE, text=True) as process:
        yield process
    deadline = time.monotonic() + 20
    while left := marked(process):
        assert time.monotonic() < deadline, [child.cmdline() for child in left]
        time.sleep(0.05)


def marked(launcher, variable=MARK) -> list[psutil.Process]:
    """Return what a launcher's workers and their flow runs consist of, or the flow runs alone."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get(MARK, "").startswith(f"{launcher.pid}-") and variable in environment:
            found.append(process)
    return found


def started(server, place, times, seconds):
    deployment = server.get("deployments/name/tiny/one")["id"]
    parameters = {"seconds": seconds, "log": str(place / "log")}
    return [server.post(f"deployments/{deployment}/create_flow_run", parameters=parameters)["id"] for _ in range(times)]


def test_runs_never_overlap_on_a_device_and_a_killed_worker_comes_back(server, place):
    with workers(server, place) as launcher:
        for run in started(server, place, 4, 1.0):
            server.wait(run, "Completed")
        spans = defaultdict(list)
        for device, begin, end, folder in map(json.loads, (place / "log").read_text().splitlines()):
            assert folder == str(place)
            spans[device].append((begin, end))
        assert set(spans) == {"0", "1"}
        assert sum(map(len, spans.values())) == 4
        for held in spans.values():
            ordered = sorted(held)
            assert all(before[1] <= after[0] for before, after in pairwise(ordered))

        refused = server.run("flows.workers", "--devices", "1", cwd=place)
        assert (refused.returncode, "held by another process" in refused.stderr) == (3, True)

        long = started(server, place, 2, 600.0)
        for run in long:
            server.wait(run, "Running")
        begun = time.monotonic()
        worker = next(process for process in marked(launcher) if RUN not in process.environ())
        device, lost = worker.environ()["CUDA_VISIBLE_DEVICES"], set(marked(launcher, RUN))
        worker.kill()
        while not (crashed := [run for run in long if server.state(run)["name"] == "Crashed"]):
            assert time.monotonic() - begun < 30
            time.sleep(0.1)
        assert len(crashed) == 1
        lost -= set(marked(launcher, RUN))
        assert {process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in lost} == {False}
        [again] = started(server, place, 1, 0.0)
        server.wait(again, "Completed")
        assert json.loads((place / "log").read_text().splitlines()[-1])[0] == device

        launcher.kill()
        [other] = set(long) - set(crashed)
        server.wait(other, "Crashed", seconds=30)


def test_a_worker_told_to_end_ends_its_flow_run_too(server, place):
    with workers(server, place, "--count", "1") as launcher:
        [run] = started(server, place, 1, 600.0)
        server.wait(run, "Running")
        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(timeout=30) == 143
        assert marked(launcher) == []
        assert server.state(run)["name"] == "Crashed"


def test_the_pools_and_the_zombie_automation_are_put_on_the_server_once(server, tmp_path):
    shutil.copy(REPOSITORY / "prefect.yaml", tmp_path)
    for folder in ("flows", "tasks", "deploy"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    before = [server.run("flows.deploy", cwd=tmp_path) for _ in range(2)]
    assert [done.returncode for done in before] == [0, 0], before
    assert "Zombie automation made" in before[0].stdout
    assert "up to date" in before[1].stdout
    [found] = server.post("automations/filter")
    trigger = zombies().trigger.model_dump(mode="json")
    assert {key: found["trigger"][key] for key in ("posture", "within", "threshold")} == {
        key: trigger[key] for key in ("posture", "within", "threshold")
    }
    assert set(found["trigger"]["expect"]) == set(trigger["expect"])
    assert {pool["name"] for pool in server.post("work_pools/filter")} == {"control", "lineages"}
    assert server.get("deployments/name/sweep/sweep")["work_pool_name"] == "control"
    refused = server.run("flows.deploy", "--pools", "docker", cwd=tmp_path, DWINDLE_IMAGE="dwindle:0.1.0")
    assert refused.returncode == 2
    assert "MLFLOW_TRACKING_URI is not set" in refused.stderr


def test_a_pool_that_is_not_there_is_named_before_anything_starts(server, place):
    done = server.run("flows.workers", "--pool", "nowhere", cwd=place)
    assert done.returncode == 2
    assert "no work pool 'nowhere'; `python -m flows.deploy` makes the pools" in done.stderr
    assert "Traceback" not in done.stderr
