"""Projects that several of these files start from."""

from __future__ import annotations

import shutil

import pytest

from tests.shared_state.postgres import REPOSITORY


@pytest.fixture(scope="module")
def deployable(new_project):
    """A project with what a deployment needs."""
    project = new_project()
    shutil.copy(REPOSITORY / "prefect.yaml", project.root)
    shutil.copytree(REPOSITORY / "deploy" / "pools", project.root / "deploy" / "pools")
    return project


@pytest.fixture(scope="module")
def long_run(request, new_project):
    """The sweep at the length that the file calls LONG, grown on one machine without Prefect."""
    project = new_project()
    project.run("dwindle", "run", request.module.LONG, "--no-tracking")
    return project
