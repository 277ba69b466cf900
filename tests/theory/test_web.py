"""A shared pool, an archive and a supply that shrinks: chains follow the exact second moments, |z| < 4."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.curators.detector import Detector
from dwindle.expectations import expected
from dwindle.families.gaussian import Gaussian
from dwindle.families.producers import Producers
from dwindle.regimes import Accumulate, Fresh, Mixture, Replace, Web
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.theory import gaussian_mixed, gaussian_pool, verifier
from tests.theory.grown_chains import measured, recipe, z

NAMES = ("variance", "mean_error")
PLANE = Truth(dimensions=2, variance=3.0, correlation=0.6, centre=-1.0)
BIASED = Sampler(variance_factor=0.85)
DETECTOR = Detector(true_positive_rate=0.9, false_positive_rate=0.2)


def farthest(grower, theory, generations=8):
    """Return the largest |z| of the chains of a recipe against a closed form."""
    assert theory.applies(grower)
    values, curves = measured(grower, generations), theory.curves(grower, generations)
    return max(float(np.abs(z(values[name], curves[name].mean)).max()) for name in NAMES)


@pytest.mark.parametrize(
    "regime",
    [
        Web(synthetic_ratio=0.8, schedule="linear", ramp=5),
        Web(synthetic_ratio=0.8, ramp=6, archive_share=0.2),
        Web(synthetic_ratio=0.8, ramp=6, archive_share=0.5, archive="replayed"),
        Web(synthetic_ratio=0.4, schedule="constant", supply=0.7, archive_share=0.1),
        Web(synthetic_ratio=0.4, schedule="constant", supply=0.7, fill=False),
    ],
    ids=repr,
)
def test_a_lineage_on_the_web_follows_the_kinship_of_its_rows(regime):
    assert farthest(recipe(regime=regime, source=PLANE, sampler=BIASED), gaussian_mixed) < 4


@pytest.mark.parametrize(
    "change",
    [
        {"family": Producers(count=1)},
        {"family": Producers(count=5)},
        {"family": Producers(count=3, ddof=1), "sampler": BIASED},
        {"family": Producers(count=3), "regime": Web(ramp=6, archive_share=0.3), "sampler": BIASED},
        {"family": Producers(count=3), "regime": Fresh(0.8), "source": PLANE},
    ],
    ids=repr,
)
def test_producers_of_one_pool_follow_the_curves(change):
    assert farthest(recipe(**change), gaussian_pool) < 4


@pytest.mark.parametrize(
    "change",
    [
        {"regime": Fresh(0.7)},
        {"regime": Replace(), "curators": (replace(DETECTOR, marked=0.5),), "sampler": Sampler(oversample=2.0)},
        {"regime": Web(synthetic_ratio=0.8, ramp=6, archive_share=0.2), "sampler": BIASED},
        {"regime": Web(synthetic_ratio=0.8, ramp=6, archive_share=0.4, archive="replayed"), "family": Gaussian(ddof=1)},
        {"regime": Mixture(0.7, growth=0.3), "curators": (replace(DETECTOR, marked=0.25),), "family": Producers()},
        {
            "regime": Web(synthetic_ratio=0.8, schedule="linear", ramp=4),
            "curators": (replace(DETECTOR, marked=2 / 3, true_positive_rate=0.99),),
            "family": Producers(count=3),
            "sampler": Sampler(variance_factor=0.8, oversample=1.5),
            "source": PLANE,
        },
    ],
    ids=repr,
)
def test_what_a_detector_leaves_follows_the_curves(change):
    # Numbers of rows are random here, and at 20 rows their spread moves the moments by several standard errors.
    assert farthest(recipe(**({"curators": (DETECTOR,), "chains": 3000} | change)), gaussian_pool) < 4


def test_producers_that_are_one_and_detectors_that_drop_nothing_change_no_curve():
    for regime in (Replace(), Fresh(0.8), Web(ramp=4, archive_share=0.25), Web(archive_share=0.4, archive="replayed")):
        plain = gaussian_mixed.curves(recipe(regime=regime), 12)
        blind = Detector(true_positive_rate=0.0, false_positive_rate=0.0)
        for change in ({"family": Producers(count=1)}, {"curators": (blind,)}):
            found = gaussian_pool.curves(recipe(regime=regime, **change), 12)
            for name in NAMES:
                np.testing.assert_allclose(found[name].mean, plain[name].mean, rtol=1e-12)


def test_four_producers_of_one_pool_drift_as_one_and_apart_four_times_as_fast():
    pooled = gaussian_pool.curves(recipe(family=Producers(count=4), budget=80), 30)["variance"].mean
    np.testing.assert_allclose(pooled[:-1] - pooled[1:], pooled[:-1] * 19 / 20 / 79, rtol=1e-9)
    alone = expected(recipe(budget=20), 30)["variance"].mean
    assert pooled[30] == pytest.approx(expected(recipe(budget=80), 30)["variance"].mean[30], rel=0.02)
    assert np.log(alone[30]) / np.log(pooled[30]) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("marked", [0.0, 0.5, 1.0])
def test_with_many_rows_the_spread_ends_where_the_real_share_that_is_left_lets_it(marked):
    detector = replace(DETECTOR, marked=marked)
    grower = recipe(regime=Fresh(0.9), budget=5000, curators=(detector,), sampler=Sampler(variance_factor=0.8))
    left = float(verifier.real_share(0.9, 0.9, 0.2, marked))
    found = gaussian_pool.curves(grower, 60)
    assert found["real_share"].mean[-1] == pytest.approx(left, rel=2e-3)
    assert found["variance"].mean[-1] == pytest.approx(gaussian_mixed.mad_floor(left, 0.8), rel=5e-3)


def test_half_of_the_producers_marking_is_worth_little_to_a_detector_that_finds_nearly_all():
    left = verifier.real_share(0.9, 0.99, 0.01, [0.0, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(left, [0.1, 0.1803, 0.5046, 0.9167], atol=5e-5)


def test_a_verdict_is_worth_nothing_if_guessed_and_all_real_rows_if_it_never_errs():
    shares = np.array([0.0, 0.3, 0.9])
    np.testing.assert_allclose(verifier.effective_share(shares, 0.4, 0.4), (1 - shares) ** 2)
    np.testing.assert_allclose(verifier.effective_share(shares, 0.4, 0.1, 0.0), (1 - shares) ** 2)
    np.testing.assert_allclose(verifier.effective_share(shares, 1.0, 0.0), 1 - shares)
    by_chi2 = 0.1**2 * (1 + 0.9**2 * (0.8 - 0.1) ** 2 * (1 / 0.73 + 1 / 0.27))  # Q is (.27, .73), Q1 (.9, .1)
    assert verifier.effective_share(0.9, 0.8, 0.1) == pytest.approx(by_chi2)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"regime": Accumulate(), "family": Producers()},
        {"regime": Mixture(window=2), "family": Producers()},
        {"regime": Mixture(real_weight=0.5), "curators": (DETECTOR,)},
        {"curators": (DETECTOR, DETECTOR)},
        {"curators": ("a curator",), "family": Producers()},
    ],
    ids=repr,
)
def test_it_does_not_apply_where_another_closed_form_speaks_or_none(change):
    assert not gaussian_pool.applies(recipe(**change))
