"""The grammar: probability, entropy, support and facts are what counting every sentence gives."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy import stats

from dwindle.checks import check_source
from dwindle.contracts import Factual, KnownLaw, Rows, Seed, Verifiable
from dwindle.data.grammars import END, compiled
from dwindle.sources.grammar import Grammar, _rules

SEED = Seed(5, ("lineage", "draw"))
SMALL = Grammar(facts=10, exponent=1.0)


def sentences_of(rules, symbols):
    """Return every sentence of a sequence of symbols with its probability, by writing all derivations out."""
    if not symbols:
        return {(): 1.0}
    if len(symbols) > 1:
        parts = [sentences_of(rules, (symbol,)) for symbol in symbols]
        found = {}
        for choice in product(*(part.items() for part in parts)):
            words = tuple(word for sentence, _ in choice for word in sentence)
            found[words] = found.get(words, 0.0) + math.prod(share for _, share in choice)
        return found
    (symbol,) = symbols
    if symbol not in rules:
        return {(symbol,): 1.0}
    found = {}
    for share, body in rules[symbol]:
        for words, probability in sentences_of(rules, body).items():
            found[words] = found.get(words, 0.0) + share * probability
    return found


@cache
def support():
    """Return every sentence of the small grammar as rows, and its probability."""
    found = sentences_of(_rules(SMALL.facts, SMALL.exponent), ("SENTENCE",))
    numbers = {word: number for number, word in enumerate(SMALL._automaton().words)}
    rows = np.full((1, len(found), SMALL.length), END)
    for place, words in enumerate(found):
        rows[0, place, : len(words)] = [numbers[word] for word in words]
    return rows, np.array(list(found.values()))


def test_entropy_and_probabilities_are_those_of_all_sentences_counted_one_by_one():
    rows, probabilities = support()
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(SMALL.log_prob(Rows(rows))[0], np.log(probabilities), rtol=1e-12)
    assert SMALL.entropy() == pytest.approx(-(probabilities * np.log(probabilities)).sum(), rel=1e-12)
    assert SMALL._automaton().sentences() == rows.shape[1]
    assert SMALL._automaton().longest == 8
    assert SMALL.is_right(Rows(rows)).all()


def test_rows_are_drawn_with_their_exact_probabilities():
    draws = SMALL.draw(60_000, first=0, chains=1, seed=SEED)
    rows, probabilities = support()
    order = np.argsort(-probabilities, kind="stable")
    seen, counts = np.unique(draws.values[0], axis=0, return_counts=True)
    found = {tuple(row): count for row, count in zip(seen.tolist(), counts.tolist(), strict=True)}
    observed = np.array([found.pop(tuple(row), 0) for row in rows[0][order].tolist()])
    assert not found  # nothing outside the support
    # Sentences in the order of their probability, in cells that expect at least 20.
    cells = np.floor(np.cumsum(probabilities[order]) * 60_000 / 20.0001).astype(int)
    cells = np.unique(np.minimum(cells, cells[-1] - 1), return_inverse=True)[1]
    expected = np.bincount(cells, probabilities[order] * 60_000)
    statistic = ((np.bincount(cells, observed) - expected) ** 2 / expected).sum()
    assert len(expected) > 500
    assert 0.001 < stats.chi2.sf(statistic, len(expected) - 1) < 0.999


def test_facts_are_stated_as_often_as_they_say():
    source = Grammar(facts=40, exponent=1.2)
    facts, rows = source.known_facts(), source.draw(40_000, first=0, chains=1, seed=SEED).values[0]
    stated = np.zeros(40)
    for start in (0, 1):  # without a lead-in and with one
        told = rows[:, start : start + 5]
        whole = np.concatenate([facts.prompts, facts.objects[:, None]], axis=1)
        stated += (told[:, None] == whole[None]).all(axis=2).sum(axis=0)
    expected = np.append(facts.probabilities, 1 - facts.probabilities.sum()) * 40_000
    observed = np.append(stated, 40_000 - stated.sum())
    assert 0.001 < stats.chisquare(observed, expected).pvalue < 0.999
    assert facts.probabilities.sum() == pytest.approx(0.5)
    np.testing.assert_allclose(facts.probabilities[0] / facts.probabilities, np.arange(1, 41) ** 1.2)


@pytest.mark.parametrize("facts", [2, 7, 200, 3000])
def test_facts_are_a_table_with_one_object_a_prompt(facts):
    source = Grammar(facts=facts)
    found = source.known_facts()
    assert found.prompts.shape == (facts, 4)
    assert len(np.unique(found.prompts, axis=0)) == facts
    assert found.rare.sum() == facts // 2
    assert found.probabilities[~found.rare].min() > found.probabilities[found.rare].max()
    stated = np.full((1, facts, 10), END)
    stated[0, :, :4], stated[0, :, 4] = found.prompts, found.objects
    stated[0, :, 5] = source._automaton().words.index(".")
    np.testing.assert_allclose(np.exp(source.log_prob(Rows(stated)))[0], found.probabilities * 0.8)
    stated[0, :, 4] = np.roll(found.objects, 1)
    wrong = np.roll(found.objects, 1) != found.objects
    assert (source.is_right(Rows(stated))[0] == ~wrong).all()


def test_subjects_and_relations_have_common_facts_and_rare_ones():
    facts = Grammar(facts=200).known_facts()
    for column in (facts.prompts[:, 0], facts.prompts[:, 1]):
        common, rare = set(column[~facts.rare].tolist()), set(column[facts.rare].tolist())
        assert common == rare


def test_what_is_no_sentence_has_no_probability():
    row = SMALL.draw(1, first=0, chains=1, seed=SEED).values
    words, size = int((row != END).sum()), SMALL.symbols
    broken = np.repeat(row, 7, axis=1)
    broken[0, 1, words - 1] = END  # no full stop
    broken[0, 2, -1] = 1  # a word after the end
    broken[0, 3, 0] = END  # ends before it begins
    broken[0, 4, 0] = size  # no such token, though the next state has one of that key
    broken[0, 5, 0] = -1
    broken[0, 6, :] = broken[0, 6, ::-1]
    assert np.isfinite(SMALL.log_prob(Rows(broken)))[0].tolist() == [True] + [False] * 6
    assert np.isneginf(SMALL.log_prob(Rows(np.full((1, 1, 10), END)))).all()


def test_a_sentence_with_several_derivations_has_the_sum_of_their_probabilities():
    rules = {"S": [(0.5, ("A", "x")), (0.3, ("y", "B")), (0.2, ())], "A": [(1.0, ("y",))], "B": [(1.0, ("x",))]}
    automaton = compiled(rules, "S")
    assert automaton.words == ("", "x", "y")
    found = np.exp(automaton.log_prob(np.array([[2, 1, 0], [0, 0, 0], [2, 0, 0]])))
    np.testing.assert_allclose(found, [0.8, 0.2, 0.0], atol=1e-15)
    assert automaton.entropy() == pytest.approx(-0.8 * math.log(0.8) - 0.2 * math.log(0.2))
    assert (automaton.sentences(), automaton.longest) == (2, 2)


def test_an_exponent_of_zero_makes_facts_equally_frequent_and_a_longer_row_only_adds_ends():
    np.testing.assert_allclose(Grammar(facts=8, exponent=0.0).known_facts().probabilities, 0.5 / 8)
    longer = Grammar(facts=10, length=30)
    rows = [source.draw(50, first=0, chains=2, seed=SEED) for source in (SMALL, longer)]
    np.testing.assert_array_equal(rows[1].values[..., :10], rows[0].values)
    assert (rows[1].values[..., 10:] == END).all()
    np.testing.assert_array_equal(longer.log_prob(rows[1]), SMALL.log_prob(rows[0]))
    assert longer.entropy() == SMALL.entropy()


def test_rows_read_as_english_and_end_where_they_end():
    texts = Grammar().text(Grammar().draw(300, first=0, chains=1, seed=SEED).values[0])
    assert all(text.endswith(" .") and len(text.split()) <= 8 for text in texts)
    assert any(" was born in " in text for text in texts)
    assert SMALL.text(np.array([[1, 0, 1, 999, 0]])) == [f"{SMALL.text(np.array([[1]]))[0]} <eos> . <unk>"]


@pytest.mark.parametrize("source", [Grammar(), Grammar(facts=3, exponent=0.0, length=9)], ids=repr)
def test_the_grammar_keeps_the_contract_and_knows_its_law(source):
    check_source(source)
    assert isinstance(source, KnownLaw)
    assert isinstance(source, Factual)
    assert isinstance(source, Verifiable)
