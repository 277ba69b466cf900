"""What lineages and processes share: generation 0, real rows, the table of all curves, the ledger of seconds."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.data.workspace import held
from dwindle.errors import BadInput, NotReachable
from dwindle.plan import Plan, unroll, unrolling, write_plan
from dwindle.stages.runner import run_compare, run_stage
from dwindle.stages.seconds import stage_seconds
from dwindle.stages.steps import CURVES
from dwindle.stages.workers import Workers
from tests.unit.made_sweep import planned, publish

TWO = """\
sweep: two
generations: 1
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian}
metrics: [moments]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""
FIRST = ("generate", "curate", "train", "evaluate")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, TWO)


def grow_first(root: Path, plan: Plan, lineage: str) -> None:
    for name in (*(f"draw@{key}" for key in plan.real), *(f"{verb}@{lineage}-g000" for verb in FIRST)):
        run_stage(root, name, plan=plan)


def payload(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_generation_that_cannot_be_linked_is_copied(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch):
    grow_first(tmp_path, plan, "replace")

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")  # ext4 has room for 65,000 names of a file

    monkeypatch.setattr(os, "link", refused)
    grow_first(tmp_path, plan, "accumulate")
    for area in ("data/{}/000/train", "models/{}/000"):
        first, other = (tmp_path / area.format(lineage) for lineage in plan.recipes)
        assert payload(first) == payload(other) != {}
        assert all(path.stat().st_nlink == 1 for path in (tmp_path / "models/accumulate/000").iterdir())


def test_what_was_grown_stands_though_its_seconds_cannot_be_noted(tmp_path: Path, plan: Plan):
    (tmp_path / ".dwindle/seconds.jsonl").mkdir(parents=True)  # as little to be written as on a full disk
    grow_first(tmp_path, plan, "replace")
    assert (tmp_path / "models/replace/000/manifest.json").exists()
    assert stage_seconds(tmp_path) == {}


def test_curves_gathered_while_another_process_gathers_are_not_undone(tmp_path: Path, plan: Plan):
    publish(tmp_path, plan, {"replace": {0: {"variance": [1.0, 1.0]}}})
    gathering = threading.Thread(target=run_compare, args=(tmp_path, plan))
    with held(tmp_path, "compare", wait=True):
        gathering.start()
        gathering.join(0.5)
        publish(tmp_path, plan, {"accumulate": {0: {"variance": [1.0, 1.0]}}})
    gathering.join()
    assert "accumulate" in (tmp_path / CURVES).read_text()


def test_a_lineage_that_grows_keeps_its_plan(tmp_path: Path, plan: Plan):
    def told(*overrides: str) -> bool:
        return write_plan(unroll(load_sweep(tmp_path / "params.yaml", overrides)), tmp_path)

    with held(tmp_path, "lineage-replace"):
        before = (tmp_path / "plan.json").read_bytes()
        for other in ("seed=9", "sampler.variance_factor=0.5", "generations=0", "lineages={accumulate: {}}"):
            with pytest.raises(NotReachable, match=r"plan\.json stays as it is: lineage-replace is being grown"):
                told(other, "regime=accumulate")
        assert (tmp_path / "plan.json").read_bytes() == before
        assert told("lineages.accumulate.seed=9", "generations=3")  # what grows is left as it is, and goes further
        assert not told("lineages.accumulate.seed=9", "generations=3")
    assert told("seed=9")


def test_workers_do_not_take_up_another_plan_halfway(tmp_path: Path, plan: Plan):
    async def grow() -> None:
        async with Workers([{}]) as workers:
            for name in (*(f"draw@{key}" for key in plan.real), *(f"{verb}@replace-g000" for verb in FIRST)):
                assert (await workers.run(tmp_path, name)).ran
            planned(tmp_path, TWO + "sampler: {variance_factor: 0.5}\n")
            with pytest.raises(BadInput, match="written anew since this sweep began"):
                await workers.run(tmp_path, "generate@replace-g001")
            assert not (await workers.run(tmp_path, "train@replace-g000")).ran  # the same in both

    asyncio.run(grow())


def test_real_rows_whose_digests_begin_alike_have_folders_of_their_own(loaded, monkeypatch: pytest.MonkeyPatch):
    digest = unrolling._digest
    monkeypatch.setattr(unrolling, "_digest", lambda *reads: "0" * 8 + digest(*reads)[8:])
    plan = unroll(loaded("axes: {seed: {seed: [0, 1, 2]}}\n"))
    folders = [plan.chain[f"seed{seed}-g000"]["real"] for seed in range(3)]
    assert len(set(folders)) == len(plan.real) == 3
    assert {entry["folder"] for entry in plan.real.values()} == set(folders)
