"""What the curate stage samples again, adds, remembers of earlier generations, and refuses to go on with."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import REAL
from dwindle.data.manifest import read_manifest
from dwindle.errors import Refused, Starved
from dwindle.seeds import Seed
from dwindle.stages.job import read_rows
from tests.unit.curated_lineage import SYMBOLS, Positive, dataset, grown, regime, synthetic

# ------------------------------------------------------------------------------------------- sampled again


def test_rejected_rows_are_sampled_again_within_the_turns_until_the_budget_is_met(tmp_path):
    counts = []
    for turns in (0, 1, 12):
        root = tmp_path / f"{turns}"
        grown(root, regime("replace", Positive, curation=f"{{regenerate: {turns}}}"))
        facts, rows, _ = dataset(root)
        counts.append(rows.counts.tolist())
        lines = facts["curation"]
        assert [line.get("again", 0) for line in lines] == list(range(len(lines)))
        assert len(lines) <= turns + 1
        assert sum(line["dropped"]["not positive"] for line in lines) == facts["dropped"]["not positive"]
        assert (rows.values[rows.filled_weights() > 0][:, 0] > 0).all()
    assert counts[0] < counts[1] < counts[2] == [40, 40, 40]
    assert len(lines) < 13  # it ends when nothing is missing


def test_rows_that_are_sampled_again_are_numbered_on_and_the_first_ones_stay_as_they_were(tmp_path):
    for root, turns in ((tmp_path / "once", 0), (tmp_path / "again", 12)):
        grown(root, regime("replace", Positive, curation=f"{{regenerate: {turns}}}"))
    once, again = (dataset(tmp_path / name)[1] for name in ("once", "again"))
    for chain in range(3):
        kept = once.counts[chain]
        np.testing.assert_array_equal(again.values[chain, :kept], once.values[chain, :kept])
        numbers = again.provenance.row[chain]
        assert len(set(numbers.tolist())) == 40
        assert (np.diff(numbers) > 0).all()
        assert (numbers[kept:] >= 40).all()
        assert (again.provenance.origin[chain] == 1).all()


def test_the_same_rows_are_sampled_again_when_the_stage_is_run_again(tmp_path):
    files = []
    for name in ("one", "two"):
        grown(tmp_path / name, regime("accumulate", Positive, curation="{regenerate: 12}"), generations=2)
        manifest = read_manifest(tmp_path / name / "data/one/002/train")
        files.append((manifest.digest, manifest.key, manifest.facts))
    assert files[0] == files[1]
    assert files[0][2]["rows"]["origin"] == {"real": 120, "1": 120, "2": 120}


def test_a_curator_of_earlier_rows_sees_what_was_kept_of_the_same_generation_when_rows_are_sampled_again(tmp_path):
    curators = "{name: deduplicate, against_anchor: false, against_earlier: true}"
    never_new = SYMBOLS | {"family": "{name: categorical, symbols: 300}"}
    grown(tmp_path, regime("replace", curators, curation="{regenerate: 30}"), **never_new)
    facts, rows, _ = dataset(tmp_path)
    lines = facts["curation"]
    assert len(lines) == 31
    assert lines[1]["dropped"]["copy of a row of an earlier generation"] > 0
    for chain in range(3):
        own = rows.values[chain][rows.filled_weights()[chain] > 0]
        assert len(set(own.tolist())) == len(own)


# ------------------------------------------------------------------------------------------- too few, too synthetic


def test_a_lineage_starves_below_the_least_rows_that_it_asks_for(tmp_path):
    grown(tmp_path / "enough", regime("replace", Positive, curation="{least: 5}"))
    with pytest.raises(
        Starved, match=r"^starved: \d+ rows are left in a chain, 39 are needed; dropped: \d+ not positive$"
    ):
        grown(tmp_path / "few", regime("replace", Positive, curation="{least: 39}"))
    grown(tmp_path / "again", regime("replace", Positive, curation="{least: 39, regenerate: 20}"))


@pytest.mark.parametrize(
    ("name", "depths", "rounds"),
    [
        ("replace", {"3": 3, "real": 0}, {"3": 120}),
        ("accumulate", {"1": 1, "2": 2, "3": 3, "real": 0}, {"0": 120, "1": 120, "2": 120, "3": 120}),
        ("{name: blend, synthetic_ratio: 0.5}", {"3": 3, "real": 0}, {"0": 60, "3": 60}),
        ("{name: blend, synthetic_ratio: 0.0}", {"real": 0}, {"0": 120}),
        ("{name: fresh, synthetic_ratio: 0.25}", {"3": 3, "fresh": 0, "real": 0}, {"0": 90, "3": 30}),
    ],
)
def test_depths_and_rounds_count_the_synthetic_ancestors_of_what_trains(tmp_path, name, depths, rounds):
    grown(tmp_path, regime(name, "keep_all"), generations=3)
    facts, *_ = dataset(tmp_path, 3)
    assert (facts["depths"], facts["rounds"]) == (depths, rounds)
    assert (facts["purpose"], facts["stage"]) == ("", "pre_training")
    first, *_ = dataset(tmp_path, 0)
    assert (first["depths"], first["rounds"]) == ({"real": 0}, {"0": 120})


def test_a_generation_of_real_rows_begins_to_count_anew(tmp_path):
    late = "{name: switched, before: {name: fresh, synthetic_ratio: 0.0}, after: replace, until: 2}"
    grown(tmp_path, regime(late, "keep_all", policy="{rounds: 1}"), generations=3)
    assert dataset(tmp_path, 3)[0]["rounds"] == {"1": 120}


def test_a_limit_of_rounds_refuses_the_generation_that_would_go_beyond_it(tmp_path):
    with pytest.raises(Refused, match=r"^refused: of what would train generation 2, 60 of 120 rows have 2 synthetic"):
        grown(tmp_path, regime("{name: blend, synthetic_ratio: 0.5}", "keep_all", policy="{rounds: 1}"), generations=3)
    assert dataset(tmp_path, 1)[0]["rounds"] == {"0": 60, "1": 60}


@pytest.mark.parametrize(
    ("restart", "stage"), [("cold", "pre_training"), ("warm", "fine_tuning"), ("base", "fine_tuning")]
)
def test_synthetic_rows_may_tune_a_model_that_they_may_not_make(tmp_path, restart, stage):
    rules = regime("replace", "keep_all", policy=f"{{synthetic_in: [{stage}]}}", restart=restart)
    grown(tmp_path / "allowed", rules)
    assert [dataset(tmp_path / "allowed", t)[0]["stage"] for t in (0, 1)] == ["pre_training", stage]
    other = {"pre_training": "fine_tuning", "fine_tuning": "pre_training"}[stage]
    with pytest.raises(
        Refused, match=f"120 of 120 rows are synthetic; policy.synthetic_in allows them in {other}, not {stage}"
    ):
        grown(tmp_path / "refused", rules.replace(f"[{stage}]", f"[{other}]"))


# ------------------------------------------------------------------------------------------- added and earlier rows


def test_outliers_stand_beside_the_synthetic_rows_that_are_left_and_are_real(tmp_path):
    for name, more in (("plain", {}), ("again", {"curation": "{regenerate: 5}"})):
        root = tmp_path / name
        grown(root, regime("replace", "{name: outliers, share: 0.1}", **more), generations=2)
        for generation in (1, 2):
            facts, rows, _ = dataset(root, generation)
            assert rows.counts.tolist() == [40, 40, 40]
            assert facts["rows"]["origin"] == {"real": 12, f"{generation}": 108}
            assert (facts["curation"][0]["added"], len(facts["curation"])) == (12, 1)
            anchor = dataset(root, 0)[1]
            for chain in range(3):
                real = rows.provenance.origin[chain] == REAL
                np.testing.assert_array_equal(
                    rows.values[chain][real], anchor.values[chain, rows.provenance.row[chain][real]]
                )


def test_what_else_is_rejected_is_sampled_again_beside_the_outliers_up_to_the_budget(tmp_path):
    curators = (Positive, "{name: outliers, share: 0.2}")
    grown(tmp_path, regime("replace", *curators, curation="{regenerate: 15}"))
    facts, rows, _ = dataset(tmp_path)
    assert rows.counts.tolist() == [40, 40, 40]
    assert facts["rows"]["total"] == 120
    assert facts["rows"]["origin"]["real"] == sum(line["added"] for line in facts["curation"])
    present = rows.filled_weights() > 0
    assert (rows.values[present & (rows.provenance.origin == 1)][:, 0] > 0).all()


def test_under_replacement_copies_of_what_earlier_generations_kept_are_seen(tmp_path):
    dedup = "{name: deduplicate, against_anchor: false, against_earlier: true}"
    grown(tmp_path, regime("replace", dedup), generations=3, **SYMBOLS)
    earlier = [set() for _ in range(3)]
    for generation in (1, 2, 3):
        facts, rows, folder = dataset(tmp_path, generation)
        assert facts["seen"] == [f"synthetic-{t:03d}" for t in range(1, generation + 1)]
        assert facts["shards"] == [f"synthetic-{generation:03d}"]
        assert read_rows(folder, "seen").count > rows.count or generation == 1
        gone = facts["dropped"]["copy of a row of an earlier generation"]
        assert (gone > 0) == (generation > 1)
        assert gone == sum(
            np.isin(synthetic(tmp_path, generation).values[chain], [*earlier[chain]]).sum() for chain in range(3)
        )
        for chain in range(3):
            own = set(rows.values[chain][rows.filled_weights()[chain] > 0].tolist())
            assert not own & earlier[chain]
            earlier[chain] |= own


def test_a_seed_of_its_own_samples_what_is_sampled_again(tmp_path):
    plan = grown(tmp_path, regime("replace", Positive, curation="{regenerate: 1}"))
    _, rows, _ = dataset(tmp_path)
    recipe = plan.recipe("one")
    model = recipe.family.load(tmp_path / "models/one/000")
    seed = Seed(recipe.seed).at("one", 1, "curate")
    missing = 40 - int((synthetic(tmp_path).values[..., 0] > 0).sum(axis=1).min())
    drawn = model.sample(missing, sampler=recipe.sampler, seed=seed.at("again", 1)).values
    late = rows.provenance.row >= 40
    for chain in range(3):
        own = rows.values[chain][late[chain] & (rows.filled_weights()[chain] > 0)]
        np.testing.assert_array_equal(own, drawn[chain][drawn[chain][:, 0] > 0][: len(own)])
        assert len(own) > 0
