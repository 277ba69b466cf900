"""An interval over chains holds the truth as often as it says, and says why where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwindle.intervals import LEVEL, Summary, summarize
from dwindle.seeds import Seed

TRIALS = 4000
CHAINS = (2, 3, 8, 50)


def covered(draws, truth, scale="linear"):
    """Return how many of the rows' intervals hold the truth."""
    found = [summarize(row, scale=scale) for row in draws]
    return sum(summary.low <= truth <= summary.high for summary in found)


def within_chance(hits, trials=TRIALS, level=LEVEL):
    """Say whether a count is within four binomial standard errors of what the level promises."""
    return abs(hits - level * trials) < 4 * math.sqrt(trials * level * (1 - level))


def normal(name, chains):
    return Seed(11).at("intervals", name, chains).numpy().standard_normal((TRIALS, chains))


@pytest.mark.parametrize("chains", CHAINS)
def test_95_percent_of_linear_intervals_hold_the_mean(chains):
    assert within_chance(covered(3.0 + 2.0 * normal("linear", chains), 3.0))


@pytest.mark.parametrize("chains", CHAINS)
def test_95_percent_of_log_intervals_hold_the_geometric_mean(chains):
    """Lognormal draws, as variances after many generations are; their median is their geometric mean."""
    assert within_chance(covered(np.exp(-4.0 + 3.0 * normal("log", chains)), math.exp(-4.0), "log"))


def test_a_linear_interval_would_fail_on_variances():
    """The reason for the log scale: on skewed draws the linear interval misses the mean far too often."""
    draws = np.exp(3.0 * normal("skewed", 8))
    assert covered(draws, math.exp(4.5)) < 0.6 * TRIALS


def test_the_linear_interval_is_students():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = summarize(values)
    margin = 3.182446305284263 * values.std(ddof=1) / 2  # t of 3 degrees of freedom at 97.5 %
    assert found.mean == 4.0
    assert found.low == pytest.approx(4.0 - margin, rel=1e-12)
    assert found.high == pytest.approx(4.0 + margin, rel=1e-12)
    assert (found.chains, found.reason) == (4, "")


def test_the_log_interval_is_that_of_the_logarithms():
    values = np.array([0.01, 1.0, 100.0])
    found, logs = summarize(values, scale="log"), summarize(np.log(values))
    assert found.mean == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((math.exp(logs.low), math.exp(logs.high)))
    assert found.low * found.high == pytest.approx(1.0)


def test_equal_chains_have_an_interval_of_no_width():
    found = summarize(np.full(5, 0.25))
    assert (found.mean, found.low, found.high, found.reason) == (0.25, 0.25, 0.25, "")


# ------------------------------------------------------------------------------------------- reasons


def undefined(summary):
    return [name for name in ("mean", "low", "high") if math.isnan(getattr(summary, name))]


def test_no_chain_with_a_value_is_undefined_for_the_reason_given():
    found = summarize(np.full(3, np.nan), reason="the samples are constant")
    assert undefined(found) == ["mean", "low", "high"]
    assert (found.chains, found.reason) == (0, "the samples are constant")
    assert summarize(np.full(3, np.nan)).reason == "no chain has a value"
    assert summarize(np.empty(0)).reason == "no chain has a value"


def test_one_chain_has_a_mean_and_no_interval():
    found = summarize(np.array([2.5]))
    assert found.mean == 2.5
    assert undefined(found) == ["low", "high"]
    assert (found.chains, found.reason) == (1, "one chain has no interval")


def test_chains_without_a_value_are_counted_and_left_out():
    found = summarize(np.array([1.0, np.nan, 3.0, np.nan]), reason="too few rows")
    assert (found.mean, found.chains) == (2.0, 2)
    assert found.reason == "2 of 4 chains undefined: too few rows"
    assert undefined(found) == []


def test_infinity_is_no_value_and_is_told():
    found = summarize(np.array([1.0, np.inf, 3.0]))
    assert (found.mean, found.chains, found.reason) == (2.0, 2, "1 of 3 chains undefined: no finite number")


def test_a_variance_of_zero_has_no_logarithm_and_is_told():
    found = summarize(np.array([1.0, 0.0, 4.0, -1.0]), scale="log")
    assert found.mean == pytest.approx(2.0)
    assert (found.chains, found.reason) == (2, "2 of 4 chains undefined: no positive number")


def test_chains_too_far_apart_for_an_interval_have_a_mean_and_a_reason():
    found = summarize(np.array([1e-300, 1e300]), scale="log")
    assert found.mean == pytest.approx(1.0)
    assert undefined(found) == ["high"]
    assert found.reason == "the chains lie too far apart for an interval"
    assert undefined(summarize(np.array([-1.7e308, 1.7e308]))) != []


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(VALUES, st.sampled_from(["linear", "log"]), st.sampled_from(["", "why"]))
def test_whatever_is_undefined_has_a_reason_and_nothing_is_infinite(values, scale, reason):
    found = summarize(np.array(values, dtype=np.float64), scale=scale, reason=reason)
    assert isinstance(found, Summary)
    assert not any(math.isinf(end) for end in (found.mean, found.low, found.high))
    if undefined(found) or found.chains < len(values):
        assert found.reason
        assert not found.reason.endswith((" ", ":"))
    else:
        assert found.reason == ""
        assert found.low <= found.mean <= found.high or found.mean == pytest.approx(found.low)
    assert all(type(end) is float for end in (found.mean, found.low, found.high))
