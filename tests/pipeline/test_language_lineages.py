"""Lineages of language models: a flow, `dwindle run` and `dvc repro` leave the same bytes, killed in between or not."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

PARAMS = """\
sweep: words
generations: 2
seed: 3
chains: 1
budget: 100
source: {name: pydoc_topics, unit: pieces, symbols: 300, length: 8, held_out: 20}
family:
  {name: causal_lm, symbols: 300, layers: 1, width: 16, heads: 2, steps: 60, learning_rate: 2.0e-2, sampling_batch: 16}
metrics: [perplexity, generated_perplexity, probe_prompts]
lineages:
  searched: {regime: replace, sampler: {prompts: anchor, beams: 2}, generations: 1}
  drawn: {regime: accumulate, sampler: {prompts: previous, temperature: 0.8}}
"""

# Grows the stages up to the two that are killed after some states were kept, and again to their end. What is killed
# keeps a state after every step and every batch; of all others, steps and batches are counted.
KILLED = """\
import json, os, signal
from pathlib import Path
from dwindle import failpoints
from dwindle.nets.language import decoding, fitting, kept
from dwindle.plan import read_plan
from dwindle.stages.runner import run_stage

KILLS = {"generate@searched-g001": 3, "train@drawn-g001": 20}
calls = {"steps": 0, "batches": 0}

def counted(kind, name, key):
    call = getattr(kind, name)
    def counting(*arguments, **named):
        calls[key] += 1
        return call(*arguments, **named)
    setattr(kind, name, counting)

def killed(stage):
    child = os.fork()
    if child == 0:
        os.environ[failpoints.VARIABLE] = f"unfinished.kept:{KILLS[stage]}"
        kept.PAUSE = kept._SHARE = decoding._PAUSE = 0.0
        run_stage(root, stage, plan=plan)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

counted(fitting.Training, "_take", "steps")
counted(decoding._Writer, "written", "batches")
root, plan, found = Path.cwd(), read_plan(Path.cwd()), {}
for stage in plan.stage_names():
    if stage in KILLS:
        assert killed(stage), stage
    calls.update(steps=0, batches=0)
    run_stage(root, stage, plan=plan)
    found[stage] = dict(calls)
    if len(found.keys() & KILLS) == len(KILLS):
        break
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def grown(new_project, tmp_path_factory):
    """A project whose language models a Prefect flow has grown."""
    project = new_project(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        project.run(sys.executable, "-m", "flows.sweep")
    return project


def test_the_flow_leaves_every_generation_with_its_measures(grown):
    for lineage, last in (("searched", 1), ("drawn", 2)):
        document = json.loads((grown.root / "metrics" / lineage / f"{last:03d}.json").read_text())
        assert document["perplexity"] > 1
        assert document["generated_perplexity"] > 1
        assert 0 <= document["probe_agreement"] <= 1


def test_after_the_flow_dvc_has_nothing_to_do(grown):
    assert "up to date" in grown.run("dvc", "status").stdout
    assert "Running stage" not in grown.run("dvc", "repro").stdout


def test_a_generation_that_is_gone_comes_from_dvc_repro_with_the_bytes_of_the_flow(grown, tmp_path):
    project, stage = grown.copy(tmp_path / "copy"), "drawn/001"
    for area in ("data", "models"):
        shutil.rmtree(project.root / area / stage)
    (project.root / "metrics" / f"{stage}.json").unlink()
    targets = [f"{verb}@drawn-g001" for verb in ("generate", "curate", "train", "evaluate")]
    done = project.run("dvc", "repro", "--no-commit", "--force", "--single-item", *targets)
    assert all(f"{target}: done" in done.stdout for target in targets)
    assert project.files() == grown.files()


def test_kills_in_training_and_in_generation_leave_the_bytes_of_the_flow(grown, new_project):
    other = new_project(PARAMS)
    done = json.loads(other.run(sys.executable, "-c", KILLED).stdout.splitlines()[-1])
    assert done["train@searched-g000"]["steps"] == 60
    assert done["train@drawn-g001"]["steps"] == 60 - 20
    assert done["generate@searched-g001"]["batches"] == 7 - 3
    assert not list((other.root / ".dwindle" / "unfinished").iterdir())
    other.run("dwindle", "run")
    assert other.files() == grown.files()
