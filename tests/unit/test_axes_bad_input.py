"""Every mistake in the axes of a sweep is one message that names its place, whatever number of lineages it spoils."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from tests.unit.gridded_sweep import PARAMS

NAMED = "lineages: {replace: {regime: replace}, fresh: {regime: fresh}}\n"
VALUES = "a list of values, or a mapping of labels to values"

FEW = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def refused(tmp_path):
    """Return the problems of a refused sweep, without the place of the file; nothing was written."""

    def refuse(more, *overrides):
        path = tmp_path / "params.yaml"
        path.write_text(PARAMS + more)
        with pytest.raises(BadInput) as caught:
            load_sweep(path, overrides)
        assert [found.name for found in tmp_path.iterdir()] == ["params.yaml"]
        return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return refuse


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ("3", "axes = 3: expected a mapping of axes: a name, and keys of the recipe with their values"),
        ("[ratio]", "axes = ['ratio']: expected a mapping of axes"),
        ("{x: [1, 2]}", f"axes.x = [1, 2]: expected keys of the recipe, each with {VALUES}"),
        ("{x: {}}", "axes.x = {}: expected keys of the recipe"),
        ("{x: null}", "axes.x = null: expected keys of the recipe"),
        ("{x: {seed: []}}", "axes.x.seed = []: an axis needs one value at least"),
        ("{x: {seed: {}}}", "axes.x.seed = {}: an axis needs one value at least"),
        ("{x: {seed: 3}}", f"axes.x.seed = 3: expected {VALUES}"),
        ("{x: {seed: null}}", f"axes.x.seed = null: expected {VALUES}"),
        ("{x: {regime.synthetic_ratio: 0.5}}", f"axes.x.regime.synthetic_ratio = 0.5: expected {VALUES}"),
        ("{x: {seed.y: [1]}}", "axes.x.seed.y = [1]: seed has no keys; an axis gives it whole"),
        ("{x: {curators.0: [keep_all]}}", "axes.x.curators.0 = ['keep_all']: curators has no keys"),
        ("{x: {sed: [1]}}", "axes.x.sed = [1]: unknown key; did you mean seed? (expected int 0.."),
        ("{x: {generation: [1]}}", "axes.x.generation = [1]: unknown key; did you mean generations?"),
        ("{x: {synthetic_ratio: [1]}}", "unknown key; did you mean regime.synthetic_ratio? (expected float 0..1 fract"),
        ("{x: {regim.synthetic_ratio: [1]}}", "unknown key; did you mean regime.synthetic_ratio? (expected float"),
        ("{x: {regime.sythetic_ratio: [0, 1]}}", "axes.x.regime.sythetic_ratio = 0: unknown key; did you mean synthe"),
        ("{x: {lineages: [1]}}", "axes.x.lineages = [1]: unknown key"),
        ("{x: {engine.workers: [1]}}", "axes.x.engine.workers = [1]: unknown key"),
        ("{X y: {seed: [1]}}", "axes.X y = 'X y': expected a name of 1 to 64 letters a-z, digits, _ and -"),
        ("{lineage: {seed: [1]}}", "axes.lineage = 'lineage': the lineages that a sweep names are this axis"),
        ("{x: {seed: [1, 2], budget: [9]}}", "need as many values each: seed has 2, budget has 1"),
        ("{x: {seed: {a: 1, b: 2}, budget: {b: 4, a: 5}}}", "give the same labels, in the same order"),
        ("{x: {seed: [1, 1]}}", "axes.x.seed = [1, 1]: two values would both be called x1; label the values: {LABEL"),
        ("{x: {regime: [{name: fresh}, fresh]}}", "two values would both be called fresh; label the values"),
        ("{x: {family: [{components: 3}]}}", "axes.x.family = {'components': 3}: gives no name for a lineage; label"),
        ("{x: {source: ['my module']}}", "axes.x.source = 'my module': gives no name for a lineage; label"),
        ("{x: {seed: {A b: 1}}}", "axes.x.seed.A b = 'A b': as a label, expected a name of 1 to 64 letters"),
        ("{x: {seed: [1]}, y: {seed: [2]}}", "axes.y.seed = [2]: axes.x.seed sets seed too"),
        ("{x: {regime: [fresh]}, y: {regime.name: [blend]}}", "axes.x.regime sets regime.name too"),
        (
            "{x: {regime: [{name: fresh, synthetic_ratio: 0.1}]}, y: {regime.synthetic_ratio: [0.2]}}",
            "axes.y.regime.synthetic_ratio = [0.2]: axes.x.regime sets regime.synthetic_ratio too",
        ),
        ("{x: {regime: {name: fresh, synthetic_ratio: 0.9}}}", "put one component in a list: [{name: ...}]"),
        ("{x: {sampler: {top_p: [0.1, 0.9]}}}", "values of one setting are sampler.top_p: [...]"),
        ("{x: {seed: {a: 1, a-b: 2}}, y: {chains: {b-c: 2, c: 3}}}", "axes = 'a-b-c': two points of the grid would"),
    ],
)
def test_what_is_no_axis_is_one_clear_problem_with_its_line(refused, axes, says):
    (message,) = refused(f"axes: {axes}\n")
    assert message.startswith("params.yaml:9 axes")
    assert says in message
    (message,) = refused("", f"axes={axes}")
    assert message.startswith("command line: axes")
    assert says in message


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ("regime.synthetic_ratio: [0, 1.5]", "regime.synthetic_ratio = 1.5: expected float 0..1 fraction"),
        ("budget: {small: 1, large: 400}", "budget.small = 1: expected int 2..1e+09 rows"),
        ("regime: [replac, fresh]", "regime = 'replac': unknown regime 'replac'; did you mean replace?"),
        ("regime: {mine: {name: fresh, synthetic_ratio: 2}}", "regime.mine.synthetic_ratio = 2: expected float 0..1"),
        ("restart: [cold, hot]", "restart = 'hot': expected cold or warm or base"),
        ("generations: [1, -1]", "generations = -1: expected int 0..1e+06 generations"),
        ("sampler.temperature: [1.0, 0.5]", "sampler.temperature = 0.5: family gaussian_mixture does not honour it"),
        ("curators: [[keep_al], [keep_all]]", "curators.0 = 'keep_al': unknown curator 'keep_al'; did you mean keep_a"),
    ],
)
def test_a_wrong_value_is_told_once_and_not_once_a_lineage(refused, axis, says):
    (message,) = refused(f"axes:\n  s: {{seed: [1, 2, 3]}}\n  x: {{{axis}}}\n  t: {{chains: [2, 3]}}\n")
    assert message.startswith(f"params.yaml:11 axes.x.{says}")
    assert "lineage" not in message


def test_each_wrong_value_of_an_axis_is_told(refused):
    found = refused("axes:\n  s: {seed: [1, 2]}\n  ratio:\n    regime.synthetic_ratio:\n      [-1, 0.5, 2]\n")
    assert [line.partition(":12 ")[2].partition(": ")[0] for line in found] == [
        "axes.ratio.regime.synthetic_ratio = -1",
        "axes.ratio.regime.synthetic_ratio = 2",
    ]


def test_a_key_that_one_lineages_regime_lacks_is_told_once_with_the_lineage(refused):
    axes = "axes:\n  ratio: {regime.synthetic_ratio: [0.1, 0.5]}\n  s: {seed: [1, 2]}\n"
    assert refused(NAMED + axes) == [
        "params.yaml:11 axes.ratio.regime.synthetic_ratio = 0.1: unknown key; Replace has no settings; "
        "in lineage replace"
    ]
    (message,) = refused(axes + "  law: {regime: [replace, fresh]}\n")
    assert message.endswith("Replace has no settings; in lineage ratio0p1-s1-replace and 1 more")


def test_what_is_wrong_with_a_named_lineage_or_a_shared_setting_is_told_where_it_stands(refused):
    axes = "axes: {s: {seed: [1, 2]}}\n"
    (message,) = refused("lineages:\n  blend: {}\n  other: {regime: {name: fresh, synthetic_ratio: 3}}\n" + axes)
    assert message == "params.yaml:11 lineages.other.regime.synthetic_ratio = 3: expected float 0..1 fraction"
    (message,) = refused(axes, "family.components=0")
    assert message.startswith("command line: family.components = 0: expected int")
    (message,) = refused(axes, "regime=null")
    assert message.startswith("command line: regime = null: expected a name, or a mapping with a name; known: accum")
    assert refused("lineages: {Bad: {}, text: 3}\n" + axes) == [
        "params.yaml:9 lineages.Bad = 'Bad': expected a name of 1 to 64 letters a-z, digits, _ and -, "
        "with a letter or digit first",
        "params.yaml:9 lineages.text = 3: expected a mapping of what differs from the shared settings",
    ]


def test_a_grid_without_a_regime_is_told_the_regimes(tmp_path, refused):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("regime: blend\n", "") + "axes: {s: {seed: [1, 2]}}\n")
    with pytest.raises(BadInput) as caught:
        load_sweep(path)
    assert [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "params.yaml: regime: missing; expected one of accumulate, accumulate_subsample, blend, fresh, mixture, "
        "replace, switched, web"
    ]


def test_mistakes_outside_the_axes_are_told_with_those_inside(refused):
    found = refused("axes: {s: {seed: [1, -2]}}\ncontrol: 3\nengine: {workers: many}\ncolour: red\n", "sweep=A b")
    assert [line.partition(" = ")[0].rpartition(" ")[2] for line in found] == [
        "colour",
        "sweep",
        "engine.workers",
        "axes.s.seed",
        "control",
    ]


def test_rows_that_a_source_cannot_give_name_the_lineages_that_want_them(refused):
    digits = "source={name: digits, dimensions: 2, held_out: 97}"
    axes = "axes:\n  law: {regime: [replace, {name: fresh, synthetic_ratio: 0.5}]}\n  s: {seed: [1, 2]}\n"
    (message,) = refused(axes, digits, "budget=100", "generations=40")
    assert message.startswith("params.yaml:10 axes.law.regime = 'fresh': budget 100 + 2000 fresh rows over 40 gen")
    (message,) = refused(axes + "  rows: {budget: [50, 100]}\n", digits, "generations=40")
    assert message.endswith("; in lineage fresh-s1-rows100 and 1 more")


def test_more_lineages_than_a_sweep_may_have_are_counted_and_refused(refused):
    axes = f"axes: {{a: {{seed: {list(range(101))}}}, b: {{chains: {list(range(1, 51))}}}}}\n"
    (message,) = refused(NAMED + axes)
    assert message == (
        "params.yaml:10 axes = '2 x 101 x 50': 10100 lineages are more than the 10000 that a sweep may have"
    )


def test_a_name_that_is_too_long_asks_for_labels(refused):
    (message,) = refused(f"axes: {{{'x' * 40}: {{seed: [1]}}, {'y' * 40}: {{chains: [2]}}}}\n")
    assert message.startswith("params.yaml:9 axes = 'xxxx")
    assert message.endswith(
        "a name of 83 characters, and 64 are the most; label the values, or shorten the axes' names"
    )


def test_arms_beside_axes_are_refused(refused):
    arms = "arms: {of: replace, rows: {budget: 90}}\n"
    (message,) = refused(NAMED + "axes: {s: {seed: [1]}}\n" + arms)
    assert message.startswith("params.yaml:11 arms = {'of': 'replace'")
    assert message.endswith(": arms and axes do not go together; give the arms an axis of their own")


def test_a_control_whose_name_is_taken_is_refused(refused):
    (message,) = refused("axes: {law: {regime: {control: fresh}}}\ncontrol: true\n")
    assert message == "params.yaml:10 control = true: the sweep names a lineage control itself"


def test_neither_lineages_nor_axes_are_no_sweep(refused):
    for text in ("", "axes:\n", "axes: {}\n", "axes: {}\nlineages: {}\n"):
        (message,) = refused(text)
        assert "expected at least one lineage: a name and what differs from the rest, or axes" in message


def test_a_check_names_lineages_of_the_grid(refused):
    preset = "preset: {paper: p, claim: c, differs: d, checks: [{claim: c, measure: mean, lineages: [s3], low: 0}]}\n"
    (message,) = refused("axes: {s: {seed: [1, 2]}}\n" + preset)
    assert message.endswith("= 's3': the sweep has no such lineage; it has s1, s2")


def test_a_key_below_a_list_of_values_is_refused(refused):
    (message,) = refused("axes: {s: {seed: [1, 2]}}\n", "axes.s.seed.0=3")
    assert message == "command line: axes.s.seed.0 = '3': axes.s.seed is a list, [1, 2], and has no keys"


WORDS = ["regime", "regime.synthetic_ratio", "seed", "curators", "name", "fresh", "keep_all", "x", "", "a.b", "lineage"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=8,
)


@FEW
@given(
    axes=st.dictionaries(
        st.sampled_from(["s", "law", "Bad"]), st.dictionaries(st.sampled_from(WORDS), ANYTHING), max_size=2
    )
    | ANYTHING
)
def test_any_axes_end_in_a_sweep_or_in_an_answer(tmp_path_factory, axes):
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    text = json.dumps(axes).replace("-Infinity", "-.inf").replace("Infinity", ".inf").replace("NaN", ".nan")
    path.write_text(PARAMS + f"control: true\nlineages: {{one: {{}}}}\naxes: {text}\n")
    sweep, problems = None, ()
    try:
        sweep = load_sweep(path)
    except BadInput as error:
        problems = error.problems
    assert (sweep is None) == bool(problems)
    assert all(problem.isprintable() and len(problem) < 900 for problem in problems)
    assert sweep is None or all(one.recipe.digest and one.label for one in sweep.lineages.values())
