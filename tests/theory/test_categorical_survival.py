"""Suresh et al. 2024: of a large vocabulary the rare words go first, and how many are left is known.

Chains are grown by the family itself; the branching approximation is held to its stated error, the exact chain to
|z| < 4.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Seed
from dwindle.families.categorical import Categorical
from dwindle.samplers import Sampler
from dwindle.sources.zipf import Zipf
from dwindle.theory import wright_fisher as theory
from dwindle.theory.categorical_replace import support

SEED = Seed(11, ("theory", "categorical-survival"))
WORDS = Zipf(symbols=20_000)
ROWS, FITS = 50_000, np.array([1, 2, 5, 10, 20])


def grow(source, rows, chains, fits):
    """Return which symbols are alive by fit and chain, (g, c, K)."""
    family, found = Categorical(symbols=source.symbols), []
    drawn = source.draw(rows, first=0, chains=chains, seed=SEED)
    for fit in range(fits):
        model = family.fit(drawn.anonymous(), seed=SEED.at("fit", fit))
        drawn = model.sample(rows, sampler=Sampler(), seed=SEED.at("sample", fit))
        found.append(model.probabilities() > 0)
    return np.stack(found)


@pytest.fixture(scope="module")
def words():
    return grow(WORDS, ROWS, 6, 20)[FITS - 1]


def test_the_vocabulary_shrinks_as_predicted(words):
    predicted = support(FITS, ROWS, WORDS.probabilities()[0])
    np.testing.assert_allclose(predicted, [9401, 7202, 4551, 2987, 1861], atol=1)
    np.testing.assert_allclose(words.sum(axis=2).mean(axis=1), predicted, rtol=0.015)


@pytest.mark.parametrize("first", [0, 10, 100, 1000, 10_000])
def test_words_survive_by_their_rank(words, first):
    ranks = slice(first, 2 * first + 10)
    lost = theory.branching_extinction(WORDS.probabilities()[0, ranks], ROWS, FITS)
    alive = words[:, :, ranks].mean(axis=(1, 2))
    error = np.sqrt((lost * (1.0 - lost)).sum(axis=1) / 6) / lost.shape[1]
    assert np.abs(alive - (1.0 - lost).mean(axis=1)).max() < 4 * error.max() + 0.005


def test_with_few_rows_the_exact_chain_says_what_branching_does_not():
    source, rows, chains, fits = Zipf(symbols=10), 20, 4000, np.arange(1, 41)
    alive = grow(source, rows, chains, 40).mean(axis=1)
    exact = 1.0 - theory.extinction_of_shares(source.probabilities()[0], rows, fits)
    errors = np.sqrt(exact * (1.0 - exact) / chains)
    assert np.abs((alive - exact) / errors).max() < 4.5  # 400 comparisons
    branching = 1.0 - theory.branching_extinction(source.probabilities()[0], rows, fits)
    assert np.abs((alive - branching) / errors).max() > 10
