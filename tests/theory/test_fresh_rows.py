"""Alemohammad et al. 2023: fresh real rows in every generation hold the loop; the same ones every time hold it less."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Accumulate, Blend, Fresh, Mixture, Replace
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits
from dwindle.theory import gaussian_mixed as theory
from tests.theory.grown_chains import measured, recipe, z


@pytest.mark.parametrize("regime", [Fresh(0.9), Blend(0.9), Mixture(0.9, real="fixed")], ids=repr)
def test_chains_with_a_tenth_of_50_rows_real_follow_the_curve(regime):
    grower = recipe(regime=regime, budget=50, chains=4000)
    values, curves = measured(grower, 25), theory.curves(grower, 25)
    for name in ("variance", "mean_error"):
        assert np.abs(z(values[name], curves[name].mean)).max() < 4


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.7])
def test_the_limits_are_where_the_curves_end(share):
    for real, limit in (("fresh", theory.fresh_limit), ("fixed", theory.replayed_limit)):
        grower = recipe(regime=Mixture(synthetic_ratio=1 - share, real=real), budget=50)
        assert theory.curves(grower, 900)["mean_error"].mean[-1] == pytest.approx(limit(share, 50))


def test_replaying_5_rows_drifts_nearly_three_times_as_far_as_5_fresh_ones():
    assert theory.fresh_limit(0.1, 50) == pytest.approx(0.0962, abs=5e-5)
    assert theory.replayed_limit(0.1, 50) == pytest.approx(0.2692, abs=5e-5)


def test_drawing_the_replayed_rows_anew_is_better_than_fixing_them_and_worse_than_fresh_ones():
    errors = []
    for regime in (Fresh(0.9), Blend(0.9), Mixture(0.9, real="fixed")):
        errors.append(theory.curves(recipe(regime=regime, budget=50), 300)["mean_error"].mean[-1])
    assert errors == pytest.approx([0.0962, 0.1135, 0.2692], abs=5e-5)


def test_synthetic_rows_at_most_double_what_the_real_ones_are_worth():
    assert theory.effective_real_rows(0.001, 10**6) == pytest.approx(1000 * 2, rel=0.01)
    assert theory.effective_real_rows(0.5, 10**6) == pytest.approx(10**6 * 0.75, rel=0.01)
    assert theory.effective_real_rows(1.0, 100) == pytest.approx(100)


def test_more_real_rows_never_drift_farther():
    shares = np.linspace(0.01, 1.0, 100)
    for limit in (theory.fresh_limit, theory.replayed_limit):
        assert (np.diff([limit(share, 200) for share in shares]) < 0).all()


@pytest.mark.parametrize(
    "change",
    [
        {"regime": Fresh()},
        {"regime": Blend()},
        {"regime": Mixture(window=3, growth=0.5), "family": Gaussian(ddof=1)},
        {"sampler": Sampler(variance_factor=0.9)},
        {"sampler": Sampler(top_p=0.9)},
        {"sampler": Sampler(oversample=2.0)},
    ],
    ids=repr,
)
def test_it_applies_to_mixtures_and_to_any_spread(change):
    assert theory.applies(recipe(**change))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"regime": Replace()},
        {"regime": Mixture(synthetic_ratio=1.0)},
        {"regime": Accumulate()},
        {"regime": Fresh(), "source": Digits()},
        {"regime": Fresh(), "curators": ("a curator",)},
        {"regime": Fresh(), "sampler": Sampler(flip=0.1)},
        {"regime": Fresh(), "sampler": Sampler(top_p=0.9), "budget": 1},
    ],
    ids=repr,
)
def test_it_does_not_apply_where_another_closed_form_speaks_or_none(change):
    assert not theory.applies(recipe(**change))
