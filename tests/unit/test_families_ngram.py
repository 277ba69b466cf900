"""The n-gram family: its law is that of a dictionary of counts, and its samples follow the law, knobs included."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, product

import numpy as np
import pytest

from dwindle.checks import check_family
from dwindle.contracts import Rows, Seed
from dwindle.families.ngram import Ngram
from dwindle.samplers import Sampler

SEED = Seed(11, ("ngram",))
PLAIN = Sampler()
SYMBOLS, LENGTH = 4, 5
BLOCKS = (3 * SEED.at("blocks").numpy().random((2, 12, LENGTH)) ** 2).astype(np.int64)  # token 3 is never seen
WEIGHTS = np.tile(np.arange(12) % 3 + 0.5, (2, 1))
ALL = np.array(list(product(range(SYMBOLS), repeat=LENGTH)))


def fit(values, weights=None, **settings):
    return Ngram(**{"symbols": SYMBOLS, **settings}).fit(Rows(np.asarray(values), weights), seed=SEED)


class Dictionary:
    """The same law as a person would write it down: counts by context, and a recursion."""

    def __init__(self, blocks, weights, order, smoothing):
        self.order, self.smoothing = order, smoothing
        self.counts = defaultdict(lambda: defaultdict(float))
        for block, weight in zip(blocks.tolist(), weights.tolist(), strict=True):
            padded = ["begin"] * (order - 1) + block
            for place in range(order - 1, len(padded)):
                for length in range(order):
                    self.counts[tuple(padded[place - length : place])][padded[place]] += weight

    def law(self, context):
        """Return the probability of each token after a context of at most order - 1 tokens, (K,)."""
        lower = self.law(context[1:]) if context else np.full(SYMBOLS, 1 / SYMBOLS)
        seen = self.counts.get(context)
        if seen is None:
            return lower
        own = np.array([seen.get(token, 0.0) for token in range(SYMBOLS)])
        return (1 - self.smoothing) * own / own.sum() + self.smoothing * lower

    def after(self, block, place):
        """Return the law of the token at a place of a block."""
        return self.law(tuple((["begin"] * (self.order - 1) + list(block))[place : place + self.order - 1]))


def biased(law, temperature=1.0, top_p=1.0):
    """Return a law to the power 1/T, cut to its likeliest tokens; for laws without equal probabilities."""
    powers = law ** (1 / temperature)
    powers = powers / powers.sum()
    order = np.argsort(-powers, kind="stable")
    before = np.cumsum(powers[order]) - powers[order]
    powers[order[before >= top_p - 1e-9]] = 0.0
    return powers / powers.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.8])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_every_block_has_the_probability_that_a_dictionary_gives_it(order, smoothing):
    model = fit(BLOCKS, WEIGHTS, order=order, smoothing=smoothing)
    scores = np.exp(model.log_prob(Rows(ALL[None])))
    for chain in range(2):
        plain = Dictionary(BLOCKS[chain], WEIGHTS[chain], order, smoothing)
        expected = [np.prod([plain.after(block, i)[block[i]] for i in range(LENGTH)]) for block in ALL.tolist()]
        np.testing.assert_allclose(scores[chain], expected, rtol=1e-10)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_tokens_and_next_tokens_have_the_probabilities_that_a_dictionary_gives_them(order, smoothing):
    model = fit(BLOCKS, WEIGHTS, order=order, smoothing=smoothing)
    some = ALL[::37]
    tokens = np.exp(model.token_log_prob(Rows(some[None])))
    for chain, length in product(range(2), range(LENGTH + 1)):
        plain = Dictionary(BLOCKS[chain], WEIGHTS[chain], order, smoothing)
        expected = np.array([plain.after(block[:length], length) for block in some.tolist()])
        found = model.next_probabilities(Rows(some[None, :, :length]))[chain]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)
        if length < LENGTH:
            own = expected[np.arange(len(some)), some[:, length]]
            np.testing.assert_allclose(tokens[chain, :, length], own, rtol=1e-10)


@pytest.mark.parametrize(
    "bias",
    [{}, {"temperature": 0.5}, {"temperature": 3.0}, {"top_p": 0.7}, {"temperature": 2.0, "top_p": 0.8}],
    ids=str,
)
@pytest.mark.parametrize(("order", "smoothing"), [(1, 0.3), (2, 0.0), (2, 0.1), (3, 0.4), (5, 0.2)])
def test_samples_have_the_frequencies_of_the_biased_law(order, smoothing, bias):
    count = 10_000
    model = fit(BLOCKS, WEIGHTS, order=order, smoothing=smoothing)
    samples = model.sample(count, sampler=Sampler(**bias), seed=SEED).values
    codes = samples @ SYMBOLS ** np.arange(LENGTH)[::-1]
    for chain in range(2):
        plain = Dictionary(BLOCKS[chain], WEIGHTS[chain], order, smoothing)
        laws = {}
        expected = np.ones(len(ALL))
        for number, block in enumerate(ALL.tolist()):
            for place in range(LENGTH):
                past = tuple(block[:place])
                if past not in laws:
                    laws[past] = biased(plain.after(block, place), **bias)
                expected[number] *= laws[past][block[place]]
        seen = np.bincount(codes[chain], minlength=len(ALL))
        assert not seen[expected == 0].any()
        assert abs(_chi_square_z(seen, expected * count)) < 4


def _chi_square_z(seen, expected):
    """Return the standardised chi-square of counts; cells of fewer than five expected ones are taken together."""
    rare = expected < 5
    seen, expected = (np.append(part[~rare], part[rare].sum()) for part in (seen, expected))
    seen, expected = seen[expected > 0], expected[expected > 0]
    freedom = len(expected) - 1
    return (((seen - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * max(freedom, 1))


def first_tokens(counts, bias, **settings):
    """Return the shares of the first token, (K,), of blocks of one token that were seen `counts` times."""
    model = fit(np.repeat(np.arange(len(counts)), counts)[None, :, None], order=1, symbols=len(counts), **settings)
    samples = model.sample(40_000, sampler=Sampler(**bias), seed=SEED).values
    return np.bincount(samples.reshape(-1), minlength=len(counts)) / samples.size


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        ({}, [0.5, 0.3, 0.2, 0.0]),
        ({"temperature": 0.5}, [25 / 38, 9 / 38, 4 / 38, 0.0]),
        ({"temperature": 1e-6}, [1.0, 0.0, 0.0, 0.0]),
        ({"temperature": 1e3}, [1 / 3, 1 / 3, 1 / 3, 0.0]),
        ({"top_p": 0.5}, [1.0, 0.0, 0.0, 0.0]),
        ({"top_p": 0.51}, [0.625, 0.375, 0.0, 0.0]),
        ({"top_p": 0.81}, [0.5, 0.3, 0.2, 0.0]),
        ({"temperature": 0.5, "top_p": 0.66}, [25 / 34, 9 / 34, 0.0, 0.0]),
    ],
    ids=str,
)
def test_temperature_and_top_p_give_the_shares_worked_out_by_hand(bias, expected):
    seen = first_tokens([5, 3, 2, 0], bias, smoothing=0.0)
    expected = np.array(expected)
    assert (np.abs(seen - expected) <= 4 * np.sqrt(expected * (1 - expected) / 40_000) + 1e-3 * (expected > 0)).all()
    assert not seen[expected == 0].any()


def test_smoothing_is_tempered_with_the_rest():
    law = np.array([0.9 * 5, 0.9 * 3, 0.9 * 2, 0.0]) / 10 + 0.1 / 4  # .475 .295 .205 .025
    expected = law**2 / (law**2).sum()
    seen = first_tokens([5, 3, 2, 0], {"temperature": 0.5}, smoothing=0.1)
    assert (np.abs(seen - expected) <= 4 * np.sqrt(expected * (1 - expected) / 40_000)).all()


def test_among_equally_likely_tokens_the_nucleus_takes_the_smaller_ones():
    seen = first_tokens([1, 1, 1, 1], {"top_p": 0.5}, smoothing=0.5)
    assert (seen > 0).tolist() == [True, True, False, False]


def test_the_smallest_nucleus_is_the_likeliest_token_of_each_context():
    model = fit(BLOCKS, order=2, smoothing=0.5)
    samples = model.sample(5, sampler=Sampler(top_p=1e-6), seed=SEED).values
    for chain in range(2):
        plain, block = Dictionary(BLOCKS[chain], np.ones(12), 2, 0.5), []
        for place in range(LENGTH):
            block.append(int(plain.after(block, place).argmax()))
        assert (samples[chain] == block).all()


def test_without_smoothing_nothing_unseen_is_sampled():
    model = fit(BLOCKS, order=2, smoothing=0.0)
    for temperature in (1e-6, 1.0, 1e3):
        samples = model.sample(500, sampler=Sampler(temperature=temperature), seed=SEED).values
        for chain in range(2):
            known = {pair for block in BLOCKS[chain].tolist() for pair in pairwise(block)}
            met = {pair for block in samples[chain].tolist() for pair in pairwise(block)}
            assert met <= known


def test_a_context_that_was_never_seen_has_the_law_of_the_shorter_one():
    model = fit([[[0, 1, 2]]], smoothing=0.0)  # nothing ever followed 2
    scores = np.exp(model.log_prob(Rows(np.array([[[0, 1, 2], [0, 1, 1]]]))))
    np.testing.assert_allclose(scores, [[1.0, 0.0]])
    longer = fit([[[0, 1, 2], [0, 1, 0]]], smoothing=0.0, order=3)
    np.testing.assert_allclose(np.exp(longer.log_prob(Rows(np.array([[[0, 1, 2], [1, 0, 0]]])))), [[0.5, 0.0]])
    unknown = fit([[[3, 2]], [[2, 3]]], smoothing=0.0)
    np.testing.assert_allclose(np.exp(unknown.log_prob(Rows(np.array([[[3, 2], [2, 2]]]))))[0], [1.0, 0.0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_weighted_fit_equals_the_fit_of_repeated_blocks(smoothing):
    times = np.arange(12) % 4
    weighted = fit(BLOCKS, np.tile(times.astype(float), (2, 1)), order=3, smoothing=smoothing)
    repeated = fit(np.repeat(BLOCKS, times, axis=1), order=3, smoothing=smoothing)
    scores = [model.log_prob(Rows(ALL[None])) for model in (weighted, repeated)]
    np.testing.assert_allclose(*scores)


def test_padded_blocks_of_weight_0_may_hold_anything():
    padded = np.concatenate([BLOCKS, np.full((2, 1, LENGTH), 99)], axis=1)
    weights = np.append(np.ones((2, 12)), np.zeros((2, 1)), axis=1)
    scores = [fit(*rows).log_prob(Rows(ALL[None])) for rows in ((padded, weights), (BLOCKS,))]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("wrong", [-1, SYMBOLS])
def test_a_token_outside_the_alphabet_is_refused(wrong):
    with pytest.raises(ValueError, match=r"the alphabet is 0\.\.3"):
        fit([[[0, wrong]]])
    with pytest.raises(ValueError, match=r"the alphabet is 0\.\.3"):
        fit(BLOCKS).log_prob(Rows(np.array([[[0, wrong]]])))


def test_a_chain_without_blocks_is_refused():
    with pytest.raises(ValueError, match="chain 1 has no rows"):
        fit(BLOCKS, np.array([[1.0] * 12, [0.0] * 12]))


@pytest.mark.parametrize("order", [1, 2, 5])
def test_a_saved_model_samples_and_scores_the_same(order, tmp_path):
    model = fit(BLOCKS, order=order)
    model.save(tmp_path)
    loaded = Ngram(symbols=SYMBOLS, order=order).load(tmp_path)
    for sampler in (PLAIN, Sampler(top_p=0.8)):
        samples = [some.sample(50, sampler=sampler, seed=SEED).values for some in (model, loaded)]
        np.testing.assert_array_equal(*samples)
    np.testing.assert_array_equal(*(some.log_prob(Rows(ALL[None])) for some in (model, loaded)))


def test_a_saved_model_grows_with_the_distinct_ngrams_not_with_the_square_of_the_alphabet(tmp_path):
    symbols = 50_000
    blocks = SEED.at("wide").numpy().integers(0, symbols, (1, 100, 20))
    fit(blocks, symbols=symbols).save(tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size < 50 * (symbols + 2 * blocks.size)


@pytest.mark.parametrize("settings", [{"order": 1}, {"order": 4}, {"smoothing": 0.0}, {"smoothing": 0.999}], ids=str)
def test_other_settings_keep_the_contract(settings):
    check_family(Ngram(symbols=8, **settings))
