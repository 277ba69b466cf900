"""A sweep on a pool of two workers, one of which is killed in the middle: in one folder, or sharing nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.flows.prefect_server import background, prefect_on_postgres

LONG = "generations=25"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_on_postgres(tmp_path_factory.mktemp("home")) as server:
        yield server


def kill_one_that_grows(folders: list[Path], started: float) -> int:
    """Kill a worker's flow run that has grown some generations, wherever it is, and its worker with it."""
    deadline = time.monotonic() + 150
    while True:
        assert time.monotonic() < deadline, "nothing was grown"
        time.sleep(0.05)
        if not any((folder / "metrics").glob("*/002.json") for folder in folders):
            continue
        for process in psutil.process_iter(["cmdline", "cwd", "create_time"]):
            if process.info["create_time"] < started or process.info["cwd"] not in map(str, folders):
                continue
            if "prefect.engine" in (process.info["cmdline"] or ()):
                with suppress(psutil.Error):
                    worker = process.parent()
                    process.send_signal(signal.SIGKILL)
                    worker.send_signal(signal.SIGKILL)
                    return process.pid


def grown(server, project, places, *overrides) -> str:
    """Run the sweep on the pool, with workers in these places, one of which is killed."""
    started = time.time()
    with ExitStack() as running:
        for place, count in places.items():
            launch = (sys.executable, "-m", "flows.workers", "--pool", "lineages", "--count", str(count))
            running.enter_context(background(*launch, "--name", place.parent.name, cwd=place, env=server.env))
        command = [sys.executable, "-m", "flows.sweep", LONG, "engine=deployments", *overrides]
        with (project.root / "flow.log").open("w") as log:
            flow = subprocess.Popen(command, cwd=project.root, env=server.env, stdout=log, stderr=subprocess.STDOUT)
            try:
                assert kill_one_that_grows(list(places), started)
                code = flow.wait(240)
            finally:
                flow.kill()
    printed = (project.root / "flow.log").read_text()
    assert code == 0, printed
    return printed


def test_workers_that_share_a_folder_lose_nothing_when_one_is_killed(server, deployable, long_run):
    deployed = server.run("flows.deploy", cwd=deployable.root)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "Zombie automation" in deployed.stdout
    printed = grown(server, deployable, {deployable.root: 2})
    assert "its worker was lost" in printed
    assert deployable.files() == long_run.files()


def test_workers_that_share_nothing_send_what_they_grow_through_the_remote(
    server, deployable, new_project, long_run, tmp_path
):
    sweep, places = new_project(), [new_project().root, new_project().root]
    remote = f"engine.exchange={tmp_path}/remote"
    printed = grown(server, sweep, dict.fromkeys(places, 1), remote, f"tracking.uri=sqlite:///{tmp_path}/mlflow.db")
    assert "its worker was lost" in printed
    assert sweep.files() == long_run.files()
    assert list((tmp_path / "remote").rglob("*.lock"))
