"""What the curate stage keeps within reach of later generations: names, depths and fresh rows across a switch."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.stages.job import read_rows
from tests.unit.curated_lineage import GAUSSIAN, PARAMS, Positive, dataset, grown, regime
from tests.unit.made_sweep import planned

TAIL = "{name: outliers, share: 0.2}"


def switched(before, after, until):
    return f"{{name: switched, before: {before}, after: {after}, until: {until}}}"


@pytest.mark.parametrize("replacement", ["false", "true"])
def test_depths_are_known_of_all_rows_within_reach_though_few_of_them_train(tmp_path, replacement):
    subsample = f"{{name: accumulate_subsample, replacement: {replacement}}}"
    grown(tmp_path, regime(subsample, "keep_all", budget=4, chains=1), generations=12)
    facts, *_ = dataset(tmp_path, 12)
    assert set(facts["depths"]) == {"real", *map(str, range(1, 13))}
    assert sum(facts["rounds"].values()) == facts["rows"]["total"] == 4
    assert all(depth <= int(origin) for origin, depth in facts["depths"].items() if origin != "real")


def test_rows_that_are_added_are_not_those_that_an_earlier_generation_has_added(tmp_path):
    grown(tmp_path, regime(switched("replace", "accumulate", 1), TAIL), generations=2)
    facts, rows, _ = dataset(tmp_path, 2)
    assert len(set(facts["shards"])) == len(facts["shards"]) == 4
    assert facts["pool"] == facts["shards"][:3]
    real = rows.provenance.origin == 0
    earlier, added = np.split(rows.provenance.row[real].reshape(rows.chains, -1), 2, axis=1)
    assert not np.array_equal(earlier, added)


def test_the_rows_that_are_taken_are_not_taken_for_the_pool_that_they_come_from(tmp_path):
    window = "{name: mixture, window: 3, real: replayed, synthetic_ratio: 0.9}"
    grown(tmp_path, regime(switched("blend", window, 1), "keep_all"), generations=4)
    pools = [read_rows(tmp_path / f"data/one/{t:03d}/train", "pool") for t in (2, 3, 4)]
    assert [int((pool.provenance.origin == 0).sum()) for pool in pools] == [120] * 3  # the whole anchor
    taken = [dataset(tmp_path, t)[1] for t in (2, 3, 4)]
    numbers = [set(rows.provenance.row[0][rows.provenance.origin[0] == 0].tolist()) for rows in taken]
    assert numbers[1] != numbers[2]  # drawn anew each generation


def test_when_a_regime_was_switched_is_read_by_those_who_take_fresh_rows_after_it(tmp_path):
    digests = []
    for until in (1, 2):
        fresh = [f"{{name: fresh, synthetic_ratio: {ratio}}}" for ratio in (0.5, 0.9)]
        lineage = regime(switched(*fresh, until), "keep_all")
        plan = planned(tmp_path / f"{until}", PARAMS.format(generations=4, lineage=lineage, **GAUSSIAN))
        digests.append([plan.chain[f"one-g{t:03d}"]["curate"] for t in range(5)])
    assert [one == other for one, other in zip(*digests, strict=True)] == [True, True, False, False, False]


def test_a_few_rows_that_are_sampled_again_raise_no_alarm_by_chance(tmp_path):
    rules = "{regenerate: 12, tail_alarm: 0.0, variance_alarm: 1.0}"
    grown(tmp_path, regime("replace", Positive, curation=rules))
    lines = dataset(tmp_path)[0]["curation"]
    assert len(lines) > 1
    assert [bool(line["alarms"]) for line in lines] == [True] + [False] * (len(lines) - 1)
