"""Gerstgrasser et al. 2024: if synthetic rows accumulate beside the real ones, the loss is bounded.

Chains are grown by the family itself and held to the closed forms at |z| < 4.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, AccumulateSubsample, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_accumulate as theory

CHAINS = 2000
SEED = Seed(11, ("theory", "gaussian-accumulate"))


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": CHAINS, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 10}
    parts |= {"family": Gaussian(), "source": Truth(), "regime": Accumulate(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def measured(grower, generations):
    """Return the numbers of the `moments` metric by name, (g, c); the pool grows by a budget a generation."""
    rows, source = grower.budget, grower.source
    pool = np.empty((grower.chains, rows * (generations + 2), source.dimensions))
    pool[:, :rows] = source.draw(rows, first=0, chains=grower.chains, seed=SEED).values
    variance, error = [], []
    for generation in range(generations + 1):
        end = rows * (generation + 1)
        model = grower.family.fit(Rows(pool[:, :end]), seed=SEED.at("fit", generation))
        sampled = model.sample(rows, sampler=grower.sampler, seed=SEED.at("sample", generation))
        pool[:, end : end + rows] = sampled.values
        variance.append(np.trace(model.covariance(), axis1=1, axis2=2) / source.dimensions)
        error.append(((model.mean() - source.mean()) ** 2).mean(axis=1))
    return {"variance": np.stack(variance), "mean_error": np.stack(error)}


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.fixture(scope="module")
def hundred_generations():
    return measured(recipe(), 99)


@pytest.fixture(scope="module", params=[0, 1], ids=["ddof 0", "ddof 1"])
def two_dimensions(request):
    source = Truth(dimensions=2, variance=3.0, correlation=0.7)
    grower = recipe(family=Gaussian(ddof=request.param), source=source, budget=6)
    return grower, measured(grower, 25)


def test_a_hundred_generations_follow_the_curve_and_keep_844_thousandths_of_the_variance(hundred_generations):
    curves = theory.curves(recipe(), 99)
    assert curves["variance"].mean[-1] == pytest.approx(0.844, abs=5e-4)
    for name, values in hundred_generations.items():
        assert np.abs(z(values, curves[name].mean)).max() < 4


def test_what_the_variance_loses_the_mean_gains(hundred_generations):
    assert np.abs(z(hundred_generations["variance"] + hundred_generations["mean_error"], 1.0)).max() < 4
    curves = theory.curves(recipe(), 99)
    np.testing.assert_allclose(curves["variance"].mean + curves["mean_error"].mean, 1.0)


@pytest.mark.parametrize("name", ["variance", "mean_error"])
def test_the_curve_holds_for_each_ddof_in_correlated_dimensions(two_dimensions, name):
    grower, values = two_dimensions
    assert np.abs(z(values[name], theory.curves(grower, 25)[name].mean)).max() < 4


@pytest.mark.parametrize("name", ["variance", "mean_error"])
def test_chains_scatter_as_the_curve_says(two_dimensions, name):
    grower, values = two_dimensions
    curve = theory.curves(grower, 25)[name]
    assert np.abs(z((values[name] - curve.mean[:, None]) ** 2, curve.deviation**2)).max() < 4


def test_the_recursion_is_the_product_of_the_paper_for_ddof_0():
    fits = np.arange(1, 200)
    product = np.cumprod(1.0 - 1.0 / (7 * fits**2.0))
    np.testing.assert_allclose(theory.variance(fits, 7), product)
    np.testing.assert_allclose(theory.mean_error(fits, 7), 1.0 - product)


def test_the_recursion_for_ddof_1_is_the_one_derived_by_hand():
    n, pool = 10, 1 - 1 / 10
    expected = [1.0]
    for i in range(1, 30):
        u = i * n / (i * n - 1)
        pool *= i / (i + 1) + u * (1 - 1 / n) / (i + 1) + i * u / ((i + 1) ** 2 * n)
        expected.append(pool * (i + 1) * n / ((i + 1) * n - 1))
    np.testing.assert_allclose(theory.variance(np.arange(1, 31), n, 1), expected)


@pytest.mark.parametrize(("rows", "left"), [(10, 0.8434), (100, 0.9837)])
def test_the_limit_is_that_of_the_sine(rows, left):
    assert theory.limit(rows) == pytest.approx(left, abs=1e-4)
    assert theory.variance(np.array([20_000]), rows)[0] == pytest.approx(theory.limit(rows), abs=1e-5)


def test_the_error_of_the_mean_grows_to_pi_squared_over_6_of_the_first():
    ratio = theory.mean_error(np.array([20_000]), 10**5)[0] * 10**5
    assert ratio == pytest.approx(np.pi**2 / 6, abs=2e-4)


def test_generation_0_is_the_first_fit():
    curves = theory.curves(recipe(source=Truth(variance=4.0)), 0)
    assert curves["variance"].mean.tolist() == pytest.approx([3.6])
    assert curves["mean_error"].mean.tolist() == pytest.approx([0.4])


def test_it_applies_to_the_accumulating_recipe_alone():
    assert theory.applies(recipe())
    for change in (
        {"regime": Replace()},
        {"regime": AccumulateSubsample()},
        {"sampler": Sampler(variance_factor=0.9)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
