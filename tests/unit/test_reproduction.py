"""What becomes of a preset's checks: the statistics and their errors, and the findings on a sweep that is made up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.config.preset import Check, Preset
from dwindle.errors import BadInput
from dwindle.reproduction import Outcome, check_sweep, findings_table, outcomes_table
from dwindle.reproduction.statistics import argmin, crossing, jackknifed, slope
from tests.unit.made_sweep import around, made_sweep, planned, publish

RNG = np.random.default_rng(5)


# ------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("count", [2, 7, 40])
def test_the_jackknife_of_a_mean_is_its_standard_error(count):
    values = RNG.standard_normal((1, count))
    mean, error = jackknifed(lambda chains: float(chains[0].mean()), [values])
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(count))


def test_many_chains_are_left_out_by_groups_and_the_error_is_as_large():
    values = RNG.standard_normal((1, 4000))
    _, error = jackknifed(lambda chains: float(chains[0].mean()), [values])
    assert error == pytest.approx(1 / math.sqrt(4000), rel=0.5)


def test_the_error_of_a_ratio_is_that_of_the_delta_method():
    one, other = 3 + 0.1 * RNG.standard_normal((1, 40)), 2 + 0.1 * RNG.standard_normal((1, 40))
    ratio, error = jackknifed(lambda chains: float(chains[0].mean() / chains[1].mean()), [one, other])
    assert ratio == pytest.approx(one.mean() / other.mean())
    residuals = (one - ratio * other) / other.mean()
    assert error == pytest.approx(residuals.std(ddof=1) / math.sqrt(40), rel=0.02)


def test_chains_that_share_their_rows_stay_paired():
    shared = 5 * RNG.standard_normal((1, 40))
    gap, error = jackknifed(lambda chains: float((chains[0] - chains[1]).mean()), [shared + 1, shared])
    assert (gap, error) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-12))


def test_one_chain_has_no_error():
    assert math.isnan(jackknifed(lambda chains: float(chains[0].mean()), [np.ones((1, 1))])[1])


def test_the_slope_is_the_exponent_of_a_power():
    times = np.arange(1.0, 9.0)
    assert slope(7 * times**-1.5, times) == pytest.approx(-1.5)
    assert math.isnan(slope(np.array([1.0, -1.0]), times[:2]))
    assert math.isnan(slope(times[:1], times[:1]))


def test_the_argmin_of_a_parabola_is_exact_in_any_order_and_an_end_is_an_end():
    settings = np.array([0.0, 0.9, 0.5, 0.2, 0.7])
    assert argmin(settings, 3 * (settings - 0.6) ** 2 + 1) == pytest.approx(0.6)
    assert argmin(settings, settings) == 0.0
    assert argmin(settings, -settings) == 0.9
    assert math.isnan(argmin(settings, np.array([1.0, math.nan, 0.0, 1.0, 1.0])))


@pytest.mark.parametrize(
    ("values", "level", "found"),
    [
        ([0, 1, 4], 0.5, 1.5),
        ([4, 3, 1], 2, 3.0),
        ([0, 1, 4], 1, 2.0),
        ([2, 0, 0], 2, 1.0),
        ([0, 0, 2], 2, 4.0),
        ([2, 2, 2], 2, 1.0),
        ([0, 1, 1], 3, math.nan),
        ([0, math.nan, 4], 1, math.nan),
    ],
)
def test_a_crossing_lies_on_the_straight_line_between_its_neighbours(values, level, found):
    settings = np.array([1.0, 2.0, 4.0])
    assert crossing(settings, np.array(values, dtype=float), level) == pytest.approx(found, nan_ok=True)
    assert crossing(settings[::-1], np.array(values[::-1], dtype=float), level) == pytest.approx(found, nan_ok=True)


# ------------------------------------------------------------------------------------------- findings

MADE = {
    "replace": {t: {"variance": around(0.98**t, 0.01), "frechet": around(0.2 * (t + 1), 0.01)} for t in range(5)},
    "accumulate": {t: {"variance": around(1.0, 0.01), "frechet": around(0.2, 0.01)} for t in range(5)},
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "sweep"
    return root, made_sweep(root, MADE, family="gaussian")


def outcome(sweep, *checks):
    return check_sweep(*sweep, Preset("Author 2024", "a claim", "", checks))


def finding(sweep, measure, statistic, *lineages, **settings):
    (found,) = outcome(sweep, Check("claim", measure, statistic, lineages, **settings)).findings
    return found


def test_a_mean_is_held_to_four_standard_errors(sweep):
    found = finding(sweep, "frechet", "mean", "replace", expected=1.0)
    assert (found.measured, found.reproduced) == (pytest.approx(1.0), True)
    assert found.error == pytest.approx(0.01 / 3.182446305284263)
    off = finding(sweep, "frechet", "mean", "replace", expected=0.9)
    assert off.reproduced is False
    assert off.z == pytest.approx(0.1 / found.error)
    assert finding(sweep, "frechet", "mean", "replace", expected=0.4, generation=1).reproduced is True


def test_an_expected_value_may_have_a_tolerance_of_its_own(sweep):
    assert finding(sweep, "frechet", "mean", "replace", expected=0.9, within=0.2).reproduced is True
    assert finding(sweep, "frechet", "mean", "replace", expected=0.9, within=0.05).reproduced is False


def test_a_range_has_two_ends(sweep):
    for low, high, holds in ((0.9, 1.1, True), (1.1, None, False), (None, 0.9, False), (0.9, None, True)):
        assert finding(sweep, "frechet", "mean", "replace", low=low, high=high).reproduced is holds


def test_a_ratio_is_over_an_earlier_generation_or_over_another_lineage(sweep):
    assert finding(sweep, "frechet", "ratio", "replace", expected=5.0).measured == pytest.approx(5.0)
    assert finding(sweep, "frechet", "ratio", "replace", expected=2.5, since=1).measured == pytest.approx(2.5)
    against = finding(sweep, "frechet", "ratio", "replace", expected=2.0, generation=1, against="accumulate")
    assert (against.measured, against.reproduced) == (pytest.approx(2.0), True)
    assert finding(sweep, "frechet", "ratio", "replace", expected=3.0).reproduced is False


def test_a_slope_is_on_the_logarithm_of_the_number_of_fits(sweep):
    assert finding(sweep, "frechet", "slope", "replace", expected=1.0).measured == pytest.approx(1.0)
    assert finding(sweep, "frechet", "slope", "accumulate", expected=1.0).reproduced is False


def test_a_geometric_mean_is_that_of_the_chains(sweep):
    found = finding(sweep, "variance", "geometric_mean", "replace", expected=0.92)
    values = np.array(MADE["replace"][4]["variance"])
    assert found.measured == pytest.approx(math.exp(np.log(values).mean()))


def test_an_order_falls_at_every_step_by_two_errors_at_least(sweep):
    found = finding(sweep, "frechet", "order", "replace", "accumulate")
    assert (found.reproduced, found.told) == (True, "1 > 0.2")
    assert finding(sweep, "frechet", "order", "accumulate", "replace").reproduced is False
    assert finding(sweep, "frechet", "order", "replace", "accumulate", generation=0).reproduced is False


def test_theory_names_the_generation_that_lies_farthest_off(sweep):
    found = finding(sweep, "variance", "theory", "replace", "accumulate")
    assert found.reproduced is True
    assert 0 < found.measured < 4
    assert finding(sweep, "variance", "theory", "replace", within=1e-3).reproduced is False


def test_theory_of_what_has_no_closed_form_cannot_be_told(sweep):
    found = finding(sweep, "frechet", "theory", "replace")
    assert (found.reproduced, found.told) == (None, "no closed form of frechet is known for replace")


def test_a_verdict_is_the_collapse_profiles(sweep):
    for lineage, answer in (("replace", "yes"), ("accumulate", "no")):
        for said in ("yes", "no"):
            found = finding(sweep, "catastrophic increase of population risk", "verdict", lineage, answer=said)
            assert (found.told, found.reproduced) == (answer, said == answer)


def test_a_lineage_that_was_not_evaluated_leaves_a_check_undecided(sweep):
    for statistic, lineages in (("mean", ["blend"]), ("order", ["replace", "blend"])):
        found = finding(sweep, "frechet", statistic, *lineages, expected=1.0)
        assert (found.reproduced, found.told) == (None, "blend was not evaluated")
        assert math.isnan(found.measured)
    against = finding(sweep, "frechet", "ratio", "replace", expected=1.0, against="blend")
    assert against.told == "blend was not evaluated"


@pytest.mark.parametrize(
    ("measure", "statistic", "says"),
    [
        ("frecht", "mean", "'frecht' was not measured; did you mean frechet?"),
        ("collapsed variance", "verdict", "no definition 'collapsed variance'; did you mean collapsing variance?"),
    ],
)
def test_a_misspelt_measure_is_refused_with_the_nearest(sweep, measure, statistic, says):
    with pytest.raises(BadInput) as caught:
        finding(sweep, measure, statistic, "replace", expected=1.0, answer="yes")
    assert says in str(caught.value)


def test_argmin_crossing_and_scaling_are_read_off_between_lineages(tmp_path):
    ratios = (0.25, 0.5, 0.75)
    lines = [f"  at_{r * 100:.0f}: {{regime: {{name: blend, synthetic_ratio: {r}}}}}" for r in ratios]
    head = "sweep: scan\ngenerations: 0\nchains: 4\nbudget: 9\nsource: gaussian\nfamily: gaussian\n"
    plan = planned(tmp_path, head + "metrics: [frechet, moments]\nlineages:\n" + "\n".join(lines) + "\n")
    names, over = tuple(plan.recipes), "regime.synthetic_ratio"
    made = {"frechet": lambda r: (r - 0.6) ** 2 + 1, "mean_error": lambda r: 2 * r**2}
    values = {
        name: {0: {key: around(f(r), 0.0) for key, f in made.items()}} for name, r in zip(names, ratios, strict=True)
    }
    publish(tmp_path, plan, values)
    for measure, statistic, expected, level in (
        ("frechet", "argmin", 0.6, None),
        ("mean_error", "scaling", 2.0, None),
        ("mean_error", "crossing", 0.6, 0.75),
    ):
        check = {"over": over, "expected": expected, "within": 1e-9, "level": level}
        assert finding((tmp_path, plan), measure, statistic, *names, **check).measured == pytest.approx(expected)
    for statistic in ("argmin", "scaling", "crossing"):
        nowhere = finding((tmp_path, plan), "frechet", statistic, *names, over="regime.ratio", expected=1.0, level=1.1)
        assert (nowhere.reproduced, nowhere.told) == (None, "undefined")


def test_one_chain_decides_neither_a_number_nor_an_order(tmp_path):
    made = {name: {0: {"frechet": [value]}} for name, value in (("replace", 2.0), ("accumulate", 1.0))}
    sweep = tmp_path, made_sweep(tmp_path, made)
    assert finding(sweep, "frechet", "order", "replace", "accumulate").reproduced is None
    assert finding(sweep, "frechet", "mean", "replace", expected=2.0).reproduced is None
    assert finding(sweep, "frechet", "mean", "replace", expected=2.0, within=0.1).reproduced is True


# ------------------------------------------------------------------------------------------- verdicts and tables

HOLDS = Check("it grows", "frechet", "ratio", ("replace",), expected=5.0)
FAILS = Check("it shrinks", "frechet", "ratio", ("replace",), high=0.5)
UNTOLD = Check("it blends", "frechet", "mean", ("blend",), expected=1.0)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([HOLDS], "reproduced"),
        ([HOLDS, FAILS, UNTOLD], "not reproduced"),
        ([HOLDS, UNTOLD], "undecided"),
        ([], "undecided"),
    ],
)
def test_a_preset_is_reproduced_if_every_check_holds(sweep, checks, verdict):
    assert outcome(sweep, *checks).verdict == verdict


def test_the_tables_tell_expected_measured_and_verdict(sweep):
    found = outcome(sweep, HOLDS, FAILS, UNTOLD)
    table = findings_table(found)
    assert table.by_column["verdict"] == ["holds", "does not hold", "cannot be told"]
    assert table.by_column["expected"] == ["5", "<= 0.5", "1"]
    assert table.by_column["measured [95 %]"][0].startswith("5 [4.")
    assert table.by_column["measured [95 %]"][2] == "blend was not evaluated"
    assert table.title == "made: not reproduced. Author 2024: a claim"
    differs = Preset("Author 2024", "a claim", "fewer chains", ())
    assert findings_table(Outcome("made", differs, ())).notes == ("differs from the paper: fewer chains",)
    (line,) = outcomes_table([found]).rows
    assert (line[0], line[2], line[-1]) == ("made", "it shrinks", "not reproduced (1 of 3)")


def test_chains_that_agree_to_the_last_digit_are_held_to_the_value_itself(tmp_path):
    ends = {t: {"variance": [2.0] * 6} for t in range(3)}
    plan = made_sweep(tmp_path, {"replace": ends, "accumulate": ends})
    for expected, holds in ((2.0, True), (2.5, False)):
        check = Check("agreed", "variance", lineages=("replace",), expected=expected)
        (finding,) = check_sweep(tmp_path, plan, Preset("", "", "", (check,))).findings
        assert finding.reproduced is holds
