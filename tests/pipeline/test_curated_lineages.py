"""Texts and images that are curated in every generation: what was dropped, and why, stands in MLflow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dwindle.config.sweep import load_sweep
from dwindle.growth import grow_sweep
from dwindle.plan import read_plan
from dwindle.stages.job import facts_of
from dwindle.survey import finished_generations

PARAMS = """\
sweep: curated
generations: 3
seed: 4
chains: 2
budget: 200
regime: replace
curators: [deduplicate, {name: perplexity_band, reference: anchor}, quota, {name: outliers, share: 0.05}]
tracking: {uri: "sqlite:///runs.db"}
engine: {workers: 1}
lineages:
  texts:
    source: {name: pydoc_topics, symbols: 300, length: 3, held_out: 100}
    family: {name: ngram, symbols: 300}
    metrics: [lexical_diversity]
  images:
    source: {name: digits, dimensions: 6, held_out: 400, labels: true}
    family: {name: vae, latent: 3, hidden: 24, steps: 150, batch: 64, decoder: sampled}
    metrics: [moments]
"""
COPIES = ("copy of an anchor row", "copy of a new row")
BAND = {"less likely than the anchor's band", "likelier than the anchor's band"}


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    root = tmp_path_factory.mktemp("curated")
    (root / "params.yaml").write_text(PARAMS)
    grow_sweep(load_sweep(root / "params.yaml"), versioning=False, shown=False)
    return root


def table(root, name):
    """Return a table of the sweep's run in MLflow, as rows."""
    client = MlflowClient(f"sqlite:///{root}/runs.db")
    experiment = client.get_experiment_by_name("curated").experiment_id
    (run,) = client.search_runs([experiment], "tags.`dwindle.kind` = 'sweep'")
    kept = json.loads(Path(client.download_artifacts(run.info.run_id, f"{name}.json", str(root))).read_text())
    assert {"path": f"{name}.json", "type": "table"} in json.loads(run.data.tags["mlflow.loggedArtifacts"])
    return kept["columns"], kept["data"]


def reports(root, lineage):
    return [facts_of(root / f"data/{lineage}/{t:03d}/train") for t in (1, 2, 3)]


def test_both_lineages_grow_to_their_end(grown):
    plan = read_plan(grown)
    assert [finished_generations(grown, plan, name)[0] for name in ("texts", "images")] == [3, 3]


def test_mlflow_has_the_rows_that_each_curator_dropped_by_reason(grown):
    columns, rows = table(grown, "curation")
    assert columns == ["lineage", "curator", "reason", "rows", "of those shown"]
    for lineage in ("texts", "images"):
        told = {(curator, reason): int(count) for name, curator, reason, count, _ in rows if name == lineage}
        counted = Counter()
        for facts in reports(grown, lineage):
            assert [line["curator"] for line in facts["curation"]] == [
                "deduplicate",
                "perplexity_band",
                "quota",
                "outliers",
            ]
            for line in facts["curation"]:
                counted.update({(line["curator"], reason): count for reason, count in line["dropped"].items()})
                counted.update({(line["curator"], "added"): line["added"]} if line["added"] else {})
        assert told == +counted  # a reason that dropped nothing is no line
        assert {reason for curator, reason in told if curator == "perplexity_band"} <= BAND
        assert told["perplexity_band", "less likely than the anchor's band"] > 0
        assert sum(counted["deduplicate", reason] for reason in COPIES) > 0 or lineage == "images"
        assert told["outliers", "made room for a real outlier"] == told["outliers", "added"] > 0


def test_what_was_shown_to_a_curator_is_what_the_one_before_it_has_kept(grown):
    for lineage in ("texts", "images"):
        for facts in reports(grown, lineage):
            lines = facts["curation"]
            assert lines[0]["shown"] == 400
            for line, after in zip(lines, [*lines[1:], None], strict=True):
                assert line["kept"] == line["shown"] - sum(line["dropped"].values())
                assert after is None or after["shown"] == line["kept"]
            assert facts["rows"]["total"] == lines[-1]["kept"] + lines[-1]["added"]
            assert facts["rows"]["origin"]["real"] == lines[-1]["added"]


def test_mlflow_has_how_each_curator_bent_the_law_of_its_rows(grown):
    columns, rows = table(grown, "curation_bias")
    assert columns[:4] == ["lineage", "curator", "variance x", "tail removed"]
    told = {(lineage, curator): cells for lineage, curator, *cells in rows}
    assert told["images", "perplexity_band"][3] == "1 ±0"  # what is only dropped leaves the rest in full effect
    assert told["images", "quota"][3].startswith("0.")  # what is weighted does not
    assert told["images", "quota"][2] != told["texts", "quota"][2] == "undefined"  # of groups only images have any
    for lineage in ("texts", "images"):
        assert told[lineage, "outliers"][1].startswith("-")  # the tail gains
