"""What MLflow is told can be told again, from anywhere, and leaves nothing twice."""

from __future__ import annotations

import dataclasses
import json
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dwindle.errors import BadInput
from dwindle.tracking.mlflow_tracker import Dataset, GenerationRecord, LineageRecord, Tracker
from tests.unit.tracked_store import URI, stored

LINEAGE = LineageRecord("replace", "digest-of-replace", {"family.name": "gaussian", "seed": 7}, {"regime": "replace"})
TABLES = ("experiments", "runs", "params", "tags", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")


@pytest.fixture
def root(tmp_path) -> Path:
    return stored(tmp_path)


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


def asked(tracker: Tracker):
    import mlflow

    return mlflow.MlflowClient(tracker.uri)


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


def test_replay_changes_nothing(root, tracker):
    run = grown(tracker)
    for generation in range(4):
        tracker.generation(run, record(generation))
    before = contents(root)
    assert len(before["metrics"]) == 4 * 4
    assert len(before["inputs"]) == 4

    tracker.generations(run, [record(generation, made_ms=1_795_000_000_000) for generation in range(4)])
    for _ in range(2):
        elsewhere = Tracker(URI, root)
        again = grown(elsewhere)
        elsewhere.generations(again, [record(generation, made_ms=1_795_000_000_000) for generation in range(4)])
        elsewhere.generation(again, record(1, made_ms=1_700_000_000_000))
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
    assert ("2 values, generations 1 to 2",) in select(root, "select value from tags where key = 'dwindle.rewritten'")


def test_points_of_a_generation_whose_dataset_a_kill_kept_back_are_not_logged_again(root, tracker):
    tracker.generation(grown(tracker), dataclasses.replace(record(0), dataset=None))
    before = contents(root)
    assert before["inputs"] == []
    later = Tracker(URI, root)
    later.generation(grown(later), record(0, made_ms=1_795_000_000_000))
    after = contents(root)
    assert after["metrics"] == before["metrics"]
    assert len(after["inputs"]) == 1


def test_a_dataset_that_comes_before_the_metrics_does_not_date_them(root, tracker):
    run = grown(tracker)
    tracker.generation(run, GenerationRecord(0, {}, 0, record(0).dataset))
    assert contents(root)["metrics"] == []
    assert len(contents(root)["inputs"]) == 1
    tracker.generation(run, record(0))
    assert {point[1] for point in points(root, "moments.variance")} == {1_790_000_000_000}
    assert len(contents(root)["inputs"]) == 1


def test_more_points_than_a_batch_holds_are_all_logged(root, tracker):
    wide = {f"more.{index}": float(index) for index in range(300)}
    tracker.generations(grown(tracker), [record(generation, **wide) for generation in range(4)])
    assert len(contents(root)["metrics"]) == 4 * 304


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


def test_dataset_digest_finds_the_run(root, tracker):
    run = grown(tracker)
    other = grown(tracker, LineageRecord("blend", "digest-of-blend"))
    tracker.generations(run, [record(generation) for generation in range(3)])
    tracker.generation(other, record(5))
    client = asked(tracker)
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


def test_of_two_runs_of_one_lineage_the_older_is_continued(root, tracker):
    run = grown(tracker)
    client = asked(tracker)
    older = client.get_run(run)
    twin = client.create_run(older.info.experiment_id, start_time=older.info.start_time + 5, tags=older.data.tags)
    assert grown(Tracker(URI, root)) == run
    assert client.get_run(twin.info.run_id).data.tags["dwindle.superseded"] == run
    assert "dwindle.superseded" not in client.get_run(run).data.tags


def test_a_changed_parameter_is_named(root, tracker):
    grown(tracker)
    with pytest.raises(BadInput, match=r"seed = 7, not 8"):
        grown(tracker, dataclasses.replace(LINEAGE, parameters={"family.name": "gaussian", "seed": 8}))


def test_parameters_that_a_kill_kept_back_are_completed(root, tracker):
    run = grown(tracker, LineageRecord("replace", "digest-of-replace"))
    assert grown(Tracker(URI, root)) == run
    parameters = dict(select(root, "select key, value from params where run_uuid = ?", run))
    assert parameters == {"family.name": "gaussian", "seed": "7"}


def test_a_parameter_too_long_for_mlflow_is_kept_whole_beside_its_digest(root, tracker):
    run = grown(tracker, LineageRecord("long", "digest-of-long", {"prompts": "a" * 6001}))
    ((value,),) = select(root, "select value from params where key = 'prompts'")
    assert value.startswith("sha256:")
    (kept,) = (root / "mlartifacts" / "study" / run).rglob("prompts.txt")
    assert kept.read_text() == "a" * 6001


def test_tables_and_files_logged_twice_are_there_once_below_the_workspace(root, tracker):
    run = grown(tracker)
    (root / "plots").mkdir()
    (root / "plots" / "collapse.svg").write_text("<svg/>")
    for _ in range(2):
        tracker.artifact(run, root / "plots", "plots")
        tracker.table(run, {"lineage": ["replace", "blend"], "rate": [0.5, math.nan]}, "summary.json")
    artifacts = root / "mlartifacts" / "study" / run / "artifacts"
    kept = artifacts / "summary.json"
    assert [path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*.svg")] == ["plots/collapse.svg"]
    assert json.loads(kept.read_text()) == {"columns": ["lineage", "rate"], "data": [["replace", 0.5], ["blend", None]]}
    (listed,) = select(root, "select value from tags where key = 'mlflow.loggedArtifacts'")
    assert json.loads(listed[0]) == [{"path": "summary.json", "type": "table"}]


def test_a_deleted_experiment_is_named_rather_than_written_to(root, tracker):
    asked(tracker).delete_experiment(asked(tracker).create_experiment("study"))
    with pytest.raises(BadInput, match="study was deleted"):
        grown(tracker)
