"""Cost by generation: seconds, rows, tokens, people, bytes on the disk, and money where there is a price."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from dwindle.config.prices import Prices
from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.judging.cost_figure import cost_figure
from dwindle.judging.cost_tables import cost_table, generations_table
from dwindle.judging.costs import SHARED, Cost, costs, in_all, money
from dwindle.judging.newest import newest_cost, newest_fidelity
from dwindle.judging.showing import show_cost, show_fidelity, show_frontier, show_scorecard
from dwindle.report.canvas import styled
from dwindle.report.page import write_report
from dwindle.stages.runner import run_stage
from dwindle.stages.seconds import stage_seconds
from dwindle.stages.steps import output
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: dear
generations: 2
chains: 3
budget: 30
threads: 2
source: {name: grammar, held_out: 40}
family: {name: ngram, symbols: 160}
metrics: [perplexity]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    root = tmp_path_factory.mktemp("dear")
    plan = planned(root, PARAMS)
    for name in plan.stage_names():
        run_stage(root, name, plan=plan)
    return root, plan


@pytest.fixture
def found(grown):
    return costs(*grown, Prices(), list(grown[1].recipes))


def test_rows_and_tokens_are_counted_for_all_chains(found):
    last = next(one for one in found if (one.lineage, one.generation) == ("accumulate", 2))
    assert (last.generated, last.trained) == (90, 270)
    assert last.trained_tokens == 3 * last.generated_tokens > 0
    first = next(one for one in found if (one.lineage, one.generation) == ("replace", 0))
    assert (first.generated, first.trained) == (0, 90)


def test_a_dataset_that_was_refused_trained_no_row(grown, tmp_path):
    root, plan = grown
    shutil.copytree(root, tmp_path / "own")
    for stage in ("train", "evaluate"):
        place = tmp_path / "own" / output(f"{stage}@replace-g002", plan)
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    last = costs(tmp_path / "own", plan, Prices(), ["replace"])[-1]
    assert (last.generation, last.generated, last.trained, last.trained_tokens) == (2, 90, 0, 0.0)


def test_lineages_are_those_of_the_plan_whatever_params_say(grown, tmp_path, capsys):
    root = tmp_path / "own"
    shutil.copytree(grown[0], root)
    params = root / "params.yaml"
    params.write_text(PARAMS.replace("replace:", "renamed:") + "prices: {cpu_hour: 1.0}\n")
    show_cost(params, "replace", as_json=False)
    show_fidelity(params, "replace", generation=None, curated=False, as_json=False)
    show_scorecard(params, (), generation=None)
    told = capsys.readouterr().out
    assert "cost-replace.png" in told
    assert not (root / "plots" / "dear" / "cost.png").exists()
    for wrong in (
        lambda: show_cost(params, "renamed", as_json=False),
        lambda: show_fidelity(params, "renamed", generation=None, curated=False, as_json=False),
        lambda: show_scorecard(params, ["renamed"], generation=None),
        lambda: show_frontier(params, ["renamed"], privacy="", utility=""),
    ):
        with pytest.raises(BadInput, match="no lineage 'renamed'"):
            wrong()
    with pytest.raises(BadInput, match="add training_overlap to metrics"):
        show_frontier(params, (), privacy="", utility="")


def test_the_bytes_are_those_on_the_disk_each_file_once(grown, found):
    root, _ = grown
    files = [path for area in ("data", "models", "metrics") for path in (root / area).rglob("*") if path.is_file()]
    sizes = {path.stat().st_ino: path.stat().st_size for path in files}
    assert in_all(found, "all").size == sum(sizes.values())


def test_seconds_are_those_of_the_ledger_and_what_is_taken_over_costs_nothing(grown, found):
    root, _ = grown
    assert in_all(found, "all").processor_seconds == pytest.approx(
        2 * sum(seconds for stage, seconds in stage_seconds(root).items() if not stage.startswith("draw"))
        + sum(seconds for stage, seconds in stage_seconds(root).items() if stage.startswith("draw"))
    )
    taken = next(one for one in found if (one.lineage, one.generation) == ("accumulate", 0))
    assert (taken.processor_seconds, taken.complete) == (0.0, True)


def test_a_stage_that_was_not_timed_is_undefined_and_its_sum_is_a_lower_bound(grown, tmp_path):
    root, plan = grown
    ledger = root / ".dwindle" / "seconds.jsonl"
    kept = ledger.read_text()
    try:
        ledger.write_text("".join(line for line in kept.splitlines(True) if "train@replace-g002" not in line))
        own = costs(root, plan, Prices(cpu_hour=3600.0), ["replace"])
    finally:
        ledger.write_text(kept)
    assert math.isnan(own[-1].processor_seconds)
    assert math.isnan(own[-1].price)
    table = generations_table(own, Prices(cpu_hour=3600.0))
    assert table.rows[-1][-1].startswith("≥ ")
    assert any("not timed here, at least in part: replace 2" in note for note in table.notes)


def test_minutes_of_people_are_read_leniently(grown, tmp_path):
    root, plan = grown
    place = root / "reviews" / "replace" / "001.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    earlier = {"decisions": [{"minutes": 2.5}]}
    decisions = [{"minutes": 4}, {}, {"minutes": None}, {"minutes": "long"}, {"minutes": True}, 7]
    place.write_text(json.dumps({"decisions": decisions, "earlier": [earlier]}))
    own = costs(root, plan, Prices(human_hour=60.0), ["replace"])
    place.write_text("no json")
    assert [one.minutes for one in own if one.lineage == "replace"] == [0.0, 6.5, 0.0]
    assert in_all(own, "all").money == {"people": pytest.approx(6.5)}
    assert in_all(costs(root, plan, Prices(), ["replace"]), "all").minutes == 0.0


def test_money_is_the_sum_of_what_has_a_price_and_none_where_nothing_has():
    spent = Cost("own", 1, {}, 7200.0, 1800.0, 5, 5, 3e6, 0.0, 30.0, 2_000_000_000)
    prices = Prices(cpu_hour=1.0, gpu_hour=4.0, human_hour=40.0, million_tokens=0.5, gigabyte_month=0.02)
    parts = money(spent, prices)
    assert parts == pytest.approx({"processors": 2.0, "devices": 2.0, "people": 20.0, "tokens": 1.5, "storage": 0.04})
    assert money(spent, Prices()) == {}
    assert math.isnan(spent.price)


def test_the_tables_end_with_the_sum_and_say_what_has_no_price(grown, found):
    table = cost_table(found, Prices())
    assert [row[0] for row in table.rows] == [SHARED, "replace", "accumulate", "all"]
    assert {row[-1] for row in table.rows} == {"n/a"}
    assert "device [s]" not in table.columns
    assert any("prices.gpu_hour" in note for note in table.notes)


def test_the_picture_has_a_path_a_lineage_over_what_was_spent(grown, found):
    root, plan = grown
    with styled():
        figure = cost_figure(root, plan, found, Prices())
        figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_xlabel() == "spent so far [processor seconds]"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["replace", "accumulate"]


def test_the_report_has_fidelity_where_rows_are_here_and_cost_where_there_are_prices(grown):
    root, plan = grown
    (table,) = newest_fidelity(root, plan)
    assert [row[:2] for row in table.rows] == [("replace", "2"), ("accumulate", "2")]
    assert newest_cost(root, plan, Prices()) == []
    assert newest_cost(root, plan, Prices(cpu_hour=1.0))[0].rows[-1][0] == "all"


def test_the_page_has_a_section_for_fidelity_and_the_table_of_money_beside_the_cost(grown):
    root, plan = grown
    cost = newest_cost(root, plan, Prices(cpu_hour=1.0))
    sweep = load_sweep(root / "params.yaml")
    page = write_report(sweep, plan, fidelity=newest_fidelity(root, plan), cost=cost).html.read_text()
    assert page.index('id="fidelity"') < page.index('id="cost"') < page.index(cost[0].title) < page.index('id="again"')


def test_prices_are_read_from_the_file_and_change_no_plan(tmp_path):
    plan = planned(tmp_path, PARAMS)
    priced = PARAMS + "prices: {cpu_hour: 0.05, currency: EUR}\n"
    assert planned(tmp_path / "own", priced).chain == plan.chain
    assert load_sweep(tmp_path / "own" / "params.yaml").prices == Prices(cpu_hour=0.05, currency="EUR")
    for wrong, told in (
        ("{cpu_hour: -1}", "0..1e"),
        ("{cpu_hours: 1}", "did you mean cpu_hour"),
        ("7", "a mapping of"),
    ):
        (tmp_path / "params.yaml").write_text(PARAMS + f"prices: {wrong}\n")
        with pytest.raises(BadInput, match=told):
            load_sweep(tmp_path / "params.yaml")
