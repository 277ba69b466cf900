"""Wyllie et al. 2024: a minority is lost though its share is kept on average.

Chains are grown by the family itself; what is exact is held to |z| < 4, what is approximate to its stated error.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Seed
from dwindle.families.categorical import Categorical
from dwindle.samplers import Sampler
from dwindle.sources.categorical import Categorical as Groups
from dwindle.theory import wright_fisher as theory
from dwindle.theory.categorical_replace import heterozygosity

SEED = Seed(11, ("theory", "minority-erosion"))
CHAINS, ROWS, FITS = 2000, 500, np.arange(1, 31)
SHARE = np.array([0.02])


def grow(shares, rows, fits, chains=CHAINS):
    """Return the probability of each group by fit and chain, (g, c, K)."""
    source, family, found = Groups(shares=shares), Categorical(symbols=len(shares)), []
    drawn = source.draw(rows, first=0, chains=chains, seed=SEED)
    for fit in range(fits):
        model = family.fit(drawn.anonymous(), seed=SEED.at("fit", fit))
        drawn = model.sample(rows, sampler=Sampler(), seed=SEED.at("sample", fit))
        found.append(model.probabilities())
    return np.stack(found)


@pytest.fixture(scope="module")
def minority():
    """The minority's share by fit and chain, (g, c)."""
    return grow((0.98, 0.02), ROWS, len(FITS))[:, :, 1]


@pytest.fixture(scope="module")
def chance():
    """The chance of the exact chain that the minority is lost, by fit, (g,)."""
    return theory.extinction_of_shares(SHARE, ROWS, FITS)[:, 0]


def test_the_minority_keeps_its_share_on_average(minority):
    errors = minority.std(axis=1, ddof=1) / np.sqrt(CHAINS)
    assert np.abs((minority.mean(axis=1) - 0.02) / errors).max() < 4


def test_it_is_lost_with_the_chance_of_the_exact_chain(minority, chance):
    lost, shown = (minority == 0).mean(axis=1), chance > 1e-3
    errors = np.sqrt(chance * (1.0 - chance) / CHAINS)
    assert shown.sum() > 25
    assert np.abs((lost - chance)[shown] / errors[shown]).max() < 4


def test_2_percent_of_500_rows_are_lost_in_half_the_chains_by_the_30th_fit(chance):
    branching = theory.branching_extinction(SHARE, ROWS, FITS)[:, 0]
    assert branching[-1] == pytest.approx(0.53, abs=0.005)
    np.testing.assert_allclose(branching, chance, atol=0.01)


def test_a_chain_followed_by_hand_agrees():
    ended = theory.extinction_of_shares(np.array([0.5, 0.25]), 2, np.array([1, 2]))
    # Two rows: none of them is the symbol's at once, or one is and both of the next two are the other's.
    np.testing.assert_allclose(ended[0], [1 / 4, 9 / 16])
    np.testing.assert_allclose(ended[1], [1 / 4 + 1 / 2 / 4, 9 / 16 + 3 / 8 / 4])


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.4, 0.3, 0.2, 0.1)])
def test_one_group_is_left_after_the_time_of_the_diffusion(shares):
    rows, chains = 20, 1000
    path = grow(shares, rows, 500, chains)
    left = path.max(axis=2) == 1.0
    assert left[-1].all()
    times = 1 + left.argmax(axis=0)
    error = times.std(ddof=1) / np.sqrt(chains)
    # The diffusion is off by less than one fit, which is what a discrete chain can know.
    assert abs(times.mean() - theory.time_to_one_symbol(np.array(shares), rows)) < 4 * error + 1.0


def test_the_last_of_many_rare_symbols_is_left_after_two_fits_a_row():
    even = np.full(10_000, 1e-4)
    assert theory.time_to_one_symbol(even, 50) == pytest.approx(100, rel=1e-3)
    assert theory.time_to_one_symbol(np.array([1.0, 0.0]), 50) == 0.0


def test_what_heterozygosity_loses_is_the_distance_to_the_truth(minority):
    even = 1.0 - (0.98**2 + 0.02**2)
    distance = 2.0 * (minority - 0.02) ** 2
    errors = distance.std(axis=1, ddof=1) / np.sqrt(CHAINS)
    expected = theory.identity_error(FITS, ROWS, even)
    assert np.abs((distance.mean(axis=1) - expected) / errors).max() < 4
    np.testing.assert_allclose(expected + heterozygosity(FITS, ROWS, even), even)
