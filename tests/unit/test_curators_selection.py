"""Curators that select by a score: what stays, what goes for which reason, and the bias against its closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from dwindle.contracts import Rows, Seed
from dwindle.curators.best_of import BestOf
from dwindle.curators.central_mass import CentralMass
from dwindle.curators.reward_tilt import RewardTilt
from dwindle.curators.top_fraction import TopFraction
from dwindle.rewards import leading, reward

SEED = Seed(3, ("selection",))
CHAINS, COUNT = 40, 8000


def curate(curator, rows):
    return curator.curate(rows, anchor=rows, seed=SEED)


def column(*chains, weights=None):
    """Return rows of one dimension."""
    return Rows(np.array(chains, dtype=float)[..., None], None if weights is None else np.array(weights, dtype=float))


@pytest.fixture(scope="module")
def normal():
    return Rows(SEED.at("normal").numpy().standard_normal((CHAINS, COUNT, 1)))


def moments(rows, curated):
    """Return mean and variance of what stays in each chain, (c,) each."""
    weights = curated.kept * (np.ones(curated.kept.shape) if curated.weights is None else curated.weights)
    shares = weights / weights.sum(axis=1, keepdims=True)
    values = rows.values[..., 0]
    mean = (shares * values).sum(axis=1)
    return mean, (shares * (values - mean[:, None]) ** 2).sum(axis=1)


def z(values, expected):
    return (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))


def test_rewards_are_the_first_coordinate_and_the_nearness_to_a_target():
    values = np.array([[[1.0, 2.0], [3.0, -1.0]]])
    assert reward(values, "coordinate").tolist() == [[1.0, 3.0]]
    np.testing.assert_allclose(reward(values, "nearness", target=1.0, width=2.0), [[-1 / 8, -8 / 8]])


def test_a_nearness_beyond_all_numbers_is_minus_infinity():
    assert reward(np.array([[[1e200]]]), "nearness").tolist() == [[-np.inf]]


def test_of_equal_scores_the_earlier_lead_and_places_without_a_row_never_do():
    scores = np.array([[1.0, 1.0, -np.inf, 1.0], [5.0, 0.0, np.nan, -np.inf]])
    present = np.array([[True] * 4, [True, True, False, True]])
    assert leading(scores, present, 0.5).tolist() == [[True, True, False, False], [True, True, False, False]]
    assert leading(scores, present, 1.0).tolist() == present.tolist()
    assert not leading(scores, present, 0.0).any()


def test_best_of_keeps_the_best_of_each_group_and_counts_what_makes_no_full_group():
    curated = curate(BestOf(k=3), column([1, 5, 2, 9, 7, 8, 4]))
    assert curated.kept.tolist() == [[False, True, False, True, False, False, False]]
    assert dict(curated.dropped) == {"not the best of 3": 4, "no full group of 3": 1}


def test_best_of_groups_the_rows_that_exist():
    rows = column([9, 1, 2, 9, 4, 3], [1, 9, 2, 3, 9, 9], weights=[[0, 1, 1, 0, 1, 1], [1, 0, 1, 1, 0, 0]])
    curated = curate(BestOf(), rows)
    assert curated.kept.tolist() == [
        [False, False, True, False, True, False],
        [False, False, True, False, False, False],
    ]
    assert dict(curated.dropped) == {"not the best of 2": 3, "no full group of 2": 1}


def test_best_of_by_nearness_keeps_the_row_nearest_to_the_target():
    curated = curate(BestOf(reward="nearness", target=4.0), column([0, 5, 10, 1]))
    assert curated.kept.tolist() == [[False, True, False, True]]


def test_fewer_rows_than_a_group_leave_nothing():
    curated = curate(BestOf(k=5), column([1, 2, 3]))
    assert not curated.kept.any()
    assert curated.dropped["no full group of 5"] == 3


@pytest.mark.parametrize(("k", "mean", "variance"), [(1, 0.0, 1.0), (2, 1 / np.sqrt(np.pi), 1 - 1 / np.pi)])
def test_best_of_two_leaves_1_minus_1_over_pi_of_the_variance(normal, k, mean, variance):
    means, variances = moments(normal, curate(BestOf(k=k), normal))
    assert abs(z(means, mean)) < 4
    assert abs(z(variances, variance * (1 - k / COUNT))) < 4


def test_top_fraction_keeps_the_rows_nearest_to_the_target_in_each_chain():
    curated = curate(TopFraction(fraction=0.5, target=1.0), column([0.0, 1.5, 0.9, 9.0], [2.0, 1.0, -3.0, 4.0]))
    assert curated.kept.tolist() == [[False, True, True, False], [True, True, False, False]]
    assert dict(curated.dropped) == {"not among the best 0.5 of the rows": 4}


def test_top_fraction_is_a_fraction_of_the_rows_that_exist():
    curated = curate(TopFraction(fraction=0.5, reward="coordinate"), column([1, 9, 2, 3, 4], weights=[[1, 0, 1, 1, 1]]))
    assert curated.kept.tolist() == [[False, False, False, True, True]]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.9])
def test_the_top_fraction_by_coordinate_is_the_upper_tail_of_the_normal_law(normal, fraction):
    edge = norm.ppf(1 - fraction)
    hazard = norm.pdf(edge) / fraction
    means, variances = moments(normal, curate(TopFraction(fraction=fraction, reward="coordinate"), normal))
    assert abs(z(means, hazard)) < 4
    assert abs(z(variances, 1 + edge * hazard - hazard**2)) < 4


@pytest.mark.parametrize("target", [0.0, 1.0, -2.0])
def test_the_top_fraction_by_nearness_is_the_normal_law_cut_to_an_interval(normal, target):
    half = brentq(lambda h: norm.cdf(target + h) - norm.cdf(target - h) - 0.25, 0, 9)
    low, high = target - half, target + half
    mean = (norm.pdf(low) - norm.pdf(high)) / 0.25
    variance = 1 + (low * norm.pdf(low) - high * norm.pdf(high)) / 0.25 - mean**2
    means, variances = moments(normal, curate(TopFraction(target=target), normal))
    assert abs(z(means, mean)) < 4
    assert abs(z(variances, variance)) < 4


def test_central_mass_trims_both_tails():
    curated = curate(CentralMass(mass=0.6), column([0.0, 10.0, 4.0, 5.0, 6.0]))
    assert curated.kept.tolist() == [[False, False, True, True, True]]
    assert dict(curated.dropped) == {"outside the central 0.6 of the mass": 2}


def test_central_mass_does_not_depend_on_shape_place_or_scale():
    values = SEED.at("cloud").numpy().standard_normal((3, 200, 2))
    mixing = np.array([[3.0, 0.0], [2.9, 0.1]])
    kept = curate(CentralMass(mass=0.8), Rows(values)).kept
    for scale in (1e-200, 1.0, 1e100):
        moved = Rows(scale * (values @ mixing.T + 7.0))
        assert (curate(CentralMass(mass=0.8), moved).kept == kept).all()


def test_directions_without_variance_do_not_trim():
    flat = np.zeros((1, 5, 2))
    flat[0, :, 0] = [0.0, 10.0, 4.0, 5.0, 6.0]
    assert curate(CentralMass(mass=0.6), Rows(flat)).kept.tolist() == [[False, False, True, True, True]]
    assert curate(CentralMass(mass=0.6), Rows(np.ones((1, 5, 2)))).kept.sum() == 3


def test_rows_of_weight_zero_move_no_centre():
    rows = column([0.0, 1.0, 2.0, np.nan, 1e9], weights=[[1, 1, 1, 0, 0]])
    assert curate(CentralMass(mass=0.4), rows).kept.tolist() == [[False, True, False, False, False]]


@pytest.mark.parametrize("mass", [0.5, 0.8, 0.95, 1.0])
def test_the_central_mass_has_the_variance_of_the_truncated_normal_law(normal, mass):
    cut = norm.ppf((1 + mass) / 2)
    lost = 2 * cut * norm.pdf(cut) / mass if mass < 1 else 0.0
    means, variances = moments(normal, curate(CentralMass(mass=mass), normal))
    assert abs(z(means, 0.0)) < 4
    assert abs(z(variances, 1 - lost)) < 4


def test_tilted_weights_are_the_reward_and_keep_the_mean_1():
    curated = curate(RewardTilt(target=1.0, width=0.5), column([1.0, 2.0, 0.5]))
    expected = np.exp([0.0, -2.0, -0.5])
    np.testing.assert_allclose(curated.weights, [3 * expected / expected.sum()])
    assert curated.kept.all()


def test_tilting_multiplies_weights_and_keeps_their_sum():
    rows = column([0.0, 1.0, np.nan], weights=[[2.0, 6.0, 0.0]])
    curated = curate(RewardTilt(), rows)
    np.testing.assert_allclose(curated.weights[0, 1] / curated.weights[0, 0], 3 * np.exp(-0.5))
    assert curated.weights.sum() == pytest.approx(8.0)
    assert curated.kept.tolist() == [[True, True, False]]


def test_a_far_target_still_weights_and_a_weight_of_0_drops():
    curated = curate(RewardTilt(target=1000.0, width=0.1), column([0.0, 0.001, -1.0]))
    assert curated.kept.tolist() == [[True, True, False]]
    assert dict(curated.dropped) == {"a weight by reward of 0": 1}
    np.testing.assert_allclose(curated.weights[0, 1] / curated.weights[0, 0], np.exp(99.99995), rtol=1e-6)


@pytest.mark.parametrize(("target", "width"), [(0.0, 1.0), (1.0, 2.0), (-0.5, 0.7)])
def test_a_tilt_adds_1_over_its_squared_width_to_the_precision(normal, target, width):
    precision = 1 + 1 / width**2
    curated = curate(RewardTilt(target=target, width=width), normal)
    means, variances = moments(normal, curated)
    assert abs(z(means, target / width**2 / precision)) < 4
    assert abs(z(variances, 1 / precision)) < 4
