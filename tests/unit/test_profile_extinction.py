"""The smallest group is lost when it never has a sample again, and chains that still have it are censored."""

from __future__ import annotations

import json
import math

import numpy as np

from dwindle.profile import Trajectory, extinction, profile_of
from dwindle.report.profiles import extinctions, verdicts_table


def shares(times, last=8):
    """Return trajectories whose chains lose the smallest group at these generations."""
    generations = np.arange(last + 1)
    values = (generations[:, None] < np.asarray(times)) * 0.9
    return {"smallest_share": Trajectory(generations, values, "as_anchor")}


def test_the_median_and_its_interval_are_order_statistics():
    found = extinction(shares([1, 2, 3, 4, 5, 6, 7]))
    assert (found.median, found.low, found.high) == (4.0, 1.0, 7.0)  # seven values: the ends hold with chance .984
    assert (found.lost, found.chains, found.last) == (7, 7, 8)
    assert found.told == "median of chains 4 [1, 7]; 7 of 7 chains by generation 8"


def test_chains_that_still_have_it_are_censored_and_said_to_be():
    found = extinction(shares([2, 3, *[math.inf] * 5]))
    assert math.isinf(found.median)
    assert (found.low, found.lost) == (2.0, 2)
    assert found.told == "median of chains after 8 [2, after 8]; 2 of 7 chains by generation 8"
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["median"] is None


def test_a_group_that_misses_one_evaluation_is_not_lost():
    measures = shares([3, math.inf, 9])
    measures["smallest_share"].chains[5, 1:] = 0.0
    assert extinction(measures).lost == 1


def test_undefined_generations_count_as_there_and_undefined_chains_are_not_watched():
    measures = shares([3, 3, 3, 3])
    measures["smallest_share"].chains[5, 0] = measures["smallest_share"].chains[8, 1] = np.nan
    measures["smallest_share"].chains[:, 3] = np.nan
    found = extinction(measures)
    assert (found.lost, found.chains, found.median) == (2, 3, 6.0)


def test_it_stands_in_the_profile_in_the_table_and_among_what_is_recorded():
    profile = profile_of(shares([1, 2, 3, 4, 5, 6, 7]))
    assert profile.as_dict()["extinction"]["median"] == 4.0
    assert extinctions(profile) == {"smallest_group_lost": 4.0}
    assert f"smallest group lost for good: {profile.extinction.told}" in verdicts_table("replace", profile).notes


def test_without_groups_nothing_is_said_and_without_half_the_chains_lost_nothing_is_recorded():
    plain = profile_of({"variance": Trajectory(np.arange(4), np.ones((4, 5)))})
    assert plain.extinction is None
    assert "extinction" not in plain.as_dict()
    assert extinctions(plain) == {}
    assert extinctions(profile_of(shares([math.inf] * 6))) == {}
