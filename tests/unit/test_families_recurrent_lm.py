"""The recurrent language model: chains of a batch are the chains alone, and what it samples is what it scores."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.families.recurrent_lm import RecurrentLm
from dwindle.samplers import Sampler

SEED = Seed(13, ("recurrent-lm",))
PLAIN = Sampler()
LENGTH = 12
SMALL = RecurrentLm(symbols=6, hidden=24, embedding=8, steps=120, batch=16, learning_rate=2e-2)


def walks(chains, count, name="rows", step=1):
    """Return blocks that mostly count upwards by a step, modulo 5: the order is all, each symbol is as frequent."""
    generator = SEED.at(name).numpy()
    start, slips = generator.integers(0, 5, (chains, count, 1)), generator.random((chains, count, LENGTH)) < 0.1
    return (start + step * np.arange(LENGTH) + np.cumsum(slips, axis=2)) % 5


def fitted(values, weights=None, family=SMALL, **settings):
    return replace(family, **settings).fit(Rows(values, weights), seed=SEED.at("fit"))


def sampled(model, count=400, name="sample", **knobs):
    return model.sample(count, sampler=Sampler(**knobs), seed=SEED.at(name)).values


def weights_of(model, chain):
    return np.concatenate([part[chain].numpy().ravel() for part in model.weights.values()])


def nats(model, values):
    """Return nats a token, (c,)."""
    return -model.log_prob(Rows(values)).mean(axis=1) / values.shape[2]


@pytest.fixture(scope="module")
def model():
    return fitted(walks(2, 300))


def test_the_first_chain_of_a_batch_is_the_chain_alone():
    rows = walks(3, 100)
    together, alone = fitted(rows, steps=60), fitted(rows[:1], steps=60)
    np.testing.assert_allclose(weights_of(together, 0), weights_of(alone, 0), rtol=1e-2, atol=1e-3)


def test_every_chain_ignores_the_rows_of_the_others():
    rows, other = walks(3, 100), walks(3, 100, "other", step=2)
    whole = fitted(rows, steps=60)
    for chain in range(3):
        mixed = other.copy()
        mixed[chain] = rows[chain]
        found = weights_of(fitted(mixed, steps=60), chain)
        np.testing.assert_allclose(weights_of(whole, chain), found, rtol=1e-2, atol=1e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    rows = Rows(walks(2, 100))
    written = []
    for name, seed in (("first", "fit"), ("again", "fit"), ("other", "another")):
        (tmp_path / name).mkdir()
        replace(SMALL, steps=40).fit(rows, seed=SEED.at(seed)).save(tmp_path / name)
        written.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_a_saved_model_samples_and_scores_the_same(model, tmp_path):
    model.save(tmp_path)
    loaded = SMALL.load(tmp_path)
    assert sampled(model).tobytes() == sampled(loaded).tobytes()
    np.testing.assert_array_equal(nats(model, walks(1, 20)), nats(loaded, walks(1, 20)))


def test_it_beats_the_shares_of_the_symbols_on_new_blocks(model):
    # A walk has 0.33 nats a step (a slip or none) beside the log 5 of its first symbol; by shares all cost log 5.
    best = (np.log(5) + (LENGTH - 1) * -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))) / LENGTH
    assert (nats(model, walks(1, 500, "new")) < best + 0.1).all()


def test_its_samples_walk_as_the_rows_do(model):
    steps = np.diff(sampled(model, 1000), axis=2) % 5
    assert ((steps == 1).mean(axis=(1, 2)) > 0.8).all()
    np.testing.assert_allclose((steps == 2).mean(axis=(1, 2)), 0.1, atol=0.05)


def test_the_probabilities_of_all_blocks_sum_to_1():
    short = fitted(walks(2, 100)[..., :3], steps=30)
    every = np.array(list(product(range(6), repeat=3)))[None]
    np.testing.assert_allclose(np.exp(short.log_prob(Rows(every))).sum(axis=1), 1.0, rtol=1e-5)


def test_the_law_of_the_next_token_is_what_longer_blocks_are_scored_by(model):
    values = walks(1, 9, "asked")[..., :4]
    laws = model.next_probabilities(Rows(values))
    longer = np.concatenate([np.repeat(values, 6, axis=1), np.tile(np.arange(6), 9)[None, :, None]], axis=2)
    tokens = model.token_log_prob(Rows(longer))
    np.testing.assert_allclose(laws, np.exp(tokens[..., -1]).reshape(2, 9, 6), rtol=1e-5)
    np.testing.assert_array_equal(model.log_prob(Rows(longer)), tokens.sum(axis=2))
    first = model.next_probabilities(Rows(values[..., :0]))
    np.testing.assert_allclose(first, np.repeat(first[:, :1], 9, axis=1))
    np.testing.assert_allclose(
        np.take_along_axis(first, values[..., :1].repeat(2, axis=0), axis=2)[..., 0],
        np.exp(model.token_log_prob(Rows(values)))[..., 0],
        rtol=1e-5,
    )


@pytest.mark.parametrize(("knobs", "power"), [({}, 1.0), ({"temperature": 0.5}, 2.0), ({"temperature": 2.0}, 0.5)])
def test_what_is_sampled_is_what_is_scored(model, knobs, power):
    count = 20_000
    first = replace(model, length=1)
    seen = np.stack([np.bincount(chain, minlength=6) for chain in sampled(first, count, **knobs)[..., 0]]) / count
    powers = np.exp(first.log_prob(Rows(np.arange(6)[None, :, None]))) ** power
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert (np.abs(seen - expected) <= 4 * np.sqrt(expected * (1 - expected) / count) + 1e-6).all()


def test_top_p_keeps_the_fewest_tokens_that_reach_it(model):
    first = replace(model, length=1)
    shares = np.exp(first.log_prob(Rows(np.arange(6)[None, :, None])))
    for chain, top_p in product(range(2), (0.1, 0.3, 0.7)):
        order = shares[chain].argsort()[::-1]
        reached = np.cumsum(shares[chain][order]) >= top_p
        kept = set(order[: reached.argmax() + 1].tolist())
        assert set(np.unique(sampled(first, 5000, top_p=top_p)[chain])) == kept


def test_a_low_temperature_makes_samples_likelier_and_a_high_one_less_so(model):
    cold, plain, hot = (nats(model, sampled(model, temperature=temperature)) for temperature in (0.3, 1.0, 3.0))
    assert (cold < plain).all()
    assert (plain < hot).all()


def test_no_temperature_overflows(model):
    for temperature in (1e-6, 1e3):
        assert sampled(model, 20, temperature=temperature).max() < 6


def test_weights_decide_what_is_learnt():
    rows = np.concatenate([walks(2, 100), walks(2, 100, "other", step=3)], axis=1)
    heavy = np.tile(np.repeat([9.0, 1.0], 100), (2, 1))
    for weights, step in ((heavy, 1), (heavy[:, ::-1], 3)):
        steps = np.diff(sampled(fitted(rows, weights)), axis=2) % 5
        assert ((steps == step).mean(axis=(1, 2)) > 0.6).all()


def test_rows_of_weight_0_do_not_exist():
    rows, weights = walks(2, 60), np.ones((2, 60))
    weights[1, 50:] = 0.0
    broken = rows.copy()
    broken[1, 50:] = 99
    first, second = (fitted(some, weights, steps=40) for some in (rows, broken))
    assert sampled(first, 50).tobytes() == sampled(second, 50).tobytes()


def test_blocks_are_sampled_and_scored_in_slices_that_change_no_score(model, monkeypatch):
    values = sampled(model, 50)
    whole = nats(model, values)
    monkeypatch.setattr("dwindle.families.recurrent_lm._TOKENS", 7 * 2 * LENGTH)
    np.testing.assert_allclose(nats(model, values), whole, rtol=1e-6)
    assert sampled(model, 33).shape == (2, 33, LENGTH)
    assert (sampled(model, 33)[:, :14] != sampled(model, 33)[:, 14:28]).any()


def test_a_warm_restart_begins_at_the_parent(model):
    rows = Rows(walks(2, 300))
    warm = replace(SMALL, steps=1, learning_rate=1e-6).fit(rows, seed=SEED.at("fit"), parent=model)
    np.testing.assert_allclose(weights_of(warm, 0), weights_of(model, 0), atol=1e-4)
    with pytest.raises(ValueError, match="other layers"):
        replace(SMALL, hidden=25).fit(rows, seed=SEED, parent=model)


def test_a_fit_that_has_learnt_nothing_is_refused():
    with pytest.raises(ValueError, match=r"chain 0 has learnt nothing"):
        fitted(np.minimum(walks(2, 100), 1), steps=1, learning_rate=1e-6)


def test_tokens_outside_the_vocabulary_are_refused(model):
    for wrong in (-1, 6):
        with pytest.raises(ValueError, match=r"the vocabulary is 0\.\.5"):
            fitted(np.full((1, 4, 3), wrong))
        with pytest.raises(ValueError, match=r"the vocabulary is 0\.\.5"):
            model.log_prob(Rows(np.full((1, 4, 3), wrong)))
