"""The arithmetic of the general regime: by hand, for any counts, and where it meets the regimes at its corners."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwindle.contracts import FRESH, REAL, Take
from dwindle.regimes import Blend, Fresh, Mixture, Replace

MANY = settings(max_examples=200, deadline=None, derandomize=True)
RATIOS = st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
MIXTURES = st.builds(
    Mixture,
    synthetic_ratio=RATIOS,
    real=st.sampled_from(["fresh", "replayed", "fixed"]),
    window=st.integers(1, 5),
    real_weight=st.none() | st.floats(1e-6, 1 - 1e-6),
    growth=st.floats(0, 2),
    schedule=st.sampled_from(["constant", "linear", "logistic", "late_real"]),
    ramp=st.integers(1, 12),
)


def taken(plan):
    return {take.origin: take.count for take in plan.takes}


def grown(regime, generations, budget, *, loss=0.0):
    """Yield generation, rows within reach and plan of a lineage whose curators lose a share of the new rows."""
    pool = {REAL: budget}
    for generation in range(1, generations + 1):
        new = {origin: int(count * (1 - loss)) for origin, count in regime.asks(generation, budget=budget).items()}
        available = {**pool, **new}
        plan = regime.plan(generation, available, budget=budget)
        yield generation, available, plan
        pool = {origin: available[origin] for origin in plan.keep} or {REAL: budget}


# ------------------------------------------------------------------------------------------- ratios and sizes


@pytest.mark.parametrize(
    ("schedule", "ratios"),
    [
        ("constant", {1: 0.8, 2: 0.8, 9: 0.8}),
        ("linear", {1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8, 5: 0.8, 90: 0.8}),
        ("late_real", {1: 1.0, 3: 1.0, 4: 0.8, 90: 0.8}),
        ("logistic", {2: 0.4, 4: 0.8 / (1 + math.exp(-4)), 90: 0.8}),
    ],
)
def test_each_schedule_reaches_the_ratio_in_its_own_way(schedule, ratios):
    regime = Mixture(synthetic_ratio=0.8, schedule=schedule, ramp=4)
    assert {t: regime.ratio(t) for t in ratios} == pytest.approx(ratios)


def test_the_logistic_schedule_starts_near_0_and_is_its_own_mirror_about_the_middle_of_the_ramp():
    regime = Mixture(synthetic_ratio=1.0, schedule="logistic", ramp=10)
    assert regime.ratio(0) == pytest.approx(0.018, abs=1e-3)
    for step in range(6):
        assert regime.ratio(5 - step) + regime.ratio(5 + step) == pytest.approx(1.0)


def test_late_real_asks_for_no_real_row_before_its_ramp_has_passed():
    regime = Mixture(synthetic_ratio=0.25, schedule="late_real", ramp=3)
    asked = [dict(regime.asks(t, budget=100)) for t in range(1, 5)]
    assert asked == [{1: 100, FRESH: 0}, {2: 100, FRESH: 0}, {3: 25, FRESH: 75}, {4: 25, FRESH: 75}]


@pytest.mark.parametrize(("growth", "rows"), [(0.0, [100, 100, 100]), (1.0, [200, 300, 400]), (0.5, [141, 173, 200])])
def test_growth_is_the_power_of_the_number_of_fits(growth, rows):
    regime = Mixture(synthetic_ratio=0.5, growth=growth)
    assert [regime.rows(t, 100) for t in (1, 2, 3)] == rows
    assert [sum(regime.asks(t, budget=100).values()) for t in (1, 2, 3)] == rows


# ------------------------------------------------------------------------------------------- which real rows


def test_fresh_rows_are_asked_for_replayed_and_fixed_ones_are_there():
    assert Mixture(synthetic_ratio=0.9, real="fresh").asks(3, budget=100) == {3: 90, FRESH: 10}
    for real in ("replayed", "fixed"):
        assert Mixture(synthetic_ratio=0.9, real=real).asks(3, budget=100) == {3: 90}


@pytest.mark.parametrize(
    ("real", "take"),
    [("fresh", Take(FRESH, 10)), ("replayed", Take(REAL, 10)), ("fixed", Take(REAL, 10, fixed=True))],
)
def test_the_real_take_says_which_real_rows(real, take):
    plan = Mixture(synthetic_ratio=0.9, real=real).plan(3, {REAL: 100, FRESH: 10, 3: 90}, budget=100)
    assert plan.takes == (take, Take(3, 90))
    assert (plan.draw, plan.keep) == (None, ())


# ------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("synthetic_ratio", "shares"),
    [(0.9, {4: 30, 3: 30, 2: 30}), (1.0, {4: 34, 3: 33, 2: 33}), (0.5, {4: 17, 3: 17, 2: 16}), (0.01, {4: 1})],
)
def test_a_window_splits_the_synthetic_rows_evenly_the_newest_first(synthetic_ratio, shares):
    regime = Mixture(synthetic_ratio=synthetic_ratio, window=3, real="replayed")
    counts = taken(regime.plan(4, {REAL: 100, 2: 100, 3: 100, 4: 100}, budget=100))
    assert {origin: count for origin, count in counts.items() if origin != REAL} == shares
    assert sum(counts.values()) == 100


def test_a_window_reaches_no_further_back_than_its_length():
    plans = [plan for _, _, plan in grown(Mixture(synthetic_ratio=1.0, window=3), 6, 90)]
    assert [sorted(taken(plan)) for plan in plans] == [[1], [1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert taken(plans[1]) == {2: 45, 1: 45}


@pytest.mark.parametrize(
    ("real", "keeps"), [("fresh", [(1,), (1, 2), (2, 3)]), ("replayed", [(0, 1), (0, 1, 2), (0, 2, 3)])]
)
def test_what_a_window_may_still_reach_is_kept_and_the_anchor_where_it_is_replayed(real, keeps):
    regime = Mixture(synthetic_ratio=0.5, window=2, real=real)
    assert [plan.keep for _, _, plan in grown(regime, 3, 10)] == keeps


def test_a_window_of_one_keeps_nothing():
    assert all(plan.keep == () for _, _, plan in grown(Mixture(synthetic_ratio=0.5, real="replayed"), 4, 10))


# ------------------------------------------------------------------------------------------- weights and shortage


def test_real_rows_carry_the_share_of_the_weight_that_was_asked_for():
    plan = Mixture(synthetic_ratio=0.8, real_weight=0.5).plan(1, {REAL: 100, FRESH: 20, 1: 80}, budget=100)
    assert plan.takes == (Take(FRESH, 20, 2.5), Take(1, 80, 0.625))


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_rows_of_one_sort_alone_weigh_1(ratio):
    regime = Mixture(synthetic_ratio=ratio, real_weight=0.3)
    (_, _, plan), *_ = grown(regime, 1, 50)
    assert [take.weight for take in plan.takes] == [1.0]


def test_where_rows_are_short_what_is_left_trains_and_weights_keep_their_shares():
    regime = Mixture(synthetic_ratio=0.5, real_weight=0.2)
    real, synthetic = regime.plan(2, {REAL: 100, FRESH: 10, 2: 30}, budget=100).takes
    assert (real.count, synthetic.count) == (10, 30)
    assert real.count * real.weight == pytest.approx(0.2 * 40)
    assert synthetic.count * synthetic.weight == pytest.approx(0.8 * 40)


def test_where_nothing_is_left_the_plan_is_a_take_of_no_rows():
    plan = Mixture(synthetic_ratio=1.0).plan(3, {REAL: 100, FRESH: 0, 3: 0}, budget=100)
    assert plan.takes == (Take(3, 0),)


# ------------------------------------------------------------------------------------------- corners


@MANY
@given(st.integers(1, 50), st.integers(2, 10**9))
def test_a_mixture_without_real_rows_is_replacement(generation, budget):
    regime = Mixture(synthetic_ratio=1.0)
    asked = {origin: count for origin, count in regime.asks(generation, budget=budget).items() if count}
    assert asked == Replace().asks(generation, budget=budget)
    available = {REAL: budget, **asked}
    assert regime.plan(generation, available, budget=budget) == Replace().plan(generation, available, budget=budget)


@MANY
@given(RATIOS, st.integers(1, 50), st.integers(2, 10**9))
def test_the_plain_mixtures_are_the_fresh_loop_and_the_blend(ratio, generation, budget):
    for regime, corner in (
        (Mixture(synthetic_ratio=ratio, real="fresh"), Fresh(synthetic_ratio=ratio)),
        (Mixture(synthetic_ratio=ratio, real="replayed"), Blend(synthetic_ratio=ratio)),
    ):
        asked = dict(corner.asks(generation, budget=budget))
        assert regime.asks(generation, budget=budget) == asked
        available = {REAL: budget, **asked}
        assert regime.plan(generation, available, budget=budget) == corner.plan(generation, available, budget=budget)


# ------------------------------------------------------------------------------------------- for any settings


@MANY
@given(MIXTURES, st.integers(2, 5000), st.floats(0, 1))
def test_no_mixture_takes_more_than_there_is_or_more_than_it_should(regime, budget, loss):
    for generation, available, plan in grown(regime, 6, budget, loss=loss):
        counts = taken(plan)
        assert len(counts) == len(plan.takes)
        assert all(0 <= count <= available[origin] for origin, count in counts.items())
        assert sum(counts.values()) <= regime.rows(generation, budget)
        assert set(plan.keep) <= set(available)


@MANY
@given(MIXTURES, st.integers(1, 1000))
def test_ratios_stay_within_0_and_1_and_end_at_the_ratio(regime, generation):
    assert 0 <= regime.ratio(generation) <= 1
    assert regime.ratio(10**4) == pytest.approx(regime.synthetic_ratio)


@MANY
@given(MIXTURES, st.integers(2, 5000))
def test_a_mean_row_weighs_1_and_the_real_ones_have_their_share_of_the_weight(regime, budget):
    for _, _, plan in grown(regime, 5, budget):
        rows = sum(take.count for take in plan.takes)
        total = sum(take.count * take.weight for take in plan.takes)
        assert total == pytest.approx(rows)
        real = sum(take.count * take.weight for take in plan.takes if take.origin <= REAL)
        if regime.real_weight is not None and 0 < sum(take.count for take in plan.takes if take.origin <= REAL) < rows:
            assert real == pytest.approx(regime.real_weight * total)
        else:
            assert all(take.weight == 1.0 for take in plan.takes)


@MANY
@given(st.builds(Mixture, synthetic_ratio=RATIOS, window=st.integers(1, 5)), st.integers(2, 5000))
def test_a_windows_shares_differ_by_one_row_at_most(regime, budget):
    for _, _, plan in grown(regime, 6, budget):
        shares = [take.count for take in plan.takes if take.origin > REAL]
        assert max(shares, default=0) - min(shares, default=0) <= 1
