"""Alemohammad et al. 2023 (MAD): sampling with less spread than was fitted ends every loop without real rows.

Accumulation cures the noise of sampling, not its bias: the variance falls as a power of the number of fits.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma

from dwindle.expectations import expected
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, AccumulateSubsample, Fresh, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_biased_accumulate as accumulate
from dwindle.theory import gaussian_mixed as mixed
from dwindle.theory.matching import spread_of
from tests.theory.grown_chains import measured, recipe, z


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("spread", [0.9, 0.6])
def test_replacement_loses_lambda_a_generation_and_its_mean_stops(spread, ddof):
    grower = recipe(sampler=Sampler(variance_factor=spread), family=Gaussian(ddof=ddof), budget=50)
    values, curves, fits = measured(grower, 12), expected(grower, 12), np.arange(1, 14)
    for name in ("variance", "mean_error"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4
    np.testing.assert_allclose(curves["variance"].mean, mixed.mad_variance(fits, 50, ddof, spread))
    if ddof == 1:
        walked = (1 + spread * (1 - spread ** (fits - 1)) / (1 - spread)) / 50
        np.testing.assert_allclose(curves["mean_error"].mean, walked)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("sampler", [Sampler(variance_factor=0.7), Sampler(top_p=0.9)], ids=["lambda", "top_p"])
def test_accumulation_follows_its_curve_in_any_dimension(sampler, ddof):
    source = Truth(dimensions=2, variance=3.0, correlation=0.7)
    grower = recipe(regime=Accumulate(), sampler=sampler, source=source, family=Gaussian(ddof=ddof), budget=8)
    values, curves = measured(grower, 20), expected(grower, 20)
    for name in ("variance", "mean_error"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4
        if curves[name].deviation is not None:
            squares = (values[name] - curves[name].mean[:, None]) ** 2
            assert np.abs(z(squares, curves[name].deviation ** 2)).max() < 4


@pytest.mark.parametrize("spread", [0.5, 0.8, 0.95])
def test_under_accumulation_the_variance_falls_as_the_power_lambda_minus_1(spread):
    fits = np.array([1, 10, 10_000, 40_000])
    left = accumulate.variance(fits, spread)
    assert left[0] == pytest.approx(1.0)
    assert np.log(left[3] / left[2]) / np.log(4) == pytest.approx(-(1 - spread), abs=1e-4)
    np.testing.assert_allclose(left[2:], fits[2:] ** -(1 - spread) / gamma(1 + spread), rtol=1e-4)
    grower = recipe(regime=Accumulate(), sampler=Sampler(variance_factor=spread), budget=10**6)
    assert expected(grower, 9)["variance"].mean[-1] == pytest.approx(left[1], rel=1e-5)


@pytest.mark.parametrize("ddof", [0, 1])
def test_fresh_rows_set_a_floor_that_no_number_of_rows_lifts(ddof):
    regime, sampler = Fresh(synthetic_ratio=0.9), Sampler(variance_factor=0.8)
    grower = recipe(regime=regime, sampler=sampler, family=Gaussian(ddof=ddof))
    values, curves = measured(grower, 20), expected(grower, 20)
    for name in ("variance", "mean_error"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4
    last = expected(recipe(regime=regime, sampler=sampler, budget=10**6), 100)["variance"].mean[-1]
    assert last == pytest.approx(mixed.mad_floor(0.1, 0.8), rel=1e-4)
    assert mixed.mad_floor(0.1, 0.8) == pytest.approx(0.357, abs=5e-4)


def test_the_floor_of_few_rows_solves_the_system_of_both_moments():
    share, spread, rows = 0.1, 0.8, 20
    old = 1 - share
    system = [[1 - old * spread, 1 - old], [-old * spread / rows, 1 - old**2]]
    variance, error = np.linalg.solve(system, [share, share / rows])
    curves = mixed.curves(recipe(regime=Fresh(old), sampler=Sampler(variance_factor=spread)), 300)
    assert curves["variance"].mean[-1] == pytest.approx(variance)
    assert curves["mean_error"].mean[-1] == pytest.approx(error)


def test_top_p_has_the_spread_of_the_truncated_normal_law():
    draws = np.random.default_rng(0).standard_normal((400_000, 3))
    for dimensions in (1, 3):
        squared = (draws[:, :dimensions] ** 2).sum(axis=1)
        within = draws[squared <= np.quantile(squared, 0.8), 0]
        assert spread_of(Sampler(top_p=0.8), dimensions) == pytest.approx(within.var(), rel=0.01)
    assert spread_of(Sampler(top_p=0.9), 1) == pytest.approx(0.6230, abs=5e-5)
    assert spread_of(Sampler(variance_factor=0.5, top_p=0.9), 1) == pytest.approx(0.3115, abs=5e-5)


def test_one_closed_form_speaks_of_each_loop():
    for regime in (Replace(), Accumulate(), AccumulateSubsample(), Fresh()):
        for sampler in (Sampler(), Sampler(variance_factor=0.8), Sampler(top_p=0.9), Sampler(oversample=2.0)):
            assert {"variance", "mean_error"} <= set(expected(recipe(regime=regime, sampler=sampler), 3))
    assert not accumulate.applies(recipe(regime=Accumulate()))
    assert not mixed.applies(recipe(regime=Replace()))
    assert "log_variance" in expected(recipe(regime=Replace()), 3)
