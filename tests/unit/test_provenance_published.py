"""Walks and cards of lineages whose anchor is itself synthetic: it is called so, and the walk goes on behind it."""

from __future__ import annotations

import json
import shutil

import mlcroissant
import pytest
from ruamel.yaml import YAML

from dwindle.provenance.beyond import walk_on
from dwindle.provenance.cards import write_cards
from dwindle.provenance.composition import composition_table
from dwindle.provenance.datasets import datasets
from dwindle.provenance.statements import biases
from dwindle.provenance.tree import tree_of
from dwindle.provenance.walking import walk_back
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: {sweep}
generations: {generations}
chains: 2
budget: {budget}
source: {source}
family: gaussian
metrics: [moments]
lineages:
  {lineage}: {{regime: {regime}}}
"""


def grow(root, **told):
    plan = planned(root, PARAMS.format(**told))
    for name in plan.stage_names():
        if name != "compare":
            run_stage(root, name, plan=plan)
    return plan


@pytest.fixture(scope="module")
def descended(tmp_path_factory):
    """A lineage on the rows of generation 2 of another one, whose workspace stands beside it."""
    root = tmp_path_factory.mktemp("descended")
    source = "{name: gaussian, dimensions: 2, held_out: 10}"
    grow(root / "old", sweep="old", generations=2, budget=20, source=source, lineage="other", regime="replace")
    source = f"{{name: published, folders: [{root}/old/data/other/002/train], held_out: 10}}"
    plan = grow(root / "new", sweep="new", generations=1, budget=10, source=source, lineage="next", regime="accumulate")
    return root / "new", plan


def walked(root, plan, generation, row):
    return walk_on(plan, walk_back(root, plan, "next", generation, row))


def printed(walk):
    from rich.console import Console

    console = Console(width=600)
    with console.capture() as captured:
        console.print(tree_of(walk))
    return captured.get()


def test_an_anchor_with_synthetic_ancestors_is_counted_and_called_synthetic(descended):
    first, second = write_cards(*descended)
    _, header, text = (first / "README.md").read_text().split("---\n", 2)
    assert YAML(typ="safe").load(header)["synthetic_ratio"] == 1.0
    for told in ("100.0% of them synthetic", "the anchor: published rows, at most 2 synthetic ancestors | 2 | 20 "):
        assert told in text
    assert "real: the anchor" not in text
    assert "none: the real rows behind them were drawn from a law" in text
    assert "made for generation 1 | 3 |" in (second / "README.md").read_text()
    for folder in (first, second):
        assert json.loads((folder / "croissant.json").read_text())["rai:hasSyntheticData"] is True
        assert not mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).metadata.ctx.issues.errors


def test_the_table_has_published_rows_and_no_real_ones(descended):
    table = composition_table(datasets(*descended, "next"), 1)
    assert table.columns[2:6] == ("published", "fresh published", "newest", "earlier")
    assert [line[1:6] for line in table.rows] == [("10", "10", "0", "0", "0"), ("20", "10", "0", "10", "0")]


def test_the_walk_of_a_published_row_goes_on_to_the_very_row_and_its_models(descended):
    walk = walked(*descended, 0, 3)
    (beyond,) = walk.beyond
    assert (beyond.origin, beyond.depth, beyond.walk.steps[0].place.line) == ("2", 2, beyond.line)
    assert beyond.walk.steps[0].shown == walk.steps[0].shown
    assert [ancestor.model.generation for ancestor in beyond.walk.ancestors] == [1, 0]
    lines = printed(walk).splitlines()
    assert "published: row 3 of chain 0's stream of source published, with at most 2" in "".join(lines)
    assert "real rows: rows 0..19 of each chain's stream of source gaussian" in lines[-1]


def test_the_walk_of_a_synthetic_row_goes_on_behind_the_folder(descended):
    walk = walked(*descended, 1, 10)
    (beyond,) = walk.beyond
    assert [ancestor.model.generation for ancestor in (*walk.ancestors, *beyond.walk.ancestors)] == [0, 1, 0]
    text = printed(walk)
    assert "trained on dataset" in text
    assert "10 published" in text
    assert text.index("published rows, at most 2 synthetic ancestors: rows 0..9") < text.index("real rows: rows 0..19")


def test_without_that_workspace_the_walk_ends_and_says_so(descended):
    root, plan = descended
    models = root.parent / "old/models"
    shutil.move(models, root.parent / "away")
    try:
        assert "2 synthetic ancestors; that workspace is not here" in printed(walked(root, plan, 0, 3))
    finally:
        shutil.move(root.parent / "away", models)


def test_without_the_plan_of_old_digests_lead_to_the_same_models(descended):
    root, plan = descended
    before = [ancestor.model.digest for ancestor in walked(root, plan, 0, 3).beyond[0].walk.ancestors]
    away = (root.parent / "old/plan.json").rename(root.parent / "plan.json")
    try:
        (beyond,) = walked(root, plan, 0, 3).beyond
    finally:
        away.rename(root.parent / "old/plan.json")
    assert [ancestor.model.digest for ancestor in beyond.walk.ancestors] == before
    assert (beyond.walk.real.source, beyond.walk.real.last, beyond.ended) == (
        "gaussian",
        19,
        "its plan is gone; by digests",
    )


def test_a_bias_of_rounding_is_printed_as_none():
    entry = {"bias": {"effective_rows": {"mean": 1.0, "low": 0.9999999999999994, "high": 1.0000000000000004}}}
    assert biases(entry) == {"effective_rows": "1 ±0"}
