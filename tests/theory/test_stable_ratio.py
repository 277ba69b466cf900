"""Real chains and closed forms agree on the largest stable ratio, for fresh, replayed and fixed real rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dwindle.metrics.moments import Moments
from dwindle.profile.criteria import CHOSEN, Criterion
from dwindle.regimes import Fresh, Mixture
from dwindle.report.ratio_findings import Asked, findings
from dwindle.report.ratio_theory import Law
from dwindle.samplers import Sampler
from dwindle.theory import gaussian_mixed as theory
from tests.theory.grown_chains import measured, recipe
from tests.unit.made_sweep import planned, publish

RATIOS = (0.2, 0.4, 0.6, 0.75, 0.9)
GENERATIONS, WAYS = 24, ("fresh", "replayed", "fixed")
PARAMS = f"""\
sweep: ratios
generations: {GENERATIONS}
chains: 300
budget: 40
source: gaussian
family: {{name: gaussian, ddof: 0}}
metrics: [moments]
control: true
lineages:
  replace: {{regime: replace}}
"""
LINEAGE = "  {way}-{name}: {{regime: {{name: mixture, real: {way}, synthetic_ratio: {ratio}}}}}\n"
DOUBLED = Criterion(CHOSEN, "mean_error", "ratio", falls=False, limit=2.0)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A sweep whose evaluations are those of chains grown in memory."""
    root = tmp_path_factory.mktemp("ratios")
    lines = (LINEAGE.format(way=way, name=round(100 * r), ratio=r) for way in WAYS for r in RATIOS)
    plan = planned(root, PARAMS + "".join(lines))
    for place, lineage in enumerate(plan.recipes):
        found = plan.recipe(lineage)
        grower = recipe(seed=place, regime=found.regime, family=found.family, chains=found.chains, budget=found.budget)
        values = measured(grower, GENERATIONS)
        by_generation = {
            t: {name: values[name][t].tolist() for name in ("mean_error", "variance")} for t in range(GENERATIONS + 1)
        }
        publish(root, plan, {lineage: by_generation})
    return root, plan


def test_the_intervals_of_real_chains_hold_the_exact_ratio_at_twice_the_error_of_the_control(grown):
    found = findings(*grown, Asked("mean_error"))
    assert [one.group.real for one in found] == list(WAYS)
    for one in found:
        assert one.beside == "control"
        assert one.threshold.low <= one.exact <= one.threshold.high
        assert abs(one.score) < 3.5


def test_at_other_limits_and_measures_most_intervals_hold_it_and_none_misses_by_far(grown):
    asked = (Asked("mean_error"), Asked("mean_error", 4.0), Asked("variance", 0.85))
    found = [one for each in asked for one in findings(*grown, each)]
    # Three misses of nine have a chance of 1 % at 95 %.
    assert sum(one.threshold.low <= one.exact <= one.threshold.high for one in found) >= 7
    assert not any(abs(one.score) > 3.5 for one in found)


def test_fresh_rows_allow_a_larger_ratio_than_replayed_ones_and_these_than_fixed_ones(grown):
    fresh, replayed, fixed = findings(*grown, Asked("mean_error"))
    assert fresh.exact > replayed.exact > fixed.exact
    assert fresh.threshold.low > replayed.threshold.high
    assert fresh.threshold.value > replayed.threshold.value > fixed.threshold.value


def law(regime, horizon, budget, *, control=True, criterion=DOUBLED, **changes):
    every = {"budget": budget, "metrics": (Moments(),), **changes}
    all_real = recipe(regime=Fresh(0.0), **every) if control else None
    return Law(
        recipe(regime=regime, **every), all_real, criterion, np.arange(3 * horizon // 4 + 1, horizon + 1), horizon
    )


@pytest.mark.parametrize("real", ["fresh", "fixed"])
def test_over_many_generations_the_exact_ratio_is_the_one_of_the_limits(real):
    limit = {"fresh": theory.fresh_limit, "fixed": theory.replayed_limit}[real]
    budget = 400
    ratio = law(Mixture(0.5, real=real), 120, budget).threshold()
    assert limit(1 - ratio, budget) == pytest.approx(2 / budget, rel=2e-3)


def test_the_exact_ratio_of_fresh_rows_is_the_root_of_one_half():
    assert law(Fresh(0.9), 120, 1000).threshold() == pytest.approx(math.sqrt(0.5), abs=1e-3)


def test_generation_0_is_as_good_a_control_as_the_all_real_lineage():
    with_control, without = (law(Fresh(0.9), 30, 60, control=control).threshold() for control in (True, False))
    assert with_control == pytest.approx(without)


def test_theory_is_silent_where_no_closed_form_speaks_and_infinite_where_every_ratio_is_stable():
    assert math.isnan(law(Fresh(0.9), 10, 60, sampler=Sampler(flip=0.1)).threshold())
    assert math.isnan(law(Fresh(0.9), 10, 60, criterion=replace(DOUBLED, measure="risk")).threshold())
    assert law(Fresh(0.9), 1, 400, criterion=replace(DOUBLED, limit=3.0)).threshold() == math.inf


def test_the_curve_passes_the_limit_at_the_exact_ratio():
    known = law(Mixture(0.5, real="replayed"), 20, 200)
    ratios, harm = known.curve()
    assert np.interp(known.threshold(), ratios, harm) == pytest.approx(math.log(2), abs=0.01)
    assert (ratios[0], harm[0], ratios[-1]) == (0, pytest.approx(0), 1)
