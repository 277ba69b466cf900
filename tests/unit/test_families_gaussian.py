"""The Gaussian family: exact moments, honest weights, and sampling that survives collapse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, kstest, multivariate_normal

from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian, GaussianModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("gaussian",))
PLAIN = Sampler()


def drawn(*shape):
    mixing = np.tril(np.ones((shape[-1], shape[-1])))
    return SEED.at("rows").numpy().standard_normal(shape) @ mixing + 5.0


def fit(values, weights=None, ddof=0):
    return Gaussian(ddof=ddof).fit(Rows(values, weights), seed=SEED)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_fit_is_the_sample_mean_and_covariance_of_each_chain(ddof):
    values = drawn(4, 30, 3)
    model = fit(values, ddof=ddof)
    for chain in range(4):
        np.testing.assert_allclose(model.mean()[chain], values[chain].mean(axis=0))
        np.testing.assert_allclose(model.covariance()[chain], np.cov(values[chain].T, ddof=ddof))


def test_a_weighted_fit_equals_the_fit_of_repeated_rows():
    values, times = drawn(1, 20, 2), SEED.at("times").numpy().integers(0, 5, 20)
    weighted, repeated = fit(values, times[None].astype(float)), fit(np.repeat(values, times, axis=1))
    np.testing.assert_allclose(weighted.mean(), repeated.mean())
    np.testing.assert_allclose(weighted.covariance(), repeated.covariance())


@pytest.mark.parametrize("ddof", [0, 1])
def test_equal_weights_change_nothing(ddof):
    values = drawn(3, 20, 2)
    weighted, plain = fit(values, np.full((3, 20), 0.3), ddof), fit(values, ddof=ddof)
    np.testing.assert_allclose(weighted.covariance(), plain.covariance(), rtol=1e-12)


def test_unequal_weights_of_ddof_1_give_numpys_unbiased_covariance():
    values, weights = drawn(1, 20, 2), SEED.at("weights").numpy().random((1, 20))
    np.testing.assert_allclose(fit(values, weights, 1).covariance()[0], np.cov(values[0].T, aweights=weights[0]))


@pytest.mark.parametrize("ddof", [0, 1])
def test_padded_rows_of_weight_0_do_not_exist(ddof):
    values = drawn(2, 20, 2)
    padded, weights = np.concatenate([values, np.full((2, 5, 2), np.nan)], axis=1), np.ones((2, 25))
    weights[:, 20:] = 0
    found, expected = fit(padded, weights, ddof), fit(values, ddof=ddof)
    np.testing.assert_allclose(found.mean(), expected.mean())
    np.testing.assert_allclose(found.covariance(), expected.covariance(), rtol=1e-12)


def test_too_few_rows_are_refused_by_chain():
    with pytest.raises(ValueError, match=r"ddof 1 needs 2 rows; chain 1 has fewer"):
        fit(drawn(2, 2, 1), np.array([[1.0, 1.0], [1.0, 0.0]]), 1)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_a_saved_model_samples_the_same_bytes(dimensions, tmp_path):
    model = fit(drawn(3, 20, dimensions))
    model.save(tmp_path)
    loaded = Gaussian().load(tmp_path)
    samples = (some.sample(50, sampler=PLAIN, seed=SEED).values.tobytes() for some in (model, loaded))
    assert len(set(samples)) == 1


@pytest.mark.parametrize("dimensions", [1, 3])
@pytest.mark.parametrize("variance", [1e-300, 1e-100, 1.0, 1e100])
def test_sampling_keeps_the_variance_at_any_scale(dimensions, variance):
    covariance = variance * (0.5 * np.eye(dimensions) + 0.5)
    model = GaussianModel(np.zeros((2, dimensions)), np.stack([covariance] * 2))
    scaled = model.sample(5000, sampler=PLAIN, seed=SEED).values / np.sqrt(variance)
    for chain in scaled:
        np.testing.assert_allclose(np.atleast_2d(np.cov(chain.T)), covariance / variance, atol=0.1)


def test_refitting_at_variance_1e_300_finds_that_variance():
    model = GaussianModel(np.zeros((1, 2)), 1e-300 * np.eye(2)[None])
    again = fit(model.sample(5000, sampler=PLAIN, seed=SEED).values)
    np.testing.assert_allclose(again.covariance()[0] / 1e-300, np.eye(2), atol=0.1)


def test_a_collapsed_chain_repeats_its_mean():
    model = fit(np.full((2, 10, 3), 0.25))
    assert (model.sample(20, sampler=PLAIN, seed=SEED).values == 0.25).all()


def test_fewer_rows_than_dimensions_leave_the_samples_in_the_span_of_the_rows():
    values = drawn(1, 4, 10)
    model = fit(values)
    away = model.sample(100, sampler=PLAIN, seed=SEED).values[0] - values[0].mean(axis=0)
    span = np.linalg.svd(values[0] - values[0].mean(axis=0))[2][3:]
    assert np.abs(away @ span.T).max() < 1e-12 < np.abs(away).max()


def test_a_row_off_the_span_of_a_singular_model_has_density_0():
    values = drawn(1, 4, 10)
    scores = fit(values).log_prob(Rows(np.concatenate([values, values + np.eye(10)[0]], axis=1)))
    assert np.isfinite(scores[0, :4]).all()
    assert np.isneginf(scores[0, 4:]).all()


def test_log_prob_is_scipys_for_every_chain_and_a_single_chain_of_rows():
    model, rows = fit(drawn(3, 20, 2)), drawn(1, 15, 2)
    expected = [
        multivariate_normal(m, s).logpdf(rows[0]) for m, s in zip(model.mean(), model.covariance(), strict=True)
    ]
    np.testing.assert_allclose(model.log_prob(Rows(rows)), expected)


def test_log_prob_works_at_variance_1e_300():
    model = GaussianModel(np.zeros((1, 1)), np.full((1, 1, 1), 1e-300))
    score = model.log_prob(Rows(np.array([[[1e-150], [0.0]]])))
    np.testing.assert_allclose(score, [[150 * np.log(10) - 0.5 * np.log(2 * np.pi) - x for x in (0.5, 0.0)]])


def test_variance_factor_stretches_the_samples_about_the_mean():
    model = fit(drawn(2, 20, 3))
    plain = model.sample(10, sampler=PLAIN, seed=SEED).values - model.mean()[:, None]
    wide = model.sample(10, sampler=Sampler(variance_factor=4.0), seed=SEED).values - model.mean()[:, None]
    np.testing.assert_allclose(wide, 2 * plain)


def test_a_top_p_of_1_draws_the_noise_as_it_is():
    model = GaussianModel(np.array([[3.0]]), np.array([[[4.0]]]))
    noise = SEED.at("noise").numpy().standard_normal((1, 50, 1))
    assert (model.sample(50, sampler=Sampler(top_p=1.0), seed=SEED).values == noise * 2.0 + 3.0).all()


@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("top_p", [1e-6, 0.3, 0.95])
def test_top_p_samples_the_densest_region_of_that_mass(dimensions, top_p):
    covariance = 0.5 * np.eye(dimensions) + 0.5
    model = GaussianModel(np.ones((2, dimensions)), np.stack([covariance] * 2))
    away = model.sample(20_000, sampler=Sampler(top_p=top_p), seed=SEED).values - 1.0
    squared = np.einsum("cni,ij,cnj->cn", away, np.linalg.inv(covariance), away)
    inside = chi2.cdf(squared, dimensions) / top_p
    assert inside.max() <= 1 + 1e-6
    assert kstest(inside.ravel(), "uniform").pvalue > 1e-4  # the law inside the region is the Gaussian's own
    factor = chi2.cdf(chi2.ppf(top_p, dimensions), dimensions + 2) / top_p
    for chain in away:
        np.testing.assert_allclose(np.atleast_2d(np.cov(chain.T)), factor * covariance, atol=0.04 * factor)


def test_top_p_counts_only_the_directions_that_are_left():
    flat = GaussianModel(np.zeros((2, 3)), np.stack([np.diag([2.0, 0.0, 0.0]), np.diag([1.0, 1.0, 0.0])]))
    values = flat.sample(20_000, sampler=Sampler(top_p=0.8), seed=SEED).values
    for chain, variances in enumerate(([2.0, 0.0, 0.0], [1.0, 1.0, 0.0])):
        left = np.count_nonzero(variances)
        factor = chi2.cdf(chi2.ppf(0.8, left), left + 2) / 0.8
        np.testing.assert_allclose(values[chain].var(axis=0), factor * np.array(variances), rtol=0.04)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_top_p_and_variance_factor_multiply_and_a_collapsed_chain_repeats_its_mean(dimensions):
    model = fit(drawn(2, 20, dimensions))
    plain = model.sample(10, sampler=Sampler(top_p=0.5), seed=SEED).values - model.mean()[:, None]
    wide = model.sample(10, sampler=Sampler(top_p=0.5, variance_factor=4.0), seed=SEED).values - model.mean()[:, None]
    np.testing.assert_allclose(wide, 2 * plain)
    collapsed = fit(np.full((2, 10, dimensions), 0.25))
    assert (collapsed.sample(20, sampler=Sampler(top_p=0.5), seed=SEED).values == 0.25).all()
