"""The curator that finds marks: what it takes, the rates that it tells, and the recipes that it does not go with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pytest
import torch

from dwindle.contracts import FRESH, REAL, Exacting, Provenance, Rows, Within
from dwindle.curators.watermark_detector import WatermarkDetector
from dwindle.errors import BadInput
from dwindle.nets.language.watermarks import marked_rows, processor
from dwindle.readings import generation_record
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

SYMBOLS, LENGTH = 64, 40
SEED = Seed(12, ("detected",))
SCHEMES = ("kgw", "synthid")
HERE = __name__


@dataclass(frozen=True)
class Noise:
    """A source of blocks whose tokens are all equally likely."""

    kind: ClassVar[str] = "sequences"
    symbols: int = SYMBOLS

    @property
    def capacity(self):
        return None

    def draw_held_out(self, *, seed):
        return self.rows(20, 1, 0, seed.at("held_out"))

    def draw(self, count, *, first, chains, seed):
        return self.rows(count, chains, first, seed.at(first))

    def rows(self, count, chains, first, seed):
        tokens = seed.numpy().integers(0, self.symbols, (chains, count, LENGTH))
        return Rows(tokens, provenance=Provenance.of(REAL, chains, count, first=first))


@dataclass(frozen=True)
class Noisy:
    """A family whose models write noise and weave in the mark that they are asked for."""

    kind: ClassVar[str] = "sequences"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset] = frozenset({"watermark", "watermark_share"})
    symbols: Annotated[int, Within(low=4)] = SYMBOLS

    def fit(self, rows, *, seed, parent=None):
        return NoisyModel(rows.chains, self.symbols)

    def load(self, folder):
        return NoisyModel(**json.loads((folder / "model.json").read_text()))


@dataclass(frozen=True)
class NoisyModel:
    chains: int
    symbols: int

    def sample(self, count, *, sampler, seed, prompts=None):
        return Rows(written(sampler, self.chains * count, seed, self.symbols).reshape(self.chains, count, LENGTH))

    def log_prob(self, rows):
        return np.full((self.chains, rows.count), -LENGTH * np.log(self.symbols))

    def save(self, folder):
        (folder / "model.json").write_text(json.dumps({"chains": self.chains, "symbols": self.symbols}))


def written(sampler, count, seed, symbols=SYMBOLS):
    """Write texts of tokens that are equally likely but for the sampler's mark."""
    marked = None if sampler.watermark_share == 1.0 else marked_rows(sampler, count, seed)
    mark = processor(sampler, symbols, torch.device("cpu"), marked=marked)
    generator, ids = seed.numpy(), torch.zeros((count, 0), dtype=torch.int64)
    for _ in range(LENGTH):
        logits = torch.zeros((count, symbols))
        shares = torch.softmax(logits if mark is None else mark(ids, logits), dim=1).double()
        reach = shares.cumsum(dim=1)
        drawn = torch.from_numpy(generator.random((count, 1))) * reach[:, -1:]
        ids = torch.cat([ids, torch.searchsorted(reach, drawn, right=True)], dim=1)
    return ids.numpy()


def new_rows(sampler, synthetic=120, fresh=80, chains=4):
    """Return synthetic rows of generation 2 that a sampler wrote, and fresh real ones behind them."""
    made = written(sampler, chains * synthetic, SEED.at("made")).reshape(chains, synthetic, LENGTH)
    real = SEED.at("real").numpy().integers(0, SYMBOLS, (chains, fresh, LENGTH))
    parts = [
        Rows(made, None, Provenance.of(2, chains, synthetic)),
        Rows(real, None, Provenance.of(FRESH, chains, fresh)),
    ]
    return Rows.join(parts)


def anchor(chains=4, count=100):
    return Rows(SEED.at("anchor").numpy().integers(0, SYMBOLS, (chains, count, LENGTH)))


def curate(detector, rows, real=None):
    return detector.curate(rows, anchor=anchor() if real is None else real, seed=SEED)


# ------------------------------------------------------------------------------------------- what it takes


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marked_rows_go_and_all_others_stay(scheme):
    rows = new_rows(Sampler(watermark=scheme))
    curated = curate(WatermarkDetector(SYMBOLS, scheme), rows)
    synthetic = rows.provenance.origin == 2
    np.testing.assert_array_equal(curated.kept, ~synthetic)
    assert dict(curated.dropped) == {"synthetic, marked": 480, "real, taken for marked": 0}
    np.testing.assert_array_equal(curated.facts[f"{scheme}.tpr"].values, np.ones(4))
    np.testing.assert_array_equal(curated.facts[f"{scheme}.fpr"].values, np.zeros(4))


def test_with_action_weight_all_rows_stay_and_marked_ones_weigh_less():
    rows = new_rows(Sampler(watermark="kgw"))
    weights = np.where(np.arange(200) % 2, 2.0, 1.0) * np.ones((4, 1))
    weights[-1, -3:] = 0.0
    given = Rows(rows.values, weights, rows.provenance)
    curated = curate(WatermarkDetector(SYMBOLS, action="weight", weight=0.25), given)
    np.testing.assert_array_equal(curated.kept, weights > 0)
    np.testing.assert_allclose(curated.weights, weights * np.where(rows.provenance.origin == 2, 0.25, 1.0))
    assert sum(curated.dropped.values()) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_of_a_share_p_of_marking_producers_the_detector_finds_p_times_as_much(scheme):
    found = curate(WatermarkDetector(SYMBOLS, scheme), new_rows(Sampler(watermark=scheme, watermark_share=0.5)))
    error = np.sqrt(0.25 / 480)
    assert abs(found.facts[f"{scheme}.tpr"].values.mean() - 0.5) < 4 * error


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_lower_threshold_takes_as_many_real_rows_as_a_normal_law_has_above_it(scheme):
    real = anchor(count=1000)
    facts = curate(WatermarkDetector(SYMBOLS, scheme, threshold=1.0), new_rows(Sampler()), real).facts
    expected, trials = 0.1587, 4 * 1080  # counts of green tokens come in steps, which moves the share a little
    assert abs(facts[f"{scheme}.fpr"].values.mean() - expected) < 4 * np.sqrt(expected / trials) + 0.02


def test_rates_count_rows_that_are_there_and_can_be_scored():
    rows = new_rows(Sampler(watermark="kgw"))
    absent = np.where(np.arange(200) < 60, 0.0, 1.0) * np.ones((4, 1))
    facts = curate(WatermarkDetector(SYMBOLS), Rows(rows.values, absent, rows.provenance)).facts
    np.testing.assert_array_equal(facts["kgw.tpr"].values, np.ones(4))
    short = Rows(rows.values[:, :, :1], None, rows.provenance)
    curated = curate(WatermarkDetector(SYMBOLS), short, Rows(anchor().values[:, :, :1]))
    assert curated.kept.all()
    assert all(np.isnan(fact.values).all() and fact.reason for fact in curated.facts.values())


def test_without_synthetic_rows_there_is_no_tpr_and_the_reason_is_told():
    rows = Rows(anchor().values, None, Provenance.of(FRESH, 4, 100))
    facts = curate(WatermarkDetector(SYMBOLS), rows).facts
    assert np.isnan(facts["kgw.tpr"].values).all()
    assert facts["kgw.tpr"].reason
    assert np.isfinite(facts["kgw.fpr"].values).all()


def test_what_would_change_nothing_and_rows_without_provenance_are_refused():
    with pytest.raises(ValueError, match=r"weight 0.5 would change nothing"):
        WatermarkDetector(SYMBOLS, weight=0.5)
    with pytest.raises(ValueError, match="do not say"):
        curate(WatermarkDetector(SYMBOLS), anchor())
    with pytest.raises(ValueError, match="the alphabet is 0 to 7"):
        curate(WatermarkDetector(8), new_rows(Sampler()))


# ------------------------------------------------------------------------------------------- in a lineage

PARAMS = f"""\
sweep: marked
generations: 1
seed: 5
chains: 3
budget: 80
source: '{HERE}:Noise'
family: {{name: '{HERE}:Noisy'}}
metrics: [perplexity]
lineages:
  one:
    regime: {{name: fresh, synthetic_ratio: 0.5}}
    sampler: {{watermark: SCHEME, watermark_share: 0.5, oversample: 4.0}}
    curators: [{{name: watermark_detector, symbols: {SYMBOLS}, scheme: kgw}}]
"""


def test_the_rates_stand_in_the_manifest_and_on_the_curves_that_trackers_get(tmp_path):
    plan = planned(tmp_path, PARAMS.replace("SCHEME", "kgw"))
    for name in plan.stage_names():
        if name != "compare":
            run_stage(tmp_path, name, plan=plan)
    facts = facts_of(tmp_path / "data/one/001/train")
    told = facts["judged"]["kgw.tpr"]
    assert facts["dropped"]["synthetic, marked"] == round(sum(told["chains"]) * 160)
    assert told["low"] < 0.5 < told["high"]
    metrics = generation_record(tmp_path, plan, "one", 1, {}).metrics
    assert metrics["kgw.tpr"] == told["mean"]
    assert metrics["kgw.tpr.low"] == told["low"]
    assert metrics["kgw.fpr"] == 0
    assert "kgw.tpr" not in generation_record(tmp_path, plan, "one", 0, {}).metrics
    assert (read_rows(tmp_path / "data/one/001/train").provenance.origin == 1).sum() == 3 * 40


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("SCHEME, watermark_share: 0.5", "none"), "watermark is none; set sampler.watermark to kgw"),
        (("SCHEME", "synthid"), "watermark is synthid; set sampler.watermark to kgw"),
        ((f"symbols: {SYMBOLS}", "symbols: 65"), "alphabet of 65 symbols, but the family's has 64"),
    ],
)
def test_a_recipe_without_the_mark_that_is_looked_for_is_refused_by_file_and_key(tmp_path, change, told):
    text = PARAMS.replace(*change).replace("SCHEME", "kgw")
    with pytest.raises(BadInput, match=rf"params.yaml:.*curators = 'watermark_detector': .*{told}"):
        planned(tmp_path, text)


def test_the_detector_is_exacting_and_components_that_go_with_everything_are_not():
    assert isinstance(WatermarkDetector(SYMBOLS), Exacting)
    assert not isinstance(Noisy(), Exacting)
