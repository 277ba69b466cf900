"""The arithmetic of the web: what the archive gives, how the crawl fills, and how its real rows run out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwindle.contracts import FRESH, REAL, Take
from dwindle.regimes import Fresh, Mixture, Web

RATIOS = st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
WEBS = st.builds(
    Web,
    archive_share=RATIOS,
    archive=st.sampled_from(["fixed", "replayed"]),
    synthetic_ratio=RATIOS,
    schedule=st.sampled_from(["constant", "linear", "logistic"]),
    ramp=st.integers(1, 12),
    supply=st.floats(1e-3, 1),
    fill=st.booleans(),
)
CASES = given(WEBS, st.integers(1, 30), st.integers(2, 10**6))
MANY = settings(max_examples=200, deadline=None, derandomize=True)


def test_who_came_first_trains_on_an_archive_beside_the_crawl():
    web = Web(archive_share=0.3, synthetic_ratio=0.5, schedule="constant")
    assert web.asks(4, budget=100) == {4: 35, FRESH: 35}
    takes = web.plan(4, {REAL: 100, 4: 35, FRESH: 35}, budget=100).takes
    assert takes == (Take(REAL, 30, fixed=True), Take(4, 35), Take(FRESH, 35))


def test_a_replayed_archive_is_drawn_anew():
    web = Web(archive_share=0.3, archive="replayed", synthetic_ratio=1.0, schedule="constant")
    assert web.plan(2, {REAL: 100, 2: 70}, budget=100).takes == (Take(REAL, 30), Take(2, 70))


@pytest.mark.parametrize(("fill", "synthetic"), [(True, 75), (False, 50)])
def test_half_of_the_real_rows_are_gone_each_generation_and_synthetic_ones_may_take_their_places(fill, synthetic):
    web = Web(synthetic_ratio=0.5, schedule="constant", supply=0.5, fill=fill)
    assert web.asks(1, budget=100) == {1: synthetic, FRESH: 25}
    assert web.asks(2, budget=100)[FRESH] == 12
    assert web.asks(9, budget=100)[FRESH] == 0


@pytest.mark.parametrize("schedule", ["constant", "linear", "logistic"])
def test_a_latecomer_whose_supply_lasts_is_in_the_fresh_data_loop_with_the_schedule_of_a_mixture(schedule):
    web = Web(synthetic_ratio=0.8, schedule=schedule, ramp=6)
    mixture = Mixture(synthetic_ratio=0.8, schedule=schedule, ramp=6)
    for generation in range(1, 9):
        asked = mixture.asks(generation, budget=100)
        assert web.asks(generation, budget=100) == asked
        available = {REAL: 100, **asked}
        takes = [regime.plan(generation, available, budget=100).takes for regime in (web, mixture)]
        assert sorted(takes[0], key=repr) == sorted(takes[1], key=repr)
    assert Web(schedule="constant").asks(5, budget=100) == Fresh(0.9).asks(5, budget=100)


def test_where_nothing_is_left_the_plan_is_a_take_of_no_rows():
    web = Web(synthetic_ratio=0.0, supply=0.001, fill=False)
    assert web.plan(3, {REAL: 100}, budget=100).takes == (Take(3, 0),)


@MANY
@CASES
def test_a_full_web_trains_on_the_budget_and_any_other_on_no_more(web, generation, budget):
    asked = web.asks(generation, budget=budget)
    counts = {take.origin: take.count for take in web.plan(generation, {REAL: budget, **asked}, budget=budget).takes}
    assert all(0 <= count <= budget for count in asked.values())
    assert sum(counts.values()) <= budget
    if web.fill:
        assert sum(counts.values()) == budget
    assert counts.get(REAL, 0) == round(web.archive_share * budget)


@MANY
@CASES
def test_the_real_rows_of_a_crawl_never_grow(web, generation, budget):
    real = [web.asks(t, budget=budget)[FRESH] for t in (generation, generation + 1)]
    assert real[1] <= real[0]
