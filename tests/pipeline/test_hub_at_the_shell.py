"""A hub that does not answer ends a command in one message and exit code 3, before anything is written."""

from __future__ import annotations

import sys
import time

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"
PARAMS = """\
sweep: small
generations: 1
seed: 3
chains: 2
budget: 40
source: {name: pydoc_topics, unit: pieces, symbols: 300, held_out: 50}
family: {name: ngram, symbols: 300}
metrics: [perplexity]
lineages:
  replace: {regime: replace}
"""


@pytest.fixture(scope="module")
def project(new_project):
    return new_project(PARAMS)


def ended(project, monkeypatch, tmp_path, *command):
    """Return how a command ends where the hub does not answer and nothing is cached, and that it wrote nothing."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")

    def files():
        return sorted(path for path in project.root.rglob("*") if "__pycache__" not in path.parts)

    before = files()
    done = project.run(*command, check=False)
    assert files() == before
    assert not list(tmp_path.iterdir())
    return done


@pytest.mark.parametrize("command", [(sys.executable, "-m", "flows.sweep"), ("dwindle", "run"), ("dwindle", "plan")])
def test_a_hub_that_does_not_answer_ends_with_code_3_in_seconds(project, monkeypatch, tmp_path, command):
    start = time.monotonic()
    done = ended(project, monkeypatch, tmp_path, *command, f"source.tokenizer=org/name@{REVISION}")
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert f"org/name@{REVISION} is not in the local cache, and http://127.0.0.1:9 does not answer" in line
    assert time.monotonic() - start < 30  # the interpreter and its imports among them


def test_a_hub_id_without_its_revision_is_a_users_mistake(project, monkeypatch, tmp_path):
    done = ended(project, monkeypatch, tmp_path, "dwindle", "run", "source.tokenizer=org/name")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "no hub id with a pinned revision: expected org/name@revision" in line
