"""The Gaussian mixture family: EM as scikit-learn does it, many chains at once, whatever collapses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Reference

from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian_mixture import GaussianMixture, GaussianMixtureModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("mixture",))
PLAIN = Sampler()
CENTRES = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 9.0]])


def drawn(chains=4, count=300):
    generator = SEED.at("rows").numpy()
    labels = generator.integers(0, 3, (chains, count))
    return CENTRES[labels] + generator.standard_normal((chains, count, 2)) @ np.array([[1.0, 0.7], [0.0, 1.2]])


def fit(values, weights=None, parent=None, **settings):
    family = GaussianMixture(**{"components": 3, **settings})
    return family.fit(Rows(values, weights), seed=SEED, parent=parent)


def score(model, values):
    return model.log_prob(Rows(values)).mean(axis=1)


def assert_same_models(found, expected, **tolerance):
    for part, other in zip(found.parts, expected.parts, strict=True):
        np.testing.assert_allclose(part, other, **tolerance)


def test_from_the_same_start_it_finds_what_scikit_learn_finds():
    values = drawn()
    start = fit(values, iterations=1)
    found = fit(values, parent=start, tolerance=1e-9, iterations=1000)
    for chain, rows in enumerate(values):
        reference = Reference(
            3,
            tol=1e-9,
            max_iter=1000,
            reg_covar=1e-6 * rows.var(axis=0).mean(),
            weights_init=start.weights[chain],
            means_init=start.means[chain],
            precisions_init=np.linalg.inv(start.covariances[chain]),
        ).fit(rows)
        assert score(found, values)[chain] == pytest.approx(reference.score(rows), abs=1e-7)
        np.testing.assert_allclose(found.means[chain], reference.means_, atol=1e-3)
        np.testing.assert_allclose(found.covariances[chain], reference.covariances_, atol=1e-3)


def test_log_prob_is_scikit_learns_for_every_chain_and_a_single_chain_of_rows():
    model, rows = fit(drawn()), drawn(1, 50)
    for chain, scores in enumerate(model.log_prob(Rows(rows))):
        reference = Reference(3)
        reference.weights_, reference.means_ = model.weights[chain], model.means[chain]
        reference.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(model.covariances[chain]))
        np.testing.assert_allclose(scores, reference.score_samples(rows[0]))


def test_it_finds_well_separated_modes():
    for means in fit(drawn()).means:
        distances = np.linalg.norm(means[:, None] - CENTRES, axis=2)
        assert sorted(distances.argmin(axis=1)) == [0, 1, 2]
        assert distances.min(axis=0).max() < 0.5


def test_each_round_raises_the_likelihood():
    values = drawn()
    scores = [score(fit(values, iterations=rounds, tolerance=0.0, components=6), values) for rounds in range(1, 12)]
    assert (np.diff(scores, axis=0) > -1e-6).all()
    assert (scores[-1] > scores[0]).all()


def test_a_weighted_fit_equals_the_fit_of_repeated_rows():
    values, times = drawn(1), SEED.at("times").numpy().integers(0, 4, 300)
    weighted = fit(values, times[None].astype(float))
    assert_same_models(weighted, fit(np.repeat(values, times, axis=1)), rtol=1e-6, atol=1e-9)


def test_padded_rows_of_weight_0_do_not_exist():
    values, weights = drawn(), np.ones((4, 310))
    padded = np.concatenate([values, np.full((4, 10, 2), np.nan)], axis=1)
    weights[:, 300:] = 0
    assert_same_models(fit(padded, weights), fit(values), rtol=1e-6, atol=1e-9)


def test_a_chain_is_fitted_alike_alone_and_among_others():
    values = drawn(12)
    assert_same_models(fit(values[:5]), fit(values).take(slice(5)), rtol=0, atol=0)


def test_the_fit_does_not_depend_on_the_scale_of_the_rows():
    values = drawn()
    wide, narrow = fit(values), fit(1e-120 * values)
    np.testing.assert_allclose(narrow.means, 1e-120 * wide.means, rtol=1e-6, atol=1e-126)
    np.testing.assert_allclose(narrow.covariances, 1e-240 * wide.covariances, rtol=1e-6, atol=1e-246)
    assert np.isfinite(score(narrow, 1e-120 * values)).all()
    assert np.ptp(narrow.sample(100, sampler=PLAIN, seed=SEED).values) > 1e-120


def test_rows_that_are_all_equal_make_a_model_that_repeats_them():
    model = fit(np.full((2, 20, 2), 3.0))
    assert (model.covariances == 0).all()
    assert (model.sample(50, sampler=PLAIN, seed=SEED).values == 3.0).all()
    assert np.isneginf(model.log_prob(Rows(np.zeros((1, 1, 2))))).all()


def test_more_components_than_different_rows_lose_the_surplus_without_nan():
    values = np.tile(CENTRES, (2, 20, 1))
    model = fit(values, components=5)
    assert all(np.isfinite(part).all() for part in model.parts)
    assert (np.count_nonzero(model.weights, axis=1) == 3).all()
    np.testing.assert_allclose(np.sort(model.weights, axis=1)[:, 2:], 1 / 3)


def test_a_component_that_loses_its_rows_keeps_its_place_and_is_never_sampled():
    values = drawn(1)
    start = fit(values)
    far = GaussianMixtureModel(start.weights, start.means.copy(), start.covariances)
    far.means[0, 1] = 1e4
    model = fit(values, parent=far)
    assert model.weights[0, 1] == 0
    np.testing.assert_allclose(model.means[0, 1], 1e4)
    assert np.isfinite(model.mean()).all()
    assert np.abs(model.sample(2000, sampler=PLAIN, seed=SEED).values).max() < 100


def test_a_warm_start_from_the_optimum_stays_there():
    values = drawn()
    best = fit(values, tolerance=1e-9, iterations=1000)
    assert_same_models(fit(values, parent=best, iterations=1), best, atol=1e-3)


def test_a_parent_of_another_size_is_refused():
    values = drawn()
    with pytest.raises(ValueError, match=r"4 mixtures of 3 components cannot start from this parent"):
        fit(values, parent=fit(values, components=2))


def test_a_chain_without_rows_is_refused():
    weights = np.ones((4, 300))
    weights[2] = 0
    with pytest.raises(ValueError, match=r"chain 2 has no rows"):
        fit(drawn(), weights)


def test_the_moments_of_a_fit_are_those_of_its_rows():
    values = drawn()
    model = fit(values, regularisation=1e-8)
    np.testing.assert_allclose(model.mean(), values.mean(axis=1), rtol=1e-9)
    for chain, covariance in enumerate(model.covariance()):
        np.testing.assert_allclose(covariance, np.cov(values[chain].T, ddof=0), rtol=1e-5)


def test_variance_factor_stretches_the_samples_of_a_component_about_its_mean():
    model = fit(drawn(), components=1)
    plain, wide = (model.sample(10, sampler=Sampler(variance_factor=f), seed=SEED).values for f in (1.0, 4.0))
    np.testing.assert_allclose(wide - model.means, 2 * (plain - model.means))


def test_samples_have_the_moments_of_the_model_and_its_variance_factor():
    model = fit(drawn(2))
    for factor in (0.25, 1.0):
        shrunk = GaussianMixtureModel(model.weights, model.means, factor * model.covariances)
        samples = model.sample(40_000, sampler=Sampler(variance_factor=factor), seed=SEED).values
        for chain, rows in enumerate(samples):
            spread = np.sqrt(np.diag(shrunk.covariance()[chain]))
            assert np.abs((rows.mean(axis=0) - shrunk.mean()[chain]) / spread).max() < 4 / np.sqrt(40_000)
            np.testing.assert_allclose(np.cov(rows.T), shrunk.covariance()[chain], rtol=0.05, atol=0.2)


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = fit(drawn())
    model.save(tmp_path)
    loaded = GaussianMixture(components=3).load(tmp_path)
    assert len({some.sample(50, sampler=PLAIN, seed=SEED).values.tobytes() for some in (model, loaded)}) == 1
