"""What the curate stage tells of its curators and of the law of the rows, and keeps of what they reject."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.data.shards import read_shard
from dwindle.errors import Stopped
from dwindle.plan import STAGES
from dwindle.report.curation import curation_tables
from dwindle.stages.runner import run_stage
from tests.unit.curated_lineage import HERE, Mirroring, Pointed, Positive, dataset, grown, regime, synthetic

# ------------------------------------------------------------------------------------------- the report


def test_each_curator_has_a_line_of_what_it_was_shown_kept_dropped_and_repaired(tmp_path):
    grown(tmp_path, regime("replace", Mirroring, Positive, "keep_all"))
    facts, rows, _ = dataset(tmp_path)
    new = synthetic(tmp_path)
    far = np.abs(new.values[..., 1]) > 1
    turned = (new.values[..., 0] < 0) & ~far
    first, second, third = facts["curation"]
    assert (first["shown"], first["kept"]) == (120, 120 - far.sum())
    assert (first["dropped"], first["repaired"], first["added"]) == (
        {"Too far / out": far.sum()},
        {"turned": turned.sum()},
        0,
    )
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
    with pytest.raises(
        Stopped, match=r"the curation of generation 1 is alarming: .*Pointed: variance times 0, alarm below"
    ):
        grown(tmp_path, regime("replace", Pointed, curation="{on_alarm: stop}"))
    assert (tmp_path / "data/one/001/train").exists()  # it can be looked at
    assert not (tmp_path / "models/one/001").exists()


def test_an_alarm_is_told_or_ends_the_lineage(tmp_path):
    mild = "{variance_alarm: 1.0, tail_alarm: 1.0, on_alarm: stop}"
    with pytest.raises(
        Stopped, match=r"^stopped: the curation of generation 1 is alarming: .*Positive: variance times"
    ):
        grown(tmp_path / "stop", regime("replace", Positive, curation=mild))
    plan = grown(tmp_path / "warn", regime("replace", Positive, curation=mild.replace("stop", "warn")))
    (line,) = dataset(tmp_path / "warn")[0]["curation"]
    assert len(line["alarms"]) == 1
    for stage in STAGES:
        for generation in (0, 1):
            run_stage(tmp_path / "warn", f"{stage}@one-g{generation:03d}", plan=plan)
    drops, bias = curation_tables(tmp_path / "warn", plan)
    assert drops.rows == (
        ("one", f"{HERE}:Positive", "not positive", f"{line['dropped']['not positive']}", drops.rows[0][-1]),
    )
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
