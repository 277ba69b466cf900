"""Each definition of collapse answers as it must on lineages whose fate is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dwindle.profile import DEFINITIONS, Thresholds, Trajectory, profile_of
from dwindle.seeds import Seed

SEED = Seed(11, ("profile", "verdicts"))
GENERATIONS = 21
TIMES = np.arange(GENERATIONS)


def trajectory(chains, better="lower", scale="linear", unit=""):
    return Trajectory(np.arange(len(chains)), np.asarray(chains, dtype=np.float64), better, scale, unit)


def noisy(curve, name="noise", *, chains=8, noise=0.01):
    """Return a curve with noise of its own in every chain and generation, (g, c)."""
    return np.asarray(curve)[:, None] + noise * SEED.at(name).numpy().standard_normal((len(curve), chains))


def ask(number, measures, control=None, **options):
    """Return the verdict on a definition, by its number among the eight."""
    return profile_of(measures, control, **options).verdicts[number - 1]


def risk(curve, unit="", **options):
    return {"risk": trajectory(noisy(curve, **options), unit=unit)}


FLAT, LINE = np.full(GENERATIONS, 2.0), 2.0 + 0.2 * TIMES
SATURATING = 2.0 + 1.0 * (1 - 1 / (TIMES + 1))
SHAPES = {
    "flat": FLAT,
    "line": LINE,
    "saturating": SATURATING,
    "root": 2.0 + np.sqrt(TIMES),
    "falling": 3.0 - 0.05 * TIMES,
}


@pytest.mark.parametrize("controlled", [False, True], ids=["alone", "with a control"])
@pytest.mark.parametrize(
    ("shape", "catastrophic", "any_increase", "diverging"),
    [
        ("flat", "no", "no", "no"),
        ("line", "yes", "yes", "yes"),
        ("saturating", "no", "yes", "no"),
        ("root", "yes", "yes", "yes"),
        ("falling", "no", "no", "no"),
    ],
)
def test_the_three_definitions_of_risk_tell_the_shapes_apart(shape, catastrophic, any_increase, diverging, controlled):
    control = risk(FLAT, name="control") if controlled else None
    found = profile_of(risk(SHAPES[shape], noise=0.005), control).verdicts[:3]
    assert [verdict.verdict for verdict in found] == [catastrophic, any_increase, diverging]


def test_an_increase_that_the_control_shares_is_none():
    assert ask(2, risk(LINE), risk(LINE, name="control")).verdict == "yes"
    slow = 2.0 + 0.0001 * TIMES
    assert ask(2, risk(slow), risk(slow, name="control")).verdict == "no"


def test_risks_in_nats_are_compared_by_differences_and_agree_with_perplexities():
    nats = noisy(1.0 + 0.05 * TIMES)
    verdict = ask(1, {"risk": trajectory(nats, unit="nats a row")})
    assert verdict.value == pytest.approx(1.0, abs=0.03)
    assert verdict.threshold == pytest.approx(math.log(2))
    by_perplexity = ask(1, {"perplexity": trajectory(np.exp(nats), scale="log")})
    assert by_perplexity.value == pytest.approx(math.exp(verdict.value))
    assert verdict.verdict == by_perplexity.verdict == "yes"
    shifted = ask(1, {"risk": trajectory(nats - 7.0, unit="nats a row")})
    assert shifted.value == pytest.approx(verdict.value)


def test_a_negative_risk_is_never_divided():
    assert ask(1, risk(FLAT - 4.0)).verdict == "no"
    assert "differences" in ask(1, risk(FLAT - 4.0)).reason


def test_the_interval_of_a_risk_ratio_holds_it_as_often_as_it_says():
    draw, held = SEED.at("coverage").numpy(), 0
    for _ in range(200):
        values = np.stack([draw.gamma(4.0, 0.25, 30), 3.0 * draw.gamma(4.0, 0.25, 30)])
        verdict = ask(1, {"risk": trajectory(values)})
        held += verdict.low <= 3.0 <= verdict.high
    assert abs(held - 0.95 * 200) < 4 * math.sqrt(200 * 0.95 * 0.05)


def test_too_few_chains_are_undecided_and_too_wide_intervals_too():
    verdict = ask(2, risk(LINE, chains=2))
    assert verdict.verdict == "undecided"
    assert "2 chains" in verdict.reason
    assert ask(2, risk(FLAT, noise=3.0)).verdict == "undecided"


def test_chains_that_lost_their_number_forbid_a_no():
    values = noisy(FLAT)
    values[-1, :3] = np.nan
    verdict = ask(1, {"risk": trajectory(values)})
    assert verdict.verdict == "undecided"
    assert "worst" in verdict.reason


# ------------------------------------------------------------------------------------------- variance


def variances(rate, *, chains=200, rows=100, keep=False):
    """Return the variance of a Gaussian lineage, a product of chi-squared laws; `keep` lets its steps fade."""
    fade = 1.0 / (TIMES + 1) ** 2 if keep else np.ones(GENERATIONS)
    noise = SEED.at("variance", keep).numpy().standard_normal((GENERATIONS, chains)) * math.sqrt(2 / rows)
    steps = -rate * fade[:, None] + noise * np.sqrt(fade)[:, None]
    return {"variance_ratio": trajectory(np.exp(np.cumsum(steps, axis=0)), "as_anchor", "log")}


def test_a_variance_that_decays_at_a_constant_rate_collapses():
    verdict = ask(4, variances(0.02))
    assert verdict.verdict == "yes"
    assert "log share left now -0.4" in verdict.reason


def test_a_variance_that_settles_does_not_collapse():
    assert ask(4, variances(0.02, keep=True)).verdict == "no"


def test_a_log_variance_is_on_its_scale_already():
    logs = {"log_variance": trajectory(np.log(variances(0.02)["variance_ratio"].chains), "as_anchor")}
    assert ask(4, logs).value == pytest.approx(ask(4, variances(0.02)).value)


# ------------------------------------------------------------------------------------------- scaling law


def scaled(budgets, exponent, floor):
    draw = SEED.at("scaling").numpy()
    law = {size: np.array([size**-0.5, size**-exponent + floor]) for size in budgets}
    return {
        size: {"parameter_error": trajectory(curve[:, None] * np.exp(0.02 * draw.standard_normal((2, 10))))}
        for size, curve in law.items()
    }


def test_a_plateau_changes_the_scaling_law():
    sweep = scaled((100.0, 400.0, 1600.0, 6400.0), 0.5, 0.05)
    verdict = ask(5, sweep[100.0], sweep=sweep)
    assert verdict.verdict == "yes"
    assert verdict.low > 0


def test_the_same_exponent_is_no_change_whatever_the_factor():
    sweep = scaled((100.0, 400.0, 1600.0), 0.5, 0.0)
    assert ask(5, sweep[100.0], sweep=sweep).verdict == "no"


# ------------------------------------------------------------------------------------------- tails, modes, support


def shares(measure, curve, **options):
    return {measure: trajectory(noisy(curve, **options), "higher")}


@pytest.mark.parametrize(
    ("number", "name"), [(6, "recall"), (6, "tail_mass"), (6, "tail_coverage"), (7, "on_mode"), (8, "precision")]
)
def test_a_share_that_falls_is_a_loss_and_one_that_stays_is_none(number, name):
    falling, staying = np.linspace(0.95, 0.6, GENERATIONS), np.full(GENERATIONS, 0.95)
    assert ask(number, shares(name, falling)).verdict == "yes"
    assert ask(number, shares(name, staying)).verdict == "no"
    assert ask(number, shares(name, falling), shares(name, staying, name="c")).verdict == "yes"


def test_a_share_of_rows_that_are_made_up_is_off_the_support_where_it_rises():
    rising, staying = (
        {"hallucinations": trajectory(noisy(curve), "lower")}
        for curve in (np.linspace(0.05, 0.4, GENERATIONS), np.full(GENERATIONS, 0.05))
    )
    assert ask(8, rising).verdict == "yes"
    assert ask(8, rising).value == pytest.approx(0.35, abs=0.02)
    assert ask(8, staying).verdict == "no"
    assert ask(8, staying, rising).verdict == "no"


def test_mass_that_is_missing_is_a_tail_that_is_lost():
    missing = {"missing_mass": trajectory(noisy(np.linspace(0.1, 0.5, GENERATIONS)))}
    verdict = ask(6, missing)
    assert verdict.verdict == "yes"
    assert verdict.value == pytest.approx(0.5 / 0.9, abs=0.02)


def test_a_tail_that_is_gone_in_every_chain_is_lost_without_a_logarithm():
    values = noisy(np.full(GENERATIONS, 1.0))
    values[-1] = 0.0
    verdict = ask(6, {"tail_mass": trajectory(values, "as_anchor")})
    assert (verdict.verdict, verdict.value, verdict.high) == ("yes", 0.0, 0.0)


def test_a_tail_that_never_was_is_undefined():
    verdict = ask(6, {"tail_mass": trajectory(np.zeros((5, 8)), "as_anchor")})
    assert verdict.verdict == "undefined"
    assert "positive mean" in verdict.reason


# ------------------------------------------------------------------------------------------- the profile


def test_what_was_not_measured_is_undefined_and_says_what_to_add():
    verdicts = profile_of({}).verdicts
    assert [verdict.definition for verdict in verdicts] == list(DEFINITIONS)
    for verdict in verdicts:
        assert verdict.verdict == "undefined"
        assert math.isnan(verdict.value)
        assert "add the metric" in verdict.reason or "budget" in verdict.reason


def test_the_best_measure_that_has_values_is_asked():
    blind = trajectory(np.full((GENERATIONS, 8), np.nan))
    verdict = ask(1, {"risk": blind, "frechet": trajectory(noisy(LINE))})
    assert verdict.measure == "frechet"


def tails_first():
    """Return a lineage whose tail thins from the start while its variance falls under the half only at the end."""
    tail, variance = np.linspace(1.0, 0.4, GENERATIONS), np.where(TIMES < 15, 1.0, 0.3)
    return {
        "tail_mass": trajectory(noisy(tail), "as_anchor"),
        "variance_ratio": trajectory(noisy(variance), "as_anchor", "log"),
    }


def test_tails_that_go_first_are_early_collapse_and_the_bulk_makes_it_late():
    late = profile_of(tails_first()).phase
    assert late.label == "late"
    assert late.early_from < late.late_from == 15.0
    early = profile_of({name: one.until(12) for name, one in tails_first().items()}).phase
    assert (early.label, early.late_from) == ("early", math.inf)
    flat = {"tail_mass": trajectory(noisy(np.ones(GENERATIONS)), "as_anchor")}
    none = profile_of(flat).phase
    assert none.label == "none"
    assert "no measure of the bulk" in none.reason


def test_the_tables_and_the_record_are_plain():
    profile = profile_of(tails_first(), thresholds=Thresholds(tail=0.3))
    assert profile.verdicts[5].verdict == "no"
    assert len(profile.rows()) == 8
    assert all(isinstance(cell, str) for row in profile.rows() + profile.passage_rows() for cell in row.values())
    assert [row["measure"] for row in profile.passage_rows()] == ["tail_mass", "variance_ratio"]
    record = profile.as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_the_profile_is_a_function_of_the_numbers():
    assert profile_of(tails_first()).as_dict() == profile_of(tails_first()).as_dict()


NASTY = np.array([0.0, 1.0, 0.5, -1.0, np.nan, np.inf, -np.inf, 1e-300, 5e-324, 1e300, -1e308, 1.0 + 1e-15])
NAMES = ("risk", "mean_error", "variance_ratio", "log_variance", "tail_mass", "missing_mass", "on_mode", "precision")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("trial", range(40))
def test_whatever_the_numbers_every_verdict_has_a_number_or_a_reason(trial):
    draw = SEED.at("nasty", trial).numpy()
    shape = (int(draw.integers(1, 10)), int(draw.integers(0, 6)))
    kept = draw.choice(NASTY, size=int(draw.integers(1, 5)))
    scale = "log" if trial % 2 else "linear"
    lineages = [{name: trajectory(draw.choice(kept, shape), "as_anchor", scale) for name in NAMES} for _ in range(2)]
    sweep = {10.0: lineages[0], 20.0: lineages[1]}
    profile = profile_of(lineages[0], lineages[1] if trial % 3 else None, sweep=sweep)
    for verdict in profile.verdicts:
        assert verdict.reason or math.isfinite(verdict.low + verdict.high)
        assert verdict.verdict != "undefined" or math.isnan(verdict.value)
    assert all(found.reason for found in profile.passages.values())
    json.dumps(profile.as_dict(), allow_nan=False)
