"""Ray and Dask leave the bytes of one machine, also when a worker is killed in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.plan import read_plan
from dwindle.tracking.address import absolute, imported

LONG = "generations=60"
"""Enough to be killed in the middle."""

WORKERS = {"ray": "ray::", "dask": "multiprocessing.spawn"}
"""What the command line of an engine's worker process holds."""

CLUSTERS = pytest.mark.parametrize(("engine", "also"), [("ray", ["engine.nodes=2"]), ("dask", ["engine.workers=2"])])


def ended(project, *overrides, meanwhile=lambda process: None):
    """Run the sweep's flow and return its exit code and what it printed."""
    command = [sys.executable, "-m", "flows.sweep", LONG, *overrides]
    with (project.root / "flow.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project.root, stdout=log, stderr=subprocess.STDOUT)
        try:
            meanwhile(psutil.Process(process.pid))
            code = process.wait(240)
        finally:
            process.kill()
    return code, (project.root / "flow.log").read_text()


def grown(project, *overrides, meanwhile):
    code, printed = ended(project, *overrides, meanwhile=meanwhile)
    assert code == 0, printed


def busy_worker(flow, sign):
    """Return the process of a cluster's worker that grows a lineage: of all its kind the one that has worked most."""
    found = {}
    for child in flow.children(recursive=True):
        with suppress(psutil.Error):
            if any(sign in part for part in child.cmdline()) and child.cwd():
                found[child] = sum(child.cpu_times()[:2])
    return max(found, key=found.get)


def belongs(process, project):
    """Say whether a process works in a project's folder."""
    try:
        return process.cwd() == str(project.root) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def still_there(project, seconds=15):
    """Return the command lines that a sweep leaves behind; those that clear up after it may take their time."""
    deadline = time.monotonic() + seconds
    while True:
        left = [process for process in psutil.process_iter() if belongs(process, project)]
        if not left or time.monotonic() > deadline:
            return [process.cmdline() for process in left]
        time.sleep(0.1)


def kill_in_the_middle(project, engine, killed):
    def kill(flow):
        deadline = time.monotonic() + 150
        while not (project.root / "metrics" / "accumulate" / "003.json").exists():
            assert time.monotonic() < deadline, (project.root / "flow.log").read_text()
            time.sleep(0.02)
        worker = busy_worker(flow, WORKERS[engine])
        killed.append(worker.pid)
        worker.send_signal(signal.SIGKILL)

    return kill


def points(project):
    """Return how often MLflow holds each generation of each lineage."""
    imported()
    from mlflow import MlflowClient

    client = MlflowClient(absolute("sqlite:///mlflow.db", project.root))
    home = client.get_experiment_by_name("small").experiment_id
    runs = client.search_runs([home], "tags.`dwindle.kind` = 'lineage'")
    return {
        run.data.tags["dwindle.lineage"]: [
            point.step for point in client.get_metric_history(run.info.run_id, "variance_ratio")
        ]
        for run in runs
    }


@CLUSTERS
def test_a_cluster_that_loses_a_worker_leaves_the_bytes_of_one_machine(new_project, long_run, engine, also):
    project, killed = new_project(), []
    grown(project, f"engine={engine}", *also, meanwhile=kill_in_the_middle(project, engine, killed))
    assert killed
    assert project.files() == long_run.files()
    lineages = load_sweep(project.root / "params.yaml").lineages
    assert points(project) == {name: list(range(61)) for name in lineages}
    assert set(read_plan(project.root).recipes) == set(lineages)


@CLUSTERS
def test_a_sweep_that_cannot_go_on_does_not_wait_for_its_long_lineages(new_project, engine, also):
    project, killed = new_project(), []
    long = ("generations=600", "engine.retries=0", "engine.workers=2")
    kill = kill_in_the_middle(project, engine, killed)
    code, printed = ended(project, f"engine={engine}", *also, *long, meanwhile=kill)
    grown = [len(list(folder.glob("*.json"))) for folder in (project.root / "metrics").iterdir()]
    assert max(grown) < 600, "no lineage was waited for"
    assert code == 3, printed
    assert "its worker was lost" in printed
    assert "Traceback" not in printed
    assert still_there(project) == []


def test_generation_0_is_made_once_and_shared(long_run):
    ledger = (long_run.root / ".dwindle" / "seconds.jsonl").read_text()
    assert sum("train@" in line and "-g000" in line for line in ledger.splitlines()) == 1
    models = [long_run.root / "models" / name / "000" for name in ("replace", "accumulate", "fresh")]
    payload = {path.name for path in models[0].iterdir()} - {"manifest.json"}
    assert payload
    for file in payload:
        assert len({(model / file).stat().st_ino for model in models}) == 1


@pytest.mark.parametrize(("engine", "address"), [("dask", "tcp://127.0.0.1:9"), ("ray", "127.0.0.1:9")])
def test_a_cluster_that_does_not_answer_is_named(new_project, engine, address):
    project = new_project()
    flow = (sys.executable, "-m", "flows.sweep", f"engine={engine}", f"engine.address={address}")
    done = project.run(*flow, check=False)
    assert done.returncode == 3, done.stderr
    assert f"engine.address = {address}" in done.stderr
    assert "Traceback" not in done.stderr
