"""The page of sweeps that were really grown: provenance, cost, samples, and texts that nobody vouches for."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.report.page import write_report
from dwindle.report.page.cost import costs, sized
from dwindle.report.page.material import gathered_material
from dwindle.report.page.provenance import rows_a_chain
from dwindle.report.series import gather
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned
from tests.unit.read_page import Reader

PARAMS = """\
sweep: small   # </code><script>alert("params")</script>
generations: 3
chains: 4
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 50}
family: gaussian
metrics: [moments, frechet]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
  fresh: {regime: {name: fresh, synthetic_ratio: 0.75}}
"""

HOSTILE = '<script>alert("sample")</script> <img src=x onerror=alert(1)> "quoted" & <b>bold</b> \u202egnp.exe'

WORDS = """\
sweep: words
generations: 1
chains: 2
budget: 20
source: {{name: text_files, train: "{train}", test: "{test}", symbols: 60, length: 6}}
family: {{name: ngram, symbols: 60}}
metrics: [perplexity]
lineages:
  replace: {{regime: replace}}
"""


def grow(root, text):
    plan = planned(root, text)
    for name in plan.stage_names():
        run_stage(root, name, plan=plan)
    return plan


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    plan = grow(root, PARAMS)
    report = write_report(load_sweep(root / "params.yaml"), plan)
    return root, plan, report, Reader(report.html.read_text())


def test_provenance_adds_up_to_what_each_regime_trains_on(small):
    root, plan, *_ = small
    material = gathered_material(load_sweep(root / "params.yaml"), plan)
    assert rows_a_chain(material, "replace")[3] == {"real": 0.0, "fresh": 0.0, "synthetic": 40.0}
    assert rows_a_chain(material, "accumulate")[3] == {"real": 40.0, "fresh": 0.0, "synthetic": 120.0}
    assert rows_a_chain(material, "fresh")[3] == {"real": 0.0, "fresh": 10.0, "synthetic": 30.0}
    assert all(rows_a_chain(material, name)[0]["real"] == 40.0 for name in plan.recipes)


def test_cost_counts_each_file_on_the_disk_once(small):
    root, plan, *_ = small
    found = {one.lineage: one for one in costs(gathered_material(load_sweep(root / "params.yaml"), plan))}
    assert [found[name].rows for name in plan.recipes] == [480, 480, 360]
    files = [path for path in (root / "data" / "accumulate").rglob("*") if path.is_file()]
    whole = sum(path.stat().st_size for path in files)
    once = sum({path.stat().st_ino: path.stat().st_size for path in files}.values())
    assert found["accumulate"].data == once < whole


def test_compute_is_shown_where_it_was_timed_and_said_to_be_missing_where_not(small, tmp_path):
    root, plan, *_ = small
    ledger = root / ".dwindle" / "seconds.jsonl"
    kept = ledger.read_text() if ledger.exists() else None
    try:
        ledger.parent.mkdir(exist_ok=True)
        entries = [("train@replace-g001", 9.0), ("train@replace-g001", 1.5), ("train@replace-g002", 2.0)]
        ledger.write_text("".join(json.dumps({"stage": key, "seconds": spent}) + "\n" for key, spent in entries))
        material = gathered_material(load_sweep(root / "params.yaml"), plan)
        assert costs(material)[0].seconds == {"train": 3.5}
        ledger.unlink()
        report = write_report(load_sweep(root / "params.yaml"), plan)
        assert "Not timed" in report.html.read_text()
        assert "seconds.csv" not in {path.name for path in report.tables}
    finally:
        if kept is not None:
            ledger.write_text(kept)


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (23_400_000, "23.4 MB")])
def test_bytes_are_spelled_in_the_unit_that_fits(count, told):
    assert sized(count) == told


def test_the_params_file_is_shown_as_text_and_never_as_a_part_of_the_page(small):
    _, _, report, page = small
    text = report.html.read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&quot;params&quot;)" in text
    assert len(page.scripts) == 1


def test_what_was_grown_and_the_params_file_are_said_to_differ_only_when_they_do(small, tmp_path):
    root, plan, report, _ = small
    warning = "does not say what was grown"
    assert warning not in report.html.read_text()
    other = tmp_path / "params.yaml"
    other.write_text(PARAMS.replace("generations: 3", "generations: 4"))
    sweep = load_sweep(root / "params.yaml")
    changed = type(sweep)(sweep.name, load_sweep(other).lineages, root=root)
    assert warning in write_report(changed, plan).html.read_text()


def test_the_long_table_has_every_number_and_travels_with_the_page(small):
    root, plan, report, page = small
    (path,) = [path for path in report.tables if path.name == "measures.csv"]
    lines = list(csv.DictReader(path.read_text().splitlines()))
    every = [series for by_lineage in gather(root, plan).values() for series in by_lineage.values()]
    assert [line["mean"] for line in lines] == [
        f"{mean:.7g}" if np.isfinite(mean) else "" for series in every for mean in series.mean
    ]
    assert {line["lineage"] for line in lines} == set(plan.recipes)
    assert {line["generation"] for line in lines} == {"0", "1", "2", "3"}
    link = next(found for tag, found in page.attributes if tag == "a" and found.get("download") == "measures.csv")
    assert str(link["href"]).startswith("data:text/csv")


def test_texts_of_a_model_are_escaped_and_cannot_leave_their_cell(tmp_path):
    for name, repeats in (("train.txt", 60), ("test.txt", 20)):
        (tmp_path / name).write_text(f"{HOSTILE}\n" * repeats)
    plan = grow(tmp_path, WORDS.format(train=tmp_path / "train.txt", test=tmp_path / "test.txt"))
    report = write_report(load_sweep(tmp_path / "params.yaml"), plan)
    text = report.html.read_text()
    page = Reader(text)
    assert any("<script>" in cell for row in page.tables["replace"].rows for cell in row)
    assert "onerror" not in {name for _, found in page.attributes for name in found}
    assert [tag for tag, _ in page.attributes].count("script") == 1
    assert "<b>bold" not in text


def test_the_report_needs_neither_mlflow_nor_prefect_nor_dvc(small):
    root, *_ = small
    script = (
        "import sys\nfrom dwindle.cli import main\nsys.argv = ['dwindle', 'report']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'mlflow', 'prefect', 'dvc', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith(f"report    {root / 'plots' / 'small' / 'report' / 'index.html'}")
