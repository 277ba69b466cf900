"""What dwindle takes for granted of DVC's internals, held against DVC's own command line."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dwindle.errors import BadInput, DataDamaged, NotReachable
from dwindle.versioning import contents, dvc_store
from dwindle.versioning.dvc_store import DvcStore, recorded_hashes, why_off
from tests.unit.recorded_sweep import (
    ALL,
    LINEAGES,
    VERBS,
    dvc,
    finished_sweep,
    outputs,
    planned,
    record,
    recorded_sweep,
    stale,
    write_plan,
)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return finished_sweep(tmp_path / "fresh")


@pytest.fixture
def done(tmp_path: Path) -> Path:
    return recorded_sweep(tmp_path / "done")


# ---------------------------------------------------------------------------------------------------- DVC agrees


def test_dvc_finds_nothing_to_do_and_would_have_written_the_same_lock_file(done: Path):
    assert "up to date" in dvc(done, "status")
    assert "Running stage" not in dvc(done, "repro", "--dry")
    ours = (done / "dvc.lock").read_bytes()
    (done / "dvc.lock").unlink()
    dvc(done, "commit", "--force")
    assert (done / "dvc.lock").read_bytes() == ours


def test_one_changed_digest_makes_exactly_that_stage_stale(done: Path):
    write_plan(done, planned(train="other settings"))
    assert stale(done) == {"train@blend-g001"}


def test_a_lineage_put_in_front_leaves_the_others_alone(done: Path):
    write_plan(done, planned({"early": 1, **LINEAGES}))
    assert stale(done) == {f"{verb}@early-g000" for verb in VERBS}


def test_what_a_killed_process_left_half_written_makes_nothing_stale(done: Path):
    before = record(done)
    (done / "metrics/replace/.001.json.4711.tmp").write_text("{")
    assert stale(done) == set()
    DvcStore(done).commit(["compare"])
    assert record(done) == before


def test_a_deleted_output_comes_back_by_dvc_checkout(done: Path):
    before = outputs(done)
    shutil.rmtree(done / "models/replace/001")
    (done / "metrics/blend/000.json").unlink()
    dvc(done, "checkout")
    assert outputs(done) == before


def test_a_pushed_sweep_comes_back_by_dvc_pull(done: Path, tmp_path: Path):
    before = outputs(done)
    dvc(done, "remote", "add", "--default", "shelf", str(tmp_path / "shelf"))
    dvc(done, "push")
    for folder in (".dvc/cache", "data", "models", "metrics", "plots"):
        shutil.rmtree(done / folder)
    dvc(done, "pull")
    assert outputs(done) == before


def test_plots_and_metrics_show_every_lineage(done: Path):
    shown = json.loads(dvc(done, "plots", "show", "--json"))
    assert "errors" not in shown
    assert set(shown["data"]) == {"frechet", "precision", "recall", "tail_mass", "variance_ratio"}
    for panel in shown["data"].values():
        assert {row["lineage"] for row in panel[0]["content"]["data"]["values"]} == set(LINEAGES)
    metrics = json.loads(dvc(done, "metrics", "show", "--json"))[""]["data"]
    assert {f"metrics/{name}/000.json" for name in LINEAGES} <= set(metrics)


def test_dvc_tells_a_command_which_stage_it_is(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(done / "models", tmp_path / "copy/models")
    command = tmp_path / "bin/dwindle"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$1 $DVC_STAGE" >> "{tmp_path}/told"\ncp -R "{tmp_path}/copy/." .\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    dvc(done, "repro", "--force", "--single-item", "train@replace-g001")
    assert (tmp_path / "told").read_text() == "train train@replace-g001\n"
    assert stale(done) == set()


# ---------------------------------------------------------------------------------------------------- what commit does


def test_the_hashes_are_those_that_dvc_defines(done: Path):
    hashes = DvcStore(done).commit(ALL)
    metrics = (done / "metrics/replace/001.json").read_bytes()
    assert hashes["metrics/replace/001.json"] == hashlib.md5(metrics).hexdigest()
    files = sorted((done / "models/replace/001").iterdir())
    listing = [{"md5": hashlib.md5(file.read_bytes()).hexdigest(), "relpath": file.name} for file in files]
    assert hashes["models/replace/001"] == hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"
    assert recorded_hashes(done) == hashes
    assert recorded_hashes(done, ["train@replace-g001"]) == {"models/replace/001": hashes["models/replace/001"]}


def test_a_second_commit_leaves_the_lock_file_untouched(done: Path):
    before = (done / "dvc.lock").stat()
    DvcStore(done).commit(ALL)
    after = (done / "dvc.lock").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_record_does_not_depend_on_the_order_of_commits(fresh: Path, done: Path):
    store = DvcStore(fresh)
    for stage in reversed(ALL):
        store.commit([stage])
    assert record(fresh) == record(done)


def test_an_open_store_sees_a_new_plan(done: Path):
    store = DvcStore(done)
    store.commit(ALL)
    write_plan(done, planned(train="other settings"))
    store.commit(["train@blend-g001"])
    assert stale(done) == set()


def test_a_lost_cache_is_filled_again_though_the_record_is_unchanged(done: Path):
    before = record(done)
    shutil.rmtree(done / ".dvc/cache")
    DvcStore(done).commit(ALL)
    assert record(done) == before


def test_the_objects_of_the_cache_are_read_only_as_dvc_has_them(done: Path):
    cache = done / ".dvc/cache/files/md5"
    assert {(cache / name).stat().st_mode & 0o777 for name in record(done)[1]} == {0o444}


def test_the_workspace_keeps_its_files(fresh: Path):
    tops = ("data", "models", "metrics", "plots")
    before = {path: path.stat() for top in tops for path in (fresh / top).rglob("*") if path.is_file()}
    DvcStore(fresh).commit(ALL)
    assert {path: (path.stat().st_ino, path.stat().st_nlink, path.stat().st_mode) for path in before} == {
        path: (status.st_ino, status.st_nlink, status.st_mode) for path, status in before.items()
    }


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_a_shard_that_folders_share_is_read_once(fresh: Path, monkeypatch: pytest.MonkeyPatch, size: int):
    read, md5 = [], contents.md5_of
    monkeypatch.setattr(contents, "md5_of", lambda file: read.append(Path(file).stat().st_ino) or md5(file))
    shard = fresh / "data/blend/001/synthetic/rows.npy"
    shard.write_bytes(os.urandom(size))
    for folder in ("data/blend/001/train", "data/blend/000/train"):
        (fresh / folder / "rows.npy").unlink()
        (fresh / folder / "rows.npy").hardlink_to(shard)
    DvcStore(fresh).commit(ALL)
    assert read.count(shard.stat().st_ino) == 1
    assert shard.stat().st_nlink == 3
    assert stale(fresh) == set()


def test_a_disk_that_cannot_copy_by_itself_gets_the_bytes(fresh: Path, done: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object) -> int:
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr(os, "copy_file_range", refused, raising=False)
    DvcStore(fresh).commit(ALL)
    assert record(fresh) == record(done)
    cache = fresh / ".dvc/cache/files/md5"
    for name in record(fresh)[1]:
        assert hashlib.md5((cache / name).read_bytes()).hexdigest() == name.replace("/", "").removesuffix(".dir")


def test_a_missing_output_is_named_and_nothing_is_recorded(fresh: Path):
    shutil.rmtree(fresh / "models/blend/001")
    with pytest.raises(DataDamaged, match="models/blend/001"):
        DvcStore(fresh).commit(ALL)
    assert not (fresh / "dvc.lock").exists()


def test_a_stage_that_is_not_in_the_plan_is_named(fresh: Path):
    with pytest.raises(BadInput, match="train@nobody-g000"):
        DvcStore(fresh).commit(["train@nobody-g000"])


def test_without_dvc_one_sentence_says_that_nothing_is_versioned(tmp_path: Path):
    assert "nothing is versioned" in (why_off(tmp_path) or "")
    with pytest.raises(NotReachable, match="nothing is versioned"):
        DvcStore(tmp_path).commit(["compare"])


def test_versioning_is_on_unless_dvc_runs_the_stage_itself(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    assert why_off(fresh) is None
    monkeypatch.setenv("DVC_STAGE", "train@replace-g001")
    assert "DVC runs this stage" in (why_off(fresh) or "")


def test_another_version_of_dvc_is_used_by_its_command_line(fresh: Path, done: Path, monkeypatch: pytest.MonkeyPatch):
    def renamed(*_: object) -> None:
        raise AttributeError("no such thing in this version")

    monkeypatch.setattr(dvc_store, "look", renamed)
    stages = ["draw@toy-1", "generate@blend-g000"]
    assert DvcStore(fresh).commit(stages) == recorded_hashes(done, stages)


def test_dvc_is_not_imported_before_it_is_needed():
    code = "import sys, dwindle.versioning.dvc_store; sys.exit(any(name.startswith('dvc') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
