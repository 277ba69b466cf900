"""What the curate stage tells of its curators, keeps of what they reject, samples again, and refuses to go on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from dwindle.contracts import REAL, Curated
from dwindle.data.manifest import read_manifest
from dwindle.data.shards import read_shard
from dwindle.errors import Refused, Starved, Stopped
from dwindle.plan import STAGES
from dwindle.report.curation import curation_tables
from dwindle.seeds import Seed
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: curated
generations: {generations}
seed: 5
chains: 3
budget: 40
source: {source}
family: {family}
metrics: [{metric}]
lineages:
  one: {{{lineage}}}
"""
GAUSSIAN = {"source": "{name: gaussian, dimensions: 2, held_out: 30}", "family": "gaussian", "metric": "moments"}
SYMBOLS = {"source": "{name: zipf, symbols: 300, held_out: 30}", "family": "{name: categorical, symbols: 300, smoothing: 1.0}", "metric": "missing_mass"}
HERE = __name__


@dataclass(frozen=True)
class Positive:
    """Keeps the rows whose first number is above 0: about half of them."""

    judges: ClassVar[str] = "synthetic"
    kinds: ClassVar[frozenset] = frozenset({"vectors"})

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        kept = present & (rows.values[..., 0] > 0)
        return Curated(kept, rows.weights, {"not positive": present & ~kept})


@dataclass(frozen=True)
class Mirroring(Positive):
    """Repairs what Positive would drop, and drops what lies far out, in a reason of many strange letters."""

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        changed = present & (rows.values[..., 0] < 0)
        far = np.abs(rows.values[..., 1]) > 1
        values = np.where(changed[..., None], np.abs(rows.values), rows.values)
        return Curated(
            present & ~far, rows.weights, {"Too far / out": present & far}, values=values, repaired={"turned": changed & ~far}
        )


@dataclass(frozen=True)
class Pointed(Positive):
    """Makes one point of all rows."""

    def curate(self, rows, *, anchor, seed):
        kept = rows.filled_weights() > 0
        return Curated(kept, rows.weights, values=np.zeros_like(rows.values), repaired={"made one": kept})


def grown(root, lineage, *, generations=1, **other):
    """Grow the lineage `one` and return its plan."""
    plan = planned(root, PARAMS.format(generations=generations, lineage=lineage, **(GAUSSIAN | other)))
    for name in plan.stage_names():
        if name != "compare" and not name.startswith("evaluate"):
            run_stage(root, name, plan=plan)
    return plan


def regime(name, *curators, **more):
    told = ", ".join(f"{key}: {value}" for key, value in more.items())
    named = ", ".join(f"'{HERE}:{c.__name__}'" if isinstance(c, type) else c for c in curators)
    return f"regime: {name}, curators: [{named}]" + (f", {told}" if told else "")


def dataset(root, generation=1):
    folder = root / f"data/one/{generation:03d}/train"
    return facts_of(folder), read_rows(folder), folder


def synthetic(root, generation=1):
    return read_shard(root / f"data/one/{generation:03d}/synthetic", f"synthetic-{generation:03d}")


# ------------------------------------------------------------------------------------------- the report


def test_each_curator_has_a_line_of_what_it_was_shown_kept_dropped_and_repaired(tmp_path):
    grown(tmp_path, regime("replace", Mirroring, Positive, "keep_all"))
    facts, rows, _ = dataset(tmp_path)
    new = synthetic(tmp_path)
    far = np.abs(new.values[..., 1]) > 1
    turned = (new.values[..., 0] < 0) & ~far
    first, second, third = facts["curation"]
    assert (first["shown"], first["kept"]) == (120, 120 - far.sum())
    assert (first["dropped"], first["repaired"], first["added"]) == ({"Too far / out": far.sum()}, {"turned": turned.sum()}, 0)
    assert (second["shown"], second["dropped"], second["repaired"]) == (first["kept"], {"not positive": 0}, {})
    assert (third["shown"], third["kept"], third["bias"], third["alarms"]) == (first["kept"], first["kept"], {}, [])
    assert first["curator"].endswith("Mirroring")
    assert third["curator"] == "keep_all"
    assert facts["dropped"] == {"Too far / out": far.sum(), "not positive": 0}
    assert facts["rows"]["total"] == rows.counts.sum() == first["kept"]
    assert (rows.values[rows.filled_weights() > 0][:, 0] > 0).all()


def test_the_bias_of_a_curator_is_measured_on_every_chain(tmp_path):
    grown(tmp_path, regime("replace", Positive))
    facts, rows, _ = dataset(tmp_path)
    (line,), new = facts["curation"], synthetic(tmp_path)
    factor = line["bias"]["variance_factor"]
    shown = new.values.var(axis=1, ddof=1).sum(axis=1)
    for chain in range(3):
        left = rows.values[chain][rows.filled_weights()[chain] > 0].var(axis=0, ddof=1).sum()
        assert factor["chains"][chain] == pytest.approx(left / shown[chain])
    assert factor["mean"] == pytest.approx(np.exp(np.mean(np.log(factor["chains"]))))
    assert factor["low"] < factor["mean"] < factor["high"]
    assert line["bias"]["effective_rows"]["chains"] == pytest.approx([1.0, 1.0, 1.0])
    assert line["bias"]["group_shift"]["mean"] is None
    assert line["bias"]["group_shift"]["reason"].endswith("the rows have no groups")


def test_a_curator_that_leaves_no_variance_is_alarming_though_no_logarithm_of_it_exists(tmp_path):
    with pytest.raises(Stopped, match="the curation of generation 1 is alarming: .*Pointed: variance times 0, alarm below"):
        grown(tmp_path, regime("replace", Pointed, curation="{on_alarm: stop}"))
    assert not (tmp_path / "data/one/001/train").exists()
    assert not list((tmp_path / "data").rglob(".*.tmp"))


def test_an_alarm_is_told_or_ends_the_lineage(tmp_path):
    mild = "{variance_alarm: 1.0, tail_alarm: 1.0, on_alarm: stop}"
    with pytest.raises(Stopped, match=r"^stopped: the curation of generation 1 is alarming: .*Positive: variance times"):
        grown(tmp_path / "stop", regime("replace", Positive, curation=mild))
    plan = grown(tmp_path / "warn", regime("replace", Positive, curation=mild.replace("stop", "warn")))
    (line,) = dataset(tmp_path / "warn")[0]["curation"]
    assert len(line["alarms"]) == 1
    for stage in STAGES:
        for generation in (0, 1):
            run_stage(tmp_path / "warn", f"{stage}@one-g{generation:03d}", plan=plan)
    drops, bias = curation_tables(tmp_path / "warn", plan)
    assert drops.rows == (("one", f"{HERE}:Positive", "not positive", f"{line['dropped']['not positive']}", drops.rows[0][-1]),)
    assert bias.rows[0][-1] == "1 of 1"


# ------------------------------------------------------------------------------------------- what is rejected


@pytest.mark.parametrize("again", [0, 2])
def test_rejected_rows_stand_beside_the_dataset_a_shard_a_reason_and_never_train(tmp_path, again):
    grown(tmp_path, regime("replace", Mirroring, Positive, curation=f"{{keep_rejected: true, regenerate: {again}}}"))
    facts, rows, folder = dataset(tmp_path)
    assert facts["rejected"] == {"Too far / out": "rejected-too-far-out"}
    gone = read_shard(folder, "rejected-too-far-out")
    assert gone.counts.sum() == facts["dropped"]["Too far / out"] > 0
    assert not set(facts["rejected"].values()) & {*facts["shards"], *facts["pool"]}
    new = synthetic(tmp_path)
    for chain in range(3):
        there = gone.filled_weights()[chain] > 0
        assert (gone.provenance.origin[chain][there] == 1).all()
        numbers = gone.provenance.row[chain][there]
        first = numbers[numbers < 40]
        np.testing.assert_array_equal(gone.values[chain][there][numbers < 40], new.values[chain, first])
        np.testing.assert_array_equal(first, np.flatnonzero(np.abs(new.values[chain, :, 1]) > 1))
        kept = rows.provenance.row[chain][rows.filled_weights()[chain] > 0]
        assert not set(kept.tolist()) & set(numbers.tolist())


def test_what_is_rejected_is_kept_only_if_it_is_asked_for(tmp_path):
    grown(tmp_path, regime("replace", Positive))
    facts, _, folder = dataset(tmp_path)
    assert "rejected" not in facts
    assert [path.stem for path in folder.glob("*.npy")] == facts["shards"]
    # The shards that train are the same whether rejected rows stand beside them or not.
    grown(tmp_path / "kept", regime("replace", Positive, curation="{keep_rejected: true}"))
    _, _, other = dataset(tmp_path / "kept")
    assert (other / f"{facts['shards'][0]}.npy").read_bytes() == (folder / f"{facts['shards'][0]}.npy").read_bytes()


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
    with pytest.raises(Starved, match=r"^starved: \d+ rows are left in a chain, 39 are needed; \{'not positive': \d+\}"):
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


@pytest.mark.parametrize(("restart", "stage"), [("cold", "pre_training"), ("warm", "fine_tuning"), ("base", "fine_tuning")])
def test_synthetic_rows_may_tune_a_model_that_they_may_not_make(tmp_path, restart, stage):
    rules = regime("replace", "keep_all", policy=f"{{synthetic_in: [{stage}]}}", restart=restart)
    grown(tmp_path / "allowed", rules)
    assert [dataset(tmp_path / "allowed", t)[0]["stage"] for t in (0, 1)] == ["pre_training", stage]
    other = {"pre_training": "fine_tuning", "fine_tuning": "pre_training"}[stage]
    with pytest.raises(Refused, match=f"120 of 120 rows are synthetic; policy.synthetic_in allows them in {other}, not {stage}"):
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
        assert gone == sum(np.isin(synthetic(tmp_path, generation).values[chain], [*earlier[chain]]).sum() for chain in range(3))
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
