"""Dey and Donoho 2024: the same factors for every regular estimator, here of a Gaussian mean and of a logistic model.

The two workflows that are both called subsampling differ, and the factors tell them apart.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.linear_regression import LinearRegression
from dwindle.families.logistic_regression import LogisticRegression
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Replace
from dwindle.samplers import Sampler
from dwindle.sources.linear import Linear
from dwindle.sources.logistic import Logistic
from dwindle.theory import universality as theory

CHAINS = 400
SEED = Seed(11, ("theory", "universality"))
WITHOUT, WITH = AccumulateSubsample(), AccumulateSubsample(replacement=True)


def recipe(**changes):
    """Return the recipe that the factors speak of, or another one."""
    parts = {"seed": 11, "chains": CHAINS, "threads": 1, "restart": "cold", "metrics": (), "curators": ()}
    parts |= {"family": LogisticRegression(), "source": Logistic(dimensions=2), "budget": 1000}
    return Recipe(**(parts | {"regime": Replace(), "sampler": Sampler()} | changes))


def trained(pool, newest, grower, generation):
    """Return the rows that train the next generation."""
    if grower.regime == Replace():
        return newest
    if grower.regime == Accumulate():
        return pool
    generator, shape = SEED.at("draw", generation).numpy(), (grower.chains, grower.budget)
    if grower.regime == WITH:
        return pool.take(generator.integers(pool.count, size=shape))
    return pool.take(np.argsort(generator.random((grower.chains, pool.count)), axis=1)[:, : grower.budget])


def errors(grower, generations):
    """Return the squared error of the coefficients by generation and chain, (g, c)."""
    rows = pool = grower.source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED).anonymous()
    found = []
    for generation in range(generations + 1):
        model = grower.family.fit(rows, seed=SEED.at("fit", generation))
        found.append(((model.coefficients() - grower.source.coefficients()) ** 2).sum(axis=1))
        newest = model.sample(grower.budget, sampler=grower.sampler, seed=SEED.at("sample", generation))
        pool = Rows.join([pool, newest])
        rows = trained(pool, newest, grower, generation)
    return np.stack(found)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


def error_of_a_mean(rows, fits, generator, *, replacement, first_drawn):
    """Return n times the squared error of the mean of a Gaussian of variance 1 after k fits, of 100 chains, averaged.

    All of them draw the same places, which saves time and leaves the expectation as it is.
    """
    pool, chains = np.empty((100, rows * fits)), 100
    pool[:, :rows] = generator.standard_normal((chains, rows))
    mean = pool[:, :rows].mean(axis=1)
    for fit in range(1, fits + 1):
        if fit > 1 or first_drawn:
            mean = pool[:, generator.choice(rows * fit, rows, replace=replacement)].mean(axis=1)
        if fit < fits:
            pool[:, rows * fit : rows * (fit + 1)] = mean[:, None] + generator.standard_normal((chains, rows))
    return rows * (mean * mean).mean()


@pytest.mark.parametrize(
    ("replacement", "first_drawn", "expected"),
    [(False, False, 2.861), (True, True, 3.240), (True, False, 2.990)],
    ids=["without", "with", "with, but not at first"],
)
def test_forty_fits_to_subsamples_of_a_gaussian_tell_the_workflows_apart(replacement, first_drawn, expected):
    generator = SEED.at("mean", int(replacement), int(first_drawn)).numpy()
    options = {"replacement": replacement, "first_drawn": first_drawn}
    ratio = theory.subsample_ratio(np.array([40]), **options)
    assert ratio[0] == pytest.approx(expected, abs=1e-3)
    found = np.array([[error_of_a_mean(100, 40, generator, **options) for _ in range(100)]])
    assert abs(z(found, ratio)[0]) < 4
    assert found.mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"replacement": False}, 2.9348),
        ({"replacement": True}, 3.0399),
        ({"replacement": True, "first_drawn": True}, 3.2899),
    ],
)
def test_subsampling_tends_to_its_limit(options, expected):
    assert theory.limit(**options) == pytest.approx(expected, abs=5e-5)
    assert theory.subsample_ratio(np.array([10**6]), **options)[0] == pytest.approx(theory.limit(**options), abs=5e-6)


def test_the_first_fits_are_those_that_can_be_reckoned_by_hand():
    fits = np.array([3, 1, 2])
    np.testing.assert_allclose(theory.replace_ratio(fits), [3, 1, 2])
    np.testing.assert_allclose(theory.accumulate_ratio(fits), [1 + 1 / 4 + 1 / 9, 1, 1 + 1 / 4])
    np.testing.assert_allclose(
        theory.subsample_ratio(fits, replacement=False), [1 + 1 / 4 + 1.5 / 9 + 2 / 3, 1, 1 + 1 / 4 + 1 / 2]
    )
    np.testing.assert_allclose(
        theory.subsample_ratio(fits, replacement=True), [1 + 1 / 4 + 2 / 9 + 1, 1, 1 + 1 / 4 + 1]
    )


def test_accumulating_tends_to_pi_squared_over_6():
    assert theory.accumulate_ratio(np.array([10**6]))[0] == pytest.approx(np.pi**2 / 6, abs=2e-6)


@pytest.mark.parametrize("regime", [Replace(), Accumulate(), WITHOUT, WITH], ids=["replace", "all", "without", "with"])
def test_logistic_regression_follows_the_curve(regime):
    grower = recipe(regime=regime)
    curve = theory.curves(grower, 5)["parameter_error"]
    assert np.abs(z(errors(grower, 5), curve.mean)).max() < 4


def test_one_fit_has_the_inverse_information_of_a_sample():
    inputs = SEED.at("information").numpy().standard_normal((400_000, 3))
    chance = 1 / (1 + np.exp(-2.0 * inputs[:, 0]))
    information = (inputs * (chance * (1 - chance))[:, None]).T @ inputs / len(inputs)
    assert theory.logistic_error(50, 3, 2.0) == pytest.approx(np.trace(np.linalg.inv(information)) / 50, rel=0.02)
    assert theory.logistic_error(100, 3, 0.0) == pytest.approx(4 * 3 / 100)


def test_theory_is_silent_once_the_coefficients_have_left_their_place():
    grower = recipe(source=Logistic(), budget=2000)
    assert np.isfinite(theory.curves(grower, 20)["parameter_error"].mean).sum() == 7
    for regime in (Accumulate(), WITHOUT, WITH):
        assert np.isfinite(
            theory.curves(recipe(source=Logistic(), budget=2000, regime=regime), 200)["parameter_error"].mean
        ).all()


def test_it_calls_itself_asymptotic():
    assert "asymptotic" in theory.curves(recipe(), 3)["parameter_error"].source


def test_it_applies_to_drawn_labels_and_many_rows_alone():
    for change in ({}, {"regime": Accumulate()}, {"regime": WITH}, {"sampler": Sampler(prompts="anchor")}):
        assert theory.applies(recipe(**change))
    for change in (
        {"family": LogisticRegression(labels="likeliest")},
        {"family": LogisticRegression(ridge=0.01)},
        {"family": LinearRegression(noise=1.0)},
        {"source": Linear()},
        {"regime": Blend()},
        {"sampler": Sampler(flip=0.1)},
        {"curators": ("a curator",)},
        {"budget": 50},
    ):
        assert not theory.applies(recipe(**change))
