"""Policies, alarms and gates: what is told, what is refused, what fires, and what never does."""

from __future__ import annotations

import math

import pytest

from dwindle.policies import Curation, Finding, Gate, Policy, findings
from dwindle.regimes import Accumulate

MILD = {"variance_factor": 1.0, "tail_removed": 0.0, "group_shift": 0.0, "effective_rows": 1.0}


def measured(mean, low=None, high=None):
    return {"mean": mean, "low": low, "high": high}


def fired(gate, now, *, generation=2, origin=None):
    """Return what one gate finds in one measure `risk`."""
    return findings([gate], {"risk": now}, generation, {} if origin is None else {"risk": origin})


# ------------------------------------------------------------------------------------------- alarms


@pytest.mark.parametrize(
    ("bias", "says"),
    [
        ({"variance_factor": 0.49}, "variance times 0.49, alarm below 0.5 or above its inverse"),
        ({"variance_factor": 2.01}, "variance times 2.01, alarm below 0.5 or above its inverse"),
        ({"variance_factor": 0.0}, "variance times 0, alarm below 0.5 or above its inverse"),
        ({"tail_removed": 0.51}, "51% of the tail's mass removed, alarm above 50%"),
        ({"group_shift": 0.25}, "25% of the rows moved from group to group, alarm above 20%"),
        ({"effective_rows": 0.05}, "5% of the rows in effect, alarm below 10%"),
    ],
)
def test_what_is_beyond_its_limit_is_told_and_nothing_else(bias, says):
    assert Curation().alarms(MILD | bias) == [says]


@pytest.mark.parametrize(
    "bias",
    [
        {},
        MILD,
        dict.fromkeys(MILD),
        {"variance_factor": 0.5, "tail_removed": 0.5, "group_shift": 0.2, "effective_rows": 0.1},
        {"variance_factor": 2.0, "tail_removed": -3.0},
    ],
    ids=["unmeasured", "mild", "undefined", "at the limits", "a tail that gained"],
)
def test_what_is_undefined_or_within_its_limit_is_no_alarm(bias):
    assert Curation().alarms(bias) == []


def test_every_alarm_is_told_and_limits_at_their_ends_turn_them_off():
    bias = {"variance_factor": 1e-9, "tail_removed": 1.0, "group_shift": 1.0, "effective_rows": 1e-9}
    assert len(Curation().alarms(bias)) == 4
    off = Curation(variance_alarm=0.0, tail_alarm=1.0, group_alarm=1.0, effective_alarm=0.0)
    assert off.alarms(bias) == []
    assert len(Curation(variance_alarm=1.0).alarms({"variance_factor": 1.01})) == 1


# ------------------------------------------------------------------------------------------- policies


@pytest.mark.parametrize("stage", ["pre_training", "fine_tuning"])
def test_without_a_policy_any_rows_may_train(stage):
    assert Policy().objection({0: 5, 1: 10, 30: 5}, stage) == ""


def test_synthetic_rows_may_be_kept_out_of_a_kind_of_training_and_of_all():
    tuning, none = Policy(synthetic_in=("fine_tuning",)), Policy(synthetic_in=())
    assert tuning.objection({0: 5, 2: 15}, "fine_tuning") == ""
    assert tuning.objection({0: 5, 2: 15}, "pre_training") == (
        "15 of 20 rows are synthetic; policy.synthetic_in allows them in fine_tuning, not pre_training"
    )
    assert none.objection({1: 3}, "fine_tuning") == (
        "3 of 3 rows are synthetic; policy.synthetic_in allows them in no training, not fine_tuning"
    )
    assert none.objection({0: 3}, "pre_training") == none.objection({}, "pre_training") == ""


def test_rows_of_too_many_synthetic_ancestors_are_counted_by_their_number():
    policy = Policy(rounds=2)
    assert policy.objection({0: 1, 1: 1, 2: 7}, "pre_training") == ""
    assert policy.objection({0: 1, 2: 3, 3: 4, 5: 2}, "pre_training") == (
        "4 of 10 rows have 3 synthetic ancestors, 2 of 10 rows have 5 synthetic ancestors; policy.rounds allows 2"
    )
    assert "allows 0" in Policy(rounds=0).objection({0: 1, 1: 1}, "fine_tuning")


# ------------------------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "a gate needs a bound"),
        ({"below": 0.9, "above": 0.5}, "below 0.9 and above 0.5 leave nothing"),
        ({"above": 1.0, "action": "roll_back"}, "it needs both"),
        ({"above": 1.0, "action": "roll_back", "to": 1}, "it needs both"),
        ({"above": 1.0, "action": "roll_back", "regime": Accumulate()}, "it needs both"),
        ({"above": 1.0, "to": 1}, "other actions take neither"),
        ({"above": 1.0, "action": "stop", "regime": Accumulate()}, "other actions take neither"),
    ],
)
def test_a_gate_that_could_not_work_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Gate("risk", **settings)


@pytest.mark.parametrize(
    ("gate", "value", "fires"),
    [
        (Gate("risk", below=1.0), 0.9, True),
        (Gate("risk", below=1.0), 1.0, False),
        (Gate("risk", above=1.0), 1.1, True),
        (Gate("risk", above=1.0), 1.0, False),
        (Gate("risk", below=0.0, above=1.0), 0.5, False),
        (Gate("risk", below=0.0, above=1.0), -0.1, True),
        (Gate("risk", below=0.0, above=1.0), 1.5, True),
        (Gate("drift", above=1.0), 1.5, False),
    ],
)
def test_a_gate_fires_beyond_its_bound(gate, value, fires):
    found = fired(gate, measured(value))
    assert bool(found) == fires
    if fires:
        bound = gate.below if value < 0.95 else gate.above
        assert found == [Finding(gate, 2, value, bound)]


def test_a_relative_gate_measures_in_units_of_generation_0():
    gate = Gate("risk", above=3.0, relative=True)
    assert fired(gate, measured(5.9), origin=measured(2.0)) == []
    (found,) = fired(gate, measured(6.1), origin=measured(2.0))
    assert (found.value, found.bound) == (6.1, 6.0)
    assert str(found) == "generation 2: risk above 6 (3 of generation 0), it is 6.1: warn"


def test_a_sure_gate_waits_until_the_whole_interval_is_beyond():
    above, below = Gate("risk", above=1.0, surely=True), Gate("risk", below=1.0, surely=True)
    assert fired(above, measured(1.5, 0.9, 2.1)) == []
    assert len(fired(above, measured(1.5, 1.1, 1.9))) == 1
    assert fired(below, measured(0.5, 0.1, 1.1)) == []
    assert len(fired(below, measured(0.5, 0.1, 0.9))) == 1
    assert fired(above, measured(9.0)) == fired(below, measured(-9.0)) == []  # one chain has no interval


def test_a_gate_does_not_judge_before_its_first_generation():
    assert [bool(fired(Gate("risk", above=1.0), measured(2.0), generation=t)) for t in (0, 1, 2)] == [
        False,
        True,
        True,
    ]
    late = Gate("risk", above=1.0, first=2)
    assert [bool(fired(late, measured(2.0), generation=t)) for t in (1, 2)] == [False, True]
    assert fired(Gate("risk", above=1.0, first=0), measured(2.0), generation=0)


@pytest.mark.parametrize("undefined", [None, math.nan, math.inf, -math.inf])
def test_a_measure_that_is_undefined_fires_no_gate(undefined):
    for surely in (False, True):
        gate = Gate("risk", below=0.5, above=1.0, surely=surely)
        assert fired(gate, measured(undefined, undefined, undefined)) == []
        relative = Gate("risk", above=1.0, relative=True, surely=surely)
        assert fired(relative, measured(2.0, 1.9, 2.1), origin=measured(undefined)) == []
        assert fired(relative, measured(2.0, 1.9, 2.1)) == []


def test_each_gate_that_fires_is_found_in_their_order_and_says_what_it_does():
    back = Gate("risk", above=1.0, action="roll_back", to=1, regime=Accumulate())
    gates = [Gate("risk", above=1.5, action="stop"), Gate("risk", above=9.0), back]
    found = findings(gates, {"risk": measured(2.0)}, 3, {})
    assert [finding.gate for finding in found] == [gates[0], back]
    assert [str(finding) for finding in found] == [
        "generation 3: risk above 1.5, it is 2: stop",
        "generation 3: risk above 1, it is 2: roll_back, back to generation 1",
    ]
