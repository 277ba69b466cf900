"""What MLflow is told can be told again, from anywhere, and leaves nothing twice."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dwindle.errors import BadInput, NotReachable
from dwindle.tracking.mlflow_tracker import Dataset, GenerationRecord, LineageRecord, Tracker, ui_command

URI = "sqlite:///mlflow.db"
LINEAGE = LineageRecord("replace", "digest-of-replace", {"family.name": "gaussian", "seed": 7}, {"regime": "replace"})
TABLES = ("experiments", "runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")


@pytest.fixture(scope="session")
def initialised(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mlflow")
    Tracker(URI, root).preflight()
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path, initialised) -> Path:
    shutil.copy(initialised, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def tracker(root) -> Tracker:
    return Tracker(URI, root)


def digest(generation: int) -> str:
    return f"{generation:032x}.dir"


def record(generation: int, made_ms: int = 1_790_000_000_000, **changed) -> GenerationRecord:
    variance = math.exp(-0.5 * generation)
    metrics = {"moments.variance": variance, "moments.variance.low": variance * 0.9, "synthetic_ratio": 1.0}
    dataset = Dataset(f"replace-g{generation:03d}", f"data/replace/{generation:03d}/train", digest(generation), 2000)
    return GenerationRecord(generation, metrics | changed, made_ms + generation, dataset)


def grown(tracker: Tracker, lineage: LineageRecord = LINEAGE) -> str:
    sweep = tracker.sweep("study", "first sweep", "digest-of-sweep", {"generations": 10}, {"preset": "none"})
    return tracker.lineage("study", sweep, lineage)


def select(root: Path, query: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        return connection.execute(query, values).fetchall()


def contents(root: Path) -> dict[str, list[tuple]]:
    return {table: sorted(select(root, f"select * from {table}"), key=repr) for table in TABLES}


def points(root: Path, name: str) -> list[tuple]:
    """Step, timestamp, value and is_nan of each point of a curve, oldest first."""
    return select(root, "select step, timestamp, value, is_nan from metrics where key = ? order by timestamp", name)


def latest(root: Path, name: str) -> tuple:
    return select(root, "select step, value, is_nan from latest_metrics where key = ?", name)[0]


def run_python(code: str, *arguments: str, **settings) -> subprocess.Popen:
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, *sys.path]), **settings}
    environment.pop("PYTEST_CURRENT_TEST", None)
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ------------------------------------------------------------------------------------------------------ replay


def test_replay_changes_nothing(root, tracker):
    run = grown(tracker)
    for generation in range(4):
        tracker.generation(run, record(generation))
    before = contents(root)
    assert len(before["metrics"]) == 4 * 4
    assert len(before["inputs"]) == 4

    tracker.generations(run, [record(generation) for generation in range(4)])
    for _ in range(2):
        elsewhere = Tracker(URI, root)
        again = grown(elsewhere)
        elsewhere.generations(again, [record(generation, made_ms=1_795_000_000_000) for generation in range(4)])
        for generation in (3, 1):
            elsewhere.generation(again, record(generation, made_ms=1_700_000_000_000))

    assert again == run
    assert contents(root) == before


def test_a_new_process_continues_a_lineage_at_its_next_generation(root, tracker):
    tracker.generations(grown(tracker), [record(0), record(1)])
    later = Tracker(URI, root)
    later.generations(grown(later), [record(0, made_ms=1_795_000_000_000), record(2), record(3)])
    steps = [(step, timestamp) for step, timestamp, *_ in points(root, "moments.variance")]
    assert steps == [(step, 1_790_000_000_000 + step) for step in range(4)]


def test_a_late_metric_lands_on_its_step(root, tracker):
    tracker.generations(grown(tracker), [record(generation) for generation in range(3)])
    later = Tracker(URI, root)
    late = [record(generation, made_ms=1_795_000_000_000, frechet=float(generation)) for generation in range(3)]
    later.generations(grown(later), late)
    assert [point[:3] for point in points(root, "frechet")] == [(g, 1_790_000_000_000 + g, g) for g in range(3)]
    assert len(points(root, "moments.variance")) == 3


@pytest.mark.parametrize("value", [0.001, 0.999], ids=["smaller", "greater"])
def test_a_changed_value_is_the_latest_of_its_step(root, tracker, value):
    run = grown(tracker)
    tracker.generations(run, [record(generation) for generation in range(3)])
    changed = [record(1, synthetic_ratio=value), record(2, synthetic_ratio=value)]
    for _ in range(2):
        later = Tracker(URI, root)
        later.generations(grown(later), changed)

    at_two = [point for point in points(root, "synthetic_ratio") if point[0] == 2]
    assert [point[2] for point in at_two] == [1.0, value]
    assert at_two[1][1] == at_two[0][1] + 1
    assert latest(root, "synthetic_ratio") == (2, value, 0)
    assert len(points(root, "moments.variance")) == 3
    told = select(root, "select value from tags where key = 'dwindle.rewritten'")
    assert told == [("2 values, generations 1 to 2",)]


def test_points_of_a_generation_whose_dataset_a_kill_kept_back_are_not_logged_again(root, tracker):
    tracker.generation(grown(tracker), dataclasses.replace(record(0), dataset=None))
    before = contents(root)
    assert before["inputs"] == []
    later = Tracker(URI, root)
    later.generation(grown(later), record(0, made_ms=1_795_000_000_000))
    after = contents(root)
    assert after["metrics"] == before["metrics"]
    assert len(after["inputs"]) == 1


def test_more_points_than_a_batch_holds_are_all_logged(root, tracker):
    wide = {f"more.{index}": float(index) for index in range(300)}
    tracker.generations(grown(tracker), [record(generation, **wide) for generation in range(4)])
    assert len(contents(root)["metrics"]) == 4 * 304


# --------------------------------------------------------------------------------------------------- undefined


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, None])
def test_infinity_is_not_stored_as_a_number(root, tracker, value):
    tracker.generation(grown(tracker), record(0, frechet=value))
    assert points(root, "frechet") == []
    assert points(root, "frechet.undefined") == [(0, 1_790_000_000_000, 1.0, 0)]
    assert points(root, "moments.variance.undefined") == []


def test_a_value_that_became_undefined_is_taken_back_and_may_return(root, tracker):
    tracker.generation(grown(tracker), record(0, frechet=2.0))
    for frechet, value, flag in ((math.nan, (0, 0.0, 1), (0, 1.0, 0)), (3.0, (0, 3.0, 0), (0, 0.0, 1))):
        later = Tracker(URI, root)
        later.generation(grown(later), record(0, frechet=frechet))
        assert latest(root, "frechet") == value
        assert latest(root, "frechet.undefined") == flag
    before = contents(root)
    tracker.generation(grown(tracker), record(0, frechet=3.0))
    assert contents(root) == before


# --------------------------------------------------------------------------------------------------- the runs


def test_dataset_digest_finds_the_run(root, tracker):
    import mlflow

    run = grown(tracker)
    other = grown(tracker, LineageRecord("blend", "digest-of-blend"))
    tracker.generations(run, [record(generation) for generation in range(3)])
    tracker.generation(other, record(5))
    client = mlflow.MlflowClient(tracker.uri)
    home = client.get_run(run).info.experiment_id

    found = client.search_runs([home], f"dataset.digest = '{digest(2)}'")
    assert [each.info.run_id for each in found] == [run]
    used = next(each for each in found[0].inputs.dataset_inputs if each.dataset.digest == digest(2))
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training", "generation": "2"}
    assert json.loads(used.dataset.source)["path"] == "data/replace/002/train"
    assert json.loads(used.dataset.profile) == {"num_rows": 2000}


def test_a_lineage_stands_under_its_sweep_and_is_running_until_it_is_finished(root, tracker):
    run = grown(tracker)
    tags = dict(select(root, "select key, value from tags where run_uuid = ?", run))
    sweep = tags["mlflow.parentRunId"]
    assert select(root, "select name from runs where run_uuid = ?", sweep) == [("first sweep",)]
    assert tags["dwindle.sweep"] == "first sweep"
    assert (tags["dwindle.kind"], tags["dwindle.lineage"], tags["regime"]) == ("lineage", "replace", "replace")

    status = "select status from runs where run_uuid = ?"
    assert select(root, status, run) == [("RUNNING",)]
    tracker.finish(run, "KILLED", {"outcome": "starved"})
    assert select(root, status, run) == [("KILLED",)]
    assert ("starved",) in select(root, "select value from tags where key = 'outcome'")
    assert grown(Tracker(URI, root)) == run
    assert select(root, status, run) == [("RUNNING",)]


def test_threads_that_ask_for_one_lineage_get_one_run(root, tracker):
    others = [Tracker(URI, root) for _ in range(2)]
    with ThreadPoolExecutor(6) as pool:
        runs = set(pool.map(grown, [tracker, *others] * 2))
    assert len(runs) == 1
    assert len(contents(root)["runs"]) == 2


def test_lineages_on_one_dataset_are_logged_side_by_side(root, tracker):
    runs = [grown(tracker, LineageRecord(f"lineage-{index}", f"digest-{index}")) for index in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda run: [tracker.generation(run, record(generation)) for generation in range(5)], runs))
    assert len(contents(root)["metrics"]) == 4 * 5 * 4
    assert len(contents(root)["datasets"]) == 5
    assert len(contents(root)["inputs"]) == 4 * 5


def test_a_changed_parameter_is_named(root, tracker):
    grown(tracker)
    changed = LineageRecord("replace", "digest-of-replace", {"family.name": "gaussian", "seed": 8})
    with pytest.raises(BadInput, match=r"seed = 7, not 8"):
        grown(tracker, changed)


def test_parameters_that_a_kill_kept_back_are_completed(root, tracker):
    run = grown(tracker, LineageRecord("replace", "digest-of-replace"))
    assert grown(Tracker(URI, root)) == run
    parameters = dict(select(root, "select key, value from params where run_uuid = ?", run))
    assert parameters == {"family.name": "gaussian", "seed": "7"}


def test_a_parameter_too_long_for_mlflow_is_kept_whole_beside_its_digest(root, tracker):
    prompts = "a" * 6001
    run = grown(tracker, LineageRecord("long", "digest-of-long", {"prompts": prompts}))
    ((value,),) = select(root, "select value from params where key = 'prompts'")
    assert value.startswith("sha256:")
    (kept,) = (root / "mlartifacts" / "study" / run).rglob("prompts.txt")
    assert kept.read_text() == prompts


def test_a_table_logged_twice_is_there_once(root, tracker):
    run = grown(tracker)
    for _ in range(2):
        tracker.table(run, {"lineage": ["replace", "blend"], "rate": [0.5, math.nan]}, "summary.json")
    (kept,) = (root / "mlartifacts").rglob("summary.json")
    assert json.loads(kept.read_text()) == {"columns": ["lineage", "rate"], "data": [["replace", 0.5], ["blend", None]]}
    (listed,) = select(root, "select value from tags where key = 'mlflow.loggedArtifacts'")
    assert json.loads(listed[0]) == [{"path": "summary.json", "type": "table"}]


def test_files_are_kept_below_the_workspace(root, tracker):
    (root / "plots").mkdir()
    (root / "plots" / "collapse.svg").write_text("<svg/>")
    run = grown(tracker)
    tracker.artifact(run, root / "plots", "plots")
    tracker.artifact(run, root / "plots" / "collapse.svg")
    kept = {path.relative_to(root / "mlartifacts" / "study" / run) for path in (root / "mlartifacts").rglob("*.svg")}
    assert {str(path) for path in kept} == {"artifacts/plots/collapse.svg", "artifacts/collapse.svg"}


def test_a_deleted_experiment_is_named_rather_than_written_to(root, tracker):
    import mlflow

    client = mlflow.MlflowClient(tracker.uri)
    client.delete_experiment(client.create_experiment("study"))
    with pytest.raises(BadInput, match="study was deleted"):
        grown(tracker)


# ----------------------------------------------------------------------------------------------- being reached

TOUCH = """
import sys
from pathlib import Path
from dwindle.tracking.mlflow_tracker import GenerationRecord, LineageRecord, Tracker
assert not {"mlflow", "sqlalchemy", "pandas", "numpy"} & sys.modules.keys()
tracker = Tracker("sqlite:///mlflow.db", Path(sys.argv[1]))
tracker.preflight()
sweep = tracker.sweep("study", "sweep", "s", {}, {})
run = tracker.lineage("study", sweep, LineageRecord(sys.argv[2], sys.argv[2]))
tracker.generations(run, [GenerationRecord(step, {"variance": 1.0}, 5) for step in range(10)])
tracker.finish(run)
"""


def test_two_processes_touch_a_fresh_database_at_once_and_say_nothing(tmp_path):
    both = [run_python(TOUCH, str(tmp_path), name) for name in ("replace", "blend")]
    said = [process.communicate(timeout=120) for process in both]
    assert said == [("", ""), ("", "")]
    assert [process.returncode for process in both] == [0, 0]
    assert len(select(tmp_path, "select * from runs where status = 'FINISHED'")) == 2
    assert len(select(tmp_path, "select * from metrics")) == 40


@pytest.mark.parametrize("listens", [True, False], ids=["silent", "absent"])
def test_an_unreachable_server_is_refused_quickly(tmp_path, listens):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        uri = f"http://user:secret@127.0.0.1:{server.getsockname()[1]}"
        before = time.monotonic()
        with pytest.raises(NotReachable, match=r"at http://127\.0\.0\.1:\d+: ") as refusal:
            Tracker(uri, tmp_path).preflight()
    assert time.monotonic() - before < 10
    assert "secret" not in str(refusal.value)


def test_an_absent_database_server_is_refused_quickly(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        before = time.monotonic()
        with pytest.raises(NotReachable, match="does not answer"):
            Tracker(f"postgresql://user:secret@127.0.0.1:{server.getsockname()[1]}/x", tmp_path).preflight()
    assert time.monotonic() - before < 10


def test_a_database_that_another_process_locks_is_refused(root):
    with closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = time.monotonic()
        with pytest.raises(NotReachable, match="locked"):
            Tracker(URI, root).preflight()
    assert time.monotonic() - before < 10


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(NotReachable, match="not a database"):
        Tracker(URI, tmp_path).preflight()


@pytest.mark.parametrize("uri", ["mlruns", "file:///x/mlruns", "sqlite://", "sqlite:///:memory:", "", "ftp://host"])
def test_an_address_that_is_none_is_refused_before_anything_is_written(tmp_path, uri):
    with pytest.raises(BadInput, match=r"tracking\.uri"):
        Tracker(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_database_belongs_to_the_workspace_not_to_the_folder_one_stands_in(root, tmp_path_factory):
    assert ui_command(URI, root) == f"mlflow ui --backend-store-uri sqlite:///{root}/mlflow.db"
    assert Tracker(f"sqlite:///{root}/mlflow.db", tmp_path_factory.mktemp("other")).uri == Tracker(URI, root).uri
    assert ui_command("https://user:secret@mlflow.example.org", root) == "https://mlflow.example.org"
