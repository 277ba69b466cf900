"""He et al. 2025: beside as many synthetic rows, fresh real rows are weighted best by the golden ratio."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.regimes import Mixture
from dwindle.theory import gaussian_mixed as theory
from tests.theory.grown_chains import measured, recipe, z


def test_beside_as_many_synthetic_rows_the_best_weight_is_the_golden_ratio():
    assert theory.best_weight(1.0) == pytest.approx((np.sqrt(5) - 1) / 2)
    assert theory.best_weight(1.0) == pytest.approx(0.618, abs=5e-4)


@pytest.mark.parametrize(("real", "synthetic"), [(100, 100), (10, 190), (150, 50)])
def test_no_weight_is_better_and_the_best_error_is_itself_over_the_real_rows(real, synthetic):
    best = theory.best_weight(real / synthetic)
    lowest = theory.weighted_limit(best, real, synthetic)
    assert lowest == pytest.approx(best / real)
    weights = np.linspace(0.01, 1.0, 100)
    assert min(theory.weighted_limit(weight, real, synthetic) for weight in weights) >= lowest


def test_equal_weights_end_a_twelfth_worse_and_real_rows_alone_three_fifths():
    errors = [theory.weighted_limit(weight, 100, 100) * 100 for weight in (theory.best_weight(1.0), 0.5, 1.0)]
    assert errors == pytest.approx([0.618, 0.667, 1.0], abs=5e-4)


def test_the_curve_of_many_rows_ends_at_the_limit():
    for weight in (0.2, 0.5, 0.618, 0.9):
        regime = Mixture(synthetic_ratio=0.5, real_weight=weight)
        last = theory.curves(recipe(regime=regime, budget=20_000), 60)["mean_error"].mean[-1]
        assert last == pytest.approx(theory.weighted_limit(weight, 10_000, 10_000), rel=1e-3)


def test_chains_follow_the_curve_and_are_best_near_the_golden_ratio():
    weights, errors = np.linspace(0.318, 0.918, 7), []
    for weight in weights:
        grower = recipe(regime=Mixture(synthetic_ratio=0.5, real_weight=float(weight)), budget=40, chains=3000)
        values, curves = measured(grower, 14), theory.curves(grower, 14)
        for name in ("variance", "mean_error"):
            assert np.abs(z(values[name], curves[name].mean)).max() < 4
        errors.append(values["mean_error"][8:].mean())
    assert abs(weights[np.argmin(errors)] - 0.618) < 0.11
