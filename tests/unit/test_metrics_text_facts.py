"""Facts recalled and made up, on a grammar whose law and facts are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.families.ngram import Ngram
from dwindle.metrics.fact_recall import FactRecall
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.grammar import Grammar

SEED = Seed(9, ("facts",))
SOURCE = Grammar(facts=40, held_out=400)
ANCHOR = SOURCE.draw(3000, first=0, chains=2, seed=SEED)


@pytest.fixture(scope="module")
def model():
    return Ngram(symbols=SOURCE.symbols, order=5, smoothing=0.01).fit(ANCHOR.anonymous(), seed=SEED)


def measured(model, samples=ANCHOR, source=SOURCE, held_out=None):
    rows = {"samples": Rows(samples.values), "held_out": held_out or SOURCE.draw_held_out(seed=SEED)}
    return FactRecall().measure(replace(evidence("sequences"), model=model, source=source, **rows))


def test_recall_is_the_share_of_facts_whose_object_is_likeliest(model):
    facts = SOURCE.known_facts()
    found = measured(model)
    for chain in range(2):
        right = []
        for prompt, wanted in zip(facts.prompts, facts.objects, strict=True):
            asked = np.column_stack([np.tile(prompt, (SOURCE.symbols, 1)), np.arange(SOURCE.symbols)])
            right.append(model.log_prob(Rows(asked[None]))[chain].argmax() == wanted)
        right = np.array(right)
        assert found["fact_recall_common"].values[chain] == right[~facts.rare].mean()
        assert found["fact_recall_rare"].values[chain] == right[facts.rare].mean()
    assert (found["fact_recall_common"].values > 0.9).all()


def test_a_fact_that_was_never_told_is_not_recalled():
    facts = SOURCE.known_facts()
    told = np.zeros((1, 20, 10), dtype=np.int64)
    told[0, :, :4], told[0, :, 4] = facts.prompts[~facts.rare], facts.objects[~facts.rare]
    model = Ngram(symbols=SOURCE.symbols, order=5, smoothing=0.01).fit(Rows(told), seed=SEED)
    found = measured(model, samples=Rows(told))
    assert found["fact_recall_common"].values.tolist() == [1.0]
    assert found["fact_recall_rare"].values[0] < 0.5


def test_tied_tokens_recall_nothing():
    @dataclass(frozen=True)
    class Uniform:
        def next_probabilities(self, rows):
            return np.full((2, rows.count, SOURCE.symbols), 1 / SOURCE.symbols)

    found = measured(Uniform())
    assert found["fact_recall_common"].values.tolist() == found["fact_recall_rare"].values.tolist() == [0.0, 0.0]
    assert found["divergence_from_source"].reason == "the model does not know its density"


def test_rows_of_the_source_are_no_hallucinations_and_wrong_objects_are():
    wrong, facts = ANCHOR.values.copy(), SOURCE.known_facts()
    fact = np.concatenate([facts.prompts[0], facts.objects[:1]])
    stated = (wrong[..., :5] == fact).all(axis=2)
    assert stated[1].any()
    wrong[0, stated[0], 4] = next(other for other in facts.objects if other != facts.objects[0])
    found = measured(None, samples=Rows(wrong))["hallucinations"].values
    assert found == pytest.approx([stated[0].mean(), 0.0])


def test_the_divergence_is_that_of_the_exact_laws_and_zero_for_the_source_itself(model):
    assert measured(SOURCE)["divergence_from_source"].values == pytest.approx([0.0])
    held_out = SOURCE.draw(4000, first=0, chains=1, seed=SEED.at("many"))
    found = measured(model, held_out=held_out)["divergence_from_source"].values
    cross = -model.log_prob(held_out)
    error = cross.std(axis=1) / np.sqrt(4000)
    assert (np.abs(found - (cross.mean(axis=1) - SOURCE.entropy())) < 4 * error).all()
    assert (found > 0).all()


def drawn(model):
    return measured(model, samples=model.sample(1000, sampler=Sampler(), seed=SEED.at("draws")))


def test_fewer_rows_lose_the_rare_facts_and_diverge(model):
    few = Ngram(symbols=SOURCE.symbols, order=5, smoothing=0.01).fit(Rows(ANCHOR.values[:, :60]), seed=SEED)
    more, fewer = drawn(model), drawn(few)
    for name, sign in (("divergence_from_source", 1), ("fact_recall_rare", -1)):
        assert (sign * more[name].values < sign * fewer[name].values).all()


def test_a_model_that_sees_one_word_back_makes_more_up_and_recalls_less(model):
    bigrams = Ngram(symbols=SOURCE.symbols, order=2, smoothing=0.01).fit(ANCHOR.anonymous(), seed=SEED)
    wide, narrow = drawn(model), drawn(bigrams)
    assert (wide["hallucinations"].values < narrow["hallucinations"].values - 0.1).all()
    assert (wide["fact_recall_common"].values > narrow["fact_recall_common"].values).all()


def test_a_source_that_knows_neither_law_nor_facts_leaves_all_undefined(model):
    found = measured(model, source=Gaussian())
    assert all(np.isnan(measurement.values).all() for measurement in found.values())
    assert found["hallucinations"].reason == "the law of the source is not known"
    assert found["fact_recall_rare"].reason == "the source states no facts that are known"
