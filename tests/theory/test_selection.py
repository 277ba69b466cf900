"""Ferbach et al. 2024 and others: a curator that prefers some rows narrows a replacing Gaussian, or carries it away."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.curators.best_of import BestOf
from dwindle.curators.central_mass import CentralMass
from dwindle.curators.keep_all import KeepAll
from dwindle.curators.reward_tilt import RewardTilt
from dwindle.expectations import expected
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_selected as theory
from tests.theory.grown_chains import measured, recipe, z

SOURCE = Truth(variance=4.0, centre=1.0)


@pytest.mark.parametrize(
    ("curator", "oversample"),
    [
        (CentralMass(mass=0.8), 1.25),
        (BestOf(k=2), 2.0),
        (BestOf(k=5), 5.0),
        (RewardTilt(target=2.0, width=3.0), 1.0),
    ],
    ids=repr,
)
def test_chains_of_many_rows_follow_the_curve(curator, oversample):
    sampler = Sampler(oversample=oversample)
    grower = recipe(curators=(curator,), sampler=sampler, source=SOURCE, budget=4000, chains=40)
    values, curves = measured(grower, 6), expected(grower, 6)
    for name in ("variance", "mean"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_variance_of_the_best_of_two_is_exact_for_few_rows(ddof):
    for oversample in (1.0, 2.0):
        sampler = Sampler(oversample=oversample)
        grower = recipe(curators=(BestOf(k=2),), sampler=sampler, family=Gaussian(ddof=ddof), chains=4000)
        assert np.abs(z(measured(grower, 6)["variance"], expected(grower, 6)["variance"].mean)).max() < 4


@pytest.mark.parametrize(("mass", "factor"), [(0.95, 0.7588), (0.9, 0.6230), (0.8, 0.4377), (1.0, 1.0)])
def test_the_central_mass_keeps_the_variance_of_the_truncated_law(mass, factor):
    assert theory.central_mass(mass) == pytest.approx(factor, abs=5e-5)


def test_the_best_of_two_has_its_known_moments_and_walks_3_24_deviations_in_all():
    mean, variance = theory.best_of(2)
    assert mean == pytest.approx(1 / np.sqrt(np.pi))
    assert variance == pytest.approx(1 - 1 / np.pi)
    assert theory.best_of(1) == pytest.approx((0.0, 1.0))
    sampler = Sampler(oversample=2.0)
    curve = theory.curves(recipe(curators=(BestOf(),), sampler=sampler, budget=10**6), 200)["mean"]
    assert curve.mean[-1] == pytest.approx(3.24, abs=0.01)


def test_a_tilt_adds_to_the_precision_and_ends_at_its_target():
    mean, variance = 1.0, 4.0
    for _ in range(7):
        mean, variance = theory.reward_tilt(mean, variance, target=5.0, width=2.0)
    assert (mean, variance) == pytest.approx(theory.reward_tilt(1.0, 4.0, target=5.0, width=2.0, steps=7))
    assert 1 / variance == pytest.approx(1 / 4.0 + 7 / 2.0**2)
    assert theory.reward_tilt(1.0, 4.0, target=5.0, width=2.0, steps=10**6)[0] == pytest.approx(5.0, abs=1e-4)


def test_it_applies_to_one_known_curator_that_selects():
    assert theory.applies(recipe(curators=(KeepAll(), BestOf())))
    for change in (
        {"curators": ()},
        {"curators": (BestOf(), BestOf())},
        {"curators": (BestOf(reward="nearness"),)},
        {"curators": ("a curator",)},
        {"curators": (BestOf(),), "regime": Accumulate()},
        {"curators": (BestOf(),), "sampler": Sampler(variance_factor=0.9)},
        {"curators": (BestOf(),), "source": Truth(dimensions=2)},
    ):
        assert not theory.applies(recipe(**change))
