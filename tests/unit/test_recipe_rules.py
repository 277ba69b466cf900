"""Purpose, curation, policy, gates, teacher and phases: how params.yaml gives them, and which stages read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from dwindle.config.branches import branch_of
from dwindle.config.building import recipe_from
from dwindle.config.reading import Document
from dwindle.config.schema import Problems
from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.families.gaussian import Gaussian
from dwindle.plan import STAGES, read_plan, unroll, write_plan
from dwindle.policies import Policy
from dwindle.regimes import Accumulate, Fresh, Replace

PARAMS = """\
sweep: ruled
generations: {generations}
chains: 2
budget: 40
source: {{name: gaussian, dimensions: 2, held_out: 30}}
family: gaussian
metrics: [moments]
lineages:
  one: {lineage}
"""
BACK = "{measure: variance_ratio, below: 0.5, action: roll_back, to: 1, regime: accumulate}"
TREE = "regime: replace, source: {name: taxonomy, labels: true}, metrics: [perplexity]"
PHASES = "[{labels: [knowledge]}, {labels: [skills], replay: 0.25}]"
SURE = "{measure: mean_error, above: 2.5, relative: true, surely: true}"
HERE = __name__


@dataclass(frozen=True)
class Given(Gaussian):
    """A Gaussian that would start from weights that it is given."""

    pretrained: ClassVar[bool] = True


def loaded(folder, lineage="{regime: replace}", *, generations=3, text=PARAMS):
    path = folder / "params.yaml"
    path.write_text(text.format(generations=generations, lineage=lineage))
    return load_sweep(path)


def recipe_of(folder, lineage):
    return loaded(folder, lineage).lineages["one"].recipe


def one_problem(folder, lineage, **options):
    with pytest.raises(BadInput) as caught:
        loaded(folder, lineage, **options)
    (line,) = caught.value.problems
    return line.partition("params.yaml")[2]


# ------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("parts", "place", "says"),
    [
        ("purpose: debiased", "purpose = 'debiased'", "expected '' or privacy or debias or augment or robustness"),
        ("gate: []", "gate = []", "did you mean gates?"),
        ("keep_rejected: true", "keep_rejected = true", "did you mean curation.keep_rejected?"),
        ("synthetic_in: []", "synthetic_in = []", "did you mean policy.synthetic_in?"),
        ("branch: {of: one, at: 1}", "branch =", "gates with the action roll_back make branches"),
        ("curation: {regenrate: 2}", "curation.regenrate = 2", "did you mean regenerate? (expected int 0..100 times)"),
        ("curation: {least: 1}", "curation.least = 1", "expected int 2..1e+09 rows"),
        ("curation: {on_alarm: stopp}", "curation.on_alarm = 'stopp'", "expected warn or stop"),
        ("curation: [keep_all]", "curation =", "expected a mapping of keep_rejected, least"),
        ("policy: {synthetic_in: fine_tuning}", "policy.synthetic_in", "expected a list of pre_training or fine_tun"),
        ("policy: {synthetic_in: [tuning]}", "policy.synthetic_in.0 = 'tuning'", "expected pre_training or fine_tun"),
        ("policy: {rounds: -1}", "policy.rounds = -1", "expected int 0..1e+06 rounds or null"),
        ("policy: {round: 1}", "policy.round = 1", "did you mean rounds?"),
        ("purpose: debias, policy: 7", "policy = 7", "expected a mapping of synthetic_in, rounds"),
        ("gates: {measure: drift}", "gates =", "expected a list of mappings of measure, below"),
        ("gates: [variance_ratio]", "gates.0 =", "expected a mapping of measure, below"),
        ("gates: [{below: 1}]", "gates.0.measure", "missing; expected text"),
        ("gates: [{measure: variance_ratio}]", "gates.0 =", "a gate needs a bound"),
        ("gates: [{measure: variance_ratio, beneath: 1}]", "gates.0.beneath = 1", "known: above, action, below"),
        ("gates: [{measure: variance_ratio, bellow: 1}]", "gates.0.bellow = 1", "did you mean below? (expected float"),
        ("gates: [{measure: variance_ratio, below: .nan}]", "gates.0.below = ", "expected float or null"),
        ("gates: [{measure: variance_ration, below: 1}]", "gates.0.measure", "did you mean variance_ratio?"),
        ("gates: [{measure: variance_ratio, below: 1, action: halt}]", "gates.0.action", "warn or stop or roll_back"),
        (f"gates: [{BACK.replace('accumulate', 'accumlate')}]", "gates.0.regime", "did you mean accumulate?"),
        (f"gates: [{BACK.replace('to: 1, ', '')}]", "gates.0 =", "it needs both"),
        (f"gates: [{BACK}, {BACK}]", "gates.1.action = 'roll_back'", "rolled back by one gate only"),
        ("teacher: gausian", "teacher = 'gausian'", "did you mean gaussian?"),
        ("teacher: linear_regression", "teacher = 'linear_regression'", "source gaussian gives vectors"),
        ("teacher: kde, restart: warm", "teacher = 'kde'", "with restart warm leave the teacher out"),
        ("teacher: kde, restart: base", "teacher = 'kde'", "with restart base leave the teacher out"),
        (f"teacher: kde, family: '{HERE}:Given', restart: warm", "teacher = 'kde'", "with restart warm leave"),
        ("teacher: kde, sampler: {top_p: 0.5}", "sampler.top_p = 0.5", "teacher kde does not honour it"),
        ("phases: [{labels: []}]", "phases.0 =", "a phase needs labels"),
        ("curation: {regenerate: 1}, sampler: {prompts: anchor}, source: linear, family: linear_regression, "
         "metrics: [risk]", "curation.regenerate = 1", "rows that answer prompts are not sampled again"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_that_names_its_place_and_what_was_meant(tmp_path, parts, place, says):
    line = one_problem(tmp_path, f"{{regime: replace, {parts}}}")
    assert f"lineages.one.{place}" in line
    assert says in line


def test_phases_name_classes_that_the_source_knows_and_a_family_that_goes_on(tmp_path):
    family = "family: {name: recurrent_lm, symbols: 149}"
    line = one_problem(tmp_path, f"{{{TREE}, {family}, phases: {PHASES.replace('skills', 'skils')}}}")
    assert "lineages.one.phases = " in line
    assert "no class is, or lies below, 'skils'; known: knowledge/geography/capitals, " in line
    line = one_problem(tmp_path, f"{{{TREE}, family: {{name: ngram, symbols: 149}}, phases: {PHASES}}}")
    assert "family ngram starts anew in every fit" in line
    assert len(recipe_of(tmp_path, f"{{{TREE}, {family}, phases: {PHASES}}}").phases) == 2


def test_a_student_may_start_from_weights_of_its_own_beside_a_teacher(tmp_path):
    recipe = recipe_of(tmp_path, f"{{regime: replace, teacher: kde, family: '{HERE}:Given', restart: base}}")
    assert [type(recipe.family_of(t)).__name__ for t in (0, 1)] == ["Kde", "Given"]
    assert [recipe.training_stage(t) for t in (0, 1)] == ["pre_training", "fine_tuning"]


def test_a_branch_may_not_be_called_as_another_lineage_nor_be_too_long_to_be_a_folder(tmp_path):
    text = PARAMS + "  one-from-0: {{regime: accumulate}}\n"
    line = one_problem(tmp_path, f"{{regime: replace, gates: [{BACK}]}}", text=text)
    assert "lineages.one.gates.0.to = 1: the sweep names a lineage one-from-0 itself" in line
    long = "l" * 60
    line = one_problem(tmp_path, f"{{regime: replace, gates: [{BACK}]}}", text=PARAMS.replace("one:", f"{long}:"))
    assert f"the branch would be called {long}-from-1: expected a name of 1 to 64 letters" in line


@pytest.mark.parametrize(
    ("gate", "fits"),
    [
        ("to: 2, first: 3", True),  # generations 3 to 5: 40 + 3 * 20
        ("to: 2, first: 2", False),  # it may fire at generation 2 and go on from 1: 40 + 4 * 20
        ("to: 2", False),
        ("to: 1, first: 3", False),
    ],
)
def test_a_would_be_branch_is_held_to_its_source(tmp_path, gate, fits):
    source = "source: {name: digits, held_out: 1697}"
    gate = BACK.replace("to: 1", gate).replace("accumulate", "{name: fresh, synthetic_ratio: 0.5}")
    lineage = f"{{regime: replace, {source}, gates: [{gate}]}}"
    if fits:
        assert loaded(tmp_path, lineage, generations=5).lineages["one"].recipe.gates
        return
    line = one_problem(tmp_path, lineage, generations=5)
    assert "lineages.one.gates.0.regime = 'fresh': budget 40 + " in line
    assert "more than the 100 rows a chain of source digits" in line


# ------------------------------------------------------------------------------------------- purposes


def test_a_purpose_brings_policy_and_curators_and_what_a_recipe_gives_itself_wins(tmp_path):
    names = lambda recipe: [type(curator).__name__ for curator in recipe.curators]  # noqa: E731
    plain = recipe_of(tmp_path, "{regime: replace, purpose: augment}")
    assert (plain.policy, names(plain)) == (Policy(rounds=1), ["Deduplicate"])
    own = "policy: {rounds: 3}, curators: [keep_all]"
    given = recipe_of(tmp_path, f"{{regime: replace, purpose: augment, {own}}}")
    assert (given.policy, names(given)) == (Policy(rounds=3), ["KeepAll"])
    part = recipe_of(tmp_path, "{regime: replace, purpose: augment, policy: {synthetic_in: [pre_training]}}")
    assert part.policy == Policy(("pre_training",), rounds=1)
    none = recipe_of(tmp_path, "{regime: replace}")
    assert (none.purpose, none.policy, names(none)) == ("", Policy(), ["KeepAll"])


def test_curators_that_all_lineages_share_go_before_those_of_a_purpose(tmp_path):
    text = PARAMS + "  two: {{regime: replace}}\ncurators: [keep_all]\n"
    recipe = loaded(tmp_path, "{regime: replace, purpose: robustness}", text=text).lineages["one"].recipe
    assert [type(curator).__name__ for curator in recipe.curators] == ["KeepAll"]


# ------------------------------------------------------------------------------------------- the plan


@pytest.mark.parametrize(
    "lineage",
    [
        "{regime: replace}",
        "{regime: replace, purpose: debias, source: census, family: tabular, metrics: [subgroups]}",
        "{regime: replace, purpose: augment, policy: {rounds: null}}",
        "{regime: replace, purpose: privacy, curators: []}",
        "{regime: replace, curation: {keep_rejected: true, least: 5, regenerate: 3, on_alarm: stop, tail_alarm: 0.1}}",
        "{regime: replace, policy: {synthetic_in: [], rounds: 2}}",
        "{regime: replace, review: {every: 2, default: approve}}",
        "{regime: replace, teacher: {name: kde}, family: {name: gaussian, ddof: 0}}",
        f"{{regime: {{name: switched, until: 2}}, gates: [{BACK}, {SURE}]}}",
        f"{{{TREE}, family: {{name: recurrent_lm, symbols: 149}}, phases: {PHASES}}}",
    ],
)
def test_every_part_comes_back_from_the_plan_as_it_was(tmp_path, lineage):
    sweep = loaded(tmp_path, lineage)
    recipe = sweep.lineages["one"].recipe
    write_plan(unroll(sweep), tmp_path)
    back = read_plan(tmp_path).recipe("one")
    assert back == recipe
    assert (back.settings, back.digest) == (recipe.settings, recipe.digest)


def test_a_branch_comes_back_too_and_is_the_same_work_up_to_where_it_leaves(tmp_path):
    regime = "{name: switched, before: replace, after: {name: fresh, synthetic_ratio: 0.5}, until: 1}"
    sweep = loaded(tmp_path, f"{{regime: {regime}, gates: [{BACK.replace('to: 1', 'to: 2')}]}}", generations=4)
    lineage = sweep.lineages["one"]
    branch = branch_of(lineage, lineage.recipe.gates[0], last=3)
    assert (branch.name, branch.generations, branch.recipe.gates) == ("one-from-2", 4, ())
    assert [type(branch.recipe.regime_of(t)) for t in range(1, 5)] == [Replace, Fresh, Accumulate, Accumulate]
    problems = Problems(Document("plan.json", {}))
    assert recipe_from(branch.recipe.settings, (), problems) == branch.recipe
    assert problems == []
    plan = unroll(replace(sweep, lineages={"one": lineage, branch.name: branch}))
    shared = [bool(plan.twins(key)) for key in plan.generations(branch.name)]
    assert shared == [True, True, True, False, False]
    assert branch_of(lineage, lineage.recipe.gates[0], last=0).recipe.branch.at == 0


def test_what_a_recipe_leaves_as_it_is_is_not_in_the_plan(tmp_path):
    plain = unroll(loaded(tmp_path))
    spelled = unroll(
        loaded(
            tmp_path, "{regime: replace, purpose: '', curation: {}, policy: null, gates: [], teacher: null, phases: []}"
        )
    )
    assert spelled == plain
    told = ("purpose", "curation", "policy", "gates", "review", "teacher", "phases", "branch")
    assert not any(key in plain.recipes["one"] for key in told)


def changed_by(folder, parts, *, before=""):
    """Return whether the recipe digest changes, and of which stages of generation 1 the digest does."""
    plans, digests = [], []
    for own in (before, parts):
        sweep = loaded(folder, f"{{regime: replace, {own}}}")
        plans.append(unroll(sweep).chain["one-g001"])
        digests.append(sweep.lineages["one"].recipe.digest)
    first, second = plans
    return digests[0] != digests[1], {stage for stage in STAGES if first[stage] != second[stage]}


@pytest.mark.parametrize(
    ("parts", "recipe", "stages"),
    [
        ("gates: [{measure: variance_ratio, below: 0.5, action: stop}]", False, set()),
        (f"gates: [{BACK}]", False, set()),
        ("review: {every: 2}", False, set()),
        ("review: {every: 1}", False, {"curate"}),
        ("policy: {rounds: 2}", False, {"curate"}),
        ("curation: {tail_alarm: 0.9}", False, {"curate"}),
        ("curation: {keep_rejected: true}", False, {"curate"}),
        ("curation: {regenerate: 2}", True, {"curate"}),
        ("purpose: privacy, curators: [keep_all]", False, {"generate", "curate"}),
        ("teacher: kde", True, {"generate"}),
        ("restart: warm", True, {"curate", "train"}),
    ],
)
def test_a_part_makes_only_those_stages_stale_that_read_it(tmp_path, parts, recipe, stages):
    assert changed_by(tmp_path, parts) == (recipe, stages)


def test_curate_reads_the_models_that_it_is_shown_and_nothing_of_other_ones(tmp_path):
    again, first = "curation: {regenerate: 2}", "curators: [perplexity_band]"
    for own, slots in ((again, {"maker"}), (first, {"first"}), (f"{again}, {first}", {"first", "maker"})):
        plan = unroll(loaded(tmp_path, f"{{regime: replace, {own}}}"))
        for key, entry in plan.chain.items():
            found = {slot for slot in ("first", "maker") if entry[slot].startswith("models/")}
            assert found == (set() if key.endswith("g000") else slots)
    for own in (again, first):
        _, stages = changed_by(tmp_path, f"{own}, family: {{name: gaussian, ddof: 1}}", before=own)
        assert stages == {"generate", "curate", "train", "evaluate"}
    sampled = "sampler: {variance_factor: 0.5}"
    assert changed_by(tmp_path, f"{again}, {sampled}", before=again) == (True, {"generate", "curate"})
    assert changed_by(tmp_path, f"{first}, {sampled}", before=first) == (True, {"generate"})


def test_lineages_of_a_grid_that_differ_in_their_gates_alone_are_grown_each(tmp_path):
    text = PARAMS + "  two: {{regime: replace}}\naxes: {{seed: {{seed: [1, 2]}}}}\ncontrol: true\n"
    gates = "gates: [{measure: variance_ratio, below: 0.5, action: stop}]"
    sweep = loaded(tmp_path, f"{{regime: replace, {gates}}}", text=text)
    assert list(sweep.lineages) == [
        "one-seed1",
        "one-seed2",
        "two-seed1",
        "two-seed2",
        "control-seed1",
        "control-seed2",
    ]
    assert [bool(lineage.recipe.gates) for lineage in sweep.lineages.values()] == [True, True, *[False] * 4]
