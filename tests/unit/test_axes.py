"""A grid of lineages: what `axes` grows, and how its lineages are named."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dwindle.config.building import LINEAGE_NAME
from dwindle.config.sweep import Lineage, Point, load_sweep
from dwindle.errors import BadInput
from dwindle.plan import unroll
from dwindle.regimes import Blend, Fresh, Replace
from tests.unit.gridded_sweep import BIAS, LAW, NAMED, PARAMS, RATIO, ROWS, SEED

FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

# ------------------------------------------------------------------------------------------- what is grown


def test_every_axis_is_crossed_with_every_other_one_the_last_fastest(loaded):
    sweep = loaded("axes:\n" + RATIO + ROWS)
    assert list(sweep.lineages)[:3] == ["ratio0-small", "ratio0-large", "ratio0p5-small"]
    found = [(one.recipe.regime.synthetic_ratio, one.recipe.budget) for one in sweep.lineages.values()]
    assert found == [(ratio, budget) for ratio in (0.0, 0.5, 0.9, 1.0) for budget in (50, 400)]


def test_keys_of_one_axis_advance_together(loaded):
    first, second = loaded("axes:\n" + BIAS).lineages.values()
    assert (first.name, second.name) == ("bias1", "bias0p8")
    assert [one.recipe.sampler.variance_factor for one in (first, second)] == [1.0, 0.8]
    assert [one.recipe.settings["curators"][0]["name"] for one in (first, second)] == ["keep_all", "deduplicate"]


def test_whole_components_are_values_too_and_bring_none_of_the_shared_ones_settings(loaded):
    sweep = loaded("axes:\n" + LAW, "regime={name: blend, synthetic_ratio: 0.3}")
    assert [one.recipe.regime for one in sweep.lineages.values()] == [Replace(), Fresh(synthetic_ratio=0.9)]
    sweep = loaded("axes:\n  law: {regime.name: [fresh, blend]}\n", "regime={name: blend, synthetic_ratio: 0.3}")
    assert [one.recipe.regime for one in sweep.lineages.values()] == [Fresh(), Blend(synthetic_ratio=0.3)]


@pytest.mark.parametrize("turn", [1, -1])
def test_settings_on_one_axis_are_laid_over_components_on_another_in_either_order(loaded, turn):
    axes = ["  law: {regime: [fresh, blend]}\n", "  ratio: {regime.synthetic_ratio: [0.2, 0.4]}\n"]
    sweep = loaded("axes:\n" + "".join(axes[::turn]))
    found = {one.recipe.regime for one in sweep.lineages.values()}
    assert found == {kind(synthetic_ratio=ratio) for kind in (Fresh, Blend) for ratio in (0.2, 0.4)}


@pytest.mark.parametrize(
    ("axis", "name", "key", "value"),
    [
        ("{seed: [5]}", "x5", "seed", 5),
        ("{chains: [3]}", "x3", "chains", 3),
        ("{threads: [2]}", "x2", "threads", 2),
        ("{restart: [warm]}", "warm", "restart", "warm"),
        ("{metrics: [[moments, frechet]]}", "moments_frechet", "metrics", None),
        ("{curators: [[]]}", "xnone", "curators", []),
        ("{source.dimensions: [3]}", "x3", "source", None),
        ("{family: [gaussian]}", "gaussian", "family", {"name": "gaussian", "ddof": 0}),
        ("{sampler: {wide: {variance_factor: 2.0}}}", "wide", "sampler", None),
    ],
)
def test_any_key_of_the_recipe_may_be_an_axis(loaded, axis, name, key, value):
    (plain,) = loaded("lineages: {one: {}}\n").lineages.values()
    (lineage,) = loaded(f"axes: {{x: {axis}}}\n").lineages.values()
    assert lineage.name == name
    found, before = lineage.recipe.settings, plain.recipe.settings
    assert {other for other in found if found[other] != before[other]} == {key}
    assert value is None or found[key] == value


def test_how_far_lineages_grow_may_be_an_axis(loaded):
    sweep = loaded("axes: {reach: {generations: [1, 4]}}\n")
    assert {name: one.generations for name, one in sweep.lineages.items()} == {"reach1": 1, "reach4": 4}


def test_named_lineages_are_grown_at_every_point(loaded):
    sweep = loaded(NAMED + "axes:\n" + ROWS)
    assert list(sweep.lineages) == ["replace-small", "replace-large", "fresh-small", "fresh-large"]
    assert sweep.lineages["fresh-large"].recipe.regime == Fresh(synthetic_ratio=0.9)
    assert sweep.lineages["fresh-large"].coordinates == {"lineage": "fresh", "rows": "large"}


def test_points_of_one_recipe_and_length_are_grown_once(loaded):
    sweep = loaded("axes:\n  rows: {budget: {small: 50, again: 50, large: 60}}\n" + SEED)
    assert len(sweep.points) == 9
    assert list(sweep.lineages) == [f"{rows}-seed{seed}" for rows in ("small", "large") for seed in range(3)]
    assert sweep.points[4] == Point("small-seed1", {"rows": "again", "seed": "1"})
    reached = loaded("axes: {reach: {generations: {one: 1, uno: 1, two: 2}}}\n")
    assert [point.lineage for point in reached.points] == ["one", "one", "two"]


def test_equal_lineages_that_a_sweep_names_without_axes_stay_replicates(loaded):
    sweep = loaded("lineages: {first: {}, second: {}}\n")
    assert list(sweep.lineages) == ["first", "second"]
    assert sweep.points == ()


def test_a_grid_plans_one_set_of_real_rows_a_size(loaded):
    plan = unroll(loaded("axes:\n" + RATIO + ROWS))
    assert len(plan.recipes) == 8
    assert len(plan.real) == 2


def test_a_point_has_the_recipe_of_the_same_lineage_written_by_hand(loaded):
    by_hand = loaded("lineages:\n  ratio0p5-small: {regime: {name: blend, synthetic_ratio: 0.5}, budget: 50}\n")
    grid = loaded("axes:\n" + RATIO + ROWS)
    assert grid.lineages["ratio0p5-small"].recipe == by_hand.lineages["ratio0p5-small"].recipe
    mine, theirs = unroll(grid), unroll(by_hand)
    for key in theirs.generations("ratio0p5-small"):
        assert mine.chain[key] == theirs.chain[key]


# ------------------------------------------------------------------------------------------- names and labels


@pytest.mark.parametrize(
    ("key", "values", "names"),
    [
        ("regime.synthetic_ratio", "[0, 0.5, 1.0, 1e-3, 1e-9]", ["x0", "x0p5", "x1", "x0p001", "x1em09"]),
        ("source.correlation", "[-0.1, 0.1]", ["xm0p1", "x0p1"]),
        ("sampler.prompts", "[none]", ["none"]),
        ("curators", "[[keep_all, deduplicate], [{name: deduplicate}]]", ["keep_all_deduplicate", "deduplicate"]),
        ("regime", "[{name: accumulate_subsample, replacement: true}]", ["accumulate_subsample"]),
        ("regime.name", "[replace, accumulate]", ["replace", "accumulate"]),
        ("family", "['dwindle.families.gaussian:Gaussian']", ["gaussian"]),
    ],
)
def test_a_value_gives_its_part_of_the_name(loaded, key, values, names):
    assert list(loaded(f"axes: {{x: {{{key}: {values}}}}}\n").lineages) == names


def test_truth_values_are_named_with_their_axis(loaded):
    sweep = loaded("axes: {again: {regime.replacement: [true, false]}}\n", "regime=accumulate_subsample")
    assert list(sweep.lineages) == ["againtrue", "againfalse"]
    assert [one.label for one in sweep.lineages.values()] == ["again true", "again false"]


def test_the_first_key_whose_values_differ_names_the_points(loaded):
    sweep = loaded("axes: {x: {budget: [50, 50, 60], seed: [1, 2, 3]}}\n")
    assert list(sweep.lineages) == ["x1", "x2", "x3"]
    sweep = loaded("axes: {x: {budget: [50, 60], seed: {low: 1, high: 2}}}\n")
    assert list(sweep.lineages) == ["low", "high"]


def test_a_label_says_what_differs_for_people(loaded):
    grid = loaded("axes:\n" + RATIO + ROWS).lineages
    assert grid["ratio0p9-small"].coordinates == {"ratio": "0.9", "rows": "small"}
    assert grid["ratio0p9-small"].label == "ratio 0.9, small"
    both = loaded(NAMED + "axes:\n" + SEED).lineages
    assert both["replace-seed2"].label == "replace, seed 2"
    assert loaded(NAMED).lineages["replace"].label == "replace"


def test_a_lineage_is_made_as_before_where_nobody_speaks_of_axes(loaded):
    lineage = loaded(NAMED).lineages["replace"]
    assert Lineage("replace", lineage.recipe, 2) == lineage
    assert hash(lineage) == hash(Lineage("replace", lineage.recipe, 2))


# ------------------------------------------------------------------------------------------- the command line


def test_the_command_line_adds_changes_and_removes_axes(loaded):
    text = NAMED + "axes:\n" + ROWS
    assert list(loaded(NAMED, "axes.s={seed: [0, 1]}").lineages) == ["replace-s0", "replace-s1", "fresh-s0", "fresh-s1"]
    assert len(loaded(text, "axes.s={seed: [0, 1]}").lineages) == 8
    assert list(loaded(text, "axes=null").lineages) == ["replace", "fresh"]
    assert list(loaded(text, "axes.s={seed: [3]}", "axes.rows=null").lineages) == ["replace-s3", "fresh-s3"]
    found = loaded(text, "axes.rows.budget.small=70").lineages
    assert {name: one.recipe.budget for name, one in found.items() if "fresh" in name} == {
        "fresh-small": 70,
        "fresh-large": 400,
    }


@pytest.mark.parametrize(
    "override", ["axes.ratio={regime.synthetic_ratio: [0, 1]}", "axes.ratio.regime.synthetic_ratio=[0, 1]"]
)
def test_a_key_with_a_dot_stays_whole_on_the_command_line(loaded, override):
    for text in ("", "axes:\n" + RATIO):
        found = loaded(text, override).lineages
        assert {name: one.recipe.regime.synthetic_ratio for name, one in found.items()} == {"ratio0": 0, "ratio1": 1}


def test_a_setting_of_a_labelled_component_can_be_changed(loaded):
    found = loaded("axes:\n" + LAW, "axes.law.regime.tenth.synthetic_ratio=0.7").lineages
    assert found["tenth"].recipe.regime == Fresh(synthetic_ratio=0.7)


# ------------------------------------------------------------------------------------------- size


def test_512_lineages_are_read_in_under_a_second_and_a_half(loaded):
    loaded(NAMED)
    begun = time.process_time()
    sweep = loaded(f"axes:\n{RATIO}  rows: {{budget: [50, 60]}}\n  seed: {{seed: {list(range(64))}}}\n")
    assert len(sweep.lineages) == 512
    assert time.process_time() - begun < 1.5


NUMBERS = st.floats(0, 1).map(lambda value: round(value, 3)) | st.integers(0, 1)
AXES = st.fixed_dictionaries(
    {},
    optional={
        "ratio": st.lists(NUMBERS, min_size=1, max_size=4).map(lambda values: {"regime.synthetic_ratio": values}),
        "rows": st.dictionaries(
            st.from_regex(r"[a-z0-9][a-z0-9_-]{0,3}", fullmatch=True), st.integers(2, 99), min_size=1, max_size=3
        ).map(lambda values: {"budget": values}),
        "seed": st.lists(st.integers(0, 10**6), min_size=1, max_size=3).map(lambda values: {"seed": values}),
        "bias": st.lists(NUMBERS, min_size=1, max_size=2).map(
            lambda values: {"sampler.variance_factor": values, "chains": list(range(2, 2 + len(values)))}
        ),
    },
)


@FEW
@given(axes=AXES, named=st.booleans())
def test_a_grid_has_the_product_of_its_axes_and_a_name_for_each_recipe(tmp_path_factory, axes, named):
    assume(axes)
    path = tmp_path_factory.mktemp("grid") / "params.yaml"
    path.write_text(PARAMS + (NAMED.replace("replace", "blend") if named else "") + f"axes: {json.dumps(axes)}\n")
    lengths = [len(next(iter(keys.values()))) for keys in axes.values()]
    try:
        sweep = load_sweep(path)
    except BadInput as error:
        problems = error.problems
    else:
        problems = ()
    assert all("label" in problem for problem in problems)  # two values with one name: the user is asked to label them
    assume(not problems)
    assert len(sweep.points) == math.prod(lengths) * (2 if named else 1)
    assert len({tuple(point.coordinates.items()) for point in sweep.points}) == len(sweep.points)
    assert {point.lineage for point in sweep.points} == set(sweep.lineages)
    assert all(LINEAGE_NAME.fullmatch(name) for name in sweep.lineages)
    assert len({one.recipe.digest for one in sweep.lineages.values()}) == len(sweep.lineages)
