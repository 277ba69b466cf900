"""Kills, crowds and damage: whatever happens to a commit, nothing is lost and the next one completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dwindle.failpoints import VARIABLE
from dwindle.versioning.dvc_store import DvcStore
from dwindle.versioning.lock_file import read_lock_file
from tests.unit.recorded_sweep import ALL, finished_sweep, outputs, record, recorded_sweep

COMMIT = """
import sys
from pathlib import Path
from dwindle.versioning.dvc_store import DvcStore
DvcStore(Path(sys.argv[1])).commit(sys.argv[2:])
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return finished_sweep(tmp_path / "fresh")


@pytest.fixture
def done(tmp_path: Path) -> Path:
    return recorded_sweep(tmp_path / "done")


@pytest.mark.parametrize("place", ["dvc.seen", "dvc.cached", "text.begin", "text.written", "text.renamed"])
def test_a_kill_leaves_all_readable_and_the_next_commit_completes_it(fresh: Path, done: Path, place: str):
    before, half = outputs(fresh), ALL[: len(ALL) // 2]
    DvcStore(fresh).commit(half)
    killed = subprocess.run(
        [sys.executable, "-c", COMMIT, fresh, *ALL], env=os.environ | {VARIABLE: place}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert outputs(fresh) == before
    assert set(half) <= set(read_lock_file(fresh / "dvc.lock").blocks) <= set(ALL)
    DvcStore(fresh).commit(ALL)
    assert record(fresh) == record(done)
    assert not list(fresh.glob(".*.tmp"))


def test_processes_that_commit_at_once_all_land(fresh: Path, done: Path):
    command = [sys.executable, "-c", COMMIT, fresh]
    running = [subprocess.Popen([*command, *ALL[first::2]]) for first in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert record(fresh) == record(done)


def test_threads_that_share_a_store_all_land(fresh: Path, done: Path):
    store = DvcStore(fresh)
    threads = [threading.Thread(target=store.commit, args=(ALL[first::4],)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record(fresh) == record(done)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_lock_file_is_completed(done: Path, keep: float):
    whole = record(done)
    (done / "dvc.lock").write_bytes(whole[0][: int(keep * len(whole[0]))])
    DvcStore(done).commit(ALL)
    assert record(done) == whole


def test_an_unreadable_lock_file_is_written_anew_and_said_to_be(done: Path, caplog: pytest.LogCaptureFixture):
    whole = record(done)
    (done / "dvc.lock").write_bytes(b"\0" * 4096)
    DvcStore(done).commit(ALL)
    assert record(done) == whole
    assert "dvc.lock is unreadable" in caplog.text
