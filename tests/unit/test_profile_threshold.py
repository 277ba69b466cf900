"""The largest stable ratio: what stable means, where the limit is crossed, how often the interval holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.profile import Trajectory
from dwindle.profile.criteria import CHOSEN, Criterion, criteria, criterion_for
from dwindle.profile.crossing import crossings, memory, never_falling, quantiles, resampled
from dwindle.profile.threshold import Tried, late, threshold, tried
from dwindle.profile.thresholds import Thresholds
from dwindle.seeds import Seed

SEED = Seed(11, ("unit", "threshold"))
HORIZON = 40
RATIOS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
DOUBLED = Criterion(CHOSEN, "mean_error", "ratio", falls=False, limit=2.0)


def trajectory(values, better="lower", scale="linear", unit=""):
    values = np.asarray(values, dtype=np.float64)
    return Trajectory(np.arange(len(values)), values, better, scale, unit)


def still(ratio, level, *, chains=6, spread=0.0, rise=0.0):
    """Return chains around a level, that start from the same rows at every ratio."""
    noise = spread * SEED.at(str(ratio)).numpy().standard_normal(chains)
    return Tried(ratio, level + noise, np.full(chains, rise), np.arange(chains))


def drifting(ratio, chains, draw, start):
    """Return squared errors of a mean handed on with the factor `ratio`, (g, c): exactly sum r^2j on average."""
    means, found = start.copy(), [start**2]
    for _ in range(HORIZON):
        means = ratio * means + draw.standard_normal(chains)
        found.append(means**2)
    return np.array(found)


def exact(limit, *, generations=range(31, 41)):
    """Return the ratio at which the mean over the last quarter of `drifting` reaches the limit."""
    powers = np.arange(HORIZON + 1)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        level = np.mean([(middle ** (2 * powers[: t + 1])).sum() for t in generations])
        low, high = (low, middle) if level > limit else (middle, high)
    return low


def pooled(values, weights):
    """Return the isotonic regression by pooling adjacent violators, the other way to reckon it."""
    blocks = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, first, ones), (high, second, others) = blocks.pop(-2), blocks.pop()
            blocks.append([(low * first + high * second) / (first + second), first + second, ones + others])
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


# ------------------------------------------------------------------------------------------------ what stable means


@pytest.mark.parametrize(
    ("name", "one", "rule"),
    [
        ("mean_error", trajectory([[1.0]]), "mean_error / control <= 2"),
        ("perplexity", trajectory([[9.0]], scale="log"), "perplexity / control <= 2"),
        ("risk", trajectory([[1.0]], unit="nats a row"), "risk - control <= 0.693"),
        ("variance", trajectory([[1.0]], "as_anchor"), "variance / control >= 0.5"),
        ("log_variance", trajectory([[-1.0]], "as_anchor"), "exp(log_variance) / control >= 0.5"),
        ("tail_mass", trajectory([[1.0]], "as_anchor"), "tail_mass / control >= 0.9"),
        ("missing_mass", trajectory([[0.0]]), "(1 - missing_mass) / control >= 0.9"),
        ("recall", trajectory([[0.9]], "higher"), "recall / control >= 0.9"),
        ("on_mode", trajectory([[0.9]], "higher"), "control - on_mode <= 0.05"),
    ],
)
def test_each_kind_of_measure_has_the_limit_of_its_definition(name, one, rule):
    assert criterion_for(name, one).rule == rule


def test_there_is_one_criterion_for_each_definition_that_was_measured_and_no_measure_twice():
    flat = np.ones((2, 4))
    measures = {name: trajectory(flat, "as_anchor") for name in ("variance", "tail_mass")}
    measures |= {"mean_error": trajectory(flat), "on_mode": trajectory(flat, "higher")}
    found = list(criteria(measures, Thresholds(catastrophe=3.0)))
    assert [one.measure for one in found] == ["mean_error", "variance", "tail_mass", "on_mode"]
    assert found[0].limit == 3.0
    assert found[1].definition == "collapsing variance"


def test_a_limit_chooses_the_harmful_side_of_a_measure_that_is_good_near_its_real_value():
    one = trajectory([[1.0]], "as_anchor")
    assert criterion_for("variance", one, limit=1.5).rule == "variance / control <= 1.5"
    assert criterion_for("variance", one, limit=0.8).rule == "variance / control >= 0.8"


@pytest.mark.parametrize(
    ("name", "one", "limit", "told"),
    [
        ("mean_error", trajectory([[1.0]]), 0.5, "expected a number above 1"),
        ("recall", trajectory([[1.0]], "higher"), 1.5, "expected a number between 0 and 1"),
        ("risk", trajectory([[1.0]], unit="nats a row"), -1.0, "expected a number above 0"),
        ("risk", trajectory([[1.0]], unit="nats a row"), math.inf, "expected a number above 0"),
        ("mean", trajectory([[-1.0]], "as_anchor"), None, "choose a measure with a harmful side"),
    ],
)
def test_a_limit_that_the_control_itself_would_break_or_a_measure_without_harm_is_refused(name, one, limit, told):
    with pytest.raises(ValueError, match=told):
        criterion_for(name, one, limit=limit)


def test_the_level_of_a_chain_is_its_mean_over_the_last_quarter_and_never_of_generation_0():
    values = np.arange(9.0)[:, None] * [1.0, 2.0]
    assert late(trajectory(values)).generations.tolist() == [7, 8]
    assert late(trajectory(values), 1.0).generations.tolist() == list(range(1, 9))
    assert late(trajectory(values[:2]), 0.01).generations.tolist() == [1]
    found = tried(0.5, [(0, trajectory(values)), (1, trajectory(values))], DOUBLED)
    assert found.level.tolist() == [7.5, 15.0, 7.5, 15.0]
    assert len(set(found.start.tolist())) == 4


# ---------------------------------------------------------------------------------------- where the limit is crossed


def test_a_line_that_never_falls_is_the_isotonic_regression():
    draw = SEED.at("isotonic").numpy()
    values, weights = draw.standard_normal((50, 7)).cumsum(axis=1), draw.uniform(1, 9, 7)
    expected = [pooled(row, weights) for row in values]
    np.testing.assert_allclose(never_falling(values, weights), expected, atol=1e-12)


def test_the_three_ways_to_draw_the_line_meet_at_the_ratios_and_differ_between_them():
    ratios, harm = np.array([0.0, 0.5, 0.9]), np.array([[0.0, 1.0, 2.0]])
    met = crossings(ratios, harm, np.ones(3), 1.0 + 1e-12, HORIZON)
    assert met[:, 0] == pytest.approx([0.5] * 3)
    between = crossings(ratios, harm, np.ones(3), 1.5, HORIZON)[:, 0]
    assert between[2] == pytest.approx(0.7)
    x = memory(ratios, HORIZON)
    assert memory(between[0], HORIZON) == pytest.approx((x[1] + x[2]) / 2)
    squares = memory(ratios, HORIZON, 2)
    assert memory(between[1], HORIZON, 2) == pytest.approx((squares[1] + squares[2]) / 2)
    beyond = crossings(ratios, np.array([[0.0, 0.5, 0.9], [2.0, 3.0, 4.0]]), np.ones(3), 1.0, HORIZON)
    assert beyond.tolist() == [[math.inf, -math.inf]] * 3


def test_chains_that_start_from_the_same_rows_are_drawn_together():
    values = SEED.at("shared").numpy().standard_normal(200)
    start = np.arange(200)
    together = resampled([values, 2 * values], [start, start], 500, SEED)
    np.testing.assert_allclose(together[:, 1], 2 * together[:, 0], atol=1e-12)
    apart = resampled([values, 2 * values], [start, start + 200], 500, SEED)
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.15
    assert together[:, 0].std() == pytest.approx(values.std() / math.sqrt(200), rel=0.1)


def test_few_chains_widen_the_interval_as_student_would():
    drawn = SEED.at("quantiles").numpy().standard_normal(200_000)
    for chains, factor in ((4, 3.182 * math.sqrt(4 / 3)), (1000, 1.96)):
        low, high = quantiles(drawn, chains)
        assert (-low, high) == (pytest.approx(factor, rel=0.05), pytest.approx(factor, rel=0.05))


def test_a_sweep_without_noise_crosses_where_its_line_does_and_is_bracketed_by_what_was_tried():
    sweep = [still(0.5, 1.5), still(0.8, 3.0), still(1.0, 40.0)]
    found = threshold(sweep, still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    low, high = memory(0.5, HORIZON), memory(0.8, HORIZON)
    share = math.log(2 / 1.5) / math.log(3 / 1.5)
    assert memory(found.value, HORIZON) == pytest.approx(low + share * (high - low))
    assert found.low < found.value < found.high
    assert (found.stable, found.unstable) == (0.5, 0.8)
    assert (found.judged[0].answer, found.judged[0].reason) == ("undecided", "the yardstick itself")
    assert [(one.ratio, one.value) for one in found.judged] == [
        (0.0, 1.0),
        (0.5, 1.5),
        (0.8, pytest.approx(3.0)),
        (1.0, pytest.approx(40.0)),
    ]


def test_where_no_ratio_is_unstable_the_threshold_lies_beyond_the_largest():
    found = threshold([still(0.5, 1.0), still(0.9, 1.1)], still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    assert (found.value, found.low, found.high) == (math.inf, math.inf, math.inf)
    assert (found.stable, found.unstable) == (0.9, math.inf)
    assert found.reason == "stable up to 0.9, the largest ratio tried"
    near = threshold(
        [still(0.5, 1.0), still(0.9, 1.9, chains=50, spread=0.6)], still(0.0, 1.0), DOUBLED, horizon=HORIZON
    )
    assert 0.5 < near.low < 0.9
    assert math.isinf(near.high)
    assert math.isinf(near.value)
    assert near.reason == "no crossing up to 0.9, the largest ratio tried, which is not shown stable"


def test_a_ratio_of_0_that_is_itself_unstable_leaves_nothing_to_interpolate():
    found = threshold([still(0.0, 3.0), still(0.5, 4.0)], still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    assert math.isnan(found.value)
    assert found.reason == "unstable at 0 already, the smallest ratio tried"
    assert found.nowhere


def test_an_all_real_lineage_that_drew_the_controls_own_rows_is_the_yardstick_and_shows_nothing():
    control, same, other = (still(0.0, 1.0, chains=20, spread=0.1) for _ in range(3))
    other.level[0] += 0.01
    answers = [
        threshold([one, still(0.9, 4.0)], control, DOUBLED, horizon=HORIZON).judged[0].answer for one in (same, other)
    ]
    assert answers == ["undecided", "stable"]


def test_a_smallest_ratio_that_only_on_average_is_beyond_the_limit_is_not_called_unstable():
    wide = still(0.0, 2.3, chains=20, spread=2.0)
    found = threshold([wide, still(0.5, 4.0)], still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    assert found.nowhere
    assert found.reason == "beyond the limit at 0 already, the smallest ratio tried, which is not shown unstable"


@pytest.mark.parametrize("level", [math.nan, 0.0], ids=["no value", "a mean of 0"])
def test_without_a_usable_control_there_is_no_threshold_and_a_reason(level):
    found = threshold([still(0.5, 1.0)], still(0.0, level), DOUBLED, horizon=HORIZON)
    assert math.isnan(found.value)
    assert not found.nowhere
    assert "control" in found.reason


def test_two_chains_have_a_threshold_and_no_interval():
    sweep = [still(0.5, 1.5, chains=2), still(0.8, 3.0, chains=2)]
    found = threshold(sweep, still(0.0, 1.0, chains=2), DOUBLED, horizon=HORIZON)
    assert 0.5 < found.value < 0.8
    assert math.isnan(found.low)
    assert "2 chains" in found.reason
    assert {one.answer for one in found.judged} == {"undecided"}


def test_a_ratio_some_of_whose_chains_have_no_number_is_not_called_stable():
    lost = still(0.5, 1.0)
    lost.level[0] = math.nan
    found = threshold([lost, still(0.8, 3.0)], still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    assert (found.judged[1].answer, found.judged[1].reason) == ("undecided", "1 of 6 chains undefined")


def test_harm_that_still_grows_is_marked_up_to_the_first_unstable_ratio():
    sweep = [still(0.3, 1.1), still(0.5, 1.5, rise=0.3), still(0.8, 3.0, rise=0.3), still(0.9, 9.0, rise=0.3)]
    found = threshold(sweep, still(0.0, 1.0), DOUBLED, horizon=HORIZON)
    assert found.moving == (0.5, 0.8)
    together = threshold(sweep, still(0.0, 1.0, rise=0.3), DOUBLED, horizon=HORIZON)
    assert together.moving == ()


def test_a_share_that_falls_to_nothing_stays_finite():
    tail = Criterion(CHOSEN, "tail_mass", "ratio", falls=True, limit=0.9)
    found = threshold([still(0.5, 0.95), still(1.0, 0.0)], still(0.0, 1.0), tail, horizon=HORIZON)
    assert 0.5 < found.value < 1.0
    assert found.judged[-1].value == 0.0


def test_the_answer_does_not_depend_on_the_order_of_the_sweep():
    sweep = [still(ratio, 1 / (1.05 - ratio), chains=20, spread=0.2) for ratio in (0.2, 0.4, 0.6, 0.8)]
    control = still(0.0, 1.0, chains=20, spread=0.1)
    one, other = (threshold(part, control, DOUBLED, horizon=HORIZON) for part in (sweep, sweep[::-1]))
    assert one == other


def test_the_interval_holds_the_truth_as_often_as_it_says():
    truth, draw, held, chains = exact(2.0), SEED.at("coverage").numpy(), 0, 12
    for place in range(200):
        start = draw.standard_normal(chains)
        control = tried(0.0, [(0, trajectory(drifting(0.0, chains, draw, start)))], DOUBLED)
        sweep = [tried(r, [(0, trajectory(drifting(r, chains, draw, start)))], DOUBLED) for r in RATIOS]
        found = threshold(sweep, control, DOUBLED, horizon=HORIZON, seed=SEED.at(place))
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 200 <= 0.985
