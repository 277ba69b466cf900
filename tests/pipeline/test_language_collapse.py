"""A language model that only repeats a token: its lineage goes on to its end, and all say what it has come to."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.plan import unroll
from dwindle.stages.results import collapsed
from dwindle.stages.runner import run_stage

PARAMS = """\
sweep: stuck
generations: 2
seed: 3
chains: 3
budget: 60
source: {name: pydoc_topics, unit: characters, symbols: 40, length: 8, held_out: 20}
family: {name: causal_lm, symbols: 40, layers: 1, width: 16, heads: 2, steps: 40, batch: 16, learning_rate: 2.0e-2}
metrics:
  - perplexity_by_frequency
  - generated_perplexity
  - {name: lexical_diversity, window: 8}
  - text_diversity
  - self_bleu
  - divergence_frontier
lineages:
  plain: {regime: replace}
  cold: {regime: replace, sampler: {temperature: 0.01}}
  word: {regime: replace, source: {name: text_files, path: word.txt, symbols: 40, length: 8, held_out: 20}}
"""
NUMBERS = """\
sweep: numbers
generations: 1
seed: 3
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian}
metrics: [moments]
lineages:
  still: {regime: replace, sampler: {variance_factor: 0.0}}
  lively: {regime: replace}
"""
UNDEFINED = {"zipf_exponent": "one token alone has no ranks"}


@pytest.fixture(scope="module")
def stuck(new_project):
    """A project whose lineage `cold` comes to one token, and whose lineage `word` never knew another one."""
    project = new_project(PARAMS.replace("  word:", "  # word:"))  # its text has to be there before it is planned
    (project.root / "word.txt").write_text("word " * 1000)
    (project.root / "params.yaml").write_text(PARAMS)
    done = project.run("dwindle", "run")
    (project.root / "run.log").write_text(done.stdout)
    (project.root / "run.err").write_text(done.stderr)
    return project


def measures(project, lineage: str) -> dict:
    return json.loads((project.root / "metrics" / lineage / "002.json").read_text())["record"][1]["measures"]


@pytest.mark.parametrize("lineage", ["cold", "word"])
def test_its_lineage_grows_to_the_end(stuck, lineage):
    values = np.load(stuck.root / "data" / lineage / "002" / "synthetic" / "synthetic-002.npy")
    assert values.shape == (3 * 60, 8)
    assert len(np.unique(values)) == 1


@pytest.mark.parametrize("lineage", ["cold", "word"])
def test_every_measure_is_a_number_or_says_why_not(stuck, lineage):
    found = measures(stuck, lineage)
    missing = {name: measured["reason"] for name, measured in found.items() if measured["mean"] is None}
    assert missing == UNDEFINED
    assert found["unigram_entropy"]["mean"] == 0
    assert found["repeated_tokens"]["mean"] == found["self_bleu"]["mean"] == 1


def test_only_what_has_lost_its_variety_is_said_to_have_collapsed(stuck):
    query = "select r.name, t.value from tags t join runs r using (run_uuid) where t.key = 'outcome'"
    with sqlite3.connect(stuck.root / "mlflow.db") as database:
        outcomes = dict(database.execute(query).fetchall())
    assert {name: outcomes[name] for name in ("plain", "cold", "word")} == {
        "plain": "finished",
        "cold": "collapsed",
        "word": "finished",
    }


def test_summary_and_report_say_so_in_words(stuck):
    told = "collapsed: in cold (generation 2) every row repeats one token"
    assert told in (stuck.root / "run.log").read_text()
    assert told in (stuck.root / "plots" / "stuck" / "report" / "index.html").read_text()


def test_its_profile_says_that_the_tails_are_lost(stuck):
    done = stuck.run("dwindle", "profile", "cold")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("loss of tail data"))
    assert " yes " in line


def test_nobody_warns_of_numbers(stuck):
    assert "Warning" not in (stuck.root / "run.err").read_text()


def test_rows_without_tokens_have_collapsed_once_they_are_all_the_same(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(NUMBERS)
    plan = unroll(load_sweep(params))
    for name in plan.stage_names():
        if name != "compare":
            run_stage(tmp_path, name, plan=plan)
    told = [collapsed(tmp_path, plan, "still", generation) for generation in (0, 1)]
    assert told == ["", "all rows of a chain are the same"]
    assert collapsed(tmp_path, plan, "lively", 1) == ""
