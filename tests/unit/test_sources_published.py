"""Published sets as a source: rows once each, apart by purpose, rounds counted on, and no file that has changed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.contracts import Seed
from dwindle.data.manifest import read_manifest
from dwindle.data.rows import Provenance, Rows
from dwindle.data.shards import read_shard, write_shard
from dwindle.data.workspace import publish_folder
from dwindle.errors import BadInput, Refused
from dwindle.sources.published import Published
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

SEED = Seed(8, ("lineage", "draw"))
MADE = """\
sweep: made
generations: 2
seed: 5
chains: 2
budget: 30
source: {source}
family: {family}
metrics: [risk]
curators: [keep_all]
lineages:
  one: {{regime: accumulate}}
"""
NEXT = """\
sweep: next
generations: 1
seed: 6
chains: 2
budget: 20
source: {{name: published, folders: [{folder}], held_out: 10}}
family: gaussian
metrics: [risk]
{rest}
lineages:
  two: {{regime: replace}}
"""


def grow(root, text):
    plan = planned(root, text)
    for name in plan.stage_names():
        if name != "compare":
            run_stage(root, name, plan=plan)
    return plan


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Two generations that accumulate: 30 real rows a chain, and as many of one and of two synthetic ancestors."""
    root = tmp_path_factory.mktemp("grown")
    grow(root, MADE.format(source="{name: gaussian, dimensions: 2, held_out: 30}", family="gaussian"))
    return root / "data" / "one"


def publish(folder, values, *, row=None, labels=None, recipe="r", **facts):
    """Publish rows of generation 1, (c, n, ...), and return the folder's name."""
    known = Provenance.of(1, *values.shape[:2])
    known = known if row is None else Provenance(known.origin, np.broadcast_to(row, values.shape[:2]), known.source)

    def write(out) -> Mapping:
        write_shard(out, "synthetic-001", Rows(values, None, known, labels))
        return {"shards": ["synthetic-001"], **facts}

    publish_folder(folder, write, stage="curate", key="", inputs={}, recipe=recipe, environment={"dwindle": "1.0"})
    return str(folder)


def drawn(source, chains=1):
    return source.draw(source.capacity, first=0, chains=chains, seed=SEED)


def some(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ------------------------------------------------------------------------------------------- rows


def test_every_row_of_every_chain_is_there_once_and_can_be_located(grown):
    source = Published((str(grown / "002/train"), str(grown / "001/train")), held_out=10)
    assert source.capacity == 3 * 2 * 30 - 10  # generation 1's rows are among generation 2's
    parts = [drawn(source), source.draw_held_out(seed=SEED)]
    numbers = np.concatenate([part.provenance.source[0] for part in parts])
    assert sorted(numbers) == list(range(180))
    for number, value in zip(numbers, np.concatenate([part.values[0] for part in parts]), strict=True):
        folder, shard, line = source.located(int(number))
        np.testing.assert_array_equal(np.load(f"{folder}/{shard}.npy")[line], value)


def test_rows_that_were_drawn_twice_are_taken_once_and_equal_ones_are_not_mistaken_for_them(tmp_path):
    values = np.array([[3, 3, 5, 3, 1, 1]])
    again = Published((publish(tmp_path / "a", values, row=[0, 0, 1, 2, 3, 4]),), held_out=1)
    assert sorted([*drawn(again).values[0], *again.draw_held_out(seed=SEED).values[0]]) == [1, 1, 3, 3, 5]
    assert (again.kind, again.symbols) == ("symbols", 6)


def test_chains_that_share_the_rows_of_a_finite_source_give_each_once(tmp_path):
    text = MADE.format(source="{name: iris, held_out: 20}", family="tabular").replace("risk", "column_fidelity")
    grow(tmp_path, text.replace("generations: 2", "generations: 0"))
    source = Published((str(tmp_path / "data/one/000/train"),), held_out=5)
    known = read_rows(tmp_path / "data/one/000/train").provenance.source
    assert source.capacity + 5 == len(np.unique(known)) < known.size
    names = [column.name for column in source.columns()]
    assert (source.kind, names[-1]) == ("tables", "class")
    assert source.columns()[-1].levels == ("setosa", "versicolor", "virginica")


def test_labels_are_kept_and_named(tmp_path):
    values, labels = some(0, 2, 20, 3), np.arange(40).reshape(2, 20) % 3
    plain = Published((publish(tmp_path / "a", values, labels=labels),), held_out=5)
    rows = drawn(plain)
    lines = np.array([plain.located(int(number))[2] for number in rows.provenance.source[0]])
    np.testing.assert_array_equal(rows.labels[0], labels.reshape(-1)[lines])
    assert plain.label_names() == ("0", "1", "2")
    named = publish(tmp_path / "b", values, labels=labels, content={"kind": "vectors", "classes": ["x", "y", "z"]})
    assert Published((named,), held_out=5).label_names() == ("x", "y", "z")
    assert not hasattr(plain, "columns")


# ------------------------------------------------------------------------------------------- purposes


def test_sets_of_different_purposes_refuse_to_mix_unless_told(tmp_path):
    folders = (
        publish(tmp_path / "a", some(0, 1, 40, 2), purpose="privacy"),
        publish(tmp_path / "b", some(1, 1, 30, 2), recipe="s"),
    )
    with pytest.raises(ValueError, match=r"a privacy \(40 rows\), .*b none \(30 rows\); mix_purposes"):
        Published(folders, held_out=5)
    assert Published(folders, held_out=5, mix_purposes=True).capacity == 65


@pytest.mark.parametrize(("purpose", "mixed", "fits"), [("debias", False, True), ("", False, False), ("", True, True)])
def test_a_recipe_of_another_purpose_is_refused_unless_told(tmp_path, purpose, mixed, fits):
    folder = publish(tmp_path / "a", some(0, 1, 60, 2), purpose="debias")
    text = NEXT.format(folder=folder, rest="curators: [keep_all]\n" + (f"purpose: {purpose}" if purpose else ""))
    text = text.replace("held_out", "mix_purposes: true, held_out") if mixed else text
    (tmp_path / "params.yaml").write_text(text)
    if fits:
        assert load_sweep(tmp_path / "params.yaml").lineages["two"].recipe.source.purpose() == "debias"
        return
    with pytest.raises(BadInput, match=r"purpose is none.*debias \(60 rows\); mix_purposes"):
        load_sweep(tmp_path / "params.yaml")


def test_what_is_made_for_a_purpose_says_so(tmp_path, grown):
    folder = str(grown / "002/train")
    rest = "purpose: robustness\ncurators: [keep_all]\npolicy: {rounds: null}"
    text = NEXT.format(folder=folder, rest=rest).replace("held_out", "mix_purposes: true, held_out")
    grow(tmp_path, text)
    for made in ("001/synthetic", "001/train", "000/train"):
        assert Published((str(tmp_path / "data/two" / made),), held_out=5).purpose() == "robustness"


# ------------------------------------------------------------------------------------------- rounds


def test_synthetic_ancestors_are_counted_on_by_the_lineages_after_it(tmp_path, grown):
    assert [Published((str(grown / f),), held_out=5).depth() for f in ("000/train", "001/train", "002/synthetic")] == [
        0,
        1,
        2,
    ]
    plan = grow(tmp_path, NEXT.format(folder=grown / "002/train", rest=""))
    source = plan.recipe("two").source
    assert source.depth() == 2
    facts = [facts_of(tmp_path / f"data/two/00{t}/train") for t in (0, 1)]
    assert facts[0]["rounds"] == {"2": 40}
    assert facts[1]["rounds"] == {"3": 40}
    assert Published((str(tmp_path / "data/two/001/train"),), held_out=5).depth() == 3


@pytest.mark.parametrize(
    ("policy", "generation", "told"),
    [
        ("{rounds: 2}", 1, "40 of 40 rows have 3 synthetic ancestors; policy.rounds allows 2"),
        ("{rounds: 1}", 0, "40 of 40 rows have 2 synthetic ancestors; policy.rounds allows 1"),
        ("{synthetic_in: [fine_tuning]}", 0, "40 of 40 rows are synthetic"),
    ],
)
def test_a_synthetic_set_is_not_real_for_a_policy(tmp_path, grown, policy, generation, told):
    text = NEXT.format(folder=grown / "002/train", rest=f"policy: {policy}")
    with pytest.raises(Refused, match=f"generation {generation}, {told}"):
        grow(tmp_path, text)
    assert not (tmp_path / f"data/two/00{generation}/train").exists()


def test_manifests_that_do_not_tell_are_held_to_the_generation_of_their_rows(tmp_path):
    assert Published((publish(tmp_path / "a", some(0, 1, 20, 2)),), held_out=5).depth() == 1


# ------------------------------------------------------------------------------------------- files


def test_the_recipe_holds_what_the_folders_held_and_refuses_anything_else(tmp_path):
    folder = publish(tmp_path / "a", some(0, 1, 20, 2))
    before = Published((folder,), held_out=5)
    publish(tmp_path / "a", some(1, 1, 20, 2))
    after = Published((folder,), held_out=5)
    assert before.digest != after.digest == after.card()["sha256"]
    with pytest.raises(ValueError, match="is not that of the folders"):
        Published((folder,), held_out=5, digest=before.digest)


def test_the_card_names_the_version_that_all_folders_share(tmp_path):
    first = publish(tmp_path / "a", some(0, 1, 20, 2), source={"licence": "MIT"})
    second = publish(tmp_path / "b", some(1, 1, 20, 2), recipe="s")
    assert dict(Published((first,), held_out=5).card()) | {"sha256": ""} == {
        "package": "dwindle",
        "version": "1.0",
        "licence": "MIT",
        "made_of": "rows of files of a user's",
        "sha256": "",
    }
    assert Published((first, second), held_out=5).card()["licence"] == ""


def _flip(folder):
    path = folder / "synthetic-001.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def _shift(folder):
    (folder / "manifest.json").write_text("{}")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (shutil.rmtree, "has no manifest; expected one that dwindle published"),
        (lambda folder: (folder / "synthetic-001.parquet").unlink(), "damaged: .*missing"),
        (_flip, "damaged: .*sha256"),
        (_shift, "damaged: .*not a manifest"),
        (lambda folder: (folder / "more.pkl").write_bytes(b""), "damaged: .*not in the manifest"),
    ],
)
def test_damage_is_one_error_before_anything_is_written(tmp_path, harm, told):
    publish(tmp_path / "set", some(0, 1, 60, 2))
    harm(tmp_path / "set")
    (tmp_path / "params.yaml").write_text(NEXT.format(folder=tmp_path / "set", rest=""))
    with pytest.raises(BadInput, match=told) as caught:
        load_sweep(tmp_path / "params.yaml")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (some(1, 1, 20, 3), r"the rows of the folders differ: .*shape \(2,\).*shape \(3,\)"),
        (np.ones((1, 20, 2), dtype=np.int64), "differ: .*real numbers.*whole numbers"),
        (None, "is named twice"),
    ],
)
def test_sets_that_do_not_go_together_are_refused(tmp_path, second, told):
    first = publish(tmp_path / "a", some(0, 1, 20, 2))
    other = f"{tmp_path}/./a" if second is None else publish(tmp_path / "b", second)
    with pytest.raises(ValueError, match=told):
        Published((first, other), held_out=5)


def test_folders_that_hold_no_rows_or_too_few_are_refused(tmp_path, grown):
    models = grown.parents[1] / "models/one/001"
    with pytest.raises(ValueError, match="holds no shards of rows"):
        Published((str(models),))
    with pytest.raises(ValueError, match="held_out 59 leaves fewer than 2 of the 60 rows"):
        Published((str(grown / "000/train"),), held_out=59)
    with pytest.raises(ValueError, match="folders names none"):
        Published(())


def test_held_out_rows_are_no_rows_of_a_lineage(tmp_path, grown):
    grow(tmp_path, NEXT.format(folder=grown / "002/train", rest=""))
    (real,) = (tmp_path / "data/real").iterdir()
    anchor, frozen = read_shard(real, "real"), read_shard(real, "held_out")
    assert not np.isin(frozen.provenance.source, anchor.provenance.source).any()
    assert read_manifest(real).facts["depth"] == 2
