"""Series: evaluations as arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dwindle.data.workspace import read_document
from dwindle.errors import BadInput
from dwindle.report.series import chosen, gather, measure_in, measure_of, real_in
from dwindle.stages.runner import run_stage
from dwindle.stages.steps import output
from tests.unit.made_sweep import made_sweep, planned

MADE = {
    "replace": {
        0: {"recall": [0.9, 0.8, 0.9, 0.8], "frechet": [0.1, 0.1, 0.2, 0.2]},
        2: {"recall": ([0.5, np.nan, 0.7, 0.6], "too few rows"), "frechet": [1.0, 1.0, 2.0, 2.0]},
    },
    "accumulate": {0: {"recall": [0.9, 0.8, 0.9, 0.8]}},
}


def test_series_hold_what_was_published_and_leave_out_generations_that_were_not_evaluated(tmp_path):
    plan = made_sweep(tmp_path, MADE)
    series = gather(tmp_path, plan)["recall"]["replace"]
    assert series.generations.tolist() == [0, 2]
    np.testing.assert_allclose(series.mean, [0.85, 0.6])
    np.testing.assert_array_equal(series.chains, [[0.9, 0.8, 0.9, 0.8], [0.5, np.nan, 0.7, 0.6]])
    assert (series.low < series.mean).all()
    assert (series.mean < series.high).all()
    assert series.reasons == ("", "1 of 4 chains undefined: too few rows")


def test_lineages_come_in_the_order_of_params_and_without_evaluation_not_at_all(tmp_path):
    gathered = gather(tmp_path, made_sweep(tmp_path, MADE))
    assert list(gathered["recall"]) == ["replace", "accumulate"]
    assert list(gathered["frechet"]) == ["replace"]


def test_a_null_on_disk_is_nan_in_the_series(tmp_path):
    plan = made_sweep(tmp_path, {"replace": {0: {"recall": ([np.nan] * 4, "too few rows")}}})
    stored = json.loads((tmp_path / output("evaluate@replace-g000", plan)).read_text())
    assert stored["record"][1]["measures"]["recall"]["mean"] is None
    series = gather(tmp_path, plan)["recall"]["replace"]
    assert np.isnan([series.mean, series.low, series.high]).all()
    assert series.reasons == ("too few rows",)


def test_a_damaged_evaluation_counts_as_none(tmp_path):
    plan = made_sweep(tmp_path, MADE)
    path = tmp_path / output("evaluate@replace-g002", plan)
    path.write_text(path.read_text().replace("0.7", "0.8"))
    assert gather(tmp_path, plan)["recall"]["replace"].generations.tolist() == [0]


def test_made_evaluations_have_the_shape_of_real_ones(tmp_path):
    text = "generations: 0\nchains: 2\nbudget: 20\nsource: {name: gaussian, held_out: 20}\nfamily: gaussian\n"
    plan = planned(tmp_path / "real", text + "metrics: [moments]\nlineages: {replace: {regime: replace}}\n")
    for name in plan.stage_names():
        run_stage(tmp_path / "real", name, plan=plan)
    real = read_document(tmp_path / "real" / output("evaluate@replace-g000", plan))
    plan = made_sweep(tmp_path / "made", {"replace": {0: {"variance": [1.0, 2.0]}}})
    made = read_document(tmp_path / "made" / output("evaluate@replace-g000", plan))
    assert made["record"][0].keys() == real["record"][0].keys()
    assert made["record"][1]["measures"]["variance"].keys() == real["record"][1]["measures"]["variance"].keys()


def test_headlines_come_first_and_only_those_that_were_measured(tmp_path):
    plan = made_sweep(tmp_path, MADE)
    assert chosen(plan, gather(tmp_path, plan)) == ("frechet", "recall")


def test_without_any_headline_the_first_measures_are_shown(tmp_path):
    measures = {name: [1.0, 2.0, 1.0, 2.0] for name in ("mean", "variance", "density")}
    plan = made_sweep(tmp_path, {"replace": {0: measures}})
    assert chosen(plan, gather(tmp_path, plan)) == ("mean", "variance", "density")


def test_a_wanted_measure_that_was_not_taken_is_refused_with_the_nearest_one(tmp_path):
    plan = made_sweep(tmp_path, MADE)
    with pytest.raises(BadInput, match="'recal' was not measured; did you mean recall"):
        chosen(plan, gather(tmp_path, plan), ["frechet", "recal"])


def test_nothing_evaluated_is_said_in_words(tmp_path):
    plan = made_sweep(tmp_path, {})
    with pytest.raises(BadInput, match="made: nothing is evaluated yet"):
        chosen(plan, gather(tmp_path, plan))


def test_a_measure_means_what_its_metric_says(tmp_path):
    plan = made_sweep(tmp_path, MADE)
    assert measure_of(plan.recipe("replace"), "recall").better == "higher"
    assert measure_in(plan, gather(tmp_path, plan), "frechet").unit == "fraction of real variance"
    with pytest.raises(BadInput, match="no metric of the recipe measures 'recal'"):
        measure_of(plan.recipe("replace"), "recal")


def test_the_real_value_of_a_ratio_is_one_and_that_of_a_variance_what_the_source_knows(tmp_path):
    names = ("variance_ratio", "log_variance", "variance", "frechet")
    plan = made_sweep(tmp_path, {"replace": {0: {name: [1.0, 1.1, 1.2, 1.0] for name in names}}})
    gathered = gather(tmp_path, plan)
    assert [real_in(plan, gathered, name) for name in names] == [1.0, 0.0, 1.0, None]


def test_lineages_whose_sources_differ_share_no_real_value(tmp_path):
    text = "generations: 0\nbudget: 20\nfamily: gaussian\nsource: gaussian\nmetrics: [moments]\nlineages:\n"
    wide = "  wide: {regime: replace, source: {name: gaussian, variance: 4.0}}\n  plain: {regime: replace}\n"
    plan = planned(tmp_path, text + wide)
    for name in plan.stage_names():
        run_stage(tmp_path, name, plan=plan)
    gathered = gather(tmp_path, plan)
    assert real_in(plan, gathered, "variance") is None
    assert real_in(plan, gathered, "variance_ratio") == 1.0


def test_symbols_have_headlines_of_their_own(tmp_path):
    text = "generations: 0\nbudget: 20\nfamily: {name: categorical, symbols: 50}\nsource: {name: zipf, symbols: 50}\n"
    plan = planned(tmp_path, text + "metrics: [tail_mass, heterozygosity]\nlineages: {drift: {regime: replace}}\n")
    for name in plan.stage_names():
        run_stage(tmp_path, name, plan=plan)
    gathered = gather(tmp_path, plan)
    assert chosen(plan, gathered)[:2] == ("heterozygosity", "support")
    assert real_in(plan, gathered, "support") == 50
