"""What the variance loses the mean gains: with moments fitted as they are and sampled as fitted, nothing else can go.

E S + E (m - mu)^2 stays the true variance for maximum likelihood, whatever the regime.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.expectations import expected
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Fresh, Mixture, Replace
from dwindle.samplers import Sampler
from tests.theory.grown_chains import measured, recipe, z

REGIMES = [
    Replace(),
    Accumulate(),
    AccumulateSubsample(),
    AccumulateSubsample(replacement=True),
    Blend(),
    Fresh(),
    Mixture(real="fixed", window=2),
    Mixture(real_weight=0.5, growth=0.5),
]


@pytest.mark.parametrize("regime", REGIMES, ids=repr)
def test_the_sum_of_both_curves_is_the_true_variance(regime):
    curves = expected(recipe(regime=regime, budget=11), 60)
    np.testing.assert_allclose(curves["variance"].mean + curves["mean_error"].mean, 1.0)


@pytest.mark.parametrize("regime", REGIMES, ids=repr)
def test_the_sum_of_both_measures_is_the_true_variance(regime):
    values = measured(recipe(regime=regime, budget=10), 12)
    assert np.abs(z(values["variance"] + values["mean_error"], 1.0)).max() < 4
    assert values["mean_error"][-1].mean() > 0.05


def test_an_unbiased_fit_gains_and_a_narrow_sampler_loses():
    gained = expected(recipe(family=Gaussian(ddof=1)), 20)
    lost = expected(recipe(sampler=Sampler(variance_factor=0.9)), 20)
    assert gained["variance"].mean[-1] + gained["mean_error"].mean[-1] > 1.9
    assert lost["variance"].mean[-1] + lost["mean_error"].mean[-1] < 0.5
