"""Kazdan et al. 2024, Borji 2024: a kernel density estimate refitted to its own samples diffuses.

Chains are grown by the family itself and held to the closed forms at |z| < 4.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.families.kde import Kde
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Replace
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.sources.grid_of_gaussians import GridOfGaussians
from dwindle.sources.moons import Moons
from dwindle.theory import kde as theory

CHAINS = 2000
SEED = Seed(11, ("theory", "kde"))
FIXED = Kde(rule="fixed", bandwidth=0.5)


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": CHAINS, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 10}
    parts |= {"family": FIXED, "source": Truth(), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def measured(grower, generations):
    """Return the numbers of the `moments` metric and the rows' second moment about the true mean, (g, c)."""
    source, grows = grower.source, isinstance(grower.regime, Accumulate)
    pool = source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED).values
    found = {"variance": [], "mean_error": [], "second_moment": []}
    for generation in range(generations + 1):
        model = grower.family.fit(Rows(pool), seed=SEED.at("fit", generation))
        found["second_moment"].append(((pool - source.mean()[0]) ** 2).mean(axis=(1, 2)))
        found["variance"].append(np.trace(model.covariance(), axis1=1, axis2=2) / pool.shape[2])
        found["mean_error"].append(((model.mean() - source.mean()) ** 2).mean(axis=1))
        new = model.sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation)).values
        pool = np.concatenate([pool, new], axis=1) if grows else new
    return {name: np.stack(values) for name, values in found.items()}


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.mark.parametrize("regime", [Replace(), Accumulate()], ids=["replace", "accumulate"])
@pytest.mark.parametrize("family", [FIXED, Kde(), Kde(rule="silverman")], ids=["fixed", "scott", "silverman"])
@pytest.mark.parametrize(
    "source", [Truth(variance=4.0, centre=3.0), Truth(dimensions=2, correlation=0.6), Moons()], ids=["1", "2", "moons"]
)
def test_chains_follow_the_curve(source, family, regime):
    grower = recipe(source=source, family=family, regime=regime)
    values, curves = measured(grower, 12), theory.curves(grower, 12)
    assert set(curves) == {"variance", "mean_error"}
    for name, curve in curves.items():
        assert np.abs(z(values[name], curve.mean)).max() < 4


@pytest.mark.parametrize("accumulate", [False, True], ids=["replace", "accumulate"])
def test_the_second_moment_of_the_rows_grows_by_a_kernel_a_generation_or_by_its_k_th_part(accumulate):
    grower = recipe(regime=Accumulate() if accumulate else Replace())
    values, fits = measured(grower, 20)["second_moment"], np.arange(1, 22)
    expected = theory.second_moment(fits, 0.5, accumulate=accumulate)
    assert np.abs(z(values, expected)).max() < 4
    added = 0.25 * (np.sum(1 / fits) - 1) if accumulate else 0.25 * 20
    assert expected[-1] == pytest.approx(1.0 + added)


@pytest.mark.parametrize("accumulate", [False, True], ids=["replace", "accumulate"])
def test_of_the_second_moment_a_fit_loses_nothing(accumulate):
    fits = np.arange(1, 200)
    spread, error = theory.path([theory.kernel("fixed", 0.7, 9, 1)] * 199, 9, accumulate=accumulate)
    expected = theory.second_moment(fits, 0.7, accumulate=accumulate) + 0.49
    np.testing.assert_allclose(spread + error, expected)


def test_the_path_of_a_fixed_kernel_is_the_closed_form():
    fits = np.arange(1, 300)
    spread, error = theory.path([(0.0, 0.09)] * 299, 20)
    np.testing.assert_allclose(spread, theory.variance(fits, 20, 0.3))
    np.testing.assert_allclose(error, theory.mean_error(fits, 20, 0.3))
    # The fixed point: n h^2 with the kernel, (n - 1) h^2 without it.
    assert theory.variance(np.array([10_000]), 20, 0.3)[0] == pytest.approx(20 * 0.09)


def test_without_a_kernel_it_is_the_gaussian_by_maximum_likelihood():
    fits = np.arange(1, 100)
    replaced, accumulated = (theory.path([(0.0, 0.0)] * 99, 7, accumulate=grows) for grows in (False, True))
    np.testing.assert_allclose(replaced, [(6 / 7) ** fits, 1 - (6 / 7) ** fits])
    product = np.cumprod(1 - 1 / (7 * fits**2.0))
    np.testing.assert_allclose(accumulated, [product, 1 - product])


def test_a_kernel_that_follows_replaced_rows_makes_them_grow_by_the_same_factor_every_generation():
    grower = recipe(family=Kde(), budget=100, source=Truth(dimensions=2, variance=3.0))
    growth = 1 - 1 / 100 + 100 ** (-1 / 3)
    np.testing.assert_allclose(theory.curves(grower, 9)["variance"].mean, 3.0 * growth ** np.arange(1, 11))


def test_generation_0_is_the_first_fit():
    curves = theory.curves(recipe(source=Truth(variance=4.0)), 0)
    assert curves["variance"].mean.tolist() == pytest.approx([3.6 + 0.25])
    assert curves["mean_error"].mean.tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(
    "change",
    [{}, {"family": Kde()}, {"regime": Accumulate()}, {"regime": Blend(synthetic_ratio=1.0)}]
    + [{"source": source} for source in (Moons(), GridOfGaussians())],
    ids=repr,
)
def test_it_applies_where_nothing_else_is_at_work(change):
    assert theory.applies(recipe(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"family": Gaussian()},
        {"source": Digits()},
        {"regime": AccumulateSubsample()},
        {"regime": Blend()},
        {"sampler": Sampler(variance_factor=0.9)},
        {"curators": ("a curator",)},
    ],
    ids=repr,
)
def test_it_does_not_apply_to_another_recipe(change):
    assert not theory.applies(recipe(**change))
