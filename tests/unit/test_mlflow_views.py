"""MLflow's pages open on charts that compare the lineages, and go on doing so when the sweep is grown again."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from dwindle.tracking.mlflow_tracker import LineageRecord, Tracker
from dwindle.tracking.records import Comparison
from dwindle.tracking.view import EACH, GROUPED, MOST_COMPARED, compare_page, experiment_tags
from tests.unit.test_mlflow_tracker import asked, grown, record
from tests.unit.tracked_store import URI, stored

SWEEP = Comparison(
    measures=("frechet", "variance"),
    theory=("variance",),
    logarithmic=frozenset({"variance"}),
    lineages=20,
    parameters=("axis.lineage", "axis.ratio", "seed"),
    axes=("axis.lineage", "budget"),
    numbers=("budget",),
    settings=("fresh, ratio 0.9", "blend, ratio 0.9"),
    verdicts=("profile.phase",),
)
PREFIX = "mlflow.sharedViewState."


@pytest.fixture
def tracker(tmp_path) -> Tracker:
    return Tracker(URI, stored(tmp_path))


def state(tags: dict[str, str], key: str) -> dict:
    return json.loads(json.loads(tags[PREFIX + key])["state"])


def charts(tags: dict[str, str], key: str, kind: str) -> list[dict]:
    return [chart for chart in state(tags, key)["compareRunCharts"] if chart["type"] == kind]


def test_the_view_of_lineages_leaves_out_their_parent_and_the_bands(tracker):
    run = grown(tracker)
    tracker.generation(run, record(0, frechet=math.nan))
    client = asked(tracker)
    home = client.get_run(run).info.experiment_id
    address = tracker.page("study")
    assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{home}/runs?")

    key = re.search(r"viewStateShareKey=(\w+)$", address)[1]
    told = state(client.get_experiment(home).tags, key)
    order = f"{told['orderByKey']} {'ASC' if told['orderByAsc'] else 'DESC'}"
    shown = client.search_runs([home], told["searchFilter"], order_by=[order])
    assert [each.info.run_id for each in shown] == [run]
    names = {name for name in shown[0].data.metrics if re.search(told["chartsSearchFilter"], name)}
    assert names == {"moments.variance", "synthetic_ratio"}


def test_views_are_written_when_they_change_and_not_again(tracker):
    run = grown(tracker)
    client = asked(tracker)
    home = client.get_run(run).info.experiment_id
    tracker.offer("study", SWEEP)
    before = client.get_experiment(home).tags
    assert {key.removeprefix(PREFIX) for key in before if key.startswith(PREFIX)} == {EACH, GROUPED}
    Tracker(URI, tracker.root).offer("study", SWEEP)
    assert client.get_experiment(home).tags == before

    tracker.offer("study", Comparison(measures=("recall",)))
    assert charts(client.get_experiment(home).tags, EACH, "LINE")[0]["metricKey"] == "recall"


def test_every_main_measure_has_a_curve_and_a_place_over_the_synthetic_ratio():
    tags = experiment_tags(SWEEP)
    for key in (EACH, GROUPED):
        lines = charts(tags, key, "LINE")
        assert [line["selectedMetricKeys"] for line in lines] == [
            ["frechet"],
            ["variance"],
            ["variance", "variance.theory"],
        ]
        assert [line["scaleType"] for line in lines] == ["linear", "log", "log"]
        ends = [(chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in charts(tags, key, "SCATTER")]
        assert ends == [("synthetic_ratio", "frechet"), ("synthetic_ratio", "variance")]
        (parallel,) = charts(tags, key, "PARALLEL")
        assert parallel["selectedMetrics"] == ["synthetic_ratio", "frechet", "variance"]
        assert parallel["selectedParams"] == {EACH: ["axis.lineage", "budget"], GROUPED: ["budget"]}[key]


def test_every_chart_stands_in_a_section_and_every_section_of_ours_has_one():
    told = state(experiment_tags(SWEEP), EACH)
    held = {chart["metricSectionId"] for chart in told["compareRunCharts"]}
    sections = [section["uuid"] for section in told["compareRunSections"]]
    assert sections[-2:] == ["model", "system"]
    assert held == set(sections[:-2])
    assert len({chart["uuid"] for chart in told["compareRunCharts"]}) == len(told["compareRunCharts"])


def test_lineages_that_differ_in_their_seed_are_groups_that_start_closed():
    told = state(experiment_tags(SWEEP), GROUPED)
    assert told["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "settings"}]
    assert told["groupsExpanded"] == {"tag.settings.fresh, ratio 0.9": False, "tag.settings.blend, ratio 0.9": False}
    assert PREFIX + GROUPED not in experiment_tags(Comparison(measures=("frechet",)))


def test_a_view_of_more_groups_than_mlflow_takes_the_names_of_is_offered_without_them(tracker):
    many = replace(SWEEP, settings=tuple(f"ratio {ratio / 1000}, rows 100" for ratio in range(400)))
    grown(tracker)
    tracker.offer("study", many)
    kept = asked(tracker).get_experiment_by_name("study").tags
    assert state(kept, GROUPED)["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "settings"}]
    assert "groupsExpanded" not in state(kept, GROUPED)
    assert experiment_tags(many, kept) == {}


def test_only_few_lineages_have_their_intervals_as_lines():
    for lineages, drawn in ((3, 1), (20, 0)):
        tags = experiment_tags(Comparison(measures=("frechet",), lineages=lineages))
        keys = [line["selectedMetricKeys"] for line in charts(tags, EACH, "LINE")]
        assert keys.count(["frechet", "frechet.low", "frechet.high"]) == drawn


def test_the_table_has_what_differs_what_was_measured_and_what_it_means():
    columns = state(experiment_tags(SWEEP), EACH)["selectedColumns"]
    assert columns == [
        "params.`axis.lineage`",
        "params.`axis.ratio`",
        "params.`seed`",
        "metrics.`frechet`",
        "metrics.`variance`",
        "tags.`profile.phase`",
    ]


def test_a_view_that_somebody_broke_is_written_anew():
    for broken in ("", "null", "[]", "{}", '{"state": "{"}'):
        assert PREFIX + EACH in experiment_tags(SWEEP, {PREFIX + EACH: broken})


def test_runs_are_laid_side_by_side_as_long_as_one_can_read_them(tracker):
    runs = [grown(tracker, LineageRecord(name, name)) for name in ("replace", "blend")]
    home = asked(tracker).get_run(runs[0]).info.experiment_id
    host, _, options = tracker.compare_page("study", runs).partition("/#/compare-runs?")
    assert host == "http://127.0.0.1:5000"
    asked_for = {key: json.loads(values[0]) for key, values in parse_qs(options).items()}
    assert asked_for == {"runs": runs, "experiments": [home]}
    for count in (0, 1, MOST_COMPARED + 1):
        assert compare_page(tracker.uri, home, ["a" * 32] * count) == ""


def test_the_pages_of_the_installed_mlflow_read_the_words_that_views_are_made_of():
    import mlflow

    build = Path(mlflow.__file__).parent / "server/js/build/static/js"
    text = "".join(path.read_text() for path in build.glob("*.js"))
    words = {"compareRunCharts", "compareRunSections", "selectedColumns", "useGroupedValuesInCharts", "groupByData"}
    told = [state(experiment_tags(SWEEP), key) for key in (EACH, GROUPED)]
    words |= {word for one in told for word in one}
    words |= {word for chart in told[0]["compareRunCharts"] for word in chart}
    words |= {word for section in told[0]["compareRunSections"] for word in section}
    assert {word for word in words if not re.search(rf"\b{word}\b", text)} == set()
    assert PREFIX in text
