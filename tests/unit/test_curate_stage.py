"""What the curate stage makes of verdicts, takes, weights and prompts, in small lineages that are really grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from dwindle.contracts import FRESH, REAL, Curated
from dwindle.data.shards import read_shard
from dwindle.errors import Starved
from dwindle.seeds import Seed
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.results import evaluation
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: curated
generations: {generations}
seed: 5
chains: 3
budget: 20
source: {{name: gaussian, dimensions: 2, held_out: 30}}
family: gaussian
metrics: [risk]
lineages:
  one: {lineage}
"""
PAIRS = PARAMS.replace("{{name: gaussian, dimensions: 2, held_out: 30}}", "linear").replace(
    "family: gaussian", "family: linear_regression"
)
HERE = __name__


@dataclass(frozen=True)
class Positive:
    """Keeps the rows whose first number is above 0, synthetic and fresh ones."""

    judges: ClassVar[str] = "new"
    kinds: ClassVar[frozenset] = frozenset({"vectors"})

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        kept = present & (rows.values[..., 0] > 0)
        return Curated(kept, rows.weights, {"not positive": present & ~kept})


@dataclass(frozen=True)
class PositiveSynthetic(Positive):
    """Keeps the synthetic rows whose first number is above 0."""

    judges: ClassVar[str] = "synthetic"


@dataclass(frozen=True)
class PositivePairs(PositiveSynthetic):
    """Judges pairs so."""

    kinds: ClassVar[frozenset] = frozenset({"pairs"})


@dataclass(frozen=True)
class FirstChainless(Positive):
    """Drops every row of the first chain."""

    judges: ClassVar[str] = "synthetic"

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        kept = present & (np.arange(rows.chains) > 0)[:, None]
        return Curated(kept, rows.weights, {"first chain": present & ~kept})


@dataclass(frozen=True)
class Weighing(Positive):
    """Gives every new row a weight of 3 or, below 0, of 1/2."""

    def curate(self, rows, *, anchor, seed):
        weights = rows.filled_weights() * np.where(rows.values[..., 0] > 0, 3.0, 0.5)
        return Curated(weights > 0, weights)


def grown(root, lineage, *, generations=3, text=PARAMS):
    """Grow the lineage `one` and return its plan."""
    plan = planned(root, text.format(generations=generations, lineage=lineage))
    for name in plan.stage_names():
        if name != "compare":
            run_stage(root, name, plan=plan)
    return plan


def trained(root, generation):
    return read_rows(root / f"data/one/{generation:03d}/train")


def synthetic(root, generation):
    return read_shard(root / f"data/one/{generation:03d}/synthetic", f"synthetic-{generation:03d}")


def rows_of(rows, chain, origin):
    """Return the values of one chain that come from one origin, in order."""
    there = (rows.provenance.origin[chain] == origin) & (rows.filled_weights()[chain] > 0)
    return rows.values[chain][there]


# ------------------------------------------------------------------------------------------- who is judged


def test_a_curator_of_new_rows_judges_fresh_and_synthetic_ones_alike(tmp_path):
    lineage = f"{{regime: {{name: fresh, synthetic_ratio: 0.5}}, curators: ['{HERE}:Positive']}}"
    plan = grown(tmp_path, lineage, generations=1)
    rows, new = trained(tmp_path, 1), synthetic(tmp_path, 1)
    source = plan.recipe("one").source
    drawn = source.draw(10, first=20, chains=3, seed=_real_seed(plan)).values
    for chain in range(3):
        for origin, before in ((1, new.values[chain]), (FRESH, drawn[chain])):
            np.testing.assert_array_equal(rows_of(rows, chain, origin), before[before[:, 0] > 0])
    gone = int((new.values[..., 0] <= 0).sum() + (drawn[..., 0] <= 0).sum())
    assert gone > 5
    assert facts_of(tmp_path / "data/one/001/train")["dropped"] == {"not positive": gone}


def test_a_curator_of_synthetic_rows_leaves_fresh_ones_alone(tmp_path):
    lineage = f"{{regime: {{name: fresh, synthetic_ratio: 0.5}}, curators: ['{HERE}:PositiveSynthetic']}}"
    grown(tmp_path, lineage, generations=1)
    rows, new = trained(tmp_path, 1), synthetic(tmp_path, 1)
    for chain in range(3):
        assert len(rows_of(rows, chain, FRESH)) == 10
        assert (rows_of(rows, chain, 1)[:, 0] > 0).all()
    assert facts_of(tmp_path / "data/one/001/train")["dropped"] == {
        "not positive": int((new.values[..., 0] <= 0).sum())
    }


def test_the_anchor_is_judged_by_nobody(tmp_path):
    lineage = f"{{regime: {{name: blend, synthetic_ratio: 0.0}}, curators: ['{HERE}:Positive']}}"
    grown(tmp_path, lineage, generations=1)
    assert (trained(tmp_path, 1).values[..., 0] <= 0).any()
    assert facts_of(tmp_path / "data/one/001/train")["dropped"] == {}


# ------------------------------------------------------------------------------------------- takes and weights


def test_fixed_rows_are_the_first_of_the_anchor_in_every_generation_and_replayed_ones_are_not(tmp_path):
    for real in ("fixed", "replayed"):
        root = tmp_path / real
        grown(root, f"{{regime: {{name: mixture, synthetic_ratio: 0.6, real: {real}}}}}")
        anchor = trained(root, 0).values
        found = [[rows_of(trained(root, t), chain, REAL) for chain in range(3)] for t in (1, 2, 3)]
        same = all(np.array_equal(rows, anchor[chain, :8]) for one in found for chain, rows in enumerate(one))
        assert same == (real == "fixed")
        assert {rows.shape for one in found for rows in one} == {(8, 2)}


def test_weights_of_takes_and_of_curators_reach_the_training_shards(tmp_path):
    regime = "{name: mixture, synthetic_ratio: 0.8, real: fixed, real_weight: 0.5}"
    plan = grown(tmp_path, f"{{regime: {regime}, curators: ['{HERE}:Weighing']}}", generations=2)
    for generation in (1, 2):
        rows = trained(tmp_path, generation)
        real = rows.provenance.origin == REAL
        own = np.where(rows.values[..., 0] > 0, 3.0, 0.5)
        np.testing.assert_allclose(rows.weights, np.where(real, 2.5, 0.625 * own))
        assert evaluation(tmp_path, plan, f"one-g{generation:03d}") is not None


def test_a_window_trains_on_even_shares_of_the_newest_generations(tmp_path):
    grown(tmp_path, "{regime: {name: mixture, synthetic_ratio: 0.9, real: replayed, window: 2}}", generations=4)
    for generation, shares in ((1, {REAL: 2, 1: 18}), (2, {REAL: 2, 1: 9, 2: 9}), (4, {REAL: 2, 3: 9, 4: 9})):
        rows = trained(tmp_path, generation)
        for chain in range(3):
            origins, counts = np.unique(rows.provenance.origin[chain], return_counts=True)
            assert dict(zip(origins.tolist(), counts.tolist(), strict=True)) == shares
        for origin in set(shares) - {REAL}:
            assert _within(rows_of(rows, 1, origin), synthetic(tmp_path, origin).values[1])


# ------------------------------------------------------------------------------------------- nothing there


@pytest.mark.parametrize(
    "regime",
    [
        "{name: blend, synthetic_ratio: 0.0}",
        "{name: fresh, synthetic_ratio: 0.0}",
        "{name: mixture, synthetic_ratio: 0.0, window: 3}",
        "{name: mixture, synthetic_ratio: 0.0, real: fixed, window: 3}",
    ],
)
def test_a_lineage_without_synthetic_rows_grows(tmp_path, regime):
    plan = grown(tmp_path, f"{{regime: {regime}}}")
    for generation in (1, 2, 3):
        assert (trained(tmp_path, generation).provenance.origin <= REAL).all()
        assert trained(tmp_path, generation).values.shape == (3, 20, 2)
        facts = facts_of(tmp_path / f"data/one/{generation:03d}/train")
        assert (facts["synthetic_ratio"], sum(facts["rows"]["origin"].values())) == (0.0, 60)
        assert facts_of(tmp_path / f"data/one/{generation:03d}/synthetic")["rows"] == {"synthetic": 0}
        assert len(evaluation(tmp_path, plan, f"one-g{generation:03d}")["risk"]["chains"]) == 3


def test_synthetic_rows_may_come_late_and_stay_within_the_window(tmp_path):
    regime = "{name: mixture, synthetic_ratio: 0.5, schedule: linear, ramp: 40, real: replayed, window: 3}"
    grown(tmp_path, f"{{regime: {regime}}}", generations=4)
    counts = [int((trained(tmp_path, t).provenance.origin[0] > 0).sum()) for t in range(5)]
    assert counts == [0, 0, 0, 1, 1]


def test_a_chain_that_lost_its_rows_accumulates_what_the_others_kept(tmp_path):
    grown(tmp_path, f"{{regime: accumulate, curators: ['{HERE}:FirstChainless']}}")
    rows = trained(tmp_path, 3)
    assert rows.counts.tolist() == [20, 80, 80]
    present = rows.filled_weights() > 0
    assert set(rows.provenance.origin[0][present[0]].tolist()) == {REAL}
    for chain in (1, 2):
        origins, counts = np.unique(rows.provenance.origin[chain][present[chain]], return_counts=True)
        assert dict(zip(origins.tolist(), counts.tolist(), strict=True)) == {REAL: 20, 1: 20, 2: 20, 3: 20}


def test_a_window_tells_the_rows_of_a_generation_apart_though_its_first_chain_has_none(tmp_path):
    regime = "{name: mixture, synthetic_ratio: 0.5, real: replayed, window: 2}"
    grown(tmp_path, f"{{regime: {regime}, curators: ['{HERE}:FirstChainless']}}")
    rows = trained(tmp_path, 3)
    origins, counts = np.unique(rows.provenance.origin[1], return_counts=True)
    assert dict(zip(origins.tolist(), counts.tolist(), strict=True)) == {REAL: 10, 2: 5, 3: 5}
    assert rows.counts.tolist() == [10, 20, 20]


def test_a_generation_without_enough_rows_has_starved(tmp_path):
    with pytest.raises(Starved, match=r"^starved: 0 rows are left in a chain, 2 are needed; dropped: 20 first chain$"):
        grown(tmp_path, f"{{regime: replace, curators: ['{HERE}:FirstChainless']}}", generations=1)


# ------------------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize(("oversample", "count"), [(1.0, 20), (1.5, 30)])
def test_prompts_give_the_anchors_inputs_back_and_say_which(tmp_path, oversample, count):
    sampler = f"{{prompts: anchor, oversample: {oversample}}}"
    grown(tmp_path, f"{{regime: replace, sampler: {sampler}}}", text=PAIRS, generations=2)
    anchor = trained(tmp_path, 0).values
    for generation in (1, 2):
        rows = synthetic(tmp_path, generation)
        expected = np.broadcast_to(np.arange(count) % 20, (3, count))
        np.testing.assert_array_equal(rows.provenance.source, expected)
        np.testing.assert_array_equal(rows.values[..., :-1], anchor[:, np.arange(count) % 20, :-1])
        assert not np.array_equal(rows.values[:, :20, -1], anchor[..., -1])


def test_prompts_of_chains_of_several_lengths_are_named_as_they_were_asked(tmp_path):
    sampler, curators = "{prompts: previous, oversample: 1.5}", f"['{HERE}:PositivePairs']"
    grown(tmp_path, f"{{regime: replace, sampler: {sampler}, curators: {curators}}}", text=PAIRS, generations=2)
    before, rows = trained(tmp_path, 1), synthetic(tmp_path, 2)
    assert len(set(before.counts.tolist())) > 1
    for chain in range(3):
        asked = before.values[chain, rows.provenance.source[chain], :-1]
        np.testing.assert_array_equal(rows.values[chain, :, :-1], asked)


def test_without_prompts_the_inputs_are_new_and_come_from_nowhere(tmp_path):
    grown(tmp_path, "{regime: replace}", text=PAIRS, generations=1)
    rows = synthetic(tmp_path, 1)
    assert (rows.provenance.source == -1).all()
    assert not np.isin(rows.values[..., 0], trained(tmp_path, 0).values[..., 0]).any()


# ------------------------------------------------------------------------------------------- parts of the above


def _real_seed(plan):
    return Seed(plan.recipe("one").seed).at("real")


def _within(some, rows):
    return all((row == rows).all(axis=1).any() for row in some)
