"""Histograms that shift and answers side by side are drawn from what the metrics kept, and only where they kept any."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.data.unfinished import keeping, tell
from dwindle.growth import grow_sweep
from dwindle.plan import Plan, read_plan
from dwindle.report.details import details_of
from dwindle.report.histograms import draw_histograms, histograms_figure
from dwindle.report.page.answers import write_answers
from dwindle.report.progress import inside

WORDS = """
sweep: words
generations: 2
chains: 2
budget: 80
source: {name: pydoc_topics, symbols: 300, length: 12, held_out: 50}
family: {name: ngram, symbols: 300}
metrics: [perplexity, generated_perplexity, probe_prompts]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("words")
    (root / "params.yaml").write_text(WORDS)
    grow_sweep(load_sweep(root / "params.yaml"), tracking=False, versioning=False, shown=False)
    return root, read_plan(root)


def test_a_ridge_stands_for_every_generation_and_holds_all_rows(grown):
    root, plan = grown
    name, by_lineage = next(iter(details_of(root, plan, "histogram").items()))
    assert name == "generated_perplexity"
    for ridges in by_lineage.values():
        assert list(ridges) == [0, 1, 2]
        for ridge in ridges.values():
            np.testing.assert_allclose(np.sum(ridge["shares"], axis=1), 1.0)
            assert np.all(np.diff(ridge["edges"]) > 0)
    drawn = {patch.get_gid() for axes in histograms_figure(plan, name, by_lineage).axes for patch in axes.patches}
    assert {f"{lineage}.{t}" for lineage in ("replace", "accumulate") for t in range(3)} <= drawn


def test_pictures_are_drawn_with_the_sweep(grown):
    root, plan = grown
    assert draw_histograms(root, plan) == root / "plots/words/histograms.png"
    assert {"histograms.png", "answers.html"} <= {path.name for path in (root / "plots/words").iterdir()}


def test_answers_stand_side_by_side_and_generation_0_agrees_with_itself(grown):
    root, plan = grown
    page = write_answers(root, plan).read_text()
    texts = details_of(root, plan, "texts")["probe_agreement"]
    for lineage in ("replace", "accumulate"):
        assert f'<th scope="col">{lineage}</th>' in page
        assert [told["prompt"] for told in texts[lineage][0]] == [told["prompt"] for told in texts[lineage][2]]
    assert texts["replace"][0] == texts["accumulate"][0]
    assert page.count("<table") == len(texts["replace"][0])


def test_where_no_metric_kept_anything_nothing_is_drawn(tmp_path: Path):
    (tmp_path / "params.yaml").write_text(WORDS.replace(", generated_perplexity, probe_prompts", ""))
    grow_sweep(load_sweep(tmp_path / "params.yaml"), tracking=False, versioning=False, shown=False)
    assert draw_histograms(tmp_path, read_plan(tmp_path)) is None
    assert write_answers(tmp_path, read_plan(tmp_path)) is None


def test_a_stage_that_runs_says_how_far_it_is(tmp_path: Path):
    with keeping(tmp_path, "generate@replace-g003", "k"):
        time.sleep(0.6)  # another test may just have told something
        tell(410, 1000, "tokens", 0.1)
        assert inside(tmp_path, "replace", 3) == "generate 41 %, 4,100 tokens/s"
    assert inside(tmp_path, "replace", 3) == ""
