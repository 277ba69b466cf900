"""32 lineages side by side, with Prefect and MLflow on SQLite and on PostgreSQL: nothing lost, nothing twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import psycopg
import pytest

from dwindle.tracking.mlflow_tracker import Tracker
from dwindle.versioning.lock_file import read_lock_file
from tests.shared_state.postgres import REPOSITORY

GENERATIONS = 1
NAMES = [f"ratio{hundredth:03d}" for hundredth in range(3, 99, 3)]
PARAMS = f"""\
sweep: thirty-two
generations: {GENERATIONS}
seed: 3
chains: 4
budget: 40
source: {{name: gaussian, dimensions: 2, held_out: 50}}
family: {{name: gaussian}}
metrics: [moments]
lineages:
""" + "".join(f"  {name}: {{regime: {{name: blend, synthetic_ratio: 0.{name[-2:]}}}}}\n" for name in NAMES)

EACH_LINEAGE = """
SELECT tags.value, runs.status, COUNT(*), COUNT(DISTINCT metrics.step)
FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid JOIN metrics ON metrics.run_uuid = runs.run_uuid
WHERE tags.key = 'dwindle.lineage' AND metrics.key = 'generation'
GROUP BY runs.run_uuid, tags.value, runs.status ORDER BY tags.value
"""
EACH_POINT = "SELECT COUNT(*) FROM (SELECT run_uuid, key, step FROM metrics GROUP BY run_uuid, key, step) AS points"
EACH_ROW = "SELECT COUNT(*) FROM metrics"
EACH_DATASET = "SELECT COUNT(*) FROM inputs WHERE destination_type = 'RUN'"


def asked(address: str, *questions: str) -> list[list[tuple]]:
    """Ask a database of MLflow's, by its own tables."""
    if address.startswith("sqlite:///"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection:
            return [connection.execute(question).fetchall() for question in questions]
    with psycopg.connect(address) as connection:
        return [connection.execute(question).fetchall() for question in questions]


@pytest.fixture(scope="module")
def on_sqlite(new_project, tmp_path_factory):
    """The sweep as a laptop grows it: an embedded server and MLflow, both on SQLite."""
    project = new_project(PARAMS)
    home = tmp_path_factory.mktemp("prefect")
    done = project.run("env", f"PREFECT_HOME={home}", sys.executable, "-m", "flows.sweep")
    return project, f"sqlite:///{project.root}/mlflow.db", done.stdout + done.stderr


@pytest.fixture(scope="module")
def on_postgres(new_project, shared):
    """The sweep with both servers, on PostgreSQL, as a shell loads the settings; all lineages in one folder."""
    project = new_project(PARAMS)
    script = "set -a; . $0; set +a; unset DWINDLE_EXCHANGE; exec python -m flows.sweep"
    done = project.run("sh", "-c", script, str(shared.file))
    return project, shared.settings["MLFLOW_BACKEND_STORE_URI"], done.stdout + done.stderr


@pytest.fixture(params=["sqlite", "postgres"])
def grown(request):
    return request.getfixturevalue(f"on_{request.param}")


def test_every_point_of_every_lineage_is_in_mlflow_once(grown):
    _, address, said = grown
    lineages, points, rows, datasets = asked(address, EACH_LINEAGE, EACH_POINT, EACH_ROW, EACH_DATASET)
    ours = [line for line in lineages if line[0] in NAMES]
    assert ours == [(name, "FINISHED", GENERATIONS + 1, GENERATIONS + 1) for name in NAMES]
    assert points == rows
    assert datasets[0][0] >= len(NAMES) * (GENERATIONS + 1)
    assert "locked" not in said
    assert "Traceback" not in said


def test_every_stage_is_on_record_in_dvc(grown):
    project, _, _ = grown
    stages = read_lock_file(project.root / "dvc.lock").blocks
    expected = {
        f"{stage}@{name}-g{generation:03d}"
        for stage in ("generate", "curate", "train", "evaluate")
        for name in NAMES
        for generation in range(GENERATIONS + 1)
    }
    assert expected <= stages.keys()


def test_both_leave_the_same_bytes_and_dvc_finds_them_up_to_date(on_sqlite, on_postgres):
    assert on_sqlite[0].files() == on_postgres[0].files()
    assert on_postgres[0].run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_pictures_are_in_the_bucket_and_the_flow_run_is_on_the_server(on_postgres, shared):
    project, _, said = on_postgres
    assert shared.settings["MLFLOW_TRACKING_URI"] in said
    assert not [*project.root.glob("mlflow.db*"), *project.root.glob("mlartifacts")]
    assert {"curves.png", "summary.json"} <= {key.rpartition("/")[2] for key in shared.objects("mlflow/")}
    asks = {"flows": {"name": {"any_": ["sweep"]}}}
    answer = httpx.post(f"{shared.settings['PREFECT_API_URL']}/flow_runs/filter", json=asks, timeout=20)
    assert [run["state_type"] for run in answer.json()] == ["COMPLETED"]


MACHINE = """
import sys
from pathlib import Path
from dwindle.tracking.mlflow_tracker import GenerationRecord, LineageRecord, Tracker
uri, root, parent, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
root.mkdir(exist_ok=True)
tracker = Tracker(uri, root)
runs = {name: tracker.lineage("side-by-side", parent, LineageRecord(name, name, {"seed": 1})) for name in names}
for step in range(5):
    for name, run in runs.items():
        tracker.generation(run, GenerationRecord(step, {"variance": 1.0 / (step + 1), "bias": 0.5}, 1_600_000_000_000))
for run in runs.values():
    tracker.finish(run)
"""


@pytest.mark.parametrize("where", ["sqlite, in one folder", "postgres, in folders of their own"])
def test_four_processes_record_eight_lineages_each_at_the_same_time(where, request, tmp_path):
    if where.startswith("sqlite"):
        uri = database = f"sqlite:///{tmp_path}/mlflow.db"
        roots = [tmp_path] * 4
    else:
        settings = request.getfixturevalue("shared").settings
        uri, database = settings["MLFLOW_TRACKING_URI"], settings["MLFLOW_BACKEND_STORE_URI"]
        roots = [tmp_path / f"machine{number}" for number in range(4)]
    parent = Tracker(uri, tmp_path).sweep("side-by-side", "side-by-side", "s", {}, {})
    named = [f"{where[:2]}{number:02d}" for number in range(32)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), *sys.path])}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, uri, str(root), parent, *named[number::4]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, root in enumerate(roots)
    ]
    said = [process.communicate(timeout=200)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    assert said == [""] * 4
    lineages, points, rows = asked(database, EACH_LINEAGE, EACH_POINT, EACH_ROW)
    assert [line for line in lineages if line[0] in named] == [(name, "FINISHED", 5, 5) for name in named]
    assert points == rows
