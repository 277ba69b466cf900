"""Gerstgrasser et al. 2024: what accumulates beside the real rows is not lost. For symbols it is exact.

Chains are grown by the family itself and held to the closed forms at |z| < 4.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.categorical import Categorical
from dwindle.regimes import Accumulate, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.sources.zipf import Zipf
from dwindle.theory import categorical_accumulate as theory
from dwindle.theory.gaussian_accumulate import limit

SEED = Seed(11, ("theory", "categorical-accumulate"))
SOURCE = Zipf(symbols=30)


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": 2000, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 10}
    parts |= {"family": Categorical(symbols=30), "source": SOURCE, "regime": Accumulate(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


@pytest.fixture(scope="module")
def shares():
    """The probability of each symbol by generation and chain, (g, c, K)."""
    grower, found = recipe(), []
    pool = SOURCE.draw(grower.budget, first=0, chains=grower.chains, seed=SEED).values
    for generation in range(40):
        model = grower.family.fit(Rows(pool), seed=SEED.at("fit", generation))
        new = model.sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation))
        pool = np.concatenate([pool, new.values], axis=1)
        found.append(model.probabilities())
    return np.stack(found)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


def test_heterozygosity_follows_the_curve(shares):
    curve = theory.curves(recipe(), 39)["heterozygosity"]
    assert np.abs(z(1.0 - (shares**2).sum(axis=2), curve.mean)).max() < 4


def test_no_symbol_that_the_first_fit_has_seen_is_ever_lost(shares):
    np.testing.assert_array_equal(shares > 0, np.broadcast_to(shares[0] > 0, shares.shape))


def test_what_the_first_fit_has_not_seen_follows_the_curves(shares):
    real, curves, lost = SOURCE.probabilities()[0], theory.curves(recipe(), 39), shares == 0
    for name, values in {
        "support": np.count_nonzero(~lost, axis=2),
        "missing_mass": lost @ real,
        "absent": lost.mean(axis=2),
    }.items():
        assert np.abs(z(values, curves[name].mean)).max() < 4, name


def test_it_is_the_product_of_the_paper_and_stays_above_its_limit():
    fits = np.arange(1, 200)
    left = theory.heterozygosity(fits, 7, 0.8)
    np.testing.assert_allclose(left, 0.8 * np.cumprod(1.0 - 1.0 / (7 * fits**2.0)))
    assert 0.8 * limit(7) < left[-1] < 0.8 * limit(7) + 1e-3


def test_it_applies_to_the_accumulating_recipe_alone():
    assert theory.applies(recipe())
    for change in (
        {"regime": Replace()},
        {"family": Categorical(symbols=30, smoothing=0.1)},
        {"source": Truth()},
        {"sampler": Sampler(temperature=0.9)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
