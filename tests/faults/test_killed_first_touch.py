"""A kill while MLflow's database is being made leaves none, or a whole one: never one that nothing can open."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from dwindle.tracking.mlflow_tracker import Tracker

SCRIPT = """
import sys
from pathlib import Path
from dwindle.tracking.mlflow_tracker import Tracker
Tracker("sqlite:///mlflow.db", Path(sys.argv[1])).preflight()
"""


def growing_size(root) -> int:
    return max((path.stat().st_size for path in root.glob(".mlflow.db.*.tmp")), default=0)


@pytest.mark.parametrize("bytes_made", [1, 300_000])
def test_a_kill_between_two_migrations_is_forgotten(tmp_path, bytes_made):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)])
    while process.poll() is None and growing_size(tmp_path) < bytes_made:
        time.sleep(0.005)
    assert process.poll() is None, "the database was made before the kill"
    process.kill()
    process.wait()
    assert not (tmp_path / "mlflow.db").exists() or not (tmp_path / "mlflow.db").stat().st_size
    Tracker("sqlite:///mlflow.db", tmp_path).preflight()
    assert (tmp_path / "mlflow.db").stat().st_size
    assert not list(tmp_path.glob(".mlflow.db.*"))
