"""The metrics of text, on evidence small enough to be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.families.ngram import Ngram
from dwindle.metrics.perplexity import Perplexity
from dwindle.metrics.text_diversity import TextDiversity
from dwindle.samplers import Sampler

SEED = Seed(3, ("text",))


def diversity(samples, held_out):
    found = replace(evidence("sequences", samples=np.asarray(samples)), held_out=Rows(np.asarray(held_out)))
    return {name: measured.values.tolist() for name, measured in TextDiversity().measure(found).items()}


def perplexity(training, held_out, **settings):
    model = Ngram(**{"symbols": 4, **settings}).fit(Rows(np.asarray(training)), seed=SEED)
    found = replace(evidence("sequences"), model=model, held_out=Rows(np.asarray(held_out)))
    return Perplexity().measure(found)["perplexity"]


def test_text_diversity_counts_tokens_and_repetitions_within_blocks():
    samples = [[[0, 0, 0], [0, 1, 0]], [[0, 1, 2], [3, 0, 1]]]
    measured = diversity(samples, [[[0, 1, 2], [3, 3, 3]]])
    assert measured == {"vocabulary_used": [0.5, 1.0], "repeated_tokens": [0.5, 0.0]}


def test_text_diversity_looks_at_equally_many_blocks():
    block = [[0, 1]]
    assert diversity([[*block, [2, 3]]], [block])["vocabulary_used"] == [1.0]
    assert diversity([block], [[*block, [2, 3]]])["vocabulary_used"] == [1.0]


def test_blocks_of_one_token_have_a_vocabulary_and_no_repetitions():
    found = evidence("sequences", samples=np.zeros((3, 40, 1), dtype=np.int64))
    measured = TextDiversity().measure(replace(found, held_out=Rows(np.zeros((1, 40, 1), dtype=np.int64))))
    assert measured["vocabulary_used"].values.tolist() == [1.0] * 3
    assert np.isnan(measured["repeated_tokens"].values).all()
    assert measured["repeated_tokens"].reason == "blocks of one token repeat none"


def test_a_model_that_knows_nothing_is_as_surprised_as_by_its_whole_alphabet():
    assert perplexity([[[0, 1, 2, 3]]], [[[3, 1, 0, 0]]], order=1, smoothing=0.0).values == pytest.approx([4.0])


def test_perplexity_is_the_inverse_of_the_geometric_mean_of_the_probabilities():
    training = [[[0, 0, 1]], [[1, 1, 1]]]  # first chain: first token 0; after 0 comes 0 or 1
    measured = perplexity(training, [[[0, 1, 2], [0, 0, 0]]], smoothing=0.5)
    unigram = [(2 / 3) / 2 + 1 / 8, (1 / 3) / 2 + 1 / 8, 1 / 8]
    first, after = 0.5 + unigram[0] / 2, [0.25 + unigram[0] / 2, 0.25 + unigram[1] / 2]
    # Nothing ever followed 1, so 2 has its unigram probability there.
    probabilities = [first, after[1], unigram[2], first, after[0], after[0]]
    assert measured.values[0] == pytest.approx(np.prod(probabilities) ** (-1 / 6))
    assert measured.values[1] > measured.values[0]
    assert not measured.reason


def test_the_perplexity_of_a_models_own_text_is_exp_of_its_entropy():
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    training = np.repeat(np.arange(4), (shares * 8).astype(int))[None, :, None]
    model = Ngram(symbols=4, order=1, smoothing=0.0).fit(Rows(training), seed=SEED)
    held_out = model.sample(20_000, sampler=Sampler(), seed=SEED)
    measured = Perplexity().measure(replace(evidence("sequences"), model=model, held_out=held_out))["perplexity"]
    entropy = -(shares * np.log(shares)).sum()
    error = np.sqrt((shares * np.log(shares) ** 2).sum() - entropy**2) / np.sqrt(20_000)
    assert abs(np.log(measured.values[0]) - entropy) < 4 * error


def test_an_impossible_token_leaves_its_chain_undefined_and_the_others_alone():
    measured = perplexity([[[0, 0]], [[0, 1]]], [[[0, 1]]], smoothing=0.0)
    assert np.isnan(measured.values[0])
    assert measured.values[1] == pytest.approx(1.0)
    assert measured.reason == "a held-out token has no probability under the model"


def test_a_model_without_a_density_has_no_perplexity():
    class Mute:
        def sample(self, count, *, sampler, seed, prompts=None):
            return Rows(np.zeros((3, count, 6), dtype=np.int64))

        def save(self, folder):
            pass

    measured = Perplexity().measure(replace(evidence("sequences"), model=Mute()))["perplexity"]
    assert np.isnan(measured.values).all()
    assert measured.reason == "the model does not know its density"
