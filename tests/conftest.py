"""Whole projects in temporary folders: the repository's dvc.yaml, flows and tasks, and a sweep of seconds."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

PARAMS = """\
sweep: small
generations: 2
seed: 3
chains: 4
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 50}
family: {name: gaussian}
metrics: [moments, frechet]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate, curators: [perplexity_band], curation: {regenerate: 2, keep_rejected: true}}
  fresh: {regime: {name: fresh, synthetic_ratio: 0.5}}
"""


@dataclass(frozen=True)
class Project:
    """A folder that a user might work in."""

    root: Path

    def run(self, *command: str, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
        """Run a command as the user's shell would, with the environment's programs on the path."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=240, check=False, **options
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def files(self) -> dict[str, str]:
        """Return the digest of every file that stages leave behind."""
        found = {}
        for area in ("data", "models", "metrics", "plots/curves.csv", "dvc.lock"):
            place = self.root / area
            for path in [place] if place.is_file() else sorted(place.rglob("*")):
                if path.is_file():
                    found[str(path.relative_to(self.root))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def copy(self, root: Path) -> Project:
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory):
    """Make a project as a fresh clone has it, with the small sweep."""

    def make(params: str = PARAMS) -> Project:
        root = tmp_path_factory.mktemp("project") / "small"
        root.mkdir()
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(REPOSITORY / name, root / name)
        for folder in ("flows", "tasks", "presets"):
            shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (root / ".dvc").mkdir()
        for name in ("config", ".gitignore"):
            shutil.copy(REPOSITORY / ".dvc" / name, root / ".dvc" / name)
        shutil.copytree(REPOSITORY / ".dvc" / "plots", root / ".dvc" / "plots")
        (root / "params.yaml").write_text(params)
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        project = Project(root)
        project.run("dwindle", "plan")
        return project

    return make


@pytest.fixture(scope="session")
def flowed(new_project, tmp_path_factory):
    """A project whose sweep a Prefect flow has grown; tests that change it take a copy."""
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    project = new_project()
    done = project.run(sys.executable, "-m", "flows.sweep")
    (project.root / "flow.log").write_text(done.stdout + done.stderr)
    return project
