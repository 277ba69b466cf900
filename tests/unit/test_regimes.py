"""The arithmetic of each regime, by hand and for any counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwindle.contracts import FRESH, REAL, Take
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Fresh, Replace

RATIOS = st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
REGIMES = (
    st.just(Replace())
    | st.just(Accumulate())
    | st.builds(AccumulateSubsample, replacement=st.booleans())
    | st.builds(Blend, synthetic_ratio=RATIOS)
    | st.builds(Fresh, synthetic_ratio=RATIOS)
)
BUDGETS = st.integers(2, 10**9)
MANY = settings(max_examples=200, deadline=None, derandomize=True)


def taken(plan):
    counts = {}
    for take in plan.takes:
        counts[take.origin] = counts.get(take.origin, 0) + take.count
    return counts


@st.composite
def situations(draw):
    """A regime at generation t with any number of rows within reach, none of some origins."""
    generation = draw(st.integers(1, 12))
    available = {REAL: draw(st.integers(0, 10**6)), generation: draw(st.integers(0, 10**6))}
    for origin in draw(st.sets(st.integers(1, generation) | st.just(FRESH))):
        available[origin] = draw(st.integers(0, 10**6))
    return draw(REGIMES), generation, available, draw(st.integers(2, 10**6))


def grown(regime, generations, budget, *, loss=0.0):
    """Yield generation, rows within reach and plan of a lineage whose curators lose a share of the new rows."""
    pool = {REAL: budget}
    for generation in range(1, generations + 1):
        new = {origin: int(count * (1 - loss)) for origin, count in regime.asks(generation, budget=budget).items()}
        available = {**pool, **new}
        plan = regime.plan(generation, available, budget=budget)
        yield generation, available, plan
        pool = {origin: available[origin] for origin in plan.keep} or {REAL: budget}


# ------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize("generation", [1, 2, 9])
def test_replace_trains_on_a_budget_of_the_newest_rows_alone(generation):
    assert Replace().asks(generation, budget=100) == {generation: 100}
    plan = Replace().plan(generation, {REAL: 100, generation: 100}, budget=100)
    assert plan.takes == (Take(generation, 100),)
    assert (plan.draw, plan.keep) == (None, ())


def test_replace_takes_no_more_than_the_budget_of_an_oversampled_generation():
    assert Replace().plan(3, {REAL: 100, 3: 400}, budget=100).takes == (Take(3, 100),)


def test_accumulate_trains_on_n_t_plus_1_rows_at_generation_t():
    """Gerstgrasser et al. 2024, section 2: the anchor and t generations of as many rows."""
    for generation, available, plan in grown(Accumulate(), 10, 100):
        assert taken(plan) == dict.fromkeys(range(generation + 1), 100) == available
        assert sum(take.count for take in plan.takes) == 100 * (generation + 1)
        assert set(plan.keep) == set(range(generation + 1))
        assert plan.draw is None


def test_accumulate_keeps_of_an_oversampled_generation_a_budget():
    plan = Accumulate().plan(2, {REAL: 100, 1: 100, 2: 250}, budget=100)
    assert taken(plan) == {REAL: 100, 1: 100, 2: 100}


@pytest.mark.parametrize("replacement", [False, True])
def test_accumulate_subsample_draws_a_budget_of_the_growing_pool(replacement):
    regime = AccumulateSubsample(replacement=replacement)
    for generation, available, plan in grown(regime, 10, 100):
        assert taken(plan) == available == dict.fromkeys(range(generation + 1), 100)
        assert (plan.draw, plan.replacement) == (100, replacement)
        assert set(plan.keep) == set(range(generation + 1))


def test_accumulate_subsample_draws_without_replacement_unless_told():
    assert AccumulateSubsample() == AccumulateSubsample(replacement=False)


@pytest.mark.parametrize(
    ("ratio", "budget", "synthetic"),
    [(0.0, 100, 0), (1.0, 100, 100), (0.9, 100, 90), (0.1, 100, 10), (0.5, 450, 225), (0.5, 5, 2), (0.3, 10, 3)],
)
def test_blend_and_fresh_split_the_budget_by_the_ratio(ratio, budget, synthetic):
    blend, fresh = Blend(synthetic_ratio=ratio), Fresh(synthetic_ratio=ratio)
    assert blend.asks(4, budget=budget) == {4: synthetic}
    assert fresh.asks(4, budget=budget) == {FRESH: budget - synthetic, 4: synthetic}
    wanted = {origin: count for origin, count in {REAL: budget - synthetic, 4: synthetic}.items() if count}
    assert taken(blend.plan(4, {REAL: budget, 4: synthetic}, budget=budget)) == wanted
    wanted = {origin: count for origin, count in {FRESH: budget - synthetic, 4: synthetic}.items() if count}
    within = {REAL: budget, FRESH: budget - synthetic, 4: synthetic}
    assert taken(fresh.plan(4, within, budget=budget)) == wanted


def test_blend_of_one_is_replace_and_accumulates_nothing():
    for generation, available, plan in grown(Blend(synthetic_ratio=1.0), 5, 50):
        assert plan.takes == Replace().plan(generation, available, budget=50).takes
        assert plan.keep == ()


def test_blend_gives_what_is_left_where_curators_left_less():
    assert taken(Blend(synthetic_ratio=0.9).plan(1, {REAL: 100, 1: 7}, budget=100)) == {REAL: 10, 1: 7}


@pytest.mark.parametrize("regime", [Replace(), Blend(synthetic_ratio=1.0), Fresh(synthetic_ratio=1.0)])
def test_where_curators_left_nothing_the_plan_is_a_take_of_no_rows(regime):
    assert regime.plan(3, {REAL: 100, 3: 0}, budget=100).takes == (Take(3, 0),)


def test_fresh_rows_never_come_from_the_anchor():
    for _, _, plan in grown(Fresh(), 5, 100):
        assert REAL not in taken(plan)


# ------------------------------------------------------------------------------------------- for any counts


@MANY
@given(situations())
def test_no_regime_takes_more_than_there_is(situation):
    regime, generation, available, budget = situation
    plan = regime.plan(generation, available, budget=budget)
    for origin, count in taken(plan).items():
        assert 0 <= count <= available[origin]
    assert len(taken(plan)) == len(plan.takes)
    assert set(plan.keep) <= set(available)
    assert all(take.weight == 1.0 for take in plan.takes)


@MANY
@given(situations())
def test_no_regime_but_accumulate_trains_on_more_than_the_budget(situation):
    regime, generation, available, budget = situation
    plan = regime.plan(generation, available, budget=budget)
    total = sum(taken(plan).values()) if plan.draw is None else plan.draw
    assert total <= budget or isinstance(regime, Accumulate)


@MANY
@given(REGIMES, st.integers(1, 1000), BUDGETS)
def test_what_a_regime_asks_for_fills_the_budget_and_no_more(regime, generation, budget):
    asked = regime.asks(generation, budget=budget)
    assert set(asked) <= {generation, FRESH}
    assert all(count >= 0 for count in asked.values())
    replayed = budget - asked[generation] if isinstance(regime, Blend) else 0
    assert sum(asked.values()) + replayed == budget


@MANY
@given(REGIMES, BUDGETS)
def test_where_everything_asked_for_is_there_a_full_budget_trains(regime, budget):
    for generation, _, plan in grown(regime, 4, budget):
        total = sum(taken(plan).values())
        wanted = budget * (generation + 1) if isinstance(regime, Accumulate) else budget
        assert (plan.draw or total) == wanted


@MANY
@given(REGIMES, st.integers(2, 10_000), st.floats(0, 1))
def test_a_lineage_of_lossy_curators_never_runs_over(regime, budget, loss):
    for _, available, plan in grown(regime, 6, budget, loss=loss):
        assert all(count <= available[origin] for origin, count in taken(plan).items())


@MANY
@given(st.builds(Blend, synthetic_ratio=RATIOS) | st.builds(Fresh, synthetic_ratio=RATIOS), BUDGETS)
def test_the_synthetic_share_is_the_ratio_to_the_nearest_row(regime, budget):
    asked = regime.asks(1, budget=budget)[1]
    assert abs(asked - regime.synthetic_ratio * budget) <= 0.5 + 1e-6
    assert 0 <= asked <= budget
