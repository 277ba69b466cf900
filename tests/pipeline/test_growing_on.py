"""What is done stays done: longer lineages, added metrics, added lineages and kills cost only what they add."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARTS = {"generate": "data", "curate": "data", "train": "models", "evaluate": "metrics"}


def stamps(project):
    """Return inode and time of every manifest and metrics file: unchanged where a stage did not run."""
    kept = {}
    for pattern in ("data/**/manifest.json", "models/**/manifest.json", "metrics/**/*.json"):
        for path in project.root.glob(pattern):
            kept[str(path.relative_to(project.root))] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return kept


def points(project) -> list[tuple]:
    """Return every point that MLflow holds."""
    with sqlite3.connect(project.root / "mlflow.db") as database:
        return sorted(database.execute("select run_uuid, key, step, timestamp, value from metrics").fetchall())


@pytest.fixture
def grown(flowed, tmp_path):
    return flowed.copy(tmp_path / "copy")


def test_the_same_command_again_changes_nothing(grown):
    before, logged = stamps(grown), points(grown)
    grown.run("dwindle", "run")
    assert stamps(grown) == before
    assert points(grown) == logged


def test_more_generations_compute_only_themselves(grown):
    before = stamps(grown)
    grown.run("dwindle", "run", "generations=4")
    after = stamps(grown)
    assert {key: after[key] for key in before} == before
    new = {key.split("/")[2].removesuffix(".json") for key in after.keys() - before.keys()}
    assert new == {"003", "004"}
    assert "up to date" in grown.run("dvc", "status").stdout


def test_an_added_metric_evaluates_only(grown):
    before = stamps(grown)
    grown.run("dwindle", "run", "metrics=[moments, frechet, sliced_wasserstein]")
    after = stamps(grown)
    changed = {key.partition("/")[0] for key in after if after[key] != before.get(key)}
    assert changed == {"metrics"}
    keys = {key for _, key, *_ in points(grown)}
    assert {"sliced_wasserstein", "sliced_wasserstein.low", "sliced_wasserstein.high"} <= keys


def test_an_added_lineage_touches_no_other(grown):
    before = stamps(grown)
    grown.run("dwindle", "run", "lineages.added.regime=blend")
    after = stamps(grown)
    assert {key: after[key] for key in before} == before
    assert all("/added/" in key for key in after.keys() - before.keys())


def test_what_belongs_to_another_plan_is_not_shown_as_this_ones(grown):
    other = "lineages.fresh.regime.synthetic_ratio=0.25"
    grown.run("dwindle", "run", other)
    assert "fresh,2," in (grown.root / "plots" / "curves.csv").read_text()
    grown.run("dwindle", "plan")
    grown.run("dwindle", "compare")
    shown = (grown.root / "plots" / "curves.csv").read_text()
    assert "fresh,0," in shown
    assert "fresh,1," not in shown
    assert "replace,2," in shown


def test_mlflow_holds_each_metric_once_with_its_interval_and_theory(grown):
    logged = points(grown)
    assert len({(run, key, step) for run, key, step, *_ in logged}) == len(logged)
    keys = {key for _, key, *_ in logged}
    assert {
        "frechet",
        "frechet.low",
        "frechet.high",
        "synthetic_ratio",
        "log_variance.theory",
        "log_variance.z",
    } <= keys
    assert {step for _, _, step, *_ in logged} == {0, 1, 2}


def test_sync_rebuilds_mlflow_from_the_files(grown):
    logged = [(key, step, value) for _, key, step, _, value in points(grown)]
    (grown.root / "mlflow.db").unlink()
    grown.run("dwindle", "sync")
    assert sorted((key, step, value) for _, key, step, _, value in points(grown)) == sorted(logged)
    again = points(grown)
    grown.run("dwindle", "sync")
    assert points(grown) == again


def test_the_digest_of_a_dataset_is_dvcs_and_finds_its_run(grown):
    with sqlite3.connect(grown.root / "mlflow.db") as database:
        digests = {row[0] for row in database.execute("select digest from datasets")}
    recorded = (grown.root / "dvc.lock").read_text()
    assert len(digests) >= 7
    assert all(digest in recorded for digest in digests)


@pytest.mark.parametrize("seconds", [1.5, 3.0, 5.0])
def test_a_killed_run_ends_in_the_same_bytes_when_it_is_run_again(flowed, new_project, seconds):
    project = new_project()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["dwindle", "run"], cwd=project.root, env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice
    process.wait()
    project.run("dwindle", "run")
    assert project.files() == flowed.files()
    logged = points(project)
    assert len({(run, key, step) for run, key, step, *_ in logged}) == len(logged)


def test_a_damaged_file_is_found_and_grown_anew(grown, flowed):
    path = grown.root / "models" / "replace" / "001"
    victim = next(file for file in path.iterdir() if file.name != "manifest.json")
    spoiled = bytearray(victim.read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    victim.write_bytes(spoiled)
    found = grown.run("dwindle", "verify", check=False)
    assert found.returncode == 4
    assert str(victim) in found.stderr
    grown.run("dwindle", "run")
    assert grown.files() == flowed.files()


def test_status_names_what_is_missing(new_project):
    project = new_project()
    project.run("dwindle", "generate", "replace-g000", check=False)
    shown = project.run("dwindle", "status").stdout
    assert "none of 2" in shown
    assert "generate@replace-g000" in shown


def test_metrics_files_are_json_that_any_tool_reads(grown):
    def refused(name):
        pytest.fail(f"{name} is not JSON")

    for path in (grown.root / "metrics").rglob("*.json"):
        assert isinstance(json.loads(path.read_text(), parse_constant=refused)["frechet"], float)
