"""A family that is one file beside params.yaml grows like one of ours, and the shipped checks judge it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAMILY = (HERE / "laplace_family.py").read_text()


@pytest.fixture
def project(new_project):
    made = new_project()
    (made.root / "laplace_family.py").write_text(FAMILY)
    return made


def test_a_lineage_of_an_outside_family_is_grown_recorded_and_reproduced(project):
    name = ("family.name=laplace_family:Laplace", "lineages.accumulate.curators=[keep_all]")
    project.run("dwindle", "run", *name, "generations=1")
    assert (project.root / "models" / "replace" / "001" / "chain-0003.laplace.npz").exists()
    assert "up to date" in project.run("dvc", "status").stdout
    assert "Running stage" not in project.run("dvc", "repro").stdout


def test_changing_its_code_makes_its_models_stale(project):
    name = ("family.name=laplace_family:Laplace", "lineages.accumulate.curators=[keep_all]")
    project.run("dwindle", "plan", *name)
    before = (project.root / "plan.json").read_text()
    (project.root / "laplace_family.py").write_text(FAMILY + "\n# only a remark\n")
    project.run("dwindle", "plan", *name)
    assert (project.root / "plan.json").read_text() == before
    (project.root / "laplace_family.py").write_text(FAMILY.replace("0.5", "0.4"))
    project.run("dwindle", "plan", *name)
    assert (project.root / "plan.json").read_text() != before


def test_the_shipped_checks_pass_it_and_name_what_a_broken_one_breaks(monkeypatch):
    from dwindle.checks import CheckFailed, check_family

    monkeypatch.syspath_prepend(HERE)
    from laplace_family import Careless, Laplace

    check_family(Laplace())
    with pytest.raises(CheckFailed, match=r"check_\w*seed"):
        check_family(Careless())
    sys.modules.pop("laplace_family")
