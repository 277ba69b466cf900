"""A lineage without drift leaves its band as often as the band says, and one that drifts leaves it when it does."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dwindle.profile import Trajectory, control_band, passage
from dwindle.profile.bands import Band, first_runs, outside
from dwindle.profile.passage import median_interval
from dwindle.profile.trajectories import linear_parts, second_half, slopes
from dwindle.seeds import Seed

SEED = Seed(11, ("profile", "passage"))
TRIALS = 500


def trajectory(chains, better="lower", scale="linear"):
    return Trajectory(np.arange(len(chains)), np.asarray(chains, dtype=np.float64), better, scale)


def still(name, generations, chains, *, stays=0.0):
    """Return values without drift whose chains keep a share of their variance for good, (trials, g, c)."""
    draw = SEED.at(name).numpy()
    noise = draw.standard_normal((TRIALS, generations, chains)) * math.sqrt(1 - stays)
    return 5.0 + noise + draw.standard_normal((TRIALS, 1, chains)) * math.sqrt(stays)


def alarms(lineages, controls):
    """Return how many lineages left their band, and how many chains left that of a single chain."""
    found = []
    for place, lineage in enumerate(lineages):
        grown, control = trajectory(lineage), None if controls is None else trajectory(controls[place])
        found.append(passage(grown, control_band(grown, control, seed=SEED.at(place), alpha=0.1)))
    return sum(math.isfinite(one.generation) for one in found), sum(one.left for one in found)


def z(hits, rate, trials):
    return (hits - rate * trials) / math.sqrt(trials * rate * (1 - rate))


@pytest.mark.parametrize("stays", [0.0, 0.7])
def test_a_lineage_without_drift_leaves_its_band_as_often_as_the_band_says(stays):
    lineages, controls = still(f"lineage {stays}", 8, 6, stays=stays), still(f"control {stays}", 10, 12, stays=stays)
    hits, of_chains = alarms(lineages, controls)
    assert abs(z(hits, 0.1, TRIALS)) < 4
    # Chains share their control, so their count scatters more than a binomial one.
    assert 0.07 < of_chains / (TRIALS * 6) < 0.13


def test_few_chains_still_keep_the_rate():
    hits, _ = alarms(still("three", 6, 3), still("three real", 6, 3))
    assert abs(z(hits, 0.1, TRIALS)) < 4


def test_without_a_control_the_rate_is_kept_by_generation_0():
    hits, _ = alarms(still("alone", 8, 8), None)
    assert abs(z(hits, 0.1, TRIALS)) < 4


def test_a_band_by_single_generations_would_cry_wolf():
    """The reason for the simultaneous band: 1.96 standard errors at each of many generations are left too often."""
    lineages = still("naive", 40, 6).mean(axis=2) * math.sqrt(6)
    naive = outside(lineages.T, 5.0 * math.sqrt(6), 1.96)
    assert (naive != 0).any(axis=0).mean() > 0.7


def rising(generations=30, chains=20, start=10, step=0.5):
    draw = SEED.at("rising").numpy()
    drift = step * np.maximum(0, np.arange(generations) - start)[:, None]
    return 5.0 + drift + draw.standard_normal((generations, chains)), 5.0 + draw.standard_normal((20, 20))


def test_a_drift_is_found_soon_after_it_begins_and_its_side_is_told():
    values, real = rising()
    grown = trajectory(values)
    found = passage(grown, control_band(grown, trajectory(real), seed=SEED))
    assert 10 < found.generation <= 13
    assert (found.side, found.harmful, found.left) == (1, True, 20)
    assert found.generation < found.low <= found.median <= found.high < 30
    mirrored = trajectory(10.0 - values)
    good = passage(mirrored, control_band(mirrored, trajectory(10.0 - real), seed=SEED))
    assert (good.generation, good.side, good.harmful) == (found.generation, -1, False)


def test_a_single_generation_outside_is_no_passage():
    values, real = rising(step=0.0)
    values[15] += 20.0
    grown = trajectory(values)
    found = passage(grown, control_band(grown, trajectory(real), seed=SEED))
    assert math.isinf(found.generation)
    assert found.side == 0
    assert "by generation 29" in found.reason


def test_out_at_the_last_generation_alone_is_told_but_not_counted():
    values, real = rising(step=0.0)
    values[-1] += 20.0
    grown = trajectory(values)
    found = passage(grown, control_band(grown, trajectory(real), seed=SEED))
    assert math.isinf(found.generation)
    assert "out at the last" in found.reason


def test_a_control_that_does_not_vary_makes_a_band_of_no_width():
    grown = trajectory(np.repeat([25.0, 25.0, 24.0, 24.0, 23.0], 4).reshape(5, 4), better="higher")
    band = control_band(grown, trajectory(np.full((5, 4), 25.0)), seed=SEED)
    assert (band.reach, band.chain_reach) == (0.0, 0.0)
    assert "does not vary" in band.reason
    assert passage(grown, band).generation == 2.0


def test_two_chains_have_no_band_and_say_so():
    grown = trajectory(np.ones((5, 2)))
    found = passage(grown, control_band(grown, None, seed=SEED))
    assert math.isnan(found.generation)
    assert "fewer than 3 chains" in found.reason
    assert found.as_dict()["generation"] is None


def test_a_wholly_collapsed_chain_lies_below_the_band_and_is_not_missing():
    values = np.exp(0.05 * SEED.at("log").numpy().standard_normal((10, 6)))
    collapsed = values.copy()
    collapsed[4:] = 0.0
    grown, real = trajectory(collapsed, "as_anchor", "log"), trajectory(values, "as_anchor", "log")
    band = control_band(grown, real, seed=SEED)
    found = passage(grown, band)
    assert (found.generation, found.side, found.left) == (4.0, -1, 6)
    assert band.ends[0] == pytest.approx(math.exp(band.centre - band.reach))


def test_the_record_is_json():
    values, real = rising()
    grown = trajectory(values)
    told = passage(grown, control_band(grown, trajectory(real), seed=SEED)).as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told


# ------------------------------------------------------------------------------------------- parts


def test_the_interval_of_a_median_holds_it_as_often_as_it_says():
    draws = SEED.at("median").numpy().exponential(size=(2000, 15))
    held = [low <= math.log(2) <= high for _, low, high, _ in map(median_interval, draws)]
    assert 0.95 <= np.mean(held) < 0.98  # exact: 0.965


def test_censored_chains_push_the_median_to_infinity():
    assert median_interval(np.array([1.0, 2.0, np.inf, np.inf]))[0] == math.inf
    median, low, high, why = median_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.inf, np.inf]))
    assert (median, low, high, why) == (5.0, 2.0, math.inf, "")
    assert "too few" in median_interval(np.arange(5.0))[3]


def test_the_first_run_starts_where_both_are_out_on_the_same_side():
    sides = np.array([[1, 0, -1], [-1, 0, 0], [1, 0, -1], [1, 0, -1]])
    assert first_runs(sides, 2).tolist() == [2, 4, 2]
    assert first_runs(sides, 5).tolist() == [4, 4, 4]


def test_slopes_leave_out_undefined_generations():
    times = np.array([0, 1, 2, 4])
    points = np.stack([2.0 * times, np.array([1.0, np.nan, 5.0, 9.0]), np.array([1.0, *[np.nan] * 3])], axis=1)
    np.testing.assert_allclose(slopes(times, points), [2.0, 2.0, np.nan])


def test_the_linear_part_is_all_of_a_line_and_nothing_of_a_saturating_curve():
    times = np.arange(20, 41)
    curves = np.stack([3.0 + 0.5 * times, 4.0 - 7.0 / (times + 1), np.full(21, 2.0)], axis=1)
    np.testing.assert_allclose(linear_parts(times, curves), [10.0, 0.0, 0.0], atol=1e-9)
    with pytest.raises(ValueError, match="four generations"):
        linear_parts(times[:3], curves[:3])


def test_the_second_half_starts_in_the_middle_of_the_range():
    assert second_half(trajectory(np.zeros((11, 1)))).generations.tolist() == [5, 6, 7, 8, 9, 10]


def test_generations_must_ascend_and_fit():
    with pytest.raises(ValueError, match="ascend"):
        Trajectory(np.array([0, 0]), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="do not fit"):
        Trajectory(np.arange(3), np.zeros((2, 3)))


def test_a_band_tells_its_ends_in_the_measures_own_unit():
    assert Band(0.0, math.log(2), 1.0, "log").ends == pytest.approx((0.5, 2.0))
    assert Band(1.0, 0.5, 1.0, "linear").ends == (0.5, 1.5)
