"""What an arm takes away is the share of its source of error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dwindle.profile import ARMS, sources_of_error
from dwindle.profile.contrasts import welch
from dwindle.seeds import Seed

DRAW = Seed(11, ("profile", "sources of error"))


def risks(name, mean, chains=30, deviation=0.2):
    return mean + deviation * DRAW.at(name).numpy().standard_normal(chains)


def test_each_share_is_what_its_arm_takes_away():
    arms = {"rows": risks("rows", 1.2), "capacity": risks("capacity", 1.8, 12), "fit": risks("fit", 2.0, 20, 0.5)}
    shares = {share.arm: share for share in sources_of_error(risks("all", 2.0), arms, floor=1.0)}
    assert tuple(shares) == tuple(ARMS)
    for arm, truth in (("rows", 0.8), ("capacity", 0.2), ("fit", 0.0)):
        assert shares[arm].low < truth < shares[arm].high
    assert shares["rows"].fraction == pytest.approx(0.8, abs=0.15)
    assert shares["rows"].low > 0


def test_missing_arms_are_undefined_and_named():
    rows, capacity, fit = sources_of_error(risks("all", 2.0), {"rows": risks("rows", 1.2)})
    assert rows.reason == ""
    assert math.isnan(rows.fraction)
    assert math.isnan(capacity.value)
    assert capacity.reason == "no arm 'capacity' was grown"
    assert fit.as_dict()["value"] is None


def test_a_strange_arm_is_refused():
    with pytest.raises(ValueError, match="'luck' is no arm"):
        sources_of_error(risks("all", 2.0), {"luck": risks("rows", 1.2)})


def test_the_interval_is_welchs():
    first, second = risks("first", 2.0, 9, 1.0), risks("second", 1.0, 25, 0.1)
    found = welch(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_chains_without_a_number_are_left_out_and_told():
    first = np.append(risks("first", 2.0, 9), [np.nan, np.inf])
    found = welch(first, risks("second", 1.0, 5))
    assert found.reason == "2 of 16 chains undefined"
    assert math.isnan(welch(np.array([np.nan]), risks("second", 1.0, 5)).mean)
    assert math.isnan(welch(np.array([1.0]), risks("second", 1.0, 5)).low)


def test_equal_chains_have_an_interval_of_no_width():
    found = welch(np.full(4, 2.0), np.full(5, 0.5))
    assert (found.mean, found.low, found.high) == (1.5, 1.5, 1.5)
