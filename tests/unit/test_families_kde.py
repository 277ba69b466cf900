"""The kernel density family: scipy's estimate, many chains at once, whatever collapses."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, kstest, multivariate_normal, norm

from dwindle.checks import check_family
from dwindle.contracts import Rows, Seed
from dwindle.families.kde import Kde
from dwindle.samplers import Sampler

SEED = Seed(7, ("kde",))
PLAIN = Sampler()
RULES = ("scott", "silverman")


def drawn(chains=3, count=60, dimensions=2, name="rows"):
    generator = SEED.at(name).numpy()
    mixing = np.tril(np.ones((dimensions, dimensions)))
    return generator.standard_normal((chains, count, dimensions)) @ mixing + 5.0


def weights(chains=3, count=60):
    return SEED.at("weights").numpy().exponential(size=(chains, count))


def fit(values, weight=None, **settings):
    return Kde(**settings).fit(Rows(values, weight), seed=SEED)


def sampled(model, count=100, factor=1.0):
    return model.sample(count, sampler=Sampler(variance_factor=factor), seed=SEED.at("sample")).values


@pytest.mark.parametrize("family", [Kde(rule="fixed"), Kde(rule="silverman")], ids=repr)
def test_every_rule_keeps_the_contract(family):
    check_family(family)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("rule", RULES)
def test_kernel_and_density_are_scipys(rule, dimensions, weighted):
    values, weight = drawn(dimensions=dimensions), weights() if weighted else None
    probe = drawn(dimensions=dimensions, count=40, name="probe")
    model = fit(values, weight, rule=rule)
    scores = model.log_prob(Rows(probe))
    for chain in range(3):
        reference = gaussian_kde(values[chain].T, rule, weights=weight[chain] if weighted else None)
        np.testing.assert_allclose(model.kernels[chain], reference.covariance, rtol=1e-12)
        np.testing.assert_allclose(scores[chain], reference.logpdf(probe[chain].T), rtol=1e-9)


def test_a_fixed_kernel_has_the_bandwidth_for_its_deviation_in_every_dimension():
    values, probe = drawn(dimensions=3), drawn(dimensions=3, count=20, name="probe")
    scores = fit(values, weights(), rule="fixed", bandwidth=0.3).log_prob(Rows(probe))
    for chain in range(3):
        shares = weights()[chain] / weights()[chain].sum()
        each = [multivariate_normal(row, 0.09 * np.eye(3)).logpdf(probe[chain]) for row in values[chain]]
        np.testing.assert_allclose(scores[chain], logsumexp(np.array(each), axis=0, b=shares[:, None]), rtol=1e-9)


def test_rows_of_one_chain_are_scored_under_every_chain():
    model, probe = fit(drawn()), drawn(1, 20, name="probe")
    np.testing.assert_array_equal(model.log_prob(Rows(probe)), model.log_prob(Rows(np.repeat(probe, 3, axis=0))))


def test_more_kernels_than_a_block_holds_give_the_same_density_in_bounded_memory():
    values, probe = drawn(1, 20_000, 1), drawn(1, 200, 1, name="probe")
    model = fit(values)
    tracemalloc.start()
    scores = model.log_prob(Rows(probe))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.2 * 20_000 * 200 * 8
    np.testing.assert_allclose(scores[0], gaussian_kde(values[0].T).logpdf(probe[0].T), rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_samples_have_the_law_of_the_estimate(weighted):
    values, weight = drawn(2, 20, 1), weights(2, 20) if weighted else None
    model = fit(values, weight, rule="silverman")
    for chain, samples in enumerate(sampled(model, 20_000)[..., 0]):
        places, deviation = values[chain, :, 0], np.sqrt(model.kernels[chain, 0, 0])
        shares = weight[chain] if weighted else np.ones(20)

        def cumulative(x, places=places, deviation=deviation, shares=shares):
            return norm.cdf((x[:, None] - places) / deviation) @ shares / shares.sum()

        assert kstest(samples, cumulative).pvalue > 1e-3


def test_its_moments_are_those_of_the_rows_and_the_kernel():
    values, weight = drawn(), weights()
    model = fit(values, weight, rule="fixed", bandwidth=2.0)
    for chain in range(3):
        expected = np.cov(values[chain].T, aweights=weight[chain], ddof=0) + 4.0 * np.eye(2)
        np.testing.assert_allclose(model.mean()[chain], np.average(values[chain], axis=0, weights=weight[chain]))
        np.testing.assert_allclose(model.covariance()[chain], expected)


@pytest.mark.parametrize("factor", [0.0, 0.25, 4.0])
def test_the_variance_factor_moves_every_sample_towards_the_mean_or_away_from_it(factor):
    model = fit(drawn(), weights())
    middle = model.mean()[:, None]
    expected = middle + np.sqrt(factor) * (sampled(model) - middle)
    np.testing.assert_allclose(sampled(model, factor=factor), expected, rtol=1e-12)


def test_padded_rows_of_weight_0_do_not_exist():
    values, weight = drawn(), np.ones((3, 70))
    weight[:, :5] = weight[:, 65:] = 0
    gap = np.full((3, 5, 2), np.nan)
    padded = fit(np.concatenate([gap, values, gap], axis=1), weight)
    plain, probe = fit(values), Rows(drawn(name="probe"))
    np.testing.assert_allclose(padded.kernels, plain.kernels, rtol=1e-12)
    np.testing.assert_allclose(padded.mean(), plain.mean(), rtol=1e-12)
    np.testing.assert_allclose(padded.log_prob(probe), plain.log_prob(probe), rtol=1e-12)


def test_rows_of_weight_0_are_never_sampled():
    values = np.zeros((400, 30, 1))
    weight = SEED.at("holes").numpy().integers(0, 2, (400, 30)).astype(float)
    weight[:, 7] = 1.0
    values[weight == 0] = 1e3
    samples = sampled(fit(values, weight, rule="fixed", bandwidth=1e-9), 500)
    assert np.abs(samples).max() < 1e-6


def test_a_weighted_row_counts_like_that_many_rows():
    values, times = drawn(1), SEED.at("times").numpy().integers(0, 4, 60)
    weighted = fit(values, times[None].astype(float), rule="fixed")
    repeated, probe = fit(np.repeat(values, times, axis=1), rule="fixed"), Rows(drawn(1, name="probe"))
    np.testing.assert_allclose(weighted.log_prob(probe), repeated.log_prob(probe), rtol=1e-12)
    np.testing.assert_allclose(weighted.covariance(), repeated.covariance(), rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_rows_that_are_all_equal_make_a_model_that_repeats_them(rule):
    model = fit(np.full((2, 20, 2), 0.1), rule=rule)
    assert (sampled(model) == 0.1).all()
    assert (model.covariance() == 0).all()
    assert model.log_prob(Rows(np.full((1, 1, 2), 0.1))).tolist() == [[0.0], [0.0]]
    assert np.isneginf(model.log_prob(Rows(np.zeros((1, 1, 2))))).all()


def test_rows_on_a_line_make_a_model_on_that_line():
    along = drawn(1, 40, 1)[0]
    model = fit((along * [0.6, 0.8] + [1.0, 2.0])[None], rule="scott")
    samples = sampled(model)[0] - [1.0, 2.0]
    np.testing.assert_allclose(samples @ [0.8, -0.6], 0.0, atol=1e-9)
    probe = np.linspace(0.0, 10.0, 5)
    scores = model.log_prob(Rows((probe[:, None] * [0.6, 0.8] + [1.0, 2.0])[None]))[0]
    # Scott's factor is that of two dimensions.
    np.testing.assert_allclose(scores, gaussian_kde(along.T, 40 ** (-1 / 6)).logpdf(probe), rtol=1e-7)
    assert np.isneginf(model.log_prob(Rows(np.array([[[1.0, 2.5]]])))).all()


def test_the_estimate_does_not_depend_on_the_scale_of_the_rows():
    values, probe = drawn(), drawn(name="probe")
    wide, narrow = fit(values), fit(1e-120 * values)
    gained = narrow.log_prob(Rows(1e-120 * probe)) - wide.log_prob(Rows(probe))
    np.testing.assert_allclose(gained, 2 * 120 * np.log(10), rtol=1e-9)
    np.testing.assert_allclose(sampled(narrow), 1e-120 * sampled(wide), rtol=1e-6)


def test_a_row_too_far_away_to_square_has_density_0():
    model = fit(drawn(), rule="fixed", bandwidth=1e-9)
    assert np.isneginf(model.log_prob(Rows(np.full((1, 1, 2), 1e150)))).all()


@pytest.mark.parametrize("weight", [None, weights()], ids=["equal", "weighted"])
def test_a_saved_model_samples_the_same_bytes(tmp_path, weight):
    model = fit(drawn(), weight)
    model.save(tmp_path)
    loaded = Kde().load(tmp_path)
    assert sampled(loaded).tobytes() == sampled(model).tobytes()
    assert (tmp_path / "shares.npy").exists() == (weight is not None)


def test_chains_without_enough_rows_are_refused():
    weight = np.ones((3, 60))
    weight[1, 1:] = 0
    with pytest.raises(ValueError, match=r"the scott rule needs 2 rows or more; chain 1 has fewer"):
        fit(drawn(), weight)
    assert np.isfinite(sampled(fit(drawn(), weight, rule="fixed"))).all()
    weight[1] = 0
    with pytest.raises(ValueError, match=r"the fixed rule needs 1 rows or more; chain 1 has fewer"):
        fit(drawn(), weight, rule="fixed")
