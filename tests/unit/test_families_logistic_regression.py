"""Logistic regression: the likeliest coefficients, whatever the labels, and labels as the sampler asks for them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as Reference

from dwindle.contracts import Coefficients, Rows, Scorable, Seed
from dwindle.families.logistic_regression import LogisticRegression, LogisticRegressionModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("logistic-regression",))
PLAIN = Sampler()


def drawn(chains, count, dimensions, norm=1.0):
    model = LogisticRegressionModel(np.full((chains, dimensions), norm / np.sqrt(dimensions)))
    return model.sample(count, sampler=PLAIN, seed=SEED.at("rows", count)).values


def fit(values, weights=None, **settings):
    return LogisticRegression(**settings).fit(Rows(values, weights), seed=SEED)


def sampled(model, count=20_000, **settings):
    return model.sample(count, sampler=Sampler(**settings), seed=SEED.at("sample")).values


@pytest.mark.parametrize(("norm", "ridge"), [(0.5, 1e-6), (1.0, 1e-2), (6.0, 1e-6)])
def test_the_fit_is_that_of_scikit_learn(norm, ridge):
    values = drawn(3, 300, 4, norm)
    model = fit(values, ridge=ridge)
    for chain in range(3):
        reference = Reference(C=1 / (300 * ridge), fit_intercept=False, tol=1e-10, max_iter=10_000)
        reference.fit(values[chain, :, :4], values[chain, :, 4])
        np.testing.assert_allclose(model.coefficients()[chain], reference.coef_[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 1e6])
def test_separable_labels_have_a_finite_fit_that_separates_them(scale):
    inputs = scale * SEED.at("separable").numpy().standard_normal((50, 20, 3))
    labels = inputs[..., :1] > 0
    slopes = fit(np.concatenate([inputs, labels], axis=2)).coefficients()
    assert np.isfinite(slopes).all()
    assert ((np.einsum("cnd,cd->cn", inputs, slopes) > 0) == labels[..., 0]).mean() > 0.99


def test_wild_inputs_end_where_the_score_vanishes():
    generator = SEED.at("wild").numpy()
    inputs, labels = generator.standard_cauchy((300, 40, 5)), generator.random((300, 40, 1)) < 0.5
    slopes = fit(np.concatenate([inputs, labels], axis=2), ridge=1e-4).coefficients()
    missed = labels[..., 0] - expit(np.einsum("cnd,cd->cn", inputs, slopes))
    score = np.einsum("cn,cnd->cd", missed, inputs) / 40 - 1e-4 * slopes
    assert np.abs(score).max() < 1e-6


def test_labels_of_one_kind_alone_have_a_finite_fit():
    values = drawn(4, 30, 2)
    values[..., -1] = 1.0
    assert np.isfinite(fit(values).coefficients()).all()


def test_a_weighted_fit_equals_the_fit_of_repeated_rows():
    values, times = drawn(1, 60, 2), SEED.at("times").numpy().integers(0, 5, 60)
    weighted, repeated = fit(values, times[None].astype(float)), fit(np.repeat(values, times, axis=1))
    np.testing.assert_allclose(weighted.coefficients(), repeated.coefficients())


def test_padded_rows_of_weight_0_do_not_exist():
    values = drawn(2, 60, 2)
    padded, weights = np.concatenate([values, np.full((2, 5, 3), np.nan)], axis=1), np.ones((2, 65))
    weights[:, 60:] = 0
    np.testing.assert_allclose(fit(padded, weights).coefficients(), fit(values).coefficients())


def test_chains_beyond_one_block_have_the_fits_that_they_have_alone():
    values = drawn(120, 1000, 5)
    together = fit(values).coefficients()
    for chain in (0, 43, 44, 119):
        np.testing.assert_allclose(together[chain], fit(values[chain : chain + 1]).coefficients()[0], rtol=1e-10)


def test_what_cannot_be_fitted_is_refused_by_chain():
    values = drawn(2, 20, 2)
    with pytest.raises(ValueError, match="chain 1 has no rows"):
        fit(values, np.array([[1.0] * 20, [0.0] * 20]))
    values[1, 3, 0] = np.nan
    with pytest.raises(ValueError, match="inputs of chain 1 are not finite"):
        fit(values)
    values[0, 3, 2] = 0.5
    with pytest.raises(ValueError, match="labels 0 and 1; a row of chain 0 has another"):
        fit(values)


def test_two_hundred_chains_of_2000_rows_take_well_under_a_second():
    values = drawn(200, 2000, 5)
    taken = []
    for _ in range(3):
        start = time.process_time()
        fit(values)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.6  # 0.07 s on an idle core


@pytest.mark.parametrize("temperature", [1.0, 0.5, 4.0])
def test_labels_are_drawn_at_the_log_odds_over_the_temperature(temperature):
    model = LogisticRegressionModel(np.array([[2.0, -1.0]]))
    rows = sampled(model, temperature=temperature)[0]
    chance = expit(rows[:, :2] @ model.slopes[0] / temperature)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        band = (chance >= low) & (chance < low + 0.2)
        gap = rows[band, 2].mean() - chance[band].mean()
        assert abs(gap) < 4 * np.sqrt((chance[band] * (1 - chance[band])).mean() / band.sum())


def test_the_likeliest_label_is_the_side_of_the_plane():
    model = LogisticRegressionModel(np.array([[2.0, -1.0]]), "likeliest")
    rows = sampled(model, temperature=3.0)[0]
    np.testing.assert_array_equal(rows[:, 2], rows[:, :2] @ model.slopes[0] > 0)


def test_flip_turns_a_share_of_the_labels_over_and_leaves_the_inputs():
    model = LogisticRegressionModel(np.array([[2.0, -1.0]]))
    plain, flipped, all_flipped = (sampled(model, flip=share) for share in (0.0, 0.3, 1.0))
    np.testing.assert_array_equal(plain[..., :2], flipped[..., :2])
    assert (plain[..., 2] != flipped[..., 2]).mean() == pytest.approx(0.3, abs=0.015)
    np.testing.assert_array_equal(all_flipped[..., 2], 1 - plain[..., 2])


@pytest.mark.parametrize("chains", [1, 3])
def test_prompts_are_answered_in_their_order_and_from_the_start_again(chains):
    prompts, model = drawn(chains, 7, 2), fit(drawn(3, 60, 2))
    rows = model.sample(17, sampler=PLAIN, seed=SEED, prompts=Rows(prompts)).values
    expected = np.broadcast_to(prompts[:, np.arange(17) % 7, :2], (3, 17, 2))
    np.testing.assert_array_equal(rows[..., :2], expected)


def test_log_prob_is_that_of_the_label_even_far_out():
    model = LogisticRegressionModel(np.array([[1.0], [2.0]]))
    rows = np.array([[[1.0, 1.0], [1.0, 0.0], [-2000.0, 1.0], [2000.0, 1.0], [1.0, 0.5]]])
    found = model.log_prob(Rows(rows))
    assert isinstance(model, Coefficients)
    assert isinstance(model, Scorable)
    np.testing.assert_allclose(found[0, :2], np.log([expit(1.0), 1 - expit(1.0)]))
    np.testing.assert_allclose(found[:, 2], [-2000.0, -4000.0])
    assert (found[:, 3] == 0).all()
    assert np.isneginf(found[:, 4]).all()


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = fit(drawn(3, 60, 2), labels="likeliest")
    model.save(tmp_path)
    loaded = LogisticRegression(labels="likeliest").load(tmp_path)
    samples = (some.sample(50, sampler=PLAIN, seed=SEED).values.tobytes() for some in (model, loaded))
    assert len(set(samples)) == 1
