"""The profiles of a sweep with a control and arms: who has one, and what the tables, tags and forecasts say."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.profile import DEFINITIONS
from dwindle.report.profiles import (
    details,
    forecast_table,
    passages,
    profile_tables,
    profile_tags,
    profiles,
    trajectories,
    verdicts_table,
)
from dwindle.report.series import gather
from tests.unit.made_sweep import made_sweep, planned, publish

PARAMS = """\
sweep: profiled
generations: 8
chains: 6
budget: 50
source: {name: gaussian, dimensions: 2}
family: gaussian
metrics: [moments, frechet, tail_mass]
control: true
arms: {of: replace, rows: {budget: 500}, fit: {seed: 1}}
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
  unborn: {regime: replace, seed: 2}
"""
RNG = np.random.default_rng(3)


def noisy(**means):
    return {name: (mean + 0.01 * RNG.standard_normal(6)).tolist() for name, mean in means.items()}


MADE = {
    "control": {t: noisy(variance=1, frechet=0.1, tail_mass=1) for t in range(9)},
    "replace": {t: noisy(variance=0.7**t + 0.01, frechet=0.1 * (t + 1), tail_mass=1 - 0.1 * t) for t in range(9)},
    "accumulate": {t: noisy(variance=1, frechet=0.1, tail_mass=1) for t in range(9)},
    "replace-rows": {t: noisy(variance=1, frechet=0.1 + 0.05 * t, tail_mass=1) for t in range(9)},
    "replace-fit": {0: noisy(variance=1, frechet=0.1, tail_mass=1)},
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    root = tmp_path_factory.mktemp("profiled") / "sweep"
    plan = planned(root, PARAMS)
    publish(root, plan, MADE)
    return root, plan


@pytest.fixture(scope="module")
def found(sweep):
    return profiles(*sweep)


def test_every_lineage_evaluated_beyond_generation_0_has_a_profile_but_not_the_control(found):
    assert list(found) == ["replace", "accumulate", "replace-rows"]
    assert all([one.definition for one in profile.verdicts] == list(DEFINITIONS) for profile in found.values())


def test_a_lineage_is_judged_beside_the_control_and_the_control_beside_nothing(sweep):
    root, plan = sweep
    gathered = gather(root, plan)
    measured, control = trajectories(plan, gathered, "replace")
    assert set(measured) == set(control) == {"variance", "frechet", "tail_mass"}
    np.testing.assert_array_equal(control["variance"].chains[3], MADE["control"][3]["variance"])
    assert (measured["variance"].better, measured["frechet"].better) == ("as_anchor", "lower")
    assert trajectories(plan, gathered, "control")[1] is None


def test_verdicts_are_those_of_what_was_made_up(found):
    answers = {name: {one.definition: one.verdict for one in profile.verdicts} for name, profile in found.items()}
    for definition in (*DEFINITIONS[:2], *DEFINITIONS[3:4], DEFINITIONS[5]):
        assert answers["replace"][definition] == "yes"
        assert answers["accumulate"][definition] == "no"
    assert found["replace"].phase.label == "late"
    assert found["accumulate"].phase.label == "none"


def test_the_scaling_law_is_read_from_lineages_that_differ_in_their_budget_alone(found):
    law = {name: profile.verdicts[4] for name, profile in found.items()}
    assert law["replace"].verdict == law["replace-rows"].verdict == "yes"
    assert law["replace"].value == pytest.approx(np.log10(0.5 / 0.9), abs=0.06)
    assert law["accumulate"].verdict == "undefined"


def test_without_a_control_the_bands_are_those_of_generation_0(tmp_path):
    made = {name: {t: MADE[name][t] for t in range(5)} for name in ("replace", "accumulate")}
    profile = profiles(tmp_path, made_sweep(tmp_path, made))["replace"]
    assert profile.passages["frechet"].reason.startswith("taken from generation 0 of the lineage itself")


def test_a_sweep_of_which_nothing_is_evaluated_has_neither_profiles_nor_tables(tmp_path):
    plan = made_sweep(tmp_path, {})
    assert profiles(tmp_path, plan) == {}
    assert profile_tables(tmp_path, plan, {}) == []


# ------------------------------------------------------------------------------------------- tables and tags


def test_the_overview_has_a_line_a_lineage_and_a_column_a_definition_that_somebody_can_answer(sweep, found):
    overview, _ = profile_tables(*sweep, found)
    assert overview.name == "profile"
    assert len(overview.columns) == 1 + len(DEFINITIONS) - 2 + 2
    assert overview.notes == ("undefined for all: entangled, hallucinated; `dwindle profile` says why",)
    lines = {row[0]: dict(zip(overview.columns, row, strict=True)) for row in overview.rows}
    assert list(lines) == list(found)
    answer, value = lines["replace"]["risk x2"].split()
    assert (answer, float(value)) == ("yes", pytest.approx(9, abs=0.5))
    assert lines["replace"]["phase"] == "late"
    assert lines["replace"]["first to leave its band"] == "variance, frechet and 1 more at 1"
    assert lines["accumulate"]["first to leave its band"] == "none"


def test_the_arms_share_out_the_error_of_the_last_generation(sweep, found):
    _, errors = profile_tables(*sweep, found)
    assert (errors.name, errors.columns[2]) == ("errors-replace", "share of frechet")
    rows, capacity, _ = errors.rows
    assert rows[:2] == ("statistical approximation error", "rows")
    assert float(rows[2]) == pytest.approx(0.9 - 0.5, abs=0.05)
    low, high = map(float, rows[3].split(" .. "))
    assert low < float(rows[2]) < high
    assert capacity[1:] == ("capacity", "-", "-", "no arm 'capacity' was grown")


def test_a_lineages_own_table_tells_every_verdict_every_passage_and_the_phase(found):
    table = verdicts_table("replace", found["replace"])
    assert (table.name, table.columns[:2]) == ("profile-replace", ("definition", "verdict"))
    assert tuple(row[0] for row in table.rows) == DEFINITIONS
    phase, *first = table.notes
    assert phase.startswith("phase: late (read from ")
    assert first.pop() == "of measures that do not drift, one in twenty leaves its band by chance"
    assert len(first) == 3
    assert first[0].startswith("first passage of variance: generation 1, below, harmful; chains: median 1, ")


def test_tags_and_passages_are_plain_enough_for_a_tracker(found):
    tags = profile_tags(found["replace"])
    assert tags["profile.collapsing_variance"] == "yes"
    assert tags["profile.phase"] == "late"
    assert len(tags) == len(DEFINITIONS) + 1
    assert not any(" " in key for key in tags)
    assert passages(found["replace"]) == {"variance": 1.0, "frechet": 1.0, "tail_mass": 1.0}
    assert passages(found["accumulate"]) == {}


def test_the_forecast_has_a_line_a_measure_and_sees_no_further_than_it_is_told(sweep):
    root, plan = sweep
    table = forecast_table(plan, gather(root, plan), ["replace", "accumulate"], upto=4)
    assert table.title.endswith("judged by generations 0 to 4")
    cells = {row[:2]: row[2:] for row in table.rows}
    assert len(cells) == 6
    assert cells["replace", "frechet"] == ("1", "1 .. 1", "it has left already, at generation 1")
    generation, interval, _ = cells["accumulate", "frechet"]
    assert generation.startswith("after ") or float(generation) > 4
    assert " .. " in interval


def test_a_forecast_from_too_few_generations_is_a_dash_with_its_reason(sweep):
    root, plan = sweep
    for _, _, generation, interval, reason in forecast_table(plan, gather(root, plan), ["accumulate"], upto=1).rows:
        assert (generation, interval) == ("-", "-")
        assert reason


def test_the_details_have_a_line_a_lineage_and_definition(found):
    columns = details(found)
    assert len(columns["lineage"]) == len(DEFINITIONS) * len(found)
    assert columns["definition"][: len(DEFINITIONS)] == list(DEFINITIONS)
    assert {len(cells) for cells in columns.values()} == {len(columns["lineage"])}
    assert details({}) == {}
