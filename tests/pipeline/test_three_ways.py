"""A flow, `dwindle run` and `dvc repro` leave the same bytes, and each finds the others' work done."""

from __future__ import annotations

import json
import shutil
import sys


def test_dwindle_run_leaves_the_bytes_of_the_flow(flowed, new_project):
    other = new_project()
    other.run("dwindle", "run")
    assert other.files() == flowed.files()


def test_a_lineage_among_them_shows_its_curator_a_model_and_samples_rows_again(flowed):
    entry = json.loads((flowed.root / "plan.json").read_text())["chain"]["accumulate-g002"]
    assert (entry["first"], entry["maker"]) == ("models/accumulate/000", "models/accumulate/001")
    facts = json.loads((flowed.root / "data/accumulate/002/train/manifest.json").read_text())["facts"]
    assert [line.get("again", 0) for line in facts["curation"]] == [0, 1, 2]
    assert set(facts["rejected"]) == set(facts["dropped"])


def test_after_a_flow_dvc_has_nothing_to_do(flowed):
    assert "up to date" in flowed.run("dvc", "status").stdout
    assert "Running stage" not in flowed.run("dvc", "repro").stdout


def test_dvc_repro_leaves_the_bytes_of_the_flow_and_a_run_after_it_does_nothing(flowed, new_project):
    other = new_project()
    other.run("dvc", "repro", "--quiet")
    grown = other.files()
    assert {k: v for k, v in grown.items() if k != "dvc.lock"} == {
        k: v for k, v in flowed.files().items() if k != "dvc.lock"
    }
    before = {path: path.stat().st_mtime_ns for path in (other.root / "data").rglob("manifest.json")}
    other.run("dwindle", "run")
    assert {path: path.stat().st_mtime_ns for path in (other.root / "data").rglob("manifest.json")} == before
    assert "up to date" in other.run("dvc", "status").stdout


def test_half_by_dvc_and_half_by_run_leaves_the_bytes_of_the_flow(flowed, new_project):
    other = new_project()
    other.run("dvc", "repro", "--quiet", "evaluate@replace-g001", "train@fresh-g002")
    other.run("dwindle", "run")
    assert other.files() == flowed.files()


def test_a_deleted_dataset_is_made_anew_by_one_stage(flowed, tmp_path):
    project = flowed.copy(tmp_path / "copy")
    shutil.rmtree(project.root / "data" / "accumulate" / "001" / "train")
    shutil.rmtree(project.root / ".dvc" / "cache")
    done = project.run("dvc", "repro", "--no-commit", "--force", "--single-item", "curate@accumulate-g001")
    assert done.stdout.count("Running stage") == 1
    assert project.files() == flowed.files()


def test_a_deleted_dataset_comes_back_from_the_cache(flowed, tmp_path):
    project = flowed.copy(tmp_path / "copy")
    shutil.rmtree(project.root / "data" / "accumulate" / "001" / "train")
    project.run("dvc", "repro", "--quiet")
    assert project.files() == flowed.files()


def test_every_generation_comes_back_from_a_remote(flowed, tmp_path):
    project = flowed.copy(tmp_path / "copy")
    project.run("dvc", "remote", "add", "--default", "local", str(tmp_path / "remote"))
    project.run("dvc", "push")
    for area in ("data", "models", "metrics", ".dvc/cache"):
        shutil.rmtree(project.root / area)
    project.run("dvc", "pull")
    assert project.files() == flowed.files()
    assert "outputs are what their manifests say" in project.run("dwindle", "verify").stdout


def test_dvc_shows_the_metrics_and_draws_the_curves_of_all_lineages(flowed):
    shown = flowed.run("dvc", "metrics", "show", "--json").stdout
    assert all(name in shown for name in ("metrics/replace/002.json", "metrics/fresh/002.json", "frechet"))
    flowed.run("dvc", "plots", "show", "--out", "page")
    page = (flowed.root / "page" / "index.html").read_text()
    assert all(name in page for name in ("accumulate", "replace", "fresh", "frechet"))


def test_the_flow_run_shows_its_table_and_names_the_commands(flowed):
    log = (flowed.root / "flow.log").read_text()
    assert all(text in log for text in ("mlflow ui", "dvc status", "prefect server start", "curves.png", "replace"))
    script = (
        "import asyncio\n"
        "from prefect import get_client\n"
        "async def main():\n"
        "    async with get_client() as client:\n"
        "        print([(a.key, a.type, a.data) for a in await client.read_artifacts()])\n"
        "asyncio.run(main())\n"
    )
    shown = flowed.run(sys.executable, "-c", script).stdout
    assert "'lineages', 'table'" in shown
    assert "accumulate" in shown
