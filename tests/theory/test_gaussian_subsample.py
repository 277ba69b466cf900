"""Kazdan et al. 2024: a budget-sized draw of all rows so far loses more than all of them do, but not without bound."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.expectations import expected
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, AccumulateSubsample
from dwindle.samplers import Sampler
from dwindle.theory import gaussian_subsample as theory
from dwindle.theory import universality
from tests.theory.grown_chains import measured, recipe, z


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("replacement", [False, True], ids=["without replacement", "with replacement"])
def test_chains_follow_the_curve(replacement, ddof):
    regime = AccumulateSubsample(replacement=replacement)
    grower = recipe(regime=regime, family=Gaussian(ddof=ddof), budget=10)
    values, curves = measured(grower, 25), theory.curves(grower, 25)
    fits = np.arange(1, 27)
    for name, known in (("variance", theory.variance), ("mean_error", theory.mean_error)):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4
        np.testing.assert_allclose(curves[name].mean, known(fits, 10, ddof, replacement=replacement))


def test_the_two_draws_are_told_apart():
    grower = recipe(regime=AccumulateSubsample(replacement=True), chains=4000)
    other = theory.mean_error(np.arange(1, 4), 20)
    assert np.abs(z(measured(grower, 2)["mean_error"], other)).max() > 8


def test_without_replacement_it_is_the_product_derived_by_hand():
    n, pool, fitted = 10, 1 - 1 / 10, []
    for k in range(1, 60):
        rows = k * n
        drawn = rows / (rows - 1) * (n - 1) / n
        fitted.append(drawn * pool)
        between = k / (k + 1) ** 2 * (drawn / n + (rows - n) / ((rows - 1) * n))
        pool *= k / (k + 1) + drawn * (1 - 1 / n) / (k + 1) + between
    np.testing.assert_allclose(theory.variance(np.arange(1, 60), n), fitted)
    np.testing.assert_allclose(theory.mean_error(np.arange(1, 60), n), 1 - np.array(fitted))


@pytest.mark.parametrize("replacement", [False, True], ids=["without replacement", "with replacement"])
def test_for_many_rows_the_error_of_the_mean_has_the_universal_ratio(replacement):
    fits = np.arange(1, 60)
    ratio = universality.subsample_ratio(fits, replacement=replacement)
    np.testing.assert_allclose(theory.mean_error(fits, 10**6, replacement=replacement) * 10**6, ratio, rtol=1e-5)


def test_it_applies_to_accumulate_subsample_at_any_spread():
    for sampler in (Sampler(), Sampler(variance_factor=0.8), Sampler(top_p=0.9)):
        grower = recipe(regime=AccumulateSubsample(), sampler=sampler)
        assert theory.applies(grower)
        assert {"variance", "mean_error"} <= set(expected(grower, 3))
    assert not theory.applies(recipe(regime=Accumulate()))
    assert not theory.applies(recipe(regime=AccumulateSubsample(), curators=("a curator",)))
    assert not theory.applies(recipe(regime=AccumulateSubsample(), sampler=Sampler(temperature=0.9)))
