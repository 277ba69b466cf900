"""The all-real controls of a grid: which there are, and which one each lineage is judged against."""

from __future__ import annotations

from dwindle.config.arms import control_of, controls
from dwindle.plan import unroll
from dwindle.regimes import Fresh
from tests.unit.gridded_sweep import BIAS, LAW, NAMED, RATIO, ROWS, SEED


def test_one_control_serves_all_points_that_differ_in_what_it_judges(loaded):
    sweep = loaded("axes:\n" + RATIO + BIAS, "control=true")
    assert list(sweep.lineages)[-1] == "control"
    assert len(sweep.lineages) == len(sweep.points) + 1 == 9
    assert sweep.lineages["control"].recipe.regime == Fresh(synthetic_ratio=0.0)
    assert sweep.lineages["control"].label == "control"


def test_a_control_is_grown_for_each_size_and_seed(loaded):
    sweep = loaded("axes:\n" + RATIO + ROWS + "  seed: {seed: [0, 1]}\n", "control=true")
    names = [name for name in sweep.lineages if name.startswith("control")]
    assert names == ["control-small-seed0", "control-small-seed1", "control-large-seed0", "control-large-seed1"]
    control = sweep.lineages["control-large-seed1"]
    assert (control.recipe.budget, control.recipe.seed, control.label) == (400, 1, "control, large, seed 1")


def test_a_control_grows_as_far_as_the_longest_lineage_it_judges(loaded):
    sweep = loaded("axes: {reach: {generations: [1, 5]}}\n", "control=true")
    assert {name: one.generations for name, one in sweep.lineages.items()} == {"reach1": 1, "reach5": 5, "control": 5}
    mixed = "axes: {x: {budget: [50, 50, 60], seed: [1, 1, 2], generations: {a: 1, b: 5, c: 3}}}\n"
    found = loaded(mixed, "control=true").lineages
    assert {name: one.generations for name, one in found.items() if "control" in name} == {
        "control-a": 5,
        "control-c": 3,
    }


def test_a_named_lineage_of_another_size_has_a_control_of_its_own(loaded):
    sweep = loaded(NAMED + "  wide: {budget: 90}\naxes:\n" + SEED, "control=true")
    names = [name for name in sweep.lineages if name.startswith("control")]
    assert names == [f"control-seed{seed}" for seed in range(3)] + [f"control-wide-seed{seed}" for seed in range(3)]
    recipes = unroll(sweep).recipes
    assert control_of(recipes, "wide-seed1") == "control-wide-seed1"
    assert control_of(recipes, "fresh-seed1") == "control-seed1"


def test_each_lineage_is_judged_against_the_control_of_its_size(loaded):
    recipes = unroll(loaded("axes:\n" + LAW + ROWS + "  bias: {sampler.variance_factor: [1, 0.5]}\n", "control=true"))
    recipes = recipes.recipes
    assert controls(recipes) == ("control-small", "control-large")
    assert control_of(recipes, "tenth-small-bias0p5") == "control-small"
    assert control_of(recipes, "replace-large-bias1") == "control-large"
    assert control_of(recipes, "control-large") is None


def test_a_control_with_the_same_restart_goes_before_one_with_another(loaded):
    sweep = loaded("axes: {start: {restart: [cold, warm]}}\n", "control=true")
    recipes = unroll(sweep).recipes
    assert control_of(recipes, "warm") == "control-warm"
    assert control_of({name: recipes[name] for name in ("warm", "control-cold")}, "warm") == "control-cold"


def test_without_a_control_of_its_size_a_lineage_has_the_plain_one_or_none(loaded):
    recipes = unroll(loaded(NAMED + "  wide: {budget: 90}\n", "control=true")).recipes
    assert control_of(recipes, "wide") == "control"
    assert control_of({name: recipes[name] for name in ("wide", "fresh")}, "wide") is None


def test_a_lineage_that_only_has_the_name_of_a_control_is_judged_as_others_are(loaded):
    recipes = unroll(loaded("lineages: {control: {}, control-rows: {budget: 90}}\n")).recipes
    assert controls(recipes) == ("control",)
    assert control_of(recipes, "control-rows") == "control"
