"""Ctrl-C ends a flow at once, with one line and nothing left running, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PARAMS = """
sweep: long
generations: 400
chains: 4
budget: 40
source: {name: gaussian, held_out: 50}
family: gaussian
metrics: [moments]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


def _listening():
    """Hear SIGINT, which a shell has its background jobs ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def interrupted(new_project, tmp_path_factory):
    """Press Ctrl-C once generations are growing: every process of the terminal hears it."""
    project = new_project(PARAMS)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = str(tmp_path_factory.mktemp("prefect"))
    log = (project.root / "flow.log").open("w+")
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows.sweep"],
        cwd=project.root,
        env={**os.environ, "PATH": path, "PREFECT_HOME": home, "OMP_NUM_THREADS": "1"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_listening,
    )
    deadline = time.monotonic() + 120
    while not list(project.root.glob("metrics/replace/00[3-9].json")):
        assert flow.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "nothing grew"
        time.sleep(0.2)
    family = psutil.Process(flow.pid).children(recursive=True)
    os.killpg(flow.pid, signal.SIGINT)
    code = flow.wait(30)
    gone, alive = psutil.wait_procs(family, timeout=10)
    log.seek(0)
    return project, code, log.read(), gone, alive


def test_it_ends_with_the_code_of_an_interrupt_and_one_line(interrupted):
    _, code, text, _, _ = interrupted
    assert code == 130
    assert text.rstrip().endswith("interrupted; run the same command again to go on")
    assert "Traceback" not in text


def test_nothing_is_left_running(interrupted):
    _, _, _, gone, alive = interrupted
    assert gone
    assert not alive


def test_what_was_published_is_whole(interrupted):
    project, *_ = interrupted
    project.run("dwindle", "sync")
    done = project.run("dwindle", "verify", check=False)
    assert done.returncode == 0, done.stderr  # what was not grown yet is no damage
    assert "more of the plan were not made" in done.stdout
    assert not done.stderr
