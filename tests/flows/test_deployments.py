"""The deployments of prefect.yaml, on a real server with a real worker."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack

import pytest

from tests.flows.prefect_server import background, prefect_server


@pytest.fixture(scope="module")
def served(deployable, tmp_path_factory):
    """A project with its deployments on a server, and a worker at work on each of its pools."""
    project = deployable
    with ExitStack() as running:
        server = running.enter_context(prefect_server(tmp_path_factory.mktemp("home")))
        deployed = server.run("flows.deploy", cwd=project.root)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert "No zombie automation" in deployed.stdout  # the server is on SQLite
        for pool in ("control", "lineages"):
            worker = (sys.executable, "-m", "flows.workers", "--pool", pool, "--count", "1")
            running.enter_context(background(*worker, cwd=project.root, env=server.env))

        def prefect(*arguments):
            done = server.run("prefect", *arguments, cwd=project.root)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        yield project, server, prefect


def test_a_deployed_sweep_leaves_the_bytes_of_a_run_and_its_table_on_the_page(served, flowed):
    project, server, prefect = served
    prefect("deployment", "run", "sweep/sweep", "--watch", "--watch-timeout", "200")
    assert project.files() == flowed.files()
    tables = {table["key"]: table for table in server.post("artifacts/filter", artifacts={"type": {"any_": ["table"]}})}
    assert set(tables) == {"lineages", "profile", "curation", "curation-bias", "fidelity"}
    (link,) = server.post("artifacts/filter", artifacts={"key": {"any_": ["report"]}})
    assert "/artifacts/report/index.html" in link["data"]
    assert (project.root / "plots" / "small" / "report" / "index.html").exists()
    for key in ("lineages", "profile"):
        assert [row["lineage"] for row in json.loads(tables[key]["data"])] == ["replace", "accumulate", "fresh"]
    assert {row["lineage"] for row in json.loads(tables["curation"]["data"])} == {"accumulate"}
    names = {run["name"] for run in server.post("task_runs/filter", limit=200)}
    expected = {f"{verb} replace-g00{t}" for verb in ("generate", "curate", "train", "evaluate") for t in range(3)}
    assert expected <= names


def test_a_deployed_lineage_grows_on_where_the_sweep_ended(served):
    project, _, prefect = served
    parameters = json.dumps({"name": "replace", "overrides": ["generations=3"]})
    prefect("deployment", "run", "lineage/lineage", "--params", parameters, "--watch", "--watch-timeout", "200")
    assert (project.root / "metrics" / "replace" / "003.json").exists()
    assert not (project.root / "metrics" / "fresh" / "003.json").exists()


def test_parameters_of_a_wrong_form_are_refused_before_a_run_exists(served):
    project, server, _ = served
    before = len(server.post("flow_runs/filter", limit=200))
    arguments = ("deployment", "run", "sweep/sweep", "--params", '{"overrides": ["generations"]}')
    done = server.run("prefect", *arguments, cwd=project.root)
    assert done.returncode != 0
    assert "overrides" in done.stdout + done.stderr
    assert len(server.post("flow_runs/filter", limit=200)) == before


def test_a_second_worker_is_refused_on_sqlite_and_told_what_to_set(served):
    project, server, _ = served
    done = server.run("flows.workers", "--count", "2", cwd=project.root)
    assert done.returncode == 2
    assert "would have 2 workers" in done.stderr
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://" in done.stderr
    assert "Traceback" not in done.stderr
