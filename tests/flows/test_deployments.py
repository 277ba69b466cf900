"""The deployments of prefect.yaml, on a real server with a real worker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SERVED = 90


@contextmanager
def background(*command, cwd, env):
    """Run a command and its children until the block ends."""
    process = subprocess.Popen(
        command, cwd=cwd, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_served(url: str) -> None:
    deadline = time.monotonic() + SERVED
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).read()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"no Prefect server within {SERVED} s")


def asked(url: str, path: str, **filters) -> list[dict]:
    request = urllib.request.Request(
        f"{url}/{path}/filter", json.dumps(filters).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def served(new_project, tmp_path_factory):
    """A project with its deployments on a server, and a worker at work."""
    project = new_project()
    (project.root / "prefect.yaml").write_text((Path(__file__).parents[2] / "prefect.yaml").read_text())
    url = f"http://127.0.0.1:{free_port()}"
    env = {**os.environ, "PREFECT_HOME": str(tmp_path_factory.mktemp("home")), "PREFECT_API_URL": f"{url}/api"}
    env |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PREFECT_WORKER_QUERY_SECONDS": "1", "DO_NOT_TRACK": "1"}
    port = url.rpartition(":")[2]
    with background(BIN / "prefect", "server", "start", "--port", port, cwd=project.root, env=env):
        wait_until_served(f"{url}/api")

        def prefect(*arguments):
            done = subprocess.run(
                [BIN / "prefect", *arguments], cwd=project.root, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        prefect("work-pool", "create", "dwindle", "--type", "process")
        prefect("--no-prompt", "deploy", "--all")
        worker = (BIN / "prefect", "worker", "start", "--pool", "dwindle", "--limit", "1")
        with background(*worker, cwd=project.root, env=env):
            yield project, f"{url}/api", prefect


def test_a_deployed_sweep_leaves_the_bytes_of_a_run_and_its_table_on_the_page(served, flowed):
    project, url, prefect = served
    prefect("deployment", "run", "sweep/sweep", "--watch", "--watch-timeout", "200")
    assert project.files() == flowed.files()
    tables = {table["key"]: table for table in asked(url, "artifacts", artifacts={"type": {"any_": ["table"]}})}
    assert set(tables) == {"lineages", "profile"}
    for table in tables.values():
        assert [row["lineage"] for row in json.loads(table["data"])] == ["replace", "accumulate", "fresh"]
    names = {run["name"] for run in asked(url, "task_runs", limit=200)}
    expected = {f"{verb} replace-g00{t}" for verb in ("generate", "curate", "train", "evaluate") for t in range(3)}
    assert expected <= names


def test_a_deployed_lineage_grows_on_where_the_sweep_ended(served):
    project, _, prefect = served
    parameters = json.dumps({"name": "replace", "overrides": ["generations=3"]})
    prefect("deployment", "run", "lineage/lineage", "--params", parameters, "--watch", "--watch-timeout", "200")
    assert (project.root / "metrics" / "replace" / "003.json").exists()
    assert not (project.root / "metrics" / "fresh" / "003.json").exists()


def test_parameters_of_a_wrong_form_are_refused_before_a_run_exists(served):
    project, url, _ = served
    before = len(asked(url, "flow_runs", limit=200))
    env = {**os.environ, "PREFECT_API_URL": url}
    arguments = ("deployment", "run", "sweep/sweep", "--params", '{"overrides": ["generations"]}')
    done = subprocess.run([BIN / "prefect", *arguments], cwd=project.root, env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "overrides" in done.stdout + done.stderr
    assert len(asked(url, "flow_runs", limit=200)) == before
