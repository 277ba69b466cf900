"""Gates stop lineages, warn, and roll back onto branches; policies refuse rows. Each of these ends is a result."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from mlflow import MlflowClient

from dwindle.config.sweep import load_sweep
from dwindle.desk import show_damage, show_status
from dwindle.errors import BadInput, DataDamaged, Refused, Stopped
from dwindle.estimate import estimate_table
from dwindle.growth import grow_sweep
from dwindle.plan import read_plan, unroll
from dwindle.provenance.datasets import datasets
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.results import evaluation, fired
from dwindle.survey import damaged, finished_generations, survey

PARAMS = """\
sweep: gated
generations: 4
seed: 3
chains: 3
budget: 120
source: {name: gaussian, dimensions: 2, held_out: 60}
family: gaussian
sampler: {variance_factor: 0.5}
regime: replace
metrics: [moments]
tracking: {uri: "sqlite:///runs.db"}
engine: {workers: 1}
lineages:
  stopped: {gates: [{measure: variance_ratio, below: 0.35, action: stop}]}
  warned: {gates: [{measure: variance_ratio, below: 0.35, relative: true}]}
  back:
    gates:
      - {measure: variance_ratio, below: 0.35, action: roll_back, to: 1, regime: {name: fresh, synthetic_ratio: 0.25}}
      - {measure: variance_ratio, below: 0.001, action: stop}
  twice: {policy: {rounds: 2}}
  never: {policy: {synthetic_in: []}}
  tuned: {policy: {synthetic_in: [fine_tuning]}}
"""
ENDS = {"stopped": 2, "warned": 4, "back": 2, "back-from-1": 4, "twice": 2, "never": 0, "tuned": 0}
"""The last generation of each lineage, where the variance halves in every one of them."""


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The sweep, grown as far as its rules let it, the lineages that it had before, and what was said at its end."""
    root = tmp_path_factory.mktemp("gated")
    (root / "params.yaml").write_text(PARAMS)
    before = list(load_sweep(root / "params.yaml").lineages)
    with redirect_stdout(StringIO()) as said:
        grow_sweep(load_sweep(root / "params.yaml"), versioning=False)
    return root, before, said.getvalue()


def runs(root):
    """Return the MLflow runs of the lineages, by name."""
    client = MlflowClient(f"sqlite:///{root}/runs.db")
    experiment = client.get_experiment_by_name("gated").experiment_id
    found = client.search_runs([experiment], "tags.`dwindle.kind` = 'lineage'")
    return {run.info.run_name: run for run in found}


def state(root):
    """Return the time at which each published folder and file was published."""
    files = [*(root / "data").rglob("manifest.json"), *(root / "models").rglob("*.*"), *(root / "metrics").rglob("*")]
    return {path: path.stat().st_mtime_ns for path in files if path.is_file()}


def payload(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_each_lineage_ends_where_its_rules_say(grown):
    root, *_ = grown
    plan = read_plan(root)
    assert {name: finished_generations(root, plan, name)[0] for name in plan.recipes} == ENDS
    for name, last in ENDS.items():
        assert not (root / "data" / name / f"{last + 1:03d}" / "train").exists()


def test_a_branch_is_there_only_once_it_is_needed_and_for_whoever_reads_the_sweep(grown):
    root, before, _ = grown
    assert before == [name for name in ENDS if name != "back-from-1"]
    assert list(load_sweep(root / "params.yaml").lineages) == list(ENDS)
    assert list(read_plan(root).recipes) == list(ENDS)


def test_the_end_says_which_gate_or_rule_and_by_how_many_rows(grown):
    _, _, said = grown
    for told in (
        "stopped ended early: generation 2: variance_ratio below 0.35, it is 0.2",
        "back ended early: generation 2: variance_ratio below 0.35",
        "roll_back, back to generation 1",
        "twice ended early: refused: of what would train generation 3, 360 of 360 rows have 3 synthetic ancestors; "
        "policy.rounds allows 2",
        "never ended early: refused: of what would train generation 1, 360 of 360 rows are synthetic; "
        "policy.synthetic_in allows them in no training, not pre_training",
        "tuned ended early: refused: of what would train generation 1, 360 of 360 rows are synthetic; "
        "policy.synthetic_in allows them in fine_tuning, not pre_training",
    ):
        assert told in said
    assert "warned ended early" not in said
    assert "back-from-1 ended early" not in said


def test_a_gate_that_warns_is_seen_to_fire_in_every_generation_that_it_judges(grown):
    root, *_ = grown
    plan = read_plan(root)
    assert [len(fired(root, plan, "warned", t)) for t in range(5)] == [0, 0, 1, 1, 1]
    assert [len(fired(root, plan, "back-from-1", t)) for t in range(5)] == [0] * 5


def test_mlflow_has_the_outcome_of_each_lineage(grown):
    root, *_ = grown
    found = runs(root)
    assert {name: run.data.tags["outcome"] for name, run in found.items()} == {
        "stopped": "stopped",
        "warned": "finished",
        "back": "rolled_back",
        "back-from-1": "finished",
        "twice": "refused",
        "never": "refused",
        "tuned": "refused",
    }
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    client = MlflowClient(f"sqlite:///{root}/runs.db")
    last = {name: client.get_metric_history(run.info.run_id, "variance_ratio")[-1].step for name, run in found.items()}
    assert last == ENDS


def test_a_branch_is_its_lineage_up_to_where_it_leaves_and_links_its_files(grown):
    root, *_ = grown
    for generation in range(2):
        for area in (f"data/{{}}/{generation:03d}/train", f"models/{{}}/{generation:03d}"):
            own, other = (root / area.format(name) for name in ("back-from-1", "back"))
            assert payload(own) == payload(other) != {}
            assert all((own / name).samefile(other / name) for name in payload(own))
    own, other = (root / f"data/{name}/002/train" for name in ("back-from-1", "back"))
    assert facts_of(other)["rows"]["origin"] == {"2": 360}
    assert facts_of(own)["rows"]["origin"] == {"fresh": 270, "2": 90}
    assert not np.array_equal(read_rows(other).values, read_rows(own).values)


def test_the_other_regime_heals_what_the_gate_has_stopped(grown):
    root, *_ = grown
    plan = read_plan(root)
    assert evaluation(root, plan, "back-g002")["variance_ratio"]["mean"] < 0.35
    healed = [evaluation(root, plan, f"back-from-1-g{t:03d}")["variance_ratio"]["mean"] for t in (2, 3, 4)]
    assert min(healed) > 0.6


def test_to_grow_it_again_changes_nothing(grown):
    root, *_ = grown
    before, known = state(root), {name: run.info.run_id for name, run in runs(root).items()}
    grow_sweep(load_sweep(root / "params.yaml"), versioning=False, shown=False)
    assert state(root) == before
    again = runs(root)
    assert {name: run.info.run_id for name, run in again.items()} == known
    assert again["back"].data.tags["outcome"] == "rolled_back"


def test_a_lineage_by_itself_says_why_it_ended(grown):
    root, *_ = grown
    for name, error in (("stopped", Stopped), ("twice", Refused)):
        with pytest.raises(error, match=f"^{name}: ") as ended:
            grow_sweep(load_sweep(root / "params.yaml"), name, tracking=False, versioning=False, shown=False)
        assert ended.value.exit_code == 5


def test_who_looks_is_told_what_ended_a_lineage(grown, capsys):
    root, *_ = grown
    sweep, plan = load_sweep(root / "params.yaml"), read_plan(root)
    ended = {state.name: state.ended for state in survey(root, plan)}
    assert [name for name, told in ended.items() if not told] == ["warned", "back-from-1"]
    assert ended["twice"].startswith("refused: of what would train generation 3, 360 of 360 rows have 3 synthetic")
    assert ended["stopped"].startswith("stopped: generation 2: variance_ratio below 0.35")
    show_status(root / "params.yaml")
    assert "ended: refused: of what" in (shown := capsys.readouterr().out)
    assert "generate@" not in shown
    cells = {row[0]: row[-1] for row in estimate_table(sweep, plan).rows}
    assert (cells["stopped"], cells["back"], cells["warned"]) == ("ended, stopped", "ended, rolled_back", "nothing")
    assert cells["7 lineages"] == "nothing"
    with pytest.raises(BadInput, match="no generation 3 of twice; its last one here is 2; it ended: refused: of what"):
        datasets(root, plan, "twice", upto=3)


def test_an_end_counts_only_by_the_rules_that_brought_it_about_and_is_lost_without_harm(grown):
    root, *_ = grown
    ledger = root / ".dwindle" / "ended.jsonl"
    looser = unroll(load_sweep(root / "params.yaml", ["lineages.twice.policy={rounds: 9}"]))
    ended = {state.name: state.ended for state in survey(root, looser)}
    assert not ended["twice"]
    assert ended["stopped"]
    noted = ledger.read_text()
    try:
        ledger.write_text(noted + '{"lineage": "sto')  # as a kill leaves it
        assert {state.name: state.ended for state in survey(root, read_plan(root))}["stopped"]
        ledger.unlink()
        states = {state.name: state for state in survey(root, read_plan(root))}
        assert (states["stopped"].ended, states["stopped"].next_stage) == ("", "generate@stopped-g003")
    finally:
        ledger.write_text(noted)


def test_what_a_lineage_never_came_to_is_no_damage_and_what_it_has_lost_is(grown, capsys):
    root, *_ = grown
    show_damage(root / "params.yaml")
    assert "more of the plan were not made" in capsys.readouterr().out
    lost = root / "models" / "stopped" / "001"
    aside = lost.rename(root / "aside")
    try:
        with pytest.raises(DataDamaged, match="models/stopped/001: missing"):
            show_damage(root / "params.yaml")
    finally:
        aside.rename(lost)
    found = dict(damaged(root, read_plan(root), {"models/stopped/003"}))  # DVC has it, so it was made
    assert found["train@stopped-g003"].endswith("models/stopped/003: missing")
    assert "evaluate@stopped-g003" not in found


def test_rules_that_change_leave_what_was_grown_and_are_held_to_from_there_on(grown):
    root, *_ = grown
    changes = (
        "lineages.stopped.gates=[{measure: variance_ratio, below: 0.2, action: stop}]",
        "lineages.back.policy={rounds: 9}",
    )
    changed = load_sweep(root / "params.yaml", changes)
    assert list(changed.lineages) == list(ENDS)
    before = {path: moment for path, moment in state(root).items() if "stopped" in str(path) or path.suffix != ".json"}
    grow_sweep(changed, versioning=False, shown=False)
    after = state(root)
    assert {path: after[path] for path in before} == before
    plan = unroll(changed)
    assert finished_generations(root, plan, "stopped")[0] == 3
    assert finished_generations(root, plan, "back-from-1")[0] == 4
    assert runs(root)["stopped"].data.tags["outcome"] == "stopped"
