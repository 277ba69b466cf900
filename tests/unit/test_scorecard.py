"""The scorecard: only one corpus at a time, each measure beside generation 0, and what counts for a purpose."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.components import component, names
from dwindle.contracts import Measure
from dwindle.data.rows import Provenance, Rows
from dwindle.data.shards import write_shard
from dwindle.data.workspace import publish_folder
from dwindle.errors import BadInput
from dwindle.judging.axes import DIVERSITY, PRIVACY, UTILITY, better_for, left_out
from dwindle.judging.scorecard import scorecard
from dwindle.judging.scorecard_figure import scorecard_figure
from dwindle.judging.scorecard_tables import scorecard_tables
from dwindle.plan import chain_key
from dwindle.purposes import PURPOSES
from dwindle.report.canvas import styled
from dwindle.stages.steps import output
from tests.unit.made_sweep import around, made_sweep, planned, publish

CHAINS = [0.9, 1.0, 1.1, 1.2]


def made(root):
    """Publish three lineages: one loses recall and gains distance, one stays, one is not evaluated."""
    worse = {t: {"recall": around(0.8 - 0.3 * t, 0.02), "frechet": around(0.1 + t, 0.02)} for t in (0, 1)}
    stays = {t: {"recall": CHAINS, "frechet": CHAINS, "variance_ratio": CHAINS} for t in (0, 1)}
    return made_sweep(root, {"replace": worse, "accumulate": stays})


@pytest.fixture
def plan(tmp_path):
    return made(tmp_path)


def one(found, lineage, measure):
    (score,) = (score for score in found.scores if (score.lineage, score.measure) == (lineage, measure))
    return score


def test_each_measure_stands_on_its_axis_beside_generation_0_chain_by_chain(tmp_path, plan):
    found = scorecard(tmp_path, plan, ["replace", "accumulate"])
    recall, frechet = one(found, "replace", "recall"), one(found, "replace", "frechet")
    assert (recall.axis, frechet.axis) == ("diversity", "quality")
    ratios = np.log(np.array(around(0.5, 0.02)) / np.array(around(0.8, 0.02)))
    assert recall.relative.mean == pytest.approx(math.exp(ratios.mean()))
    assert (recall.change, frechet.change) == ("worse", "worse")
    same = one(found, "accumulate", "frechet")
    assert (same.change, same.relative.mean) == ("same", pytest.approx(1.0))


def test_closer_to_the_known_real_value_is_better(tmp_path):
    closer = {0: {"variance_ratio": around(0.5, 0.01)}, 1: {"variance_ratio": around(1.2, 0.01)}}
    found = scorecard(tmp_path, made_sweep(tmp_path, {"replace": closer}), ["replace"])
    assert one(found, "replace", "variance_ratio").change == "better"


def test_what_is_not_positive_has_a_difference_and_no_ratio(tmp_path):
    levels = {0: {"log_variance": around(0.0, 0.01)}, 1: {"log_variance": around(-0.7, 0.01)}}
    score = one(scorecard(tmp_path, made_sweep(tmp_path, {"replace": levels}), ["replace"]), "replace", "log_variance")
    assert (score.is_ratio, score.change) == (False, "worse")
    assert score.relative.mean == pytest.approx(-0.7)


def test_lineages_of_two_sources_are_refused_by_name(tmp_path):
    text = (
        "sweep: two\ngenerations: 1\nchains: 2\nbudget: 20\nfamily: gaussian\nmetrics: [moments]\nlineages:\n"
        "  small: {regime: replace, source: {name: gaussian, dimensions: 2}}\n"
        "  large: {regime: replace, source: {name: gaussian, dimensions: 3}}\n"
    )
    with pytest.raises(BadInput, match=r"only within one kind of rows and one source.*small.*large"):
        scorecard(tmp_path, planned(tmp_path, text), ["small", "large"])


def test_a_lineage_that_is_not_evaluated_so_far_is_named(tmp_path, plan):
    with pytest.raises(BadInput, match="blend: not evaluated yet"):
        scorecard(tmp_path, plan, ["blend"])
    with pytest.raises(BadInput, match="replace: evaluated up to generation 1, not at generation 3"):
        scorecard(tmp_path, plan, ["replace"], generation=3)


def test_a_lineage_that_ended_earlier_is_left_out_with_a_note(tmp_path, plan):
    publish(tmp_path, plan, {"accumulate": {2: {"frechet": CHAINS}}})
    found = scorecard(tmp_path, plan, ["replace", "accumulate", "blend"], generation=2)
    assert found.generations == {"accumulate": 2}
    notes = scorecard_tables(found)[0].notes
    assert "left out: replace: evaluated up to generation 1, not at generation 2" in notes
    assert "left out: blend: not evaluated yet, not at generation 2" in notes


def datasets(root, plan, lineage, purpose=""):
    """Publish what trained generations 0 and 1: two rows a chain, then three of which one weighs nothing like it."""
    for t, weights in enumerate(([1.0, 1.0], [1.0, 1.0, 2.0])):
        shape = (4, len(weights))
        rows = Rows(np.ones((*shape, 2)), np.full(shape, weights), Provenance.of(t, *shape))

        def fill(out, rows=rows):
            write_shard(out, "rows", rows)
            return {"shards": ["rows"], "chains": 4, "purpose": purpose}

        target = root / output(f"curate@{chain_key(lineage, t)}", plan)
        publish_folder(target, fill, stage="curate", key="made", inputs={}, recipe="made", environment={})


def test_the_scale_is_rows_a_chain_and_effective_rows_by_kishs_formula(tmp_path, plan):
    datasets(tmp_path, plan, "replace")
    found = scorecard(tmp_path, plan, ["replace"])
    assert one(found, "replace", "rows").value.mean == 3.0
    assert one(found, "replace", "effective_rows").value.mean == pytest.approx(16 / 6)
    assert one(found, "replace", "rows").relative.mean == pytest.approx(1.5)
    assert not [score for score in found.scores if score.measure == "tokens"]


def test_a_purpose_leaves_out_what_is_no_fault_for_it_and_says_why(tmp_path, plan):
    datasets(tmp_path, plan, "replace", "debias")
    found = scorecard(tmp_path, plan, ["replace"])
    assert found.purposes == {"replace": "debias"}
    assert "holds the bias" in one(found, "replace", "frechet").left_out
    summary, quality, *_ = scorecard_tables(found)
    assert quality.rows == ()
    assert any("debias leaves out" in note and "frechet" in note for note in summary.notes)


def test_closeness_to_training_records_is_a_fault_for_privacy_alone():
    copies = Measure("as_anchor", "fraction", "copies")
    assert better_for("privacy", "copied_share", copies) == "lower"
    assert better_for("", "copied_share", copies) == "as_anchor"
    assert better_for("privacy", "record_distance", copies) == "higher"
    assert left_out("", "frechet") == ""
    assert left_out("privacy", "frechet") == ""
    assert left_out("privacy", "tail_mass") == PURPOSES["privacy"].why
    assert left_out("debias", "anything") == "it says nothing of the purpose debias"


def test_every_measure_that_purposes_and_axes_name_is_measured_by_some_metric():
    known = {name for metric in names("metrics") for name in component("metrics", metric).measures}
    assert known >= DIVERSITY | {*PRIVACY, *UTILITY}
    for name, purpose in PURPOSES.items():
        assert known >= {*purpose.counts, *purpose.ignores, *purpose.better}
        assert purpose.name == name
        assert not set(purpose.counts) & set(purpose.ignores)


def test_the_picture_draws_a_bar_for_each_ratio(tmp_path, plan):
    found = scorecard(tmp_path, plan, ["replace", "accumulate"])
    with styled():
        figure = scorecard_figure("made", found)
        figure.draw_without_rendering()
    quality, scale, diversity = figure.axes
    bars = {patch.get_gid(): patch for patch in quality.patches}
    assert bars["replace.0"].get_x() + bars["replace.0"].get_width() == pytest.approx(
        one(found, "replace", "frechet").relative.mean
    )
    assert next(text.get_text() for text in diversity.get_yticklabels()) == "recall ↑"
    assert not scale.patches  # no dataset is there


def test_the_picture_marks_what_fell_to_0_and_says_where_nothing_changed(tmp_path):
    gone = {0: {"recall": CHAINS, "coverage": CHAINS}, 1: {"recall": [0.0] * 4, "coverage": [0.0, 0.1, 0.1, 0.1]}}
    plan = made_sweep(tmp_path, {"replace": gone})
    for t in (0, 1):
        publish(tmp_path, plan, {"replace": {t: gone[t] | {"frechet": CHAINS}}})
    found = scorecard(tmp_path, plan, ["replace"])
    assert (one(found, "replace", "recall").zero, one(found, "replace", "coverage").zero) == (1.0, 0.25)
    with styled():
        figure = scorecard_figure("made", found)
        figure.draw_without_rendering()
    quality, _, diversity = figure.axes
    assert [text.get_text() for text in quality.texts] == ["unchanged"]
    assert [text.get_text() for text in diversity.texts] == ["← 0", "← 0 in 25% of chains"]
