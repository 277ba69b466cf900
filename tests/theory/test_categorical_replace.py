"""Seddik et al. 2024: symbols refitted to their own samples lose diversity at the rate 1 - 1/M, rare ones first.

Chains are grown by the family itself; what is exact is held to |z| < 4, what is approximate to its stated error.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Seed
from dwindle.families.categorical import Categorical
from dwindle.regimes import Accumulate, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.sources.zipf import Zipf
from dwindle.theory import categorical_replace as theory

SEED = Seed(11, ("theory", "categorical-replace"))


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": 2000, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 40}
    parts |= {"family": Categorical(symbols=50), "source": Zipf(symbols=50), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def grow(grower, generations):
    """Return the probability of each symbol by generation and chain, (g, c, K)."""
    rows = grower.source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED)
    shares = []
    for generation in range(generations + 1):
        model = grower.family.fit(rows.anonymous(), seed=SEED.at("fit", generation))
        rows = model.sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation))
        shares.append(model.probabilities())
    return np.stack(shares)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g, ...)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.fixture(scope="module")
def shares():
    return grow(recipe(), 40)


def test_heterozygosity_falls_by_1_over_m_a_generation(shares):
    expected = theory.curves(recipe(), 40)["heterozygosity"].mean
    assert np.abs(z(1.0 - (shares**2).sum(axis=2), expected)).max() < 4


def test_what_is_left_of_heterozygosity_is_gone_into_drift(shares):
    truth = Zipf(symbols=50).probabilities()[0]
    even = 1.0 - truth @ truth
    drift = ((shares - truth) ** 2).sum(axis=2)
    expected = even * (1.0 - (1.0 - 1.0 / 40) ** np.arange(1, 42))
    assert np.abs(z(drift, expected)).max() < 4


def test_no_symbol_gains_or_loses_on_average(shares):
    common = shares[:, :, :10]
    assert np.abs(z(common, Zipf(symbols=50).probabilities()[0, :10])).max() < 4.5  # 410 comparisons


def test_a_lost_symbol_stays_lost(shares):
    alive = shares > 0
    assert not (alive[1:] & ~alive[:-1]).any()
    assert alive[-1].sum(axis=1).mean() < 10


def test_the_support_of_a_large_alphabet_shrinks_as_branching_predicts():
    large = recipe(family=Categorical(symbols=20_000), source=Zipf(symbols=20_000), budget=50_000, chains=4)
    alive = np.count_nonzero(grow(large, 19), axis=2).mean(axis=1)
    expected = theory.curves(large, 19)["support"].mean
    np.testing.assert_allclose(expected[[0, 1, 4, 9, 19]], [9401, 7202, 4551, 2987, 1861], atol=1)
    np.testing.assert_allclose(alive, expected, rtol=0.015)


def test_lines_end_with_the_chance_of_a_critical_branching_process():
    ended = theory.extinction(10_000)
    assert ended[0] == 0
    assert (np.diff(ended) > 0).all()
    assert (1 - ended[-1]) * 10_000 == pytest.approx(2.0, rel=0.01)  # Kolmogorov: 2 / (k variance)


def test_generation_0_is_the_first_fit():
    curve = theory.curves(recipe(source=Zipf(symbols=2, exponent=0.0)), 0)["heterozygosity"]
    assert curve.mean.tolist() == pytest.approx([0.5 * 39 / 40])


def test_it_applies_to_unsmoothed_symbols_of_known_probability_alone():
    assert theory.applies(recipe())
    for change in (
        {"family": Categorical(symbols=50, smoothing=0.1)},
        {"source": Truth()},
        {"regime": Accumulate()},
        {"sampler": Sampler(temperature=0.9)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
