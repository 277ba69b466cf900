"""Shumailov et al. 2024, Theorem 3.1: a Gaussian refitted to its own samples loses its variance and its mean walks off.

Chains are grown by the family itself and held to the closed forms at |z| < 4. Variances of single chains are
heavy-tailed: their logarithm and their whole law are tested beside their mean.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import ks_2samp

from dwindle.config.recipe import Recipe
from dwindle.contracts import Seed
from dwindle.curators.keep_all import KeepAll
from dwindle.families.categorical import Categorical
from dwindle.families.gaussian import Gaussian
from dwindle.families.gaussian_mixture import GaussianMixture
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Fresh, Replace
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_replace as theory

CHAINS = 2000
SEED = Seed(11, ("theory", "gaussian-replace"))


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": CHAINS, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 50}
    parts |= {"family": Gaussian(), "source": Truth(), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def grow(grower, generations):
    """Return mean (g, c, d) and covariance (g, c, d, d) of each generation."""
    rows = grower.source.draw(grower.budget, first=0, chains=CHAINS, seed=SEED)
    models = []
    for generation in range(generations + 1):
        models.append(grower.family.fit(rows.anonymous(), seed=SEED.at("fit", generation)))
        rows = models[-1].sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation))
    return np.stack([model.mean() for model in models]), np.stack([model.covariance() for model in models])


def measured(grower, generations):
    """Return the numbers of the `moments` metric by name, (g, c)."""
    means, covariances = grow(grower, generations)
    dimensions = means.shape[2]
    logs = np.linalg.slogdet(covariances)[1] - np.linalg.slogdet(grower.source.covariance()[0])[1]
    return {
        "variance": np.trace(covariances, axis1=2, axis2=3) / dimensions,
        "mean_error": ((means - grower.source.mean()[0]) ** 2).mean(axis=2),
        "log_variance": logs / dimensions,
    }


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@cache
def grown(dimensions, ddof):
    """Return a recipe and what its chains measure over 20 generations."""
    source = Truth(dimensions=dimensions, variance=4.0, centre=3.0, correlation=0.6)
    grower = recipe(family=Gaussian(ddof=ddof), source=source)
    return grower, measured(grower, 20)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dimensions", [1, 3])
@pytest.mark.parametrize("name", ["variance", "mean_error", "log_variance"])
def test_chains_follow_the_curve(name, dimensions, ddof):
    grower, values = grown(dimensions, ddof)
    assert np.abs(z(values[name], theory.curves(grower, 20)[name].mean)).max() < 4


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dimensions", [1, 3])
@pytest.mark.parametrize("name", ["variance", "mean_error", "log_variance"])
def test_chains_scatter_as_the_curve_says(name, dimensions, ddof):
    grower, values = grown(dimensions, ddof)
    curve = theory.curves(grower, 9)[name]
    squares = (values[name][:10] - curve.mean[:, None]) ** 2
    assert np.abs(z(squares, curve.deviation**2)).max() < 4


@pytest.mark.parametrize("ddof", [0, 1])
def test_log_variance_falls_at_the_predicted_rate_down_to_1e_9(ddof):
    grower = recipe(family=Gaussian(ddof=ddof), budget=8)
    values, curve = measured(grower, 80)["log_variance"], theory.curves(grower, 80)["log_variance"]
    assert curve.mean[-1] < np.log(1e-5)
    assert np.abs((values.mean(axis=1) - curve.mean) / (curve.deviation / np.sqrt(CHAINS))).max() < 4
    assert np.abs(values.std(axis=1) / curve.deviation - 1).max() < 0.1


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_variance_has_the_law_of_a_product_of_chi_squares(ddof):
    rows, generations = 10, 20
    values = measured(recipe(family=Gaussian(ddof=ddof), budget=rows), generations)["log_variance"]
    factors = SEED.at("law").numpy().chisquare(rows - 1, (generations + 1, 20_000)) / (rows - ddof)
    law = np.log(factors).cumsum(axis=0)
    for generation in (0, 1, 4, 20):
        assert ks_2samp(values[generation], law[generation]).pvalue > 1e-3


def test_of_the_wrong_ddof_the_law_is_refused():
    rows = 10
    values = measured(recipe(budget=rows), 4)["log_variance"][4]
    law = np.log(SEED.at("law").numpy().chisquare(rows - 1, (5, 20_000)) / (rows - 1)).sum(axis=0)
    assert ks_2samp(values, law).pvalue < 1e-6


def test_what_the_variance_loses_the_mean_gains():
    grower = recipe(budget=20)
    values = measured(grower, 30)
    assert np.abs(z(values["variance"] + values["mean_error"], 1.0)).max() < 4
    curves = theory.curves(grower, 30)
    np.testing.assert_allclose(curves["variance"].mean + curves["mean_error"].mean, 1.0)


def test_an_unbiased_variance_keeps_its_mean_while_every_chain_dies():
    grower = recipe(family=Gaussian(ddof=1), budget=5)
    last = measured(grower, 120)["variance"][-1]
    assert theory.curves(grower, 120)["variance"].mean[-1] == 1.0
    assert np.quantile(last, 0.99) < 1e-3


@pytest.mark.parametrize("ddof", [0, 1])
def test_deviation_and_wasserstein_distance_follow_their_closed_forms(ddof):
    grower, values = grown(1, ddof)
    fits, rows = np.arange(1, 22), grower.budget
    spread = np.sqrt(values["variance"] / 4.0)
    distance = values["mean_error"] / 4.0 + (spread - 1.0) ** 2
    assert np.abs(z(spread, theory.deviation(fits, rows, ddof))).max() < 4
    assert np.abs(z(distance, theory.wasserstein(fits, rows, ddof))).max() < 4


def test_the_published_first_order_is_the_limit_of_many_rows():
    fits = np.arange(1, 6)
    for ddof in (0, 1):
        np.testing.assert_allclose(theory.wasserstein(fits, 10**4, ddof), 1.5 * fits / 10**4, rtol=1e-3)
    assert theory.wasserstein(np.array([50]), 100, 1)[0] == pytest.approx(0.7372, abs=5e-5)


def test_generation_0_is_the_first_fit():
    curves = theory.curves(recipe(source=Truth(variance=4.0)), 0)
    assert curves["variance"].mean.tolist() == [4.0 * 0.98]
    assert {len(curve.mean) for curve in curves.values()} == {1}


def test_without_more_rows_than_dimensions_there_is_no_log_variance():
    assert set(theory.curves(recipe(source=Truth(dimensions=50)), 2)) == {"variance", "mean_error"}
    assert "log_variance" in theory.curves(recipe(source=Truth(dimensions=49)), 2)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"curators": (KeepAll(),)},
        {"family": Gaussian(ddof=1)},
        {"regime": Blend(synthetic_ratio=1.0)},
        {"regime": Fresh(synthetic_ratio=1.0)},
    ],
    ids=repr,
)
def test_it_applies_where_nothing_else_is_at_work(change):
    assert theory.applies(recipe(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"family": GaussianMixture()},
        {"family": Categorical(symbols=5)},
        {"source": Digits()},
        {"regime": Accumulate()},
        {"regime": AccumulateSubsample()},
        {"regime": Blend()},
        {"regime": Fresh()},
        {"sampler": Sampler(variance_factor=0.9)},
        {"sampler": Sampler(oversample=2.0)},
        {"curators": (KeepAll(), "a curator")},
    ],
    ids=repr,
)
def test_it_does_not_apply_to_another_recipe(change):
    assert not theory.applies(recipe(**change))
