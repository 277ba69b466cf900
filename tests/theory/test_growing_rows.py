"""Shumailov et al. 2024 and Xu et al. 2025: replacement does not collapse if rows grow faster than generations do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import zeta

from dwindle.regimes import Mixture
from dwindle.theory import gaussian_mixed as theory
from tests.theory.grown_chains import measured, recipe, z


def growing(growth, **changes):
    """Return a recipe that replaces with more rows in each generation."""
    return recipe(regime=Mixture(synthetic_ratio=1.0, growth=growth), **changes)


@pytest.mark.parametrize("growth", [0.5, 1.5])
def test_chains_follow_the_curve_and_the_product(growth):
    grower = growing(growth, budget=10, chains=1000)
    values, curves = measured(grower, 14), theory.curves(grower, 14)
    for name in ("variance", "mean_error"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4
    rows = np.array([grower.regime.rows(generation, 10) for generation in range(15)])
    np.testing.assert_allclose(curves["mean_error"].mean, theory.grown_mean_error(rows))


@pytest.mark.parametrize("growth", [1.2, 1.5, 2.0])
def test_above_linear_growth_the_drift_has_an_end_near_the_sum_of_1_over_m(growth):
    rows = 1000 * np.arange(1, 10**6) ** growth
    drift = theory.grown_mean_error(rows)
    assert drift[-1] < zeta(growth) / 1000
    assert drift[-1] == pytest.approx((zeta(growth) - 10.0 ** (-6 * (growth - 1)) / (growth - 1)) / 1000, rel=0.01)


@pytest.mark.parametrize("growth", [0.0, 0.5, 1.0])
def test_up_to_linear_growth_everything_drifts_away(growth):
    drift = theory.grown_mean_error(2 * np.arange(1, 10**6) ** growth)
    assert drift[-1] > 0.999


def test_the_curve_tells_the_two_apart_within_a_thousand_generations():
    ends = [theory.curves(growing(growth, budget=10), 1000)["variance"].mean[-1] for growth in (0.5, 2.0)]
    assert ends[0] < 0.01
    assert ends[1] == pytest.approx(np.prod(1 - 1 / (10 * np.arange(1.0, 1002) ** 2)))
