"""A sweep's runs are named by what differs, laid out by it, and its own run says what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dwindle.comparing import comparison, derived_parameters, described, kinds, real_rows, run_label, settings_of, tally
from dwindle.config.sweep import Sweep, load_sweep
from dwindle.data.workspace import held
from dwindle.plan import unroll
from dwindle.recording import Recorder
from dwindle.tracking.mlflow_tracker import Tracker
from tests.unit.made_sweep import publish
from tests.unit.test_mlflow_tracker import asked
from tests.unit.tracked_store import URI, stored

SHARED = """\
sweep: ratio
generations: 1
chains: 4
budget: 50
source: {name: gaussian, dimensions: 2}
family: {name: gaussian}
metrics: [moments, frechet]
control: true
"""
GRID = """\
lineages:
  fresh: {regime: {name: fresh}}
  blend: {regime: {name: blend}}
axes:
  ratio: {regime.synthetic_ratio: [0.5, 0.9]}
  seed: {seed: [3, 4]}
"""
NAMED = """\
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


def sweep_of(root: Path, text: str) -> Sweep:
    (root / "params.yaml").write_text(SHARED + text)
    return load_sweep(root / "params.yaml")


@pytest.fixture
def grid(tmp_path) -> Sweep:
    return sweep_of(stored(tmp_path), GRID)


def recorder(sweep: Sweep) -> Recorder:
    told = Recorder(sweep, unroll(sweep), versioning=False)
    told.begin()
    return told


def runs(sweep: Sweep) -> dict:
    client = asked(Tracker(URI, sweep.root))
    home = client.get_experiment_by_name(sweep.name).experiment_id
    return {run.data.tags.get("dwindle.lineage", ""): run for run in client.search_runs([home])}


def test_runs_of_a_grid_are_named_by_their_coordinates_and_others_by_their_lineage(grid, tmp_path):
    told = recorder(grid)
    for name in grid.lineages:
        told.open(name)
    found = runs(grid)
    assert found["fresh-ratio0p9-seed4"].info.run_name == "fresh, ratio 0.9, seed 4"
    assert found["control-seed3"].info.run_name == "control, seed 3"
    assert found[""].info.run_name == "ratio"
    named = sweep_of(tmp_path, NAMED)
    assert {run_label(lineage) for lineage in named.lineages.values()} == {""}


def test_axes_are_parameters_and_a_number_stays_one(grid):
    told = recorder(grid)
    told.open("blend-ratio0p5-seed3")
    parameters = runs(grid)["blend-ratio0p5-seed3"].data.params
    assert {key: parameters[key] for key in parameters if key.startswith("axis.")} == {
        "axis.lineage": "blend",
        "axis.ratio": "0.5",
        "axis.seed": "3",
    }
    assert (parameters["regime.synthetic_ratio"], parameters["real_rows"]) == ("0.5", "replayed")
    assert (
        derived_parameters(replace(grid.lineages["control-seed3"], coordinates={"size": "inf"}))["axis.size"] == "inf"
    )


@pytest.mark.parametrize(
    ("regime", "told"),
    [
        ("replace", "none"),
        ("accumulate", "anchor"),
        ("accumulate_subsample", "anchor"),
        ("{name: blend, synthetic_ratio: 0.9}", "replayed"),
        ("{name: blend, synthetic_ratio: 1.0}", "none"),
        ("{name: fresh, synthetic_ratio: 0.9}", "fresh"),
        ("{name: fresh, synthetic_ratio: 1.0}", "none"),
        ("{name: mixture, real: fixed}", "fixed"),
        ("{name: mixture, real: replayed, window: 3}", "replayed"),
        ("{name: mixture, real: fresh, growth: 1.5, schedule: late_real, ramp: 20}", "fresh"),
    ],
)
def test_how_real_rows_come_in_is_read_off_the_regime(tmp_path, regime, told):
    sweep = sweep_of(tmp_path, f"lineages:\n  one: {{regime: {regime}}}\n")
    assert real_rows(sweep.lineages["one"].recipe) == told


def test_lineages_that_differ_in_their_seed_share_a_tag_without_it(grid):
    told = settings_of(grid)
    assert told["fresh-ratio0p9-seed3"] == told["fresh-ratio0p9-seed4"] == "fresh, ratio 0.9"
    assert told["control-seed3"] == told["control-seed4"] == "control"
    assert len(set(told.values())) == 5
    assert recorder(grid).page.endswith("viewStateShareKey=seeds")


def test_a_control_is_a_group_of_its_own_even_where_a_lineage_has_its_recipe(tmp_path):
    sweep = sweep_of(tmp_path, GRID.replace("[0.5, 0.9]", "[0, 0.9]"))
    told = settings_of(sweep)
    assert told["control-seed3"] != told["fresh-ratio0-seed3"]


def test_without_seeds_there_are_no_groups(tmp_path):
    sweep = sweep_of(stored(tmp_path), NAMED)
    assert settings_of(sweep) == {}
    assert comparison(sweep, []).settings == ()
    assert recorder(sweep).page.endswith("viewStateShareKey=lineages")


def test_named_lineages_are_grouped_by_the_fewest_settings_that_tell_them_apart(tmp_path):
    entries = "".join(
        f"  {regime}-{ratio}-{seed}: {{seed: {seed}, regime: {{name: {regime}, synthetic_ratio: 0.{ratio}}}}}\n"
        for regime in ("fresh", "blend")
        for ratio in (5, 9)
        for seed in (1, 2)
    )
    told = settings_of(sweep_of(tmp_path, f"lineages:\n{entries}"))
    assert told["fresh-9-1"] == told["fresh-9-2"] == "fresh, synthetic_ratio 0.9"


def test_charts_have_one_axis_for_what_two_parameters_say(grid):
    told = comparison(grid, ["variance"])
    assert told.parameters[:3] == ("axis.lineage", "axis.ratio", "axis.seed")
    assert told.axes == ("axis.lineage",)
    assert told.measures[0] == "frechet"
    assert "variance" in told.measures


def test_theory_is_asked_once_for_recipes_that_differ_in_a_number(grid):
    assert kinds(grid) == ("fresh-ratio0p5-seed3", "blend-ratio0p5-seed3", "control-seed3")


def test_a_sweep_says_what_differs_what_was_found_and_keeps_its_report(grid):
    told = recorder(grid)
    for name in grid.lineages:
        told.open(name)
        told.finish(name)
    tags = {"profile.collapsing_variance": "yes", "profile.loss_of_tail_data": "undefined"}
    for name in grid.lineages:
        told.judged(name, tags, {})
    report = grid.root / "plots/ratio/report"
    report.mkdir(parents=True)
    (report / "index.html").write_text("<html></html>")
    sheets = grid.root / "plots/ratio/samples"
    sheets.mkdir()
    (sheets / "control-000.png").write_bytes(b"PNG")
    told.finish_sweep({"summary": {"lineage": ["fresh|x"], "frechet": ["0.1 → 0.2"]}}, [sheets])

    run = runs(grid)[""]
    note = run.data.tags["mlflow.note.content"]
    assert "**10 lineages, 1 generations** over lineage (fresh, blend, control), ratio (0.5, 0.9), seed (3, 4)." in note
    assert "collapsing variance: yes 10" in note
    assert "tail" not in note
    assert "| fresh/x | 0.1 → 0.2 |" in note
    assert run.data.tags["verdicts.loss_of_tail_data"] == "undefined 10"
    assert run.info.status == "FINISHED"
    kept = grid.root / f"mlartifacts/ratio/{run.info.run_id}/artifacts"
    assert (kept / "report/index.html").is_file()
    assert (kept / "plots/samples/control-000.png").is_file()


def test_a_report_written_later_reaches_the_sweeps_run_and_does_not_open_it(grid):
    told = recorder(grid)
    told.finish_sweep({}, [])
    report = grid.root / "plots/ratio/report"
    report.mkdir(parents=True)
    (report / "index.html").write_text("<html></html>")
    Recorder(grid, unroll(grid), versioning=False).report(report)
    run = runs(grid)[""]
    assert run.info.status == "FINISHED"
    assert (grid.root / f"mlartifacts/ratio/{run.info.run_id}/artifacts/report/index.html").is_file()


def test_a_lineage_that_another_session_grew_is_judged_without_being_opened(grid):
    first = recorder(grid)
    first.open("control-seed3")
    first.finish("control-seed3")
    later = recorder(grid)
    later.judged("control-seed3", {"profile.phase": "late"}, {})
    later.judged("control-seed4", {"profile.phase": "late"}, {})
    found = runs(grid)
    assert found["control-seed3"].info.status == "FINISHED"
    assert found["control-seed3"].data.tags["profile.phase"] == "late"
    assert "control-seed4" not in found


def test_a_killed_sweep_leaves_nothing_running_once_another_begins(grid):
    recorder(grid).open("control-seed3")
    with held(grid.root, "lineage-control-seed3"):
        recorder(grid)
        assert runs(grid)["control-seed3"].info.status == "RUNNING"
    recorder(grid).stop("FAILED")
    found = runs(grid)
    assert (found["control-seed3"].info.status, found[""].info.status) == ("KILLED", "FAILED")


def test_the_last_value_of_a_measure_is_what_pages_compare_and_the_headline_comes_first(grid):
    told, name = recorder(grid), "fresh-ratio0p9-seed3"
    values = {t: {"variance": [1.0 - t / 2] * 4, "frechet": [0.1 + t] * 4} for t in (0, 1)}
    publish(grid.root, unroll(grid), {name: values})
    told.generations(name, [0, 1])
    run = runs(grid)[name]
    assert run.data.metrics["frechet"] == pytest.approx(1.1)
    assert run.data.metrics["variance"] == pytest.approx(0.5)
    assert next(iter(run.data.metrics)) == "frechet"


def test_lineages_are_laid_side_by_side_whoever_opened_them(grid):
    told = recorder(grid)
    for name in grid.lineages:
        told.open(name)
    later = recorder(grid)
    assert later.compare_page == told.compare_page
    identifiers = [run.info.run_id for name, run in runs(grid).items() if name]
    assert all(identifier in later.compare_page for identifier in identifiers)


def test_the_searches_of_the_guide_are_ones_that_mlflow_takes(grid):
    told = recorder(grid)
    for name in grid.lineages:
        told.open(name)
    values = {t: {"frechet": [0.5] * 4} for t in (0, 1)}
    publish(grid.root, unroll(grid), {"fresh-ratio0p9-seed3": values})
    told.generations("fresh-ratio0p9-seed3", [0, 1])
    guide = (Path(__file__).parents[2] / "docs/comparing-in-mlflow.md").read_text()
    questions = guide.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(questions) >= 8
    client = asked(Tracker(URI, grid.root))
    home = client.get_experiment_by_name("ratio").experiment_id
    found = {question: {run.info.run_name for run in client.search_runs([home], question)} for question in questions}
    assert found["params.real_rows = 'fresh' and metrics.frechet > 0.1"] == {"fresh, ratio 0.9, seed 3"}
    assert found["tags.settings = 'fresh, ratio 0.9'"] == {"fresh, ratio 0.9, seed 3", "fresh, ratio 0.9, seed 4"}
    assert len(found["params.`axis.ratio` != '1' and tags.regime = 'blend'"]) == 4


def test_verdicts_are_counted_over_lineages():
    told = tally({"a": {"profile.phase": "late"}, "b": {"profile.phase": "none"}, "c": {"profile.phase": "late"}})
    assert told == {"verdicts.phase": "late 2, none 1"}


def test_a_long_table_is_cut_in_the_description_and_whole_in_the_artifact(grid):
    text = described(grid, {"lineage": [f"lineage-{index}" for index in range(60)]}, {})
    assert "lineage-49 |" in text
    assert "lineage-50 |" not in text
    assert "10 more lineages are in `summary.json`" in text
    assert json.dumps(text)
