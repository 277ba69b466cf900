"""A simulator that is one file beside params.yaml makes a lineage's rows, and their manifest says so."""

from __future__ import annotations

import json
from pathlib import Path

PROGRAM = (Path(__file__).parent / "ball_game.py").read_text()
PARAMS = """\
sweep: thrown
generations: 1
seed: 3
chains: 2
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 50}
family: {name: gaussian}
metrics: [moments]
lineages:
  replace: {regime: replace}
"""


def test_a_simulator_of_ones_own_makes_the_rows_and_editing_it_makes_them_stale(new_project):
    project = new_project(PARAMS)
    (project.root / "ball_game.py").write_text(PROGRAM)
    name = "family={name: simulator, callable: 'ball_game:throws', settings: [wall=0.4]}"
    project.run("dwindle", "run", name)
    rows = [project.root / "data" / "replace" / generation for generation in ("000/real", "001/synthetic")]
    made = [json.loads((folder / "manifest.json").read_text())["facts"].get("made") for folder in rows]
    assert made == [None, "simulated"]
    (project.root / "ball_game.py").write_text(PROGRAM.replace("9.81", "1.62"))
    stale = project.run("dwindle", "plan", "--check", name, check=False)
    assert stale.returncode == 2
    assert "does not describe params.yaml and the code" in stale.stderr
