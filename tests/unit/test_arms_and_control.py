"""Lineages beside those that a sweep names: the control and the arms; and training that starts from generation 0."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.families.gaussian_mixture import GaussianMixture
from dwindle.plan import chain_key, unroll, write_plan
from dwindle.regimes import Blend, Fresh
from dwindle.seeds import Seed
from dwindle.stages.job import read_rows
from dwindle.stages.runner import run_stage

PARAMS = """\
sweep: compared
generations: 2
chains: 2
budget: 60
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian_mixture, components: 2, iterations: 5}
metrics: [moments]
lineages:
  replace: {regime: replace, generations: 4, sampler: {variance_factor: 0.9}}
  accumulate: {regime: accumulate}
"""
DIGITS = "source={name: digits, dimensions: 2, held_out: 97}"


@pytest.fixture
def loaded(tmp_path):
    def load(*overrides, more=""):
        (tmp_path / "params.yaml").write_text(PARAMS + more)
        return load_sweep(tmp_path / "params.yaml", overrides)

    return load


@pytest.fixture
def refused(loaded):
    """Return the only problem of a refused sweep, without the place of the file."""

    def refuse(*overrides, more=""):
        with pytest.raises(BadInput) as caught:
            loaded(*overrides, more=more)
        (message,) = caught.value.problems
        return message.rpartition("/")[2]

    return refuse


# ------------------------------------------------------------------------------------------- the control


def test_the_control_takes_new_real_rows_alone_where_the_source_has_no_end(loaded):
    sweep = loaded("control=true")
    assert list(sweep.lineages) == ["replace", "accumulate", "control"]
    control = sweep.lineages["control"]
    assert control.recipe.regime == Fresh(synthetic_ratio=0.0)
    assert control.generations == 2
    without = {key: value for key, value in control.recipe.settings.items() if key != "regime"}
    assert without == {k: v for k, v in sweep.lineages["accumulate"].recipe.settings.items() if k != "regime"}


def test_the_control_takes_the_anchor_again_where_the_source_ends(loaded):
    control = loaded(DIGITS, "control=true", "budget=1700").lineages["control"]
    assert control.recipe.regime == Blend(synthetic_ratio=0.0)


@pytest.mark.parametrize("overrides", [[], ["control=false"]])
def test_without_being_asked_for_there_is_no_control(loaded, overrides):
    assert list(loaded(*overrides).lineages) == ["replace", "accumulate"]


def test_a_control_beside_a_lineage_of_that_name_is_refused(refused):
    message = refused("lineages.control.regime=replace", "control=true")
    assert message == "command line: control = true: the sweep names a lineage control itself"
    assert refused(more="  control: {regime: replace}\ncontrol: true\n").startswith("params.yaml:12 control = true: ")


@pytest.mark.parametrize("value", ["1", "fresh", "[]", "{regime: fresh}", "null"])
def test_the_control_is_wanted_or_not(refused, value):
    message = refused(f"control={value}")
    assert message.startswith("command line: control = ")
    assert message.endswith(": expected true or false")


# ------------------------------------------------------------------------------------------- the arms


def test_arms_are_lineages_that_differ_in_what_the_arm_says_and_in_nothing_else(loaded):
    arms = "arms:\n  of: replace\n  rows: {budget: 600}\n  capacity: {family: {components: 8}}\n"
    sweep = loaded(more=arms + "  fit: {family: {iterations: 500}, restart: warm}\n")
    names = ["replace", "accumulate", "replace-rows", "replace-capacity", "replace-fit"]
    assert list(sweep.lineages) == names
    base = sweep.lineages["replace"].recipe.settings
    for arm, differs in (
        ("rows", {"budget": 600}),
        ("capacity", {"family": {**base["family"], "components": 8}}),
        ("fit", {"family": {**base["family"], "iterations": 500}, "restart": "warm"}),
    ):
        lineage = sweep.lineages[f"replace-{arm}"]
        assert lineage.recipe.settings == base | differs
        assert lineage.generations == 4


def test_arms_of_a_lineage_and_a_control_go_together(loaded):
    sweep = loaded("arms={of: accumulate, rows: {budget: 90}}", "control=true")
    assert list(sweep.lineages) == ["replace", "accumulate", "accumulate-rows", "control"]
    assert sweep.lineages["control"].recipe.budget == 60


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ("{of: replce, rows: {budget: 90}}", "arms.of = 'replce': no lineage of that name; did you mean replace?"),
        (
            "{of: replace, capcity: {budget: 90}}",
            "arms.capcity = {'budget': 90}: unknown arm; did you mean capacity?; arms are rows, capacity, fit",
        ),
        ("{of: replace, rows: 600}", "arms.rows = 600: expected a mapping of what differs from the lineage"),
        ("{of: replace, fit: null}", "arms.fit = null: expected a mapping of what differs from the lineage"),
        ("{rows: {budget: 90}}", "expected `of: LINEAGE` and what differs in rows, capacity, fit"),
        ("{of: [replace]}", "expected `of: LINEAGE` and what differs in rows, capacity, fit"),
        ("replace", "arms = 'replace': expected `of: LINEAGE` and what differs in rows, capacity, fit"),
        ("[]", "arms = []: expected `of: LINEAGE` and what differs in rows, capacity, fit"),
        ("{of: replace, rows: {budget: 0}}", "lineages.replace-rows.budget = 0: expected int 2..1e+09 rows"),
        ("{of: replace, rows: {bugdet: 90}}", "lineages.replace-rows.bugdet = 90: unknown key; did you mean budget?"),
    ],
)
def test_what_is_no_arm_is_one_clear_problem(refused, arms, says):
    assert says in refused(f"arms={arms}")


def test_a_wrong_value_in_an_arm_is_shown_with_its_own_line(refused):
    arms = "arms:\n  of: replace\n  rows:\n    {}\n"
    assert refused(more=arms.format("budget: 0")).startswith("params.yaml:14 lineages.replace-rows.budget = 0: ")
    message = refused(more=arms.format("sampler: {variance_factor: -1}"))
    assert message.startswith("params.yaml:14 lineages.replace-rows.sampler.variance_factor = -1: ")


def test_an_arm_beside_a_lineage_of_its_name_is_refused(refused):
    message = refused("lineages.replace-rows.regime=fresh", "arms={of: replace, rows: {budget: 90}}")
    assert message.endswith("arms.rows = {'budget': 90}: the sweep names a lineage replace-rows itself")


@pytest.mark.parametrize("entry", ["replace", "3"])
def test_a_lineage_that_is_no_mapping_is_told_once_also_where_it_has_arms(refused, entry):
    message = refused(f"lineages.third={entry}", "arms={of: third, rows: {budget: 90}}")
    assert "lineages.third = " in message
    assert message.endswith("expected a mapping of what differs from the shared settings")


# ------------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize(
    ("restart", "slots"),
    [
        ("cold", [f"data/replace/{t:03d}/train/manifest.json" for t in range(5)]),
        ("warm", ["data/replace/000/train/manifest.json", *(f"models/replace/{t:03d}" for t in range(4))]),
        ("base", ["data/replace/000/train/manifest.json", *["models/replace/000"] * 4]),
    ],
)
def test_the_plan_says_where_training_starts(loaded, restart, slots):
    plan = unroll(loaded(f"restart={restart}"))
    assert [plan.chain[chain_key("replace", t)]["restart"] for t in range(5)] == slots


def test_training_that_restarts_from_the_base_begins_at_generation_0(loaded, tmp_path):
    plan = unroll(loaded("restart=base", "generations=2", "lineages.replace.generations=2"))
    write_plan(plan, tmp_path)
    for name in plan.stage_names():
        if "accumulate" not in name and not name.startswith(("evaluate", "compare")):
            run_stage(tmp_path, name, plan=plan)
    family = plan.recipe("replace").family
    rows = read_rows(tmp_path / "data/replace/002/train").anonymous()
    models = [family.load(tmp_path / f"models/replace/{t:03d}") for t in range(3)]
    from_base, from_parent = (family.fit(rows, seed=Seed(0), parent=models[t]) for t in (0, 1))
    assert isinstance(family, GaussianMixture)
    np.testing.assert_allclose(models[2].mean(), from_base.mean(), rtol=1e-12)
    np.testing.assert_array_equal(models[2].weights, from_base.weights)
    assert not np.array_equal(models[2].weights, from_parent.weights)
