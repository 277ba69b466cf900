"""`dwindle review`: what it shows, records and hands on, and the page that it writes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.contracts import Rows, Seed
from dwindle.curators.learned_reward import LearnedReward
from dwindle.errors import Undecided
from dwindle.plan import unroll
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: shown
generations: 2
seed: 5
chains: 2
budget: 30
lineages:
  one: {{regime: replace, review: {{every: 2, sample: 3}}, {lineage}}}
  other: {{regime: replace}}
"""
KINDS = {
    "numbers": ("{name: gaussian, dimensions: 2, held_out: 30}", "gaussian", "central_mass", "<td><p dir"),
    "pictures": ("{name: digits, space: pixels, held_out: 447}", "kde", "central_mass", "data:image/png;base64,"),
    "symbols": ("{name: zipf, symbols: 20}", "{name: categorical, symbols: 20}", "keep_all", "<td><p dir"),
    "texts": (
        "{name: pydoc_topics, symbols: 300, length: 24}",
        "{name: ngram, symbols: 300}",
        "keep_all",
        "<td><p dir",
    ),
    "tables": ("iris", "{name: tabular}", "keep_all", "sepal"),
}
"""Source, family and curator by the kind of rows, and a sign of them on the page."""


def reviewable(root, kind):
    """Grow a lineage up to where it waits for its review."""
    source, family, curator, _ = KINDS[kind]
    text = PARAMS.format(lineage=f"curators: [{curator}]") + f"source: {source}\nfamily: {family}\nmetrics: []\n"
    plan = planned(root, text)
    names = [name for name in plan.stage_names() if "other" not in name and name != "compare"]
    for name in names[: names.index("train@one-g002")]:
        run_stage(root, name, plan=plan)
    with pytest.raises(Undecided):
        run_stage(root, "train@one-g002", plan=plan)
    return ("--params", str(root / "params.yaml"))


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    root = tmp_path_factory.mktemp("waiting")
    return root, reviewable(root, "numbers")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_rows_as_what_they_are_and_fetches_nothing(tmp_path, dwindle, kind):
    shown = dwindle("review", "one/2", *reviewable(tmp_path, kind))
    assert shown.code == 0
    assert str(tmp_path / "reviews/one/002.html") in shown.out
    page = (tmp_path / "reviews/one/002.html").read_text()
    assert KINDS[kind][3] in page
    assert "May these rows train generation 2 of one?" in page
    assert "default-src &#x27;none&#x27;" in page
    assert 'src="http' not in page


def test_a_review_is_shown_answered_listed_and_its_ranking_handed_on(waiting, dwindle):
    root, params = waiting
    assert "one/2   0 of 1" in dwindle("review", "--list", *params).out
    done = dwindle("review", "one/2", "--approve", "--reviewer", "ada", "--ranking", "2,1", "--minutes", "1.5", *params)
    assert "one/2: approved by majority: ada approves" in done.out
    assert "trained on this dataset already" not in done.out
    page = (root / "reviews/one/002.html").read_text()
    assert "It is settled: approved." in page
    assert "dwindle review one/2 --again" in page
    assert "--approve --reviewer" not in page
    assert "No review is open" in dwindle("review", "--list", *params).out
    (line,) = dwindle("review", "one", "--rankings", *params).out.splitlines()
    better, worse = json.loads(line)["ranking"]
    (root / "rankings.jsonl").write_text(f"{line}\n")
    learned = LearnedReward(rankings=str(root / "rankings.jsonl"), action="top", fraction=0.5)
    ranked = Rows(np.array([[worse, better]]))
    assert learned.curate(ranked, anchor=ranked, seed=Seed(0)).kept.tolist() == [[False, True]]
    assert run_stage(root, "train@one-g002", plan=unroll(load_sweep(root / "params.yaml"))).ran
    assert "one/2 is approved already" in dwindle("review", "one/2", "--reject", *params).err
    assert "open until" in dwindle("review", "one/2", "--again", *params).out
    assert "open, trained already, until" in dwindle("review", "--list", *params).out
    late = dwindle("review", "one/2", "--reject", "--reviewer", "ben", *params)
    assert (late.code, "one/2: rejected by majority: ben rejects" in late.out) == (0, True)
    assert "Generation 2 of one was trained on this dataset already: its model stays" in late.out
    assert "was trained on this dataset already" in (root / "reviews/one/002.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name LINEAGE/GENERATION"),
        (("one",), "expected LINEAGE/GENERATION"),
        (("one/x",), "expected LINEAGE/GENERATION"),
        (("one/9",), "the plan has generations 0..2 of one"),
        (("one/1",), "one is due every 2"),
        (("other/2",), "its recipe has no `review`"),
        (("nobody/2",), "no lineage 'nobody'"),
        (("one/2", "--approve", "--reject"), "give one of them"),
        (("one/2", "--reject", "--wrong", "a"), "--wrong a: expected numbers of rows"),
        (("one/2", "--approve", "--reviewer", ""), "reviewer = '': expected a name"),
        (("one/2", "--reviewer", ""), "a decision is"),
        (("one/2", "--note", "fine"), "a decision is --approve or --reject"),
        (("other", "--rankings"), "no reviewer has ranked"),
    ],
)
def test_a_mistake_is_told_in_one_line(waiting, dwindle, words, told):
    done = dwindle("review", *words, *waiting[1])
    assert done.code == 2
    assert told in done.err
