"""A user's mistake ends in one message and its exit code, before anything is written."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.parametrize("command", [(sys.executable, "-m", "flows.sweep"), ("dwindle", "run")])
def test_a_mistyped_key_is_named_with_its_value_range_and_nearest_name(new_project, command):
    project = new_project()
    before = sorted(project.root.rglob("*"))
    done = project.run(*command, "lineages.replace.sythetic_ratio=2", check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert all(text in line for text in ("lineages.replace.sythetic_ratio", "2", "0..1", "regime.synthetic_ratio"))
    kept = [path for path in project.root.rglob("*") if "__pycache__" not in path.parts]
    assert sorted(kept) == [path for path in before if "__pycache__" not in path.parts]


def test_an_unreachable_mlflow_stops_the_sweep_before_it_starts(new_project):
    project = new_project()
    done = project.run("dwindle", "run", "tracking.uri=http://127.0.0.1:9", check=False)
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert not (project.root / "data").exists()


def test_a_sweep_that_may_do_without_mlflow_grows_and_says_what_is_pending(new_project):
    project = new_project()
    options = ("tracking.uri=http://127.0.0.1:9", "tracking.required=false", "generations=0")
    done = project.run("dwindle", "run", *options)
    assert "dwindle sync" in done.stdout
    assert (project.root / "models" / "replace" / "000" / "manifest.json").exists()


def test_a_lineage_that_another_process_grows_is_refused(new_project):
    from dwindle.data.workspace import held

    project = new_project()
    with held(project.root, "lineage-fresh"):
        done = project.run("dwindle", "run", "generations=0", check=False)
    assert done.returncode == 3
    assert "lineage-fresh" in done.stderr
    assert "Traceback" not in done.stderr
