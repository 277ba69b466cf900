"""What a grown sweep says of its rows is true: walks end at real rows, compositions add up, cards validate."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from dwindle.cli import main
from dwindle.contracts import FRESH
from dwindle.data.manifest import read_manifest
from dwindle.data.shards import read_shard
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import STAGES, read_plan
from dwindle.provenance.answer import answer
from dwindle.provenance.cards import write_cards
from dwindle.provenance.composition import shares
from dwindle.provenance.datasets import datasets
from dwindle.provenance.picture import composition_figure, stacked
from dwindle.provenance.walking import walk_back
from dwindle.report.canvas import styled
from dwindle.stages.job import read_rows
from dwindle.stages.runner import run_stage
from dwindle.versioning.dvc_store import DvcStore

PARAMS = """\
sweep: traced
generations: 2
seed: 3
chains: 2
budget: 12
source: {name: gaussian, dimensions: 2, held_out: 20}
family: gaussian
metrics: [moments]
lineages:
  replace: {regime: replace, generations: 5}
  pooled: {regime: accumulate_subsample, restart: warm}
  fresh: {regime: {name: fresh, synthetic_ratio: 0.5}, generations: 1}
  asked:
    regime: replace
    source: {name: linear, dimensions: 2, held_out: 20}
    family: linear_regression
    metrics: [parameter_error]
    sampler: {prompts: previous}
  digits:
    regime: {name: blend, synthetic_ratio: 0.5}
    source: {name: digits, dimensions: 3}
    curators: [{name: central_mass, mass: 0.6}, {name: outliers, share: 0.4}]
    curation: {keep_rejected: true, regenerate: 1}
    generations: 1
"""


@pytest.fixture(scope="module")
def project(new_project):
    """A sweep grown up to its models, recorded in DVC but for the lineage `fresh`."""
    made = new_project(PARAMS)
    plan = read_plan(made.root)
    names = [name for name in plan.stage_names() if name.partition("@")[0] in ("draw", *STAGES[:3])]
    for name in names:
        run_stage(made.root, name, plan=plan)
    DvcStore(made.root).commit([name for name in names if "@fresh" not in name and name != "compare"])
    return made


@pytest.fixture(scope="module")
def root(project):
    return project.root


@pytest.fixture(scope="module")
def plan(root):
    return read_plan(root)


# ------------------------------------------------------------------------------------------------- trace


def test_a_row_of_generation_5_ends_at_real_rows(root, plan):
    walk = walk_back(root, plan, "replace", 5, 7, chain=1)
    assert walk.steps[0].origin == "5"
    assert [ancestor.model.generation for ancestor in walk.ancestors] == [4, 3, 2, 1, 0]
    for ancestor in walk.ancestors:
        model = read_manifest(root / f"models/replace/{ancestor.model.generation:03d}")
        assert (ancestor.model.digest, ancestor.dataset) == (model.digest, model.inputs["train"])
    assert walk.ancestors[-1].origins == {"real": 12}
    real = read_manifest(root / walk.real.folder)
    assert (walk.real.source, walk.real.last, walk.real.digest) == ("gaussian", 11, real.digest)


@pytest.mark.parametrize(("lineage", "chain"), [("replace", 1), ("pooled", 1), ("fresh", 0), ("digits", 0)])
def test_every_row_is_found_at_its_line_with_its_provenance(root, plan, lineage, chain):
    generation = len(plan.generations(lineage)) - 1
    rows = read_rows(root / f"data/{lineage}/{generation:03d}/train")
    places = np.flatnonzero(rows.filled_weights()[chain] > 0)
    for row, place in enumerate(places):
        step = walk_back(root, plan, lineage, generation, row, chain=chain).steps[0]
        folder = root / step.place.folder
        values = np.load(folder / f"{step.place.shard}.npy")[step.place.line]
        np.testing.assert_array_equal(values, rows.values[chain, place])
        line = pq.read_table(folder / f"{step.place.shard}.parquet").slice(step.place.line, 1).to_pylist()[0]
        origin = {0: "real", FRESH: "fresh"}.get(line["origin"], str(line["origin"]))
        assert (line["chain"], origin, line["row"]) == (chain, step.origin, step.number)
        assert step.place.files[f"{step.place.shard}.npy"] == digest(folder / f"{step.place.shard}.npy")
        assert step.changed is (None if origin == "fresh" or step.again else False)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_row_of_a_pool_has_the_models_that_any_of_its_ancestors_came_from(root, plan):
    walks = [walk_back(root, plan, "pooled", 2, row) for row in range(12)]
    made = {walk.steps[0].origin: [a.model.generation for a in walk.ancestors] for walk in walks}
    assert made == {"real": [], "1": [0], "2": [1, 0]}
    newest = next(walk for walk in walks if walk.steps[0].origin == "2")
    assert [ancestor.started for ancestor in newest.ancestors] == ["models/pooled/000", ""]


def test_an_answer_is_followed_from_prompt_to_prompt_to_the_anchor(root, plan):
    walk = walk_back(root, plan, "asked", 2, 4, chain=1)
    assert [step.origin for step in walk.steps] == ["2", "1", "real"]
    assert [step.place.folder for step in walk.steps] == [f"data/asked/{t:03d}/train" for t in (2, 1, 0)]
    inputs = {tuple(step.shown.split()[:2]) for step in walk.steps}
    assert len(inputs) == 1, "an answer has the inputs of its prompt"
    assert walk.steps[-1].real.anchor


def test_a_real_row_names_the_row_of_its_source(root, plan):
    anchor = read_shard(root / plan.chain["digits-g000"]["real"], "real")
    step = walk_back(root, plan, "digits", 0, 5, chain=1).steps[0]
    assert (step.real.source, step.real.number, step.real.anchor) == ("digits", 5, True)
    assert step.real.copied == anchor.provenance.source[1, 5] >= 0
    assert walk_back(root, plan, "digits", 0, 5).real.card["package"] == "scikit-learn"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("replac", 1, 1, 0), "no lineage 'replac'; did you mean replace"),
        (("replace", 6, 1, 0), "generation = 6: lineage replace is planned with generations 0..5"),
        (("replace", 5, 12, 0), "row = 12: chain 0 of generation 5 of replace has rows 0..11"),
        (("replace", 5, 1, 2), "chain = 2: replace has chains 0..1"),
    ],
)
def test_a_row_that_is_not_there_is_refused_with_what_is(root, plan, asked, told):
    *where, chain = asked
    with pytest.raises(BadInput, match=told):
        walk_back(root, plan, *where, chain=chain)


def test_damage_and_what_was_grown_anew_in_part_are_told(project, tmp_path):
    copy = project.copy(tmp_path / "copy")
    shard = copy.root / "data/replace/003/train/synthetic-003.npy"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\1")
    with pytest.raises(DataDamaged, match="sha256"):
        walk_back(copy.root, read_plan(copy.root), "replace", 3, 0)
    other = read_manifest(copy.root / "models/replace/001")
    other.write(copy.root / "models/replace/000")
    with pytest.raises(DataDamaged, match="grown anew in part"):
        walk_back(copy.root, read_plan(copy.root), "replace", 5, 0)


@pytest.fixture
def dwindle(root, monkeypatch, capsys):
    """Run the command in this process and return what it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dwindle", *arguments, "--params", str(root / "params.yaml")])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    return run


def test_the_command_prints_a_tree_and_the_same_as_json(dwindle):
    shown = dwindle("trace", "replace/5/7", "--chain", "1")
    assert "made by the model of generation 4" in shown
    assert "real rows: rows 0..11 of each chain's stream of source gaussian" in shown
    plain = json.loads(dwindle("trace", "asked/2/4", "--json"))
    assert [step["origin"] for step in plain["steps"]] == ["2", "1", "real"]


# -------------------------------------------------------------------------------------------- composition


def test_compositions_add_up_and_name_the_producer(root, plan):
    first, *later = datasets(root, plan, "pooled")
    assert first.origins == {"real": 24}
    assert first.producer is None
    for dataset in later:
        rows = read_rows(root / dataset.folder)
        assert sum(dataset.origins.values()) == dataset.rows == int(rows.counts.sum())
        assert sum(dataset.rounds.values()) == dataset.rows
        assert max(dataset.rounds) == dataset.generation
        model = read_manifest(root / f"models/pooled/{dataset.generation - 1:03d}")
        assert (dataset.producer.family, dataset.producer.digest) == ("gaussian", model.digest)
    assert sum(datasets(root, plan, "digits")[1].dropped.values()) > 0


def test_the_picture_stacks_the_shares(root, plan):
    found = datasets(root, plan, "pooled")
    heights = stacked(found)
    assert list(heights) == ["real", "1", "2"]
    np.testing.assert_allclose(sum(heights.values()), 1.0)
    with styled():
        axes = composition_figure(plan, found).axes[0]
    drawn = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert list(drawn) == list(heights)
    np.testing.assert_allclose(list(drawn.values()), list(heights.values()), atol=1e-12)
    assert heights["2"][2] == shares(found[2])["2"] > 0


def test_the_command_prints_the_table_and_leaves_the_picture(dwindle, root):
    assert "producer of the newest" in dwindle("provenance", "pooled")
    assert (root / "plots/traced/provenance-pooled.png").stat().st_size > 5000
    files = dwindle("provenance", "pooled", "--generation", "2")
    assert all(part in files for part in ("drawn.parquet", "recipe", "made of", "also its digest in MLflow", "dvc get"))


def test_which_data_trained_a_generation_is_one_answer_that_gets_them_back(project, root, plan, tmp_path):
    found = answer(root, plan, "pooled", 2)
    assert found.current
    assert found.recorded in (root / "dvc.lock").read_text()
    assert {part.file: part.sha256 for part in found.parts} == {
        path.name: digest(path) for path in (root / found.folder).iterdir() if path.suffix != ".json"
    }
    trained = next(part for part in found.parts if part.file == "drawn.parquet")
    assert sum(trained.origins.values()) == 24
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--message=grown"]
    for command in (["git", "add", "dvc.lock", "dvc.yaml", "plan.json", "params.yaml", ".dvc"], commit):
        subprocess.run(command, cwd=root, check=True)
    find, get = (line.split() for line in found.commands)
    revision = project.run(*find).stdout.strip()
    out = tmp_path / "back"
    project.run(*[{"COMMIT": revision, "pooled-g002": str(out)}.get(word, word) for word in get])
    assert digest(out / "drawn.npy") == digest(root / found.folder / "drawn.npy")


def test_what_is_not_recorded_has_no_command_and_no_md5(root, plan):
    found = answer(root, plan, "fresh", 1)
    assert (found.recorded, found.current, found.commands) == ("", False, ())
    assert all(part.sha256 and not part.md5 for part in found.parts)


# ---------------------------------------------------------------------------------------------------- cards


@pytest.fixture(scope="module")
def cards(root, plan):
    return write_cards(root, plan)


def test_every_croissant_file_validates_and_its_records_can_be_read(root, cards):
    assert len(cards) == 6 + 3 + 2 + 3 + 2
    for folder in cards:
        dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
        assert not dataset.metadata.issues.errors
        assert not dataset.metadata.issues.warnings
    dataset = mlcroissant.Dataset(jsonld=str(root / "cards/fresh/001/croissant.json"))
    names = [record_set.uuid for record_set in dataset.metadata.record_sets]
    read = {name: [record[f"{name}/origin"] for record in dataset.records(name)] for name in names}
    assert read == {"fresh-001": [-1] * 12, "synthetic-001": [1] * 12}


def test_a_croissant_file_says_what_is_synthetic_and_points_at_the_files(root, cards):
    for folder in cards:
        told = json.loads((folder / "croissant.json").read_text())
        dataset = read_manifest(root / "data" / folder.relative_to(root / "cards") / "train")
        assert told["rai:hasSyntheticData"] is (dataset.facts["synthetic_ratio"] > 0)
        for file in told["distribution"]:
            path = folder / file["contentUrl"]
            assert (file["sha256"], file["contentSize"]) == (digest(path), f"{path.stat().st_size} B")


def test_a_card_says_how_its_dataset_was_made(root, cards):
    _, header, text = (root / "cards/digits/001/README.md").read_text().split("---\n", 2)
    assert "synthetic" in YAML(typ="safe").load(header)["tags"]
    for part in ("outside the central 0.6 of the mass", "scikit-learn", "sampled again", "added", "dvc get", "limits"):
        assert part in text
    assert (
        "synthetic"
        not in YAML(typ="safe").load((root / "cards/digits/000/README.md").read_text().split("---")[1])["tags"]
    )


def test_writing_cards_again_changes_nothing(root, plan, cards):
    stood = {path: path.stat().st_mtime_ns for folder in cards for path in folder.iterdir()}
    write_cards(root, plan)
    assert {path: path.stat().st_mtime_ns for path in stood} == stood
