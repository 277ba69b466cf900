"""Fidelity: contrasts against scipy and closed forms, verdicts on rows whose law is known, and false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dwindle.contracts import Column
from dwindle.judging.associations import associations, correlations
from dwindle.judging.beside import Beside
from dwindle.judging.contrasts import contrasts, holm, scatter
from dwindle.judging.drafts import level_draft
from dwindle.judging.fidelity import fidelity_of
from dwindle.judging.fidelity_figure import fidelity_figure
from dwindle.judging.fidelity_tables import answer, fidelity_tables
from dwindle.judging.levels import homogeneity, laws, surprisals, total_variation
from dwindle.judging.numbers import distances, moments, spreads
from dwindle.judging.plain import plain
from dwindle.report.canvas import styled
from dwindle.seeds import Seed
from dwindle.sources.categorical import Categorical
from dwindle.sources.gaussian import Gaussian

REAL = 300


def drawn(name, *shape):
    return Seed(5, ("fidelity", name)).numpy().standard_normal(shape)


def compared(values, real, *, kind="vectors", source=None, weights=None, lost=0):
    anchor = values if values.ndim == 2 else drawn("anchor", *values.shape)
    return fidelity_of(
        Beside("own", 2, kind, source or Gaussian(), False, values, weights, real, anchor, lost),
    )


# ------------------------------------------------------------------------------------------------------- contrasts


def test_a_contrast_is_welchs_where_chains_stand_for_one_sample_and_held_out_rows_for_the_other():
    chains, real = drawn("chains", 7) + 0.3, drawn("real", 50)
    found = contrasts(chains[:, None], real.mean()[None], np.array([real.var(ddof=1) / 50]), 50)[0]
    expected = stats.ttest_ind(chains, real, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (found.z, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_single_chain_has_a_difference_and_no_interval_and_says_why():
    found = contrasts(np.array([[2.0]]), np.array([1.5]), np.array([0.1]), 10)[0]
    assert found.value == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert math.isnan(found.p)
    assert found.reason == "one chain has no interval"


def test_holms_correction_multiplies_the_smallest_by_all_and_never_falls():
    p = np.array([0.04, 0.01, np.nan, 0.03])
    assert holm(p)[[0, 1, 3]] == pytest.approx([0.06, 0.03, 0.06])
    assert math.isnan(holm(p)[2])
    assert holm(np.array([0.01, 0.9]), of=10) == pytest.approx([0.1, 1.0])


def test_chains_scatter_as_the_analysis_of_variance_has_it():
    rows = drawn("groups", 6, 40, 1) + 0.2 * np.arange(6)[:, None, None]
    found = moments(rows)
    p = scatter(found.mean, found.variance, found.effective)
    assert p[0] == pytest.approx(stats.f_oneway(*rows[..., 0]).pvalue)


# --------------------------------------------------------------------------------------------------------- columns


def test_weighted_moments_of_whole_weights_are_those_of_repeated_rows():
    rows = drawn("rows", 1, 5, 2)
    found = moments(rows, np.array([[1.0, 1.0, 0.0, 1.0, 1.0]]))
    own = rows[0, [0, 1, 3, 4]]
    assert found.mean[0] == pytest.approx(own.mean(axis=0))
    assert found.variance[0] == pytest.approx(own.var(axis=0, ddof=1))
    assert found.effective[0] == pytest.approx(4.0)
    assert moments(np.full((1, 9, 1), 0.1)).variance[0, 0] == 0.0


def test_the_distance_of_laws_is_scipys_and_weights_count_as_repeats():
    values, real = drawn("values", 2, 80, 1) * 1.3, drawn("held", 120, 1)
    found, p = distances(values, None, real)
    expected = [stats.ks_2samp(chain[:, 0], real[:, 0], method="asymp") for chain in values]
    assert found[:, 0] == pytest.approx([one.statistic for one in expected])
    assert p[:, 0] == pytest.approx([one.pvalue for one in expected], rel=0.05)
    twice = np.where(np.arange(80) < 40, 2.0, 0.0)[None]
    assert distances(values[:1], twice, real)[0][0, 0] == pytest.approx(
        stats.ks_2samp(values[0, :40, 0], real[:, 0]).statistic
    )


def test_the_error_of_a_log_variance_is_that_of_normal_rows_where_they_are_normal():
    real = np.array(stats.norm.ppf((np.arange(4000) + 0.5) / 4000))[:, None]
    found = spreads(moments(np.stack([real, real])), real)
    error = (found.high[0] - found.low[0]) / 2 / stats.norm.ppf(0.975)
    assert error == pytest.approx(math.sqrt(2 / 4000), rel=0.02)


def test_real_rows_are_called_real_and_altered_columns_by_what_was_done_to_them():
    values, real = drawn("chain", 6, 200, 6), drawn("truth", REAL, 6)
    values[..., 1] += 0.5
    values[..., 2] *= 0.5
    values[..., 3] *= 1.6
    values[..., 4] += np.array([1, -1, 1, -1, 1, -1])[:, None]
    values[..., 5] = np.sign(values[..., 5])
    found = compared(values, real)
    verdicts = [one.verdict for one in found.columns]
    assert verdicts[:4] == ["as real", "shifted", "narrower", "wider"]
    assert verdicts[4].startswith("scattered")
    assert verdicts[5] == "other shape"
    assert found.columns[1].shift.value == pytest.approx(0.5, abs=0.15)
    assert math.exp(found.columns[2].spread.value) == pytest.approx(0.25, rel=0.3)
    assert not found.as_real


def test_a_column_that_stands_still_is_narrower_and_one_that_never_moved_is_undefined():
    values, real = drawn("still", 4, 50, 2), drawn("moving", REAL, 2)
    values[..., 0] = 1.0
    real[:, 1] = 3.0
    still, never = compared(values, real).columns
    assert "narrower" in still.verdict
    assert "no variance is left in 100% of the chains" in still.reason
    assert never.verdict != "as real"
    assert "the held-out rows do not vary" in never.reason
    assert math.isnan(never.shift.value)


def test_real_rows_are_rarely_called_anything_else():
    draw = Seed(9, ("calm",)).numpy()
    wrong = [0, 0]
    for _ in range(200):
        found = compared(draw.standard_normal((6, 100, 3)), draw.standard_normal((150, 3)))
        wrong[0] += any(one.verdict != "as real" for one in found.columns)
        wrong[1] += found.associations.differing > 0
    assert all(stats.binomtest(count, 200, 0.05, alternative="greater").pvalue > 0.01 for count in wrong)


def test_many_columns_are_told_by_components_and_by_those_that_differ_most():
    values, real = drawn("wide", 4, 120, 30), drawn("broad", REAL, 30)
    values[..., 17] += 2.0
    found = compared(values, real)
    assert found.width == 30
    assert len(found.columns) == 8
    assert found.worst[0].name == "column 18"
    assert found.worst[0].verdict == "shifted"
    assert [table.name for table in fidelity_tables(found)][:2] == ["fidelity", "fidelity-worst"]


# ---------------------------------------------------------------------------------------------------- correlations


def test_a_correlation_that_is_gone_is_found_and_the_others_are_not():
    mixed = np.array([[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]])
    real, values = drawn("tied", REAL, 3) @ mixed, drawn("loose", 6, 150, 3)
    found = associations(values, None, real, ("a", "b", "c"))
    assert (found.pairs, found.differing) == (3, 1)
    assert found.worst[0].names == ("a", "b")
    assert found.worst[0].real == pytest.approx(0.8, abs=0.1)
    assert found.gaps[0, 1] == pytest.approx(-0.8, abs=0.15)
    assert found.p < 0.001
    apart = np.abs(correlations(values) - np.corrcoef(real.T))[:, [0, 0, 1], [1, 2, 2]]
    assert found.largest.mean == pytest.approx(apart.max(axis=1).mean())
    assert found.average.mean == pytest.approx(apart.mean(axis=1).mean())


def test_the_error_of_fishers_z_is_the_textbooks_for_normal_rows():
    real = drawn("normal", 5000, 2)
    chains = np.stack([real[:2500], real[2500:]])
    found = associations(chains, None, real, ("a", "b")).worst[0].contrast
    own = np.arctanh(correlations(chains)[:, 0, 1])
    error = math.sqrt(own.var(ddof=1) / 2 + 1 / 4997)
    assert found.value / found.z == pytest.approx(error, rel=0.03)


def test_one_column_has_no_correlations_and_says_so():
    found = compared(drawn("one", 3, 40, 1), drawn("alone", REAL, 1))
    assert (found.associations.pairs, found.associations.reason) == (0, "fewer than two columns vary")
    assert "correlations differ" not in answer(found)


# ------------------------------------------------------------------------------------------- levels, symbols, tokens


def test_equal_laws_are_tested_as_scipy_tests_them_and_their_distance_is_as_expected():
    draw = Seed(2, ("levels",)).numpy()
    values, real = draw.integers(4, size=(3, 200)), draw.integers(4, size=500)
    found = laws(values, None, real, 4)
    tables = [np.stack([np.bincount(chain, minlength=4), np.bincount(real, minlength=4)]) for chain in values]
    assert homogeneity(found) == pytest.approx([stats.chi2_contingency(one, correction=False).pvalue for one in tables])
    apart, chance = total_variation(laws(draw.integers(4, size=(400, 200)), None, real, 4))
    assert apart.mean() == pytest.approx(chance.mean(), rel=0.35)


def test_tokens_of_a_block_err_together_and_single_symbols_by_the_binomial_law():
    draw = Seed(2, ("blocks",)).numpy()
    real = draw.integers(3, size=(200, 1)) * np.ones((1, 5), dtype=np.int64)  # a block says one thing five times
    blocks, single = laws(real[None], None, real, 3), laws(real[None, :, 0], None, real[:, 0], 3)
    assert blocks.variances == pytest.approx(single.variances)
    assert single.variances == pytest.approx(single.real * (1 - single.real) / 200)


def test_real_symbols_are_no_more_surprising_than_the_held_out_ones_that_were_counted():
    draw = Seed(3, ("surprise",)).numpy()
    shares = 1 / np.arange(1, 201)
    scores = []
    for _ in range(20):
        values, real = (draw.choice(200, p=shares / shares.sum(), size=size) for size in ((4, 400), 400))
        scores.append(surprisals(values, None, laws(values, None, real, 200))[0].z[0])
    assert abs(np.mean(scores)) < 3 / math.sqrt(20)


def test_a_symbol_that_is_drawn_too_often_is_named_and_the_rest_is_not_varied_enough():
    draw = Seed(4, ("symbols",)).numpy()
    real = draw.integers(6, size=1000)
    values = np.where(draw.random((5, 400)) < 0.3, 0, draw.integers(6, size=(5, 400)))
    (one,) = compared(values, real, kind="symbols", source=Categorical((1 / 6,) * 6)).columns
    assert one.verdict == "shifted, narrower"
    assert one.rejecting == 1.0
    often = max(one.tops, key=lambda top: top.ratio.value)
    assert (often.name, often.adjusted < 0.001) == ("symbol 0", True)
    assert 1 + often.ratio.value == pytest.approx((0.3 + 0.7 / 6) * 6, rel=0.15)


def test_levels_have_no_mean_and_are_judged_by_their_law():
    draw = Seed(6, ("column",)).numpy()
    column = Column("sector", ("a", "b", "c"))
    values, real = draw.integers(3, size=(4, 200)).astype(float), draw.integers(3, size=400).astype(float)
    found = level_draft(values, None, real, column)
    assert "levels have no mean" in found.shift.reason
    assert found.spread.value == pytest.approx(0.0, abs=0.05)


# ------------------------------------------------------------------------------------------------- tables, pictures


def test_the_tables_the_picture_and_the_plain_data_say_the_same():
    values, real = drawn("shown", 5, 120, 3), drawn("beside", REAL, 3)
    values[..., 2] *= 0.4
    found = compared(values, real, lost=1)
    columns, pairs = fidelity_tables(found)
    assert columns.by_column["verdict"][2] == "narrower"
    assert any("1 of 3 columns" in note or "of 3 columns: " in note for note in columns.notes)
    assert any("1 chains hold nan" in note for note in columns.notes)
    assert len(pairs.rows) == 3
    with styled():
        figure = fidelity_figure(found)
        figure.draw_without_rendering()
    first, second, heat = figure.axes[:3]
    assert [text.get_text() for text in first.get_yticklabels()] == [one.name for one in found.columns]
    (line,) = (line for line in second.get_lines() if line.get_gid() == "variance.2")
    assert tuple(line.get_xdata()) == pytest.approx((found.columns[2].spread.low, found.columns[2].spread.high))
    assert heat.get_images()[0].get_array().shape == (3, 3)
    told = plain(found)
    assert told["columns"][2]["verdict"] == "narrower"
    assert told["associations"]["gaps"][0][0] is None
