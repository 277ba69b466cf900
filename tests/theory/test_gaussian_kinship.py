"""Malécot 1948: the kinship of rows, carried from generation to generation, gives every second moment exactly.

Chains are grown under the regime's own plans and held to the recursion at |z| < 4; where another exact recursion knows
the same loop, the two agree to rounding.
"""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Fresh, Mixture, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_accumulate, gaussian_replace
from dwindle.theory.gaussian_kinship import Loop, moment_curves, moments
from tests.theory.grown_chains import measured, recipe, z

REGIMES = [
    Replace(),
    AccumulateSubsample(),
    AccumulateSubsample(replacement=True),
    Blend(synthetic_ratio=0.6),
    Fresh(synthetic_ratio=0.7),
    Mixture(synthetic_ratio=0.7, window=3),
    Mixture(synthetic_ratio=0.8, real="replayed", window=2, growth=0.3),
    Mixture(synthetic_ratio=0.7, real="fixed", growth=0.5),
    Mixture(synthetic_ratio=0.9, real="fixed", schedule="linear", ramp=4),
    Mixture(synthetic_ratio=0.8, real_weight=0.45, schedule="logistic", ramp=6),
    Mixture(synthetic_ratio=0.8, real="replayed", real_weight=0.6),
]


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("regime", REGIMES, ids=repr)
def test_chains_follow_the_recursion_under_every_regime(regime, ddof):
    source = Truth(dimensions=2, variance=3.0, correlation=0.6, centre=-1.0)
    sampler = Sampler(variance_factor=0.85, oversample=1.5)
    grower = recipe(regime=regime, family=Gaussian(ddof=ddof), source=source, sampler=sampler, budget=10)
    values, curves = measured(grower, 9), moment_curves(grower, 9, "")
    for name, curve in curves.items():
        assert np.abs(z(values[name], curve.mean)).max() < 4


@pytest.mark.parametrize("ddof", [0, 1])
def test_it_agrees_with_the_recursions_of_replacement_and_accumulation(ddof):
    fits = np.arange(1, 41)
    for regime, theory in ((Replace(), gaussian_replace), (Accumulate(), gaussian_accumulate)):
        found = moments(Loop(regime, 7, ddof), 39)
        np.testing.assert_allclose(found.variance, theory.variance(fits, 7, ddof))
        np.testing.assert_allclose(found.mean_error, theory.mean_error(fits, 7, ddof))


def test_a_mixture_without_real_rows_and_a_fresh_one_are_the_regimes_of_that_name():
    for mixture, regime in (
        (Mixture(1.0), Replace()),
        (Mixture(0.7), Fresh(0.7)),
        (Mixture(0.7, "replayed"), Blend(0.7)),
    ):
        ours, theirs = moments(Loop(mixture, 20), 30), moments(Loop(regime, 20), 30)
        np.testing.assert_array_equal(ours.variance, theirs.variance)
        np.testing.assert_array_equal(ours.mean_error, theirs.mean_error)


def test_rows_that_are_all_real_keep_the_first_fit():
    found = moments(Loop(Blend(synthetic_ratio=0.0), 20), 5)
    np.testing.assert_allclose(found.variance, 0.95)
    np.testing.assert_allclose(found.mean_error, 0.05)
