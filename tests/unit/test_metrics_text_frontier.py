"""The divergence frontier: histograms whose area is known in closed form, and texts further and further off."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.metrics.divergence_frontier import DivergenceFrontier, _counts, frontier_area

SEED = Seed(6, ("frontier",))


def texts(name, chains=2, count=200, shift=0.0):
    generator = SEED.at(name).numpy()
    topics = 20 * generator.integers(5, size=(chains, count, 1))
    plain = topics + (20 * generator.random((chains, count, 16)) ** 2).astype(np.int64)
    return np.where(generator.random(plain.shape) < shift, 0, plain)


def area(samples, held_out, anchor=None):
    rows = {"held_out": Rows(held_out), "anchor": Rows(texts("anchor") if anchor is None else anchor)}
    return DivergenceFrontier().measure(replace(evidence("sequences", samples=samples), **rows))["divergence_frontier"]


@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_equal_histograms_have_area_1(scale):
    assert frontier_area(np.array([0.2, 0.5, 0.3]), np.array([0.2, 0.5, 0.3]), scale=scale) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_disjoint_histograms_have_the_area_of_a_beta_function(scale):
    # KL(P | R) = -log l and KL(Q | R) = -log(1 - l): the integral of l^c d(1 - l)^c is c B(c + 1, c).
    exact = scale * factorial(scale) * factorial(scale - 1) / factorial(2 * scale)
    assert frontier_area(np.array([1.0, 0.0]), np.array([0.0, 1.0]), scale=scale) == pytest.approx(exact, rel=1e-4)


def test_two_cells_have_the_area_of_their_polynomial():
    # P = (1, 0), Q = (1/2, 1/2), c = 2: up is ((1 + l) / 2)^2, across 1 - l^2, and l (1 + l)^2 / 2 integrates to 17/24.
    first, second = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert frontier_area(first, second, scale=2.0) == pytest.approx(17 / 24, abs=1e-5)
    assert frontier_area(second, first, scale=2.0) == pytest.approx(17 / 24, abs=1e-5)


def test_histograms_that_overlap_have_an_area_between():
    areas = [frontier_area(np.array([0.5, 0.5, 0]), np.array([0.5 - q, 0.5, q]), scale=5.0) for q in (0, 0.1, 0.3, 0.5)]
    assert areas == sorted(areas, reverse=True)
    assert len(set(areas)) == 4


def test_copies_of_the_held_out_blocks_have_area_1_and_others_less_the_further_they_are():
    held_out = texts("held-out", chains=1)
    assert area(np.repeat(held_out, 2, axis=0), held_out).values == pytest.approx([1.0, 1.0])
    found = [area(texts("samples", shift=shift), held_out).values for shift in (0.0, 0.3, 0.9)]
    assert (found[0] > 0.8).all()
    assert (found[0] > found[1]).all()
    assert (found[1] > found[2]).all()
    assert (found[2] < 0.1).all()


def test_one_topic_out_of_five_is_told_from_all():
    held_out, samples = texts("held-out", chains=1), texts("samples")
    assert (area(samples % 20, held_out).values < 0.5).all()


def test_the_features_are_counts_of_tokens_and_pairs():
    blocks = texts("counted")[0, :20]
    spelled = [" ".join(f"w{token}" for token in block) for block in blocks]
    plain = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+").fit_transform(spelled).toarray()
    weights = np.where(plain > 0, 1 + np.log(np.maximum(plain, 1)), 0)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    features = _counts(blocks).toarray()
    # Two of some 600 runs may share a bucket.
    assert np.abs(features @ features.T - weights @ weights.T).max() < 0.1
    assert np.median(np.abs(features @ features.T - weights @ weights.T)) < 1e-12


def test_three_blocks_make_no_histogram():
    found = area(texts("few", count=3), texts("held-out", chains=1))
    assert np.isnan(found.values).all()
    assert found.reason == "3 blocks make no histogram"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("length", range(1, 17))
def test_an_anchor_that_says_one_thing_over_and_over_is_no_cause_for_warnings(length):
    same = np.full((1, 40, length), 3)
    assert area(same, same, anchor=same).values.tolist() == pytest.approx([1.0])
