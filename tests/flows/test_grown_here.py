"""`dwindle run` and the flow of one lineage grow on this machine, whatever engine the sweep names."""

from __future__ import annotations

import sys

import pytest

CLUSTER = ("env", "DWINDLE_ENGINE=ray")


@pytest.fixture(scope="module")
def project(new_project):
    return new_project()


def test_one_lineage_is_grown_here_by_its_flow(project):
    with (project.root / "params.yaml").open("a") as params:
        params.write("engine: ray\n")
    project.run(sys.executable, "-m", "flows.lineage", "lineage=replace", "generations=1")
    assert (project.root / "metrics/replace/001.json").exists()
    assert not (project.root / "metrics/fresh").exists()


def test_a_sweep_is_grown_here_without_prefect_and_leaves_the_bytes_of_a_flow(project, flowed):
    project.run(*CLUSTER, "dwindle", "run")
    assert project.files() == flowed.files()


@pytest.mark.parametrize("command", [("dwindle", "run"), (sys.executable, "-m", "flows.sweep")])
def test_a_sweep_that_is_grown_is_shown_again(project, command):
    done = project.run(*CLUSTER, *command)
    assert "accumulate" in done.stdout


def test_what_is_grown_on_a_cluster_of_gpus_is_shown_where_there_is_none(project):
    done = project.run("env", "CUDA_VISIBLE_DEVICES=", sys.executable, "-m", "flows.sweep", "engine.gpus=1")
    assert "accumulate" in done.stdout
