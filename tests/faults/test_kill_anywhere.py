"""A lineage that is killed at any point and grown again ends in the bytes of one that never was."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_kill_at_every_failpoint_leaves_the_same_bytes(tmp_path):
    trials = Path(__file__).with_name("crash_trials.py")
    done = subprocess.run(
        [sys.executable, str(trials), str(tmp_path)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["landed"] >= 50, "fewer kills landed than there are points in a three-generation lineage"
    assert found["trees"] == [found["golden"]]
