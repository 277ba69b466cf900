"""The categorical family: exact counts, and symbols that stay lost once they are lost."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.families.categorical import Categorical, CategoricalModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("categorical",))
PLAIN = Sampler()
SHARES = np.array([[0.5, 0.0, 0.3, 0.2, 0.0], [0.0, 0.1, 0.0, 0.1, 0.8]])


def fit(values, weights=None, **settings):
    return Categorical(**{"symbols": 5, **settings}).fit(Rows(np.asarray(values), weights), seed=SEED)


def test_the_fit_is_the_share_of_each_symbol_in_each_chain():
    model = fit([[0, 0, 2, 3], [4, 4, 4, 4]])
    np.testing.assert_array_equal(model.probabilities(), [[0.5, 0, 0.25, 0.25, 0], [0, 0, 0, 0, 1]])


def test_a_weighted_fit_equals_the_fit_of_repeated_rows():
    values = SEED.at("rows").numpy().integers(0, 5, (3, 20))
    times = np.tile(np.arange(20) % 4, (3, 1))
    repeated = np.stack([np.repeat(chain, some) for chain, some in zip(values, times, strict=True)])
    for smoothing in (0.0, 0.5):
        weighted = fit(values, times.astype(float), smoothing=smoothing).probabilities()
        np.testing.assert_allclose(weighted, fit(repeated, smoothing=smoothing).probabilities())


def test_padded_rows_of_weight_0_do_not_exist():
    padded = fit([[0, 1, 1, 99]], np.array([[1.0, 1.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(padded.probabilities(), fit([[0, 1, 1]]).probabilities())


def test_smoothing_adds_rows_to_every_symbol():
    np.testing.assert_allclose(fit([[0, 0, 1, 3, 3]], smoothing=1.0).probabilities(), [[0.3, 0.2, 0.1, 0.3, 0.1]])


@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_row_outside_the_alphabet_is_refused(wrong):
    with pytest.raises(ValueError, match=r"the alphabet is 0\.\.4"):
        fit([[0, wrong]])


def test_a_chain_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"chain 1 has no rows"):
        fit([[0, 1], [0, 1]], np.array([[1.0, 1.0], [0.0, 0.0]]))


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = CategoricalModel(SHARES)
    model.save(tmp_path)
    loaded = Categorical(symbols=5).load(tmp_path)
    assert len({some.sample(50, sampler=PLAIN, seed=SEED).values.tobytes() for some in (model, loaded)}) == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_have_the_shares_of_the_tempered_model(temperature):
    count = 100_000
    samples = CategoricalModel(SHARES).sample(count, sampler=Sampler(temperature=temperature), seed=SEED).values
    powers = SHARES ** (1 / temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    seen = np.stack([np.bincount(chain, minlength=5) for chain in samples]) / count
    errors = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(seen - expected) <= 4 * errors).all()


@pytest.mark.parametrize("temperature", [1e-6, 1.0, 1e3])
def test_a_lost_symbol_never_comes_back(temperature):
    shares = np.zeros((200, 300))
    shares[:, :3] = SEED.at("shares").numpy().dirichlet(np.ones(3), 200)  # the last symbols, numpy's rest, are lost
    samples = CategoricalModel(shares).sample(5000, sampler=Sampler(temperature=temperature), seed=SEED).values
    assert samples.max() < 3


def test_what_rounding_leaves_over_does_not_bring_the_last_symbol_back():
    short = CategoricalModel(np.array([[0.5, 0.49, 0.0]]))  # a shortfall as of rounding, large enough to show
    assert short.sample(10_000, sampler=PLAIN, seed=SEED).values.max() == 1


def test_the_lowest_temperature_leaves_the_likeliest_symbol():
    samples = CategoricalModel(SHARES).sample(100, sampler=Sampler(temperature=1e-6), seed=SEED).values
    assert (samples == [[0], [4]]).all()


def test_the_first_rows_are_a_fair_sample():
    shares = np.tile(SHARES[:1], (5000, 1))
    first = CategoricalModel(shares).sample(200, sampler=PLAIN, seed=SEED).values[:, 0]
    seen = np.bincount(first, minlength=5) / len(first)
    errors = np.sqrt(SHARES[0] * (1 - SHARES[0]) / len(first))
    assert (np.abs(seen - SHARES[0]) <= 4 * errors).all()


def test_neighbouring_rows_are_independent():
    shares = np.tile([[0.5, 0.5]], (5000, 1))
    samples = CategoricalModel(shares).sample(50, sampler=PLAIN, seed=SEED).values[:, :2]
    assert abs((samples[:, 0] == samples[:, 1]).mean() - 0.5) < 4 * 0.5 / np.sqrt(5000)


def test_log_prob_is_the_logarithm_of_the_share_and_minus_infinity_for_a_lost_symbol():
    scores = CategoricalModel(SHARES).log_prob(Rows(np.array([[0, 1, 4]])))
    np.testing.assert_allclose(scores, [[np.log(0.5), -np.inf, -np.inf], [-np.inf, np.log(0.1), np.log(0.8)]])


def test_a_large_alphabet_is_sampled_in_full():
    weights = 1.0 / np.arange(1, 20_001)
    model = CategoricalModel(weights[None] / weights.sum())
    again = fit(model.sample(50_000, sampler=PLAIN, seed=SEED).values, symbols=20_000)
    assert again.probabilities().sum() == pytest.approx(1.0)
    assert 9_000 < np.count_nonzero(again.probabilities()) < 9_800


@pytest.mark.parametrize(
    ("top_p", "left"),
    [
        (0.79, [[5 / 8, 0, 3 / 8, 0, 0], [0, 0, 0, 0, 1]]),
        (0.8, [[5 / 8, 0, 3 / 8, 0, 0], [0, 0, 0, 0, 1]]),
        (0.81, [[0.5, 0, 0.3, 0.2, 0], [0, 1 / 9, 0, 0, 8 / 9]]),
        (1e-6, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]),
        (1.0, SHARES),
    ],
)
def test_top_p_leaves_the_smallest_set_of_likeliest_symbols_that_reaches_it(top_p, left):
    count, left = 50_000, np.array(left)
    samples = CategoricalModel(SHARES).sample(count, sampler=Sampler(top_p=top_p), seed=SEED).values
    seen = np.stack([np.bincount(chain, minlength=5) for chain in samples]) / count
    assert (np.abs(seen - left) <= 4 * np.sqrt(left * (1 - left) / count)).all()


def test_the_nucleus_is_that_of_the_tempered_law():
    shares = CategoricalModel(np.array([[0.4, 0.3, 0.2, 0.1]]))
    cold = shares.sample(5000, sampler=Sampler(temperature=0.25, top_p=0.7), seed=SEED).values
    warm = shares.sample(5000, sampler=Sampler(temperature=4.0, top_p=0.7), seed=SEED).values
    assert set(cold.ravel()) == {0}  # 0.4^4 is 0.72 of all
    assert set(warm.ravel()) == {0, 1, 2}
