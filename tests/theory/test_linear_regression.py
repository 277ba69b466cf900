"""Gerstgrasser et al. 2024: the test error of a regression grows linearly under replacement, to pi^2/6 otherwise.

Chains are grown by the family itself and held to the closed forms at |z| < 4.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.families.linear_regression import LinearRegression
from dwindle.regimes import Accumulate, AccumulateSubsample, Replace
from dwindle.samplers import Sampler
from dwindle.sources.linear import Linear
from dwindle.sources.logistic import Logistic
from dwindle.theory import linear_regression as theory

CHAINS = 4000
SEED = Seed(11, ("theory", "linear-regression"))
SAME, FRESH = Sampler(prompts="anchor"), Sampler()


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": CHAINS, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 30}
    parts |= {"family": LinearRegression(noise=0.5), "source": Linear(noise=0.5), "regime": Replace(), "sampler": SAME}
    return Recipe(**(parts | changes))


def errors(grower, generations):
    """Return the squared error of the coefficients by generation and chain, (g, c)."""
    anchor = grower.source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED).anonymous()
    rows, found = anchor, []
    for generation in range(generations + 1):
        model = grower.family.fit(rows, seed=SEED.at("fit", generation))
        found.append(((model.coefficients() - grower.source.coefficients()) ** 2).sum(axis=1))
        prompts = anchor if grower.sampler.prompts == "anchor" else None
        seed = SEED.at("sample", generation)
        new = model.sample(grower.budget, sampler=grower.sampler, seed=seed, prompts=prompts)
        rows = Rows.join([rows, new]) if grower.regime == Accumulate() else new
    return np.stack(found)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.mark.parametrize("sampler", [SAME, FRESH], ids=["same X", "fresh X"])
@pytest.mark.parametrize("regime", [Replace(), Accumulate()], ids=["replace", "accumulate"])
def test_chains_follow_the_curve(regime, sampler):
    grower = recipe(regime=regime, sampler=sampler)
    curve = theory.curves(grower, 7)["parameter_error"]
    assert np.abs(z(errors(grower, 7), curve.mean)).max() < 4


def test_replacing_adds_the_first_error_in_every_generation():
    curve = theory.curves(recipe(), 7)["parameter_error"].mean
    assert curve[0] == pytest.approx(0.25 * 5 / 24)
    np.testing.assert_allclose(np.diff(curve), curve[0])
    np.testing.assert_array_equal(curve, theory.curves(recipe(sampler=FRESH), 7)["parameter_error"].mean)


def test_eight_generations_on_the_same_inputs_keep_the_error_at_1527_thousandths_of_the_first():
    curve = theory.curves(recipe(regime=Accumulate()), 7)["parameter_error"].mean
    assert curve[-1] / curve[0] == pytest.approx(1.527, abs=5e-4)


def test_accumulating_keeps_the_error_below_pi_squared_over_6_of_the_first():
    last = np.array([10**6])
    same = theory.accumulate_error(last, 30, 5, 1.0)[0] / theory.replace_error(1, 30, 5, 1.0)
    assert same < np.pi**2 / 6
    assert same == pytest.approx(np.pi**2 / 6, abs=2e-6)


def test_fresh_inputs_are_better_than_the_same_ones_and_no_different_for_many_rows():
    fits = np.arange(1, 50)
    same, fresh = theory.accumulate_error(fits, 30, 5, 1.0), theory.accumulate_error_of_fresh_inputs(fits, 30, 5, 1.0)
    assert fresh[0] == pytest.approx(same[0])
    assert (fresh[1:] < same[1:]).all()
    many = [form(fits, 10**6, 5, 1.0) for form in (theory.accumulate_error, theory.accumulate_error_of_fresh_inputs)]
    np.testing.assert_allclose(*many, rtol=1e-5)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_a_share_of_shifted_responses_leaves_the_plateau_of_strong_collapse(ratio):
    chains, rows, shift = 1500, 200, 1.5
    values = Linear().draw(rows, first=0, chains=chains, seed=SEED.at("mixed")).values
    values[:, : int(ratio * rows), -1] += shift * values[:, : int(ratio * rows), 0]
    model = LinearRegression(noise=1.0).fit(Rows(values), seed=SEED)
    found = ((model.coefficients() - Linear().coefficients()) ** 2).sum(axis=1)
    expected = float(theory.mixed_error(np.array(rows), 5, 1.0, ratio, shift))
    slack = 4 * found.std(ddof=1) / np.sqrt(chains)
    assert abs(found.mean() - expected) < slack + 0.01 * (ratio > 0) * expected  # the last term is of first order


def test_more_rows_do_not_help_beyond_the_plateau():
    errors_by_rows = theory.mixed_error(np.array([10**3, 10**5, 10**9]), 5, 1.0, 0.1, 2.0)
    assert errors_by_rows[-1] == pytest.approx(0.04, rel=1e-5)
    assert (np.diff(errors_by_rows) < 0).all()
    assert theory.mixed_error(np.array(10**9), 5, 1.0, 0.0, 2.0) < 1e-8


def test_it_applies_to_unpenalised_regression_of_known_noise_alone():
    for change in ({}, {"sampler": FRESH}, {"regime": Accumulate()}):
        assert theory.applies(recipe(**change))
    for change in (
        {"family": LinearRegression()},
        {"family": LinearRegression(noise=0.4)},
        {"family": LinearRegression(noise=0.5, ridge=0.1)},
        {"family": Gaussian()},
        {"source": Logistic()},
        {"regime": AccumulateSubsample()},
        {"sampler": Sampler(variance_factor=0.9)},
        {"sampler": Sampler(prompts="anchor", oversample=2.0)},
        {"curators": ("a curator",)},
        {"budget": 6},
    ):
        assert not theory.applies(recipe(**change))
