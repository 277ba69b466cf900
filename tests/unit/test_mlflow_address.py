"""MLflow is reached, or refused in seconds, before anything depends on it."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from dwindle.errors import BadInput, NotReachable
from dwindle.tracking.mlflow_tracker import Tracker, ui_command

URI = "sqlite:///mlflow.db"


def run_python(code: str, *arguments: str) -> subprocess.Popen:
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, *sys.path])}
    environment.pop("PYTEST_CURRENT_TEST", None)
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def count(root: Path, rows: str) -> int:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        return connection.execute(f"select count(*) from {rows}").fetchone()[0]


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
    assert count(tmp_path, "runs where status = 'FINISHED'") == 2
    assert count(tmp_path, "metrics") == 40


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


def test_a_database_that_another_process_locks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dwindle.tracking.address.PATIENCE", 1)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = time.monotonic()
        with pytest.raises(NotReachable, match="locked"):
            Tracker(URI, tmp_path).preflight()
    assert time.monotonic() - before < 5


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(NotReachable, match="not a database"):
        Tracker(URI, tmp_path).preflight()


@pytest.mark.parametrize("uri", ["mlruns", "file:///x/mlruns", "sqlite://", "sqlite:///:memory:", "", "ftp://host"])
def test_an_address_that_is_none_is_refused_before_anything_is_written(tmp_path, uri):
    with pytest.raises(BadInput, match=r"tracking\.uri"):
        Tracker(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_database_belongs_to_the_workspace_not_to_the_folder_one_stands_in(tmp_path, tmp_path_factory):
    assert ui_command(URI, tmp_path) == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    assert (
        Tracker(f"sqlite:///{tmp_path}/mlflow.db", tmp_path_factory.mktemp("other")).uri == Tracker(URI, tmp_path).uri
    )
    assert ui_command("https://user:secret@mlflow.example.org", tmp_path) == "https://mlflow.example.org"
