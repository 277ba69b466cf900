"""A lineage that cannot go on ends by itself; the others grow on, and the exit code tells results from breakdowns."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

OUTSIDE = Path(__file__).with_name("drop_all.py").read_text()


@pytest.fixture
def project(new_project):
    made = new_project()
    (made.root / "drop_all.py").write_text(OUTSIDE)
    return made


def outcomes(project) -> dict[str, str]:
    query = (
        "select r.name, t.value from tags t join runs r using (run_uuid) where t.key = 'outcome'"
        " and r.run_uuid in (select run_uuid from tags where key = 'dwindle.lineage')"
    )
    with sqlite3.connect(project.root / "mlflow.db") as database:
        return dict(database.execute(query).fetchall())


def test_a_starved_lineage_is_a_result_and_the_sweep_goes_on(project):
    done = project.run("dwindle", "run", 'lineages.replace.curators=["drop_all:DropAll"]')
    assert "replace ended early: starved" in done.stdout
    assert "too late" in done.stdout
    assert (project.root / "metrics" / "replace" / "001.json").exists()
    assert not (project.root / "metrics" / "replace" / "002.json").exists()
    assert (project.root / "metrics" / "fresh" / "002.json").exists()
    assert outcomes(project) == {"replace": "starved", "accumulate": "finished", "fresh": "finished"}
    assert not list((project.root / "data").rglob(".*.tmp"))


def test_a_fit_that_fails_ends_its_lineage_and_the_sweep_says_so_at_the_end(project):
    done = project.run("dwindle", "run", "lineages.replace.family.name=drop_all:Unfit", check=False)
    assert done.returncode == 5
    assert "numbers are not to its taste" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project.root / "metrics" / "fresh" / "002.json").exists()
    assert outcomes(project)["replace"] == "failed"


def test_a_sweep_of_which_nothing_could_be_fitted_says_why(project):
    done = project.run("dwindle", "run", "family.name=drop_all:Unfit", check=False)
    assert done.returncode == 5
    assert "numbers are not to its taste" in done.stderr
    assert "Traceback" not in done.stderr
