"""Dohmatob et al. 2024, A tale of tails: a memoriser's missing mass falls with a power of its sample, which n
generations make n times smaller.

Chains are grown by the family itself; what is exact is held to |z| < 4, what is approximate to its stated error.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.categorical import Categorical
from dwindle.metrics.missing_mass import MissingMass
from dwindle.regimes import Accumulate, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.sources.zipf import Zipf
from dwindle.theory import zipf_tail as theory

SEED = Seed(11, ("theory", "tale-of-tails"))
HEAVY = Zipf(symbols=200_000, exponent=1.5)
FITS = np.array([1, 2, 5, 10, 20])


def recipe(**changes):
    """Return a small recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": 1000, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 40}
    parts |= {"family": Categorical(symbols=50), "source": Zipf(symbols=50), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def grown(grower, generations):
    """Return the numbers of the `missing_mass` metric by name, (g, c)."""
    rows, found = grower.source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED), []
    for generation in range(generations + 1):
        model = grower.family.fit(rows.anonymous(), seed=SEED.at("fit", generation))
        rows = model.sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation))
        shown = replace(evidence("symbols"), model=model, samples=Rows(rows.values), source=grower.source)
        found.append(MissingMass().measure(shown))
    return {name: np.stack([one[name].values for one in found]) for name in found[0]}


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.fixture(scope="module")
def few_rows():
    return grown(recipe(), 30)


@pytest.mark.parametrize("name", ["missing_mass", "absent"])
def test_for_few_rows_the_curve_is_exact(few_rows, name):
    curve = theory.curves(recipe(), 30)[name]
    assert "exact" in curve.source
    assert np.abs(z(few_rows[name], curve.mean)).max() < 4


def test_the_missing_mass_of_a_heavy_tail_is_that_of_the_branching_sum():
    large = recipe(family=Categorical(symbols=200_000), source=HEAVY, budget=20_000, chains=6)
    predicted = theory.curves(large, 19)["missing_mass"].mean[FITS - 1]
    np.testing.assert_allclose(predicted, [0.0330, 0.0388, 0.0495, 0.0607, 0.0753], atol=6e-5)
    np.testing.assert_allclose(grown(large, 19)["missing_mass"].mean(axis=1)[FITS - 1], predicted, rtol=0.04)


def test_the_missing_mass_falls_with_the_power_of_the_paper():
    slopes = {}
    for rows in (10_000, 40_000):
        slopes[rows] = np.log(theory.missing_mass(np.array([1]), rows, HEAVY.probabilities()[0]))
    local = (slopes[40_000] - slopes[10_000]) / np.log(4)
    assert theory.exponent(1.5) == pytest.approx(-1 / 3)
    np.testing.assert_allclose(local, theory.exponent(1.5), atol=0.02)


def test_n_generations_cost_what_a_sample_n_times_smaller_costs():
    real, many = HEAVY.probabilities()[0], np.array([20, 80])
    late = np.log(theory.missing_mass(many, 20_000, real))
    np.testing.assert_allclose((late[1] - late[0]) / np.log(4), -theory.exponent(1.5), atol=0.02)


def test_generation_0_is_the_first_fit():
    curves = theory.curves(recipe(source=Zipf(symbols=2, exponent=0.0), budget=4), 0)
    assert curves["missing_mass"].mean.tolist() == pytest.approx([1 / 16])
    assert curves["absent"].mean.tolist() == pytest.approx([1 / 16])


def test_it_applies_to_unsmoothed_symbols_that_replace_alone():
    assert theory.applies(recipe())
    for change in (
        {"family": Categorical(symbols=50, smoothing=0.1)},
        {"source": Truth()},
        {"regime": Accumulate()},
        {"sampler": Sampler(temperature=0.9)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
