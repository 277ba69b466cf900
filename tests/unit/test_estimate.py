"""`dwindle plan` says what a sweep will be: rows to the last one, disk and time by what was measured."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from dwindle.cli import main
from dwindle.config.sweep import load_sweep
from dwindle.data.manifest import read_manifest
from dwindle.estimate import estimate_table
from dwindle.estimate.rows import lineage_rows
from dwindle.plan import STAGES, unroll
from dwindle.stages.glance import Glance
from dwindle.stages.runner import run_stage
from dwindle.stages.steps import output
from dwindle.survey import finished_generations

PARAMS = """\
sweep: small
generations: 4
chains: 2
budget: 300
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian}
metrics: [moments]
lineages:
  replace: {regime: replace}
  surplus: {regime: accumulate, sampler: {oversample: 1.5}}
  subsample: {regime: accumulate_subsample}
  again: {regime: {name: accumulate_subsample, replacement: true}}
  blend: {regime: {name: blend, synthetic_ratio: 0.3}}
  fresh: {regime: {name: fresh, synthetic_ratio: 0.9}}
  window: {regime: {name: mixture, synthetic_ratio: 0.7, window: 2, growth: 0.5, real: replayed, real_weight: 0.5}}
  late: {regime: {name: mixture, schedule: late_real, ramp: 2, real: fixed}}
"""
GRID = """\
sweep: grid
generations: 3
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2}
family: {name: gaussian}
metrics: [moments]
regime: blend
axes:
"""


def planned(root, text=PARAMS, *overrides):
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_text(text)
    sweep = load_sweep(root / "params.yaml", overrides)
    return sweep, unroll(sweep)


def grow(root, plan, generations):
    """Run every stage up to a generation, without recording."""
    names = [name for name in plan.stage_names() if name != "compare"]
    for name in names:
        key = name.partition("@")[2]
        if name.startswith("draw@") or plan.chain[key]["generation"] <= generations:
            run_stage(root, name, plan=plan)


def on_disk(root):
    """Return the bytes below data, models and metrics; files that are linked count once."""
    files = [path.lstat() for area in ("data", "models", "metrics") for path in (root / area).rglob("*.*")]
    return sum({status.st_ino: status.st_size for status in files if status.st_mode & 0o170000 == 0o100000}.values())


def told(table):
    """Return the table's cells by lineage and column; the last line is `all`."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {row.get("folder") or row["lineage"]: row for row in rows[:-1]} | {"all": rows[-1]}


def number(cell):
    """Return the bytes of a cell."""
    value, unit = cell.split()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A sweep with every regime, grown half and then whole: what was told half way, and what was added after it."""
    root = tmp_path_factory.mktemp("grown") / "small"
    sweep, plan = planned(root)
    grow(root, plan, 2)
    half, before = estimate_table(sweep, plan), on_disk(root)
    grow(root, plan, 4)
    return sweep, plan, half, on_disk(root) - before


@pytest.fixture
def copied(grown, tmp_path):
    """The grown sweep, to be changed."""
    sweep, plan, _, _ = grown
    shutil.copytree(sweep.root, tmp_path / "small")
    return replace(sweep, root=tmp_path / "small"), plan


# ------------------------------------------------------------------------------------------- rows


def test_rows_are_exactly_those_that_the_manifests_count(grown):
    sweep, plan, _, _ = grown
    for name in plan.recipes:
        recipe = plan.recipe(name)
        rows = lineage_rows(recipe, 4)
        for generation, key in enumerate(plan.generations(name)):
            made = read_manifest(sweep.root / output(f"generate@{key}", plan)).facts["rows"].get("synthetic", 0)
            trained = read_manifest(sweep.root / output(f"curate@{key}", plan)).facts["rows"]["total"]
            assert made == rows.sampled[generation], (name, generation)
            assert trained == recipe.chains * rows.trained[generation], (name, generation)


# ------------------------------------------------------------------------------------------- disk and time


def test_disk_to_go_is_what_is_then_written_within_30_percent(grown):
    _, _, half, added = grown
    assert number(told(half)["all"]["disk to go"]) == pytest.approx(added, rel=0.3)


def test_a_trial_tells_the_disk_within_30_percent_and_leaves_no_trace(grown, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "aside"))
    (tmp_path / "aside").mkdir()
    sweep, plan = planned(tmp_path / "empty")
    before = told(estimate_table(sweep, plan))["all"]
    tried = estimate_table(sweep, plan, trial=True)
    assert (before["disk to go"], before["time to go"]) == ("unknown", "unknown")
    assert number(told(tried)["all"]["disk to go"]) == pytest.approx(on_disk(grown[0].root), rel=0.3)
    assert "unknown" not in str(tried.rows + tried.notes)
    assert [path.name for path in sweep.root.iterdir()] == ["params.yaml"]
    assert list((tmp_path / "aside").iterdir()) == []


def test_a_trial_that_starves_is_told_and_leaves_the_rest_unknown(tmp_path):
    collapsed = (
        "regime: replace\nsampler: {variance_factor: 0.0}\ncurators: [deduplicate]\naxes:\n  seed: {seed: [0, 1]}\n"
    )
    table = estimate_table(*planned(tmp_path, GRID.replace("regime: blend\naxes:\n", collapsed)), trial=True)
    assert [note for note in table.notes if note.startswith("the trial of seed0 ended early: starved")]
    assert told(table)["all"]["time to go"] == "unknown"


def test_without_a_ledger_the_time_is_unknown_and_the_disk_is_not(copied):
    sweep, _ = copied
    (sweep.root / ".dwindle" / "seconds.jsonl").unlink()
    longer = load_sweep(sweep.root / "params.yaml", ["generations=6"])
    table = estimate_table(longer, unroll(longer))
    last = told(table)["all"]
    assert last["time to go"] == "unknown"
    assert number(last["disk to go"]) > 0
    assert any("dwindle plan --trial" in note for note in table.notes)


def test_seconds_in_the_ledger_become_time_to_go(copied):
    sweep, _ = copied
    ledger = sweep.root / ".dwindle" / "seconds.jsonl"
    ledger.write_text("".join(f'{{"stage": "{name}", "seconds": 30}}\n' for name in unroll(sweep).stage_names()))
    for workers, whole in ((1, "2.7 h"), (2, "80 min")):
        longer = load_sweep(sweep.root / "params.yaml", ["generations=14", f"engine.workers={workers}"])
        table = estimate_table(longer, unroll(longer))
        assert told(table)["replace"]["time to go"] == "20 min"
        assert told(table)["all"]["time to go"] == whole
        assert any(f"among {workers} worker" in note for note in table.notes)
    elsewhere = load_sweep(sweep.root / "params.yaml", ["generations=14", "engine=ray", "engine.workers=2"])
    assert told(estimate_table(elsewhere, unroll(elsewhere)))["all"]["time to go"] == "2.7 h"


def test_lineages_of_another_size_are_judged_by_rows_and_those_of_another_family_not_at_all(copied):
    sweep, _ = copied
    text = PARAMS + "  large: {regime: replace, budget: 3000}\n  mixed: {regime: replace, family: gaussian_mixture}\n"
    wider, plan = planned(sweep.root, text)
    cells = told(estimate_table(wider, plan))
    assert cells["mixed"]["disk to go"] == "unknown"
    assert number(cells["large"]["disk to go"]) == pytest.approx(5 * 2 * 3000 * 21, rel=0.5)
    assert cells["all"]["disk to go"].startswith("at least ")


def test_disk_counts_twice_where_dvc_keeps_a_copy(copied):
    sweep, _ = copied
    longer = load_sweep(sweep.root / "params.yaml", ["generations=6"])
    plain = told(estimate_table(longer, unroll(longer)))["all"]["disk to go"]
    (sweep.root / ".dvc").mkdir()
    doubled = told(estimate_table(longer, unroll(longer)))["all"]["disk to go"]
    assert number(doubled) == pytest.approx(2 * number(plain), rel=0.05)


# ------------------------------------------------------------------------------------------- what is done


def test_the_table_says_how_far_each_lineage_is(grown):
    sweep, plan, half, _ = grown
    assert {row["generations"] for name, row in told(half).items() if name != "all"} == {"2 of 4"}
    whole = told(estimate_table(sweep, plan))
    assert {row["generations"] for name, row in whole.items() if name != "all"} == {"4 of 4"}
    assert (whole["all"]["generations"], whole["all"]["time to go"]) == ("32 of 32", "nothing")


def test_a_glance_says_what_the_long_look_says(copied):
    sweep, plan = copied
    root, key = sweep.root, plan.generations("blend")[2]
    spoil = {
        "nothing": lambda: None,
        "a file is gone": lambda: next((root / output(f"curate@{key}", plan)).glob("*.npy")).unlink(),
        "a file is longer": lambda: next((root / output(f"train@{key}", plan)).glob("*.npy")).open("ab").write(b"x"),
        "a manifest says another thing": lambda: _altered(root / output(f"generate@{key}", plan) / "manifest.json"),
        "metrics are altered": lambda: _altered(root / output(f"evaluate@{plan.generations('fresh')[1]}", plan)),
    }
    for what, spoilt in spoil.items():
        spoilt()
        for name in ("replace", "blend", "fresh"):
            pending = Glance(root, plan).pending(name)
            assert (pending.done, pending.next_stage) == finished_generations(root, plan, name, whole=False), what
    assert Glance(root, plan).pending("replace").next_stage == ""
    assert Glance(root, plan).pending("blend").next_stage == f"generate@{key}"


def _altered(path):
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))


def test_new_metrics_leave_only_evaluations_to_be_run(copied):
    sweep, _ = copied
    other = load_sweep(sweep.root / "params.yaml", ["metrics=[moments, frechet]"])
    pending = Glance(sweep.root, unroll(other)).pending("replace")
    assert pending.stages == dict.fromkeys(STAGES, ()) | {"evaluate": (0, 1, 2, 3, 4)}
    assert told(estimate_table(other, unroll(other)))["all"]["disk to go"] == "nothing"


# ------------------------------------------------------------------------------------------- what is shared


def test_points_that_say_the_same_and_beginnings_that_are_the_same_are_told(tmp_path):
    axes = "  law: {regime: {half: blend, plain: {name: blend, synthetic_ratio: 0.5}}}\n  seed: {seed: [0, 1, 2]}\n"
    axes += "  kept: {curators: [[keep_all], [deduplicate]]}\n"
    table = estimate_table(*planned(tmp_path, GRID + axes))
    assert "12 points of the grid are 6 lineages: 6 say the same as another" in table.notes
    assert "generation 0 is the same in 6 lineages and is computed 3 times" in table.notes
    assert any("keep all" in note for note in table.notes)


def test_a_shared_generation_0_is_paid_for_once(copied):
    sweep, _ = copied
    ledger = sweep.root / ".dwindle" / "seconds.jsonl"
    ledger.write_text("".join(f'{{"stage": "{name}", "seconds": 30}}\n' for name in unroll(sweep).stage_names()))
    text = PARAMS + "  one: {regime: replace, seed: 1}\n  two: {regime: replace, seed: 1}\n"
    cells = told(estimate_table(*planned(sweep.root, text)))
    assert cells["one"]["time to go"] == "10 min"  # and the real rows
    assert cells["two"]["time to go"] == "8 min"


def test_of_many_lineages_the_first_ten_and_the_last_five_are_shown(tmp_path):
    table = estimate_table(*planned(tmp_path, GRID + f"  seed: {{seed: {list(range(48))}}}\n"))
    shown = [row[1] for row in table.rows]
    assert shown == [*(f"seed{i}" for i in range(10)), "", *(f"seed{i}" for i in range(43, 48)), ""]
    assert table.rows[10][0] == "..."
    assert table.rows[-1][:5] == ("48 lineages", "", "0 of 144", "7.68k", "2.88k")


# ------------------------------------------------------------------------------------------- the command


def test_dwindle_plan_shows_the_estimate_unless_it_only_checks(tmp_path, monkeypatch, capsys):
    planned(tmp_path)
    monkeypatch.chdir(tmp_path)

    def dwindle(*arguments):
        monkeypatch.setattr(sys, "argv", ["dwindle", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    assert "8 lineages" in dwindle("plan")[1]
    assert dwindle("plan", "--check")[:2] == (0, f"{tmp_path / 'plan.json'} is up to date\n")
    assert dwindle("plan", "--check", "--trial")[0] == 2
    assert {path.name for path in Path.iterdir(tmp_path)} == {"params.yaml", "plan.json", ".dwindle"}
