"""Linear regression: the least-squares line, honest weights and noise, and answers to the inputs that were asked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from dwindle.contracts import Coefficients, Rows, Scorable, Seed
from dwindle.families.linear_regression import LinearRegression, LinearRegressionModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("linear-regression",))
PLAIN = Sampler()


def drawn(chains, count, dimensions, noise=1.0):
    generator = SEED.at("rows", count).numpy()
    inputs = generator.standard_normal((chains, count, dimensions)) + 0.5
    responses = inputs.sum(axis=2) + noise * generator.standard_normal((chains, count))
    return np.concatenate([inputs, responses[..., None]], axis=2)


def fit(values, weights=None, **settings):
    return LinearRegression(**settings).fit(Rows(values, weights), seed=SEED)


def test_the_fit_is_numpys_least_squares_of_each_chain():
    values = drawn(4, 30, 3)
    model = fit(values)
    assert isinstance(model, Coefficients)
    assert isinstance(model, Scorable)
    for chain in range(4):
        slopes, squares, *_ = np.linalg.lstsq(values[chain, :, :3], values[chain, :, 3])
        np.testing.assert_allclose(model.coefficients()[chain], slopes)
        assert model.noise[chain] == pytest.approx(np.sqrt(squares[0] / 27))


def test_a_ridge_solves_the_penalised_normal_equations():
    values = drawn(1, 30, 3)
    inputs, responses = values[0, :, :3], values[0, :, 3]
    expected = np.linalg.solve(inputs.T @ inputs / 30 + 0.7 * np.eye(3), inputs.T @ responses / 30)
    np.testing.assert_allclose(fit(values, ridge=0.7).coefficients()[0], expected)


def test_a_weighted_line_equals_the_line_of_repeated_rows():
    values, times = drawn(1, 20, 2), SEED.at("times").numpy().integers(0, 5, 20)
    weighted, repeated = fit(values, times[None].astype(float)), fit(np.repeat(values, times, axis=1))
    np.testing.assert_allclose(weighted.coefficients(), repeated.coefficients())


def test_equal_weights_change_nothing():
    values = drawn(3, 20, 2)
    weighted, plain = fit(values, np.full((3, 20), 0.3)), fit(values)
    np.testing.assert_allclose(weighted.coefficients(), plain.coefficients())
    np.testing.assert_allclose(weighted.noise, plain.noise)


def test_padded_rows_of_weight_0_do_not_exist():
    values = drawn(2, 20, 2)
    padded, weights = np.concatenate([values, np.full((2, 5, 3), np.nan)], axis=1), np.ones((2, 25))
    weights[:, 20:] = 0
    found, expected = fit(padded, weights), fit(values)
    np.testing.assert_allclose(found.coefficients(), expected.coefficients())
    np.testing.assert_allclose(found.noise, expected.noise)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_estimated_variance_of_the_noise_is_unbiased(weighted):
    values = drawn(4000, 9, 3, noise=2.0)
    weights = np.tile(np.linspace(0.2, 3.0, 9), (4000, 1)) if weighted else None
    variances = fit(values, weights).noise ** 2
    assert abs(variances.mean() - 4.0) / (variances.std(ddof=1) / np.sqrt(4000)) < 4


def test_a_known_noise_is_taken_as_it_is():
    assert fit(drawn(2, 20, 2), noise=0.25).noise.tolist() == [0.25, 0.25]


@pytest.mark.parametrize(("settings", "needed"), [({"noise": 1.0}, 3), ({}, 4)])
def test_too_few_rows_are_refused_by_chain(settings, needed):
    weights = np.ones((2, needed))
    assert np.isfinite(fit(drawn(2, needed, 3), weights, **settings).noise).all()
    weights[1, 0] = 0
    with pytest.raises(ValueError, match=f"on 3 inputs need {needed} rows; chain 1 has fewer"):
        fit(drawn(2, needed, 3), weights, **settings)


def test_a_direction_that_no_input_has_gets_no_slope():
    values = np.insert(drawn(2, 30, 2), 2, 0.0, axis=2)
    assert (fit(values).coefficients()[:, 2] == 0).all()
    np.testing.assert_allclose(fit(values).coefficients()[:, :2], fit(drawn(2, 30, 2)).coefficients())


def test_new_inputs_are_standard_normal_and_responses_follow_the_line():
    model = LinearRegressionModel(np.array([[1.0, -2.0], [0.0, 0.5]]), np.array([1.0, 0.1]))
    rows = model.sample(20_000, sampler=PLAIN, seed=SEED).values
    for chain in range(2):
        np.testing.assert_allclose(np.cov(rows[chain, :, :2].T), np.eye(2), atol=0.05)
        residuals = rows[chain, :, 2] - rows[chain, :, :2] @ model.slopes[chain]
        assert residuals.std() == pytest.approx(model.noise[chain], rel=0.03)
        assert np.abs(residuals @ rows[chain, :, :2]).max() < 4 * np.sqrt(20_000) * model.noise[chain]


@pytest.mark.parametrize("chains", [1, 3])
def test_prompts_are_answered_in_their_order_and_from_the_start_again(chains):
    prompts, model = drawn(chains, 7, 2), fit(drawn(3, 30, 2))
    rows = model.sample(17, sampler=PLAIN, seed=SEED, prompts=Rows(prompts)).values
    expected = np.broadcast_to(prompts[:, np.arange(17) % 7, :2], (3, 17, 2))
    np.testing.assert_array_equal(rows[..., :2], expected)
    assert not np.isclose(rows[:, :7, 2], prompts[..., 2]).any()


def test_prompts_of_weight_0_are_not_asked():
    prompts, weights = drawn(2, 4, 2), np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    rows = fit(drawn(2, 30, 2)).sample(5, sampler=PLAIN, seed=SEED, prompts=Rows(prompts, weights)).values
    np.testing.assert_array_equal(rows[0, :, :2], prompts[0, [0, 2, 3, 0, 2], :2])
    np.testing.assert_array_equal(rows[1, :, :2], prompts[1, [0, 1, 0, 1, 0], :2])


def test_variance_factor_stretches_the_noise_about_the_line():
    model = fit(drawn(2, 20, 3))
    plain, wide = (model.sample(10, sampler=Sampler(variance_factor=factor), seed=SEED).values for factor in (1.0, 4.0))
    np.testing.assert_array_equal(plain[..., :3], wide[..., :3])
    line = np.einsum("cnd,cd->cn", plain[..., :3], model.slopes)
    np.testing.assert_allclose(wide[..., 3] - line, 2 * (plain[..., 3] - line))


def test_log_prob_is_scipys_for_every_chain_and_a_single_chain_of_rows():
    model, rows = fit(drawn(3, 20, 2)), drawn(1, 15, 2)
    expected = [
        norm(rows[0, :, :2] @ b, s).logpdf(rows[0, :, 2]) for b, s in zip(model.slopes, model.noise, strict=True)
    ]
    np.testing.assert_allclose(model.log_prob(Rows(rows)), expected)


def test_without_noise_all_mass_is_on_the_line():
    model = LinearRegressionModel(np.array([[0.1, 0.2]]), np.zeros(1))
    rows = model.sample(20, sampler=PLAIN, seed=SEED).values
    rows[0, 5:, 2] += 1e-3
    scores = model.log_prob(Rows(rows))
    assert (scores[0, :5] == 0).all()
    assert np.isneginf(scores[0, 5:]).all()


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = fit(drawn(3, 20, 2))
    model.save(tmp_path)
    loaded = LinearRegression().load(tmp_path)
    samples = (some.sample(50, sampler=PLAIN, seed=SEED).values.tobytes() for some in (model, loaded))
    assert len(set(samples)) == 1
