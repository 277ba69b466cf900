"""The plan changes exactly where what a stage reads has changed, and every reader reads the same of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from ruamel.yaml import YAML

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.plan import (
    PLAN,
    STAGES,
    Plan,
    chain_key,
    generation_folder,
    plan_text,
    read_plan,
    stage_digest,
    stage_seed,
    unroll,
    write_plan,
)
from dwindle.stages.runner import run_stage

REPOSITORY = Path(__file__).parents[2]

PARAMS = """\
sweep: small
generations: 3
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian_mixture, components: 2}
curators: [keep_all]
metrics: [moments]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
  fresh: {regime: {name: fresh, synthetic_ratio: 0.5}}
"""

LINEAGES = ("replace", "accumulate", "fresh")
LATER = (1, 2, 3)
ALL = (0, *LATER)


@pytest.fixture
def planned(tmp_path):
    def plan(*overrides, text=PARAMS):
        (tmp_path / "params.yaml").write_text(text)
        return unroll(load_sweep(tmp_path / "params.yaml", overrides))

    return plan


def moved(before, after):
    """Return the stages whose digest differs, as (lineage, generation, stage); both plans have the same entries."""
    assert before.chain.keys() == after.chain.keys()
    return {
        (entry["lineage"], entry["generation"], stage)
        for key, entry in before.chain.items()
        for stage in STAGES
        if entry[stage] != after.chain[key][stage]
    }


def stages(*names, lineages=LINEAGES, generations=ALL):
    return {(lineage, generation, name) for lineage in lineages for generation in generations for name in names}


def draws(plan):
    return [entry["draw"] for entry in plan.real.values()]


# ------------------------------------------------------------------------------------------- what moves


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["metrics=[moments, frechet]"], stages("evaluate")),
        (["metrics=[]"], stages("evaluate")),
        (["curators=[deduplicate]"], stages("curate", generations=LATER)),
        (["curators=[]"], stages("curate", generations=LATER)),
        (["sampler.variance_factor=0.9"], stages("generate", generations=LATER)),
        (["sampler.oversample=2"], stages("generate", generations=LATER)),
        (["restart=warm"], stages("curate", "train", generations=LATER)),  # what trains is fine-tuning then
        (
            ["family.components=3"],
            stages("train", "evaluate") | stages("generate", generations=LATER),
        ),
        (
            ["lineages.fresh.regime.synthetic_ratio=0.6"],
            stages("generate", "curate", lineages=["fresh"], generations=LATER),
        ),
        (
            ["lineages.accumulate.regime=accumulate_subsample"],
            stages("curate", lineages=["accumulate"], generations=LATER),
        ),
        (["lineages.replace.metrics=[frechet]"], stages("evaluate", lineages=["replace"])),
        (["lineages.replace.family.tolerance=0.01"], stages("train", "evaluate", lineages=["replace"])
            | stages("generate", lineages=["replace"], generations=LATER)),
        (["sweep=other"], set()),
        (["tracking.uri=sqlite:///other.db"], set()),
        (["tracking.required=false"], set()),
        (["engine.workers=2"], set()),
        (["lineages.replace.sampler.variance_factor=1"], set()),
        (["family.iterations=100"], set()),
    ],
)  # fmt: skip
def test_only_the_stages_that_read_a_setting_change(planned, overrides, expected):
    before, after = planned(), planned(*overrides)
    assert moved(before, after) == expected
    assert draws(before) == draws(after)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=1", stages(*STAGES)),
        ("threads=2", stages(*STAGES)),
        ("budget=22", stages("curate") | stages("generate", generations=LATER)),
        ("chains=3", set()),
        ("source.dimensions=3", stages("evaluate") | stages("curate", lineages=["fresh"], generations=LATER)),
    ],
)
def test_what_changes_the_real_rows_changes_the_draw_and_through_it_every_input(planned, override, expected):
    before, after = planned(), planned(override)
    assert moved(before, after) == expected
    assert not set(draws(before)) & set(draws(after))
    for key, entry in before.chain.items():
        assert entry["real"] != after.chain[key]["real"]
        assert entry["generation"] or entry["generator"] != after.chain[key]["generator"]


def test_a_change_of_chains_makes_every_stage_run_again(tmp_path, planned):
    """The digests of the stages stay, those of their inputs do not."""

    def grown(*overrides):
        write_plan(planned("generations=1", "family=gaussian", *overrides), tmp_path)
        plan = read_plan(tmp_path)
        return {
            name.partition("-g")[2] or name: run_stage(tmp_path, name, plan=plan).ran for name in plan.stage_names()
        }

    assert all(grown().values())
    assert not any(grown().values())
    assert all(grown("chains=3").values())


def test_a_change_of_code_moves_the_stages_that_reach_it(planned, monkeypatch):
    before = planned()
    known = __import__("dwindle.code", fromlist=["code"])._read

    def reworked(module):
        digest, imports = known(module)
        return (digest + "x" if module in changed else digest), imports

    monkeypatch.setattr("dwindle.code._read", reworked)
    for changed, expected in [
        ({"dwindle.metrics.moments"}, stages("evaluate")),
        ({"dwindle.curators.keep_all"}, stages("curate", generations=LATER)),
        ({"dwindle.stages.train"}, stages("train")),
        ({"dwindle.families.gaussian_mixture"}, stages("train", "evaluate") | stages("generate", generations=LATER)),
        ({"dwindle.data.shards"}, stages(*STAGES)),
    ]:
        assert moved(before, planned()) == expected, changed


# ------------------------------------------------------------------------------------------- what stays


def test_more_generations_leave_the_entries_there_were(planned):
    before, after = planned("generations=10"), planned("generations=20")
    assert {key: after.chain[key] for key in before.chain} == dict(before.chain)
    assert len(after.chain) - len(before.chain) == 30
    assert (after.real, after.recipes, after.compare) == (before.real, before.recipes, before.compare)


def test_the_draw_depends_on_no_number_of_generations(planned):
    assert draws(planned("generations=0")) == draws(planned("generations=7")) == draws(planned())


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_an_inserted_lineage_leaves_the_entries_there_were(planned, place):
    before = planned()
    new = "  blend: {regime: blend}\n"
    text = {
        "before": PARAMS.replace("lineages:\n", f"lineages:\n{new}"),
        "between": PARAMS.replace("  fresh:", f"{new}  fresh:"),
        "after": PARAMS + new,
    }[place]
    after = planned(text=text)
    assert {key: after.chain[key] for key in before.chain} == dict(before.chain)
    assert set(after.chain) - set(before.chain) == {f"blend-g{generation:03d}" for generation in ALL}
    assert after.real == before.real
    assert after.compare != before.compare


def test_a_removed_lineage_leaves_the_others(planned):
    before, after = planned(), planned(text=PARAMS.replace("  accumulate: {regime: accumulate}\n", ""))
    assert dict(after.chain) == {key: entry for key, entry in before.chain.items() if entry["lineage"] != "accumulate"}


def test_generation_0_is_the_same_in_all_lineages_of_one_source_and_family(planned):
    plan = planned()
    assert len(plan.real) == 1
    for stage in STAGES:
        assert len({plan.chain[chain_key(name, 0)][stage] for name in LINEAGES}) == 1
        assert len({plan.chain[chain_key(name, 1)][stage] for name in LINEAGES}) == 3


def test_lineages_of_two_sources_have_real_rows_of_their_own(planned):
    plan = planned("lineages.replace.source.dimensions=3", "lineages.fresh.budget=30")
    assert len(plan.real) == 3
    assert len(set(draws(plan))) == 3
    assert len({plan.chain[chain_key(name, 0)]["real"] for name in LINEAGES}) == 3


def test_comments_and_layout_of_params_change_nothing(planned):
    assert planned(text="# a word\n" + PARAMS.replace("chains: 2", "chains:    2   # two")) == planned()


def test_two_unrollings_are_the_same_text(planned):
    assert plan_text(planned()) == plan_text(planned())


# ------------------------------------------------------------------------------------------- the chain


def test_each_generation_reads_what_the_one_before_wrote(planned):
    plan = planned("restart=warm")
    for name in LINEAGES:
        for generation in LATER:
            entry = plan.chain[chain_key(name, generation)]
            parent = generation_folder(name, generation - 1)
            assert (entry["lineage"], entry["generation"]) == (name, generation)
            assert entry["folder"] == f"{name}/{generation:03d}"
            assert entry["generator"] == entry["restart"] == f"models/{parent}"
            pool = f"data/{parent}/train" if name == "accumulate" else f"{entry['rows']}/manifest.json"
            assert entry["pool"] == pool
        assert plan.generations(name) == [chain_key(name, generation) for generation in ALL]


def test_stages_are_named_in_an_order_that_respects_their_inputs(planned):
    names = list(planned().stage_names())
    assert len(names) == len(set(names)) == 1 + 3 * 4 * 4 + 1
    assert names[0].startswith("draw@gaussian-")
    assert names[-1] == "compare"
    for lineage in LINEAGES:
        order = [names.index(f"{stage}@{chain_key(lineage, t)}") for t in ALL for stage in STAGES]
        assert order == sorted(order)


def test_32_bit_seeds_of_a_large_sweep_are_unique(tmp_path):
    """32 lineages of 100 generations of 4 stages: n^2 / 2^33 = 0.019 collisions are expected, and there are none."""
    text = "".join(f"  l{number:02d}: {{regime: replace}}\n" for number in range(32))
    (tmp_path / "params.yaml").write_text(PARAMS.partition("  replace:")[0].replace("ions: 3", "ions: 99") + text)
    sweep = load_sweep(tmp_path / "params.yaml")
    seeds = {
        stage_seed(lineage.recipe, name, generation, stage)
        for name, lineage in sweep.lineages.items()
        for generation in range(100)
        for stage in STAGES
    }
    assert len(seeds) == 4 + 32 * 99 * 4  # generation 0 is shared
    assert len({seed.integer() for seed in seeds}) == len(seeds)


# ------------------------------------------------------------------------------------------- as a file


def texts(data):
    if isinstance(data, dict):
        return [text for value in data.values() for text in texts(value)]
    return [data] if isinstance(data, str) else []


def test_what_was_written_is_read_again(tmp_path, planned):
    plan = planned()
    assert write_plan(plan, tmp_path)
    assert read_plan(tmp_path) == plan
    for key, entry in plan.chain.items():
        for stage in STAGES:
            assert stage_digest(read_plan(tmp_path), key, stage) == entry[stage]


def test_a_plan_that_says_the_same_is_not_written_again(tmp_path, planned):
    write_plan(planned(), tmp_path)
    before = (tmp_path / PLAN).stat()
    assert not write_plan(planned(), tmp_path)
    assert (tmp_path / PLAN).stat().st_ino == before.st_ino
    assert write_plan(planned("seed=1"), tmp_path)
    assert read_plan(tmp_path) == planned("seed=1")


TRICKY = [
    "12345678901234567890123456789012",
    "1e3",
    "12345e67",
    "0x1f",
    "0o17",
    "010",
    "1_000",
    "12:30:00",
    "no",
    "null",
]
TRICKY += [
    "2024-01-01",
    ".inf",
    ".5",
    "~",
    "true",
    "-",
    "1.",
    "+1",
    "=",
    "<<",
    "0b1",
    "y",
    "1e-3",
    "'",
    '"',
    ": ",
    "#",
    "",
]


@pytest.mark.parametrize("digest", TRICKY)
def test_a_digest_that_looks_like_a_number_is_text_in_every_dialect(planned, digest):
    """YAML 1.2 as DVC reads it, and 1.1 as PyYAML and the C parser do."""
    plan = planned("generations=0")
    entry = {**plan.chain["replace-g000"], "train": digest}
    text = plan_text(Plan("small", plan.real, {"replace-g000": entry}, plan.recipes, digest))
    for data in (
        YAML(typ="safe", pure=True).load(text),
        YAML(typ="safe").load(text),
        yaml.safe_load(text),
        yaml.load(text, Loader=yaml.BaseLoader),
    ):
        assert data["compare"] == data["chain"]["replace-g000"]["train"] == digest


def test_all_dialects_read_the_same_texts(planned):
    plan = planned("restart=warm", "family.tolerance=1e-6")
    text = plan_text(plan)
    ours = YAML(typ="safe", pure=True).load(text)
    theirs = yaml.safe_load(text)
    assert texts({"real": plan.real, "chain": plan.chain}) == texts({key: ours[key] for key in ("real", "chain")})
    assert texts({"real": plan.real, "chain": plan.chain}) == texts({key: theirs[key] for key in ("real", "chain")})
    assert {len(entry[stage]) for entry in theirs["chain"].values() for stage in STAGES} == {32}


@pytest.mark.parametrize("name", ["1e3", "123", "null", "true", "010", "no", "0x1f", "2024-01-01"])
def test_a_lineage_whose_name_looks_like_a_number_is_planned(tmp_path, planned, name):
    text = PARAMS + f'  "{name}": {{regime: replace}}\n'
    write_plan(planned(text=text), tmp_path)
    plan = read_plan(tmp_path)
    assert plan == planned(text=text)
    assert plan.recipe(name).digest == plan.recipe("replace").digest


def test_the_committed_plan_is_what_params_yaml_unrolls_to():
    committed = REPOSITORY / PLAN
    assert committed.exists(), "commit plan.json: `dwindle plan` writes it"
    assert committed.read_text() == plan_text(unroll(load_sweep(REPOSITORY / "params.yaml")))


# ------------------------------------------------------------------------------------------- bad plans


def test_a_missing_plan_says_how_to_write_it(tmp_path):
    with pytest.raises(BadInput, match=r"plan.json: missing; `dwindle plan` writes it from params.yaml"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "[]", "a: [", "a: " + "[" * 5000, "\t", "<<<<<<< ours\n", "!!python/none x", "a: 2024-13-45\n"),
        "name: x",
        "name: x\nreal: []\nchain: []\nrecipes: []\ncompare: x\n",
        "name: x\nreal: {}\nchain: {a-g000: {}}\nrecipes: {}\ncompare: x\n",
        "name: x\nreal: {}\nchain: {}\nrecipes: {}\ncompare: 3\n",
    ],
)
def test_what_is_no_plan_is_refused_with_the_way_out(tmp_path, text):
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(BadInput, match=r"plan.json: not a plan \(\w+\); write it anew with `dwindle plan`"):
        read_plan(tmp_path)


def test_a_plan_cut_short_or_not_utf8_is_refused(tmp_path, planned):
    whole = plan_text(planned("generations=1")).encode()
    sizes = np.linspace(0, len(whole) - 2, 40).astype(int)
    for raw in [*(whole[:size] for size in sizes), whole.replace(b"small", b"\xff")]:
        (tmp_path / PLAN).write_bytes(raw)
        os.utime(tmp_path / PLAN, ns=(len(raw), len(raw)))
        with pytest.raises(BadInput, match="not a plan"):
            read_plan(tmp_path)


def test_a_recipe_edited_into_none_names_the_setting(tmp_path, planned):
    text = plan_text(planned("generations=0")).replace('"budget": 20', '"budget": 0')
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(BadInput) as caught:
        read_plan(tmp_path).recipe("replace")
    assert str(caught.value).splitlines()[0] == "plan.json: recipes.replace.budget = 0: expected int 2..1e+09 rows"


def test_a_lineage_that_is_not_in_the_plan_is_named_with_those_that_are(planned):
    with pytest.raises(BadInput, match=r"plan.json: no lineage 'blend'; it has: replace, accumulate, fresh"):
        planned().recipe("blend")
