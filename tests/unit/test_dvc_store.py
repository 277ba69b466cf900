"""What dwindle takes for granted of DVC's internals, held against DVC's own command line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dwindle.errors import BadInput, DataDamaged, NotReachable
from dwindle.failpoints import VARIABLE
from dwindle.versioning import dvc_store
from dwindle.versioning.dvc_store import DvcStore, recorded_hashes, why_off
from dwindle.versioning.lock_file import read_lock_file, spell

PROJECT = Path(__file__).parents[2]
LINEAGES = {"replace": 2, "blend": 2, "rescue_" + "x" * 50: 1}  # a path longer than a line
VERBS = ("generate", "curate", "train", "evaluate")
COMMIT = """
import sys
from pathlib import Path
from dwindle.versioning.dvc_store import DvcStore
DvcStore(Path(sys.argv[1])).commit(sys.argv[2:])
"""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def toy_plan(lineages: dict[str, int]) -> dict:
    chain = {}
    for name, generations in lineages.items():
        for t in range(generations):
            folder, rows = f"{name}/{t:03d}", f"data/{name}/{t:03d}/{'synthetic' if t else 'real'}"
            chain[f"{name}-g{t:03d}"] = {
                "folder": folder,
                "rows": rows,
                "generator": f"models/{name}/{t - 1:03d}" if t else "data/real/toy-1",
                "real": "data/real/toy-1",
                "pool": f"{rows}/manifest.json",
                "restart": f"data/{folder}/train/manifest.json",
                **{verb: digest(f"{verb} {folder}") for verb in VERBS},
            }
    return {
        "real": {"toy-1": {"folder": "data/real/toy-1", "draw": digest("draw")}},
        "chain": chain,
        "compare": digest(""),
    }


def write_plan(root: Path, plan: dict) -> None:
    with (root / "plan.yaml").open("w") as file:
        YAML().dump(plan, file)


def write_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.npy").write_bytes(digest(str(folder)).encode() * 40)
    (folder / "manifest.json").write_text(json.dumps({"of": folder.name}))


def write_outputs(root: Path, plan: dict) -> None:
    for entry in plan["chain"].values():
        for path in (entry["real"], entry["rows"], f"data/{entry['folder']}/train", f"models/{entry['folder']}"):
            write_folder(root / path)
        metrics = root / f"metrics/{entry['folder']}.json"
        metrics.parent.mkdir(parents=True, exist_ok=True)
        metrics.write_text(json.dumps({"frechet": 0.5}))
    lines = [f"{entry['folder'].replace('/', ',')},0.5,1,1,1,1" for entry in plan["chain"].values()]
    (root / "plots").mkdir(exist_ok=True)
    header = "lineage,generation,frechet,precision,recall,tail_mass,variance_ratio"
    (root / "plots/curves.csv").write_text("\n".join([header, *lines, ""]))


def stage_names(plan: dict) -> list[str]:
    return ["draw@toy-1", *(f"{verb}@{key}" for key in plan["chain"] for verb in VERBS), "compare"]


ALL = stage_names(toy_plan(LINEAGES))


def dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def stale(root: Path) -> set[str]:
    return set(json.loads(dvc(root, "status", "--json")))


def tree(root: Path) -> dict[str, bytes]:
    tops = ("data", "models", "metrics", "plots")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for top in tops
        for path in (root / top).rglob("*")
        if path.is_file()
    }


def record(root: Path) -> tuple[bytes, set[str]]:
    """Return dvc.lock and the names of the cache's objects."""
    cache = root / ".dvc/cache/files/md5"
    return (root / "dvc.lock").read_bytes(), {
        str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def private_places(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        patch.setenv("PYTHONPATH", str(PROJECT / "src"))
        patch.delenv("DVC_STAGE", raising=False)
        yield


@pytest.fixture(scope="module")
def fresh_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fresh")
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(PROJECT / name, root / name)
    shutil.copytree(PROJECT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    (root / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    plan = toy_plan(LINEAGES)
    write_plan(root, plan)
    write_outputs(root, plan)
    return root


@pytest.fixture(scope="module")
def done_template(fresh_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("done") / "repo"
    shutil.copytree(fresh_template, root)
    DvcStore(root).commit(ALL)
    return root


@pytest.fixture
def fresh(fresh_template: Path, tmp_path: Path) -> Path:
    """A workspace whose stages are finished and not recorded."""
    return shutil.copytree(fresh_template, tmp_path / "fresh")


@pytest.fixture
def done(done_template: Path, tmp_path: Path) -> Path:
    """A workspace whose stages are recorded."""
    return shutil.copytree(done_template, tmp_path / "done")


# ---------------------------------------------------------------------------------------------------- DVC agrees


def test_dvc_finds_nothing_to_do_and_would_have_written_the_same_lock_file(done: Path):
    assert "up to date" in dvc(done, "status")
    assert "Running stage" not in dvc(done, "repro", "--dry")
    ours = (done / "dvc.lock").read_bytes()
    (done / "dvc.lock").unlink()
    dvc(done, "commit", "--force")
    assert (done / "dvc.lock").read_bytes() == ours


def test_one_changed_digest_makes_exactly_that_stage_stale(done: Path):
    plan = toy_plan(LINEAGES)
    plan["chain"]["blend-g001"]["train"] = digest("other settings")
    write_plan(done, plan)
    assert stale(done) == {"train@blend-g001"}


def test_a_lineage_put_in_front_leaves_the_others_alone(done: Path):
    write_plan(done, toy_plan({"early": 1, **LINEAGES}))
    assert stale(done) == {f"{verb}@early-g000" for verb in VERBS}


def test_a_deleted_output_comes_back_by_dvc_checkout(done: Path):
    before = tree(done)
    shutil.rmtree(done / "models/replace/001")
    (done / "metrics/blend/000.json").unlink()
    dvc(done, "checkout")
    assert tree(done) == before


def test_a_pushed_sweep_comes_back_by_dvc_pull(done: Path, tmp_path: Path):
    before = tree(done)
    dvc(done, "remote", "add", "--default", "shelf", str(tmp_path / "shelf"))
    dvc(done, "push")
    for folder in (".dvc/cache", "data", "models", "metrics", "plots"):
        shutil.rmtree(done / folder)
    dvc(done, "pull")
    assert tree(done) == before


def test_plots_and_metrics_show_every_lineage(done: Path):
    shown = json.loads(dvc(done, "plots", "show", "--json"))
    assert "errors" not in shown
    for panel in shown["data"].values():
        assert {row["lineage"] for row in panel[0]["content"]["data"]["values"]} == set(LINEAGES)
    assert set(shown["data"]) == {"frechet", "precision", "recall", "tail_mass", "variance_ratio"}
    assert {f"metrics/{name}/000.json" for name in LINEAGES} <= set(
        json.loads(dvc(done, "metrics", "show", "--json"))[""]["data"]
    )


def test_dvc_tells_a_command_which_stage_it_is(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(done / "models", tmp_path / "copy/models")
    command = tmp_path / "bin/dwindle"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$1 $DVC_STAGE" >> "{tmp_path}/told"\ncp -R "{tmp_path}/copy/." .\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
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


def test_the_record_does_not_depend_on_the_order_of_commits(fresh: Path, done_template: Path):
    store = DvcStore(fresh)
    for stage in reversed(ALL):
        store.commit([stage])
    assert record(fresh) == record(done_template)


def test_an_open_store_sees_a_new_plan(done: Path):
    store = DvcStore(done)
    store.commit(ALL)
    plan = toy_plan(LINEAGES)
    plan["chain"]["blend-g001"]["train"] = digest("other settings")
    write_plan(done, plan)
    store.commit(["train@blend-g001"])
    assert stale(done) == set()


def test_a_lost_cache_is_filled_again_though_the_record_is_unchanged(done: Path):
    before = record(done)
    shutil.rmtree(done / ".dvc/cache")
    DvcStore(done).commit(ALL)
    assert record(done) == before


def test_the_workspace_keeps_its_files_and_its_hardlinks(fresh: Path):
    shard, twin = fresh / "models/blend/001/rows.npy", fresh / "data/blend/001/train/rows.npy"
    twin.unlink()
    twin.hardlink_to(shard)
    before = {path: path.stat().st_ino for path in fresh.rglob("*") if path.is_file() and ".dvc" not in path.parts}
    DvcStore(fresh).commit(ALL)
    assert {path: path.stat().st_ino for path in before} == before
    assert shard.stat().st_nlink == 2
    assert stale(fresh) == set()


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


def test_versioning_is_on_unless_dvc_runs_the_stage_itself(done: Path, monkeypatch: pytest.MonkeyPatch):
    assert why_off(done) is None
    monkeypatch.setenv("DVC_STAGE", "train@replace-g001")
    assert "DVC runs this stage" in (why_off(done) or "")


def test_another_version_of_dvc_is_used_by_its_command_line(
    fresh: Path, done_template: Path, monkeypatch: pytest.MonkeyPatch
):
    def renamed(*_: object) -> None:
        raise AttributeError("no such thing in this version")

    monkeypatch.setattr(dvc_store, "_look", renamed)
    stages = ["draw@toy-1", "generate@blend-g000"]
    assert DvcStore(fresh).commit(stages) == recorded_hashes(done_template, stages)


def test_dvc_is_not_imported_before_it_is_needed():
    code = "import sys, dwindle.versioning.dvc_store; sys.exit(any(name.startswith('dvc') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------------------------------------------- kills and crowds


@pytest.mark.parametrize("place", ["dvc.seen", "dvc.cached", "text.begin", "text.written", "text.renamed"])
def test_a_kill_leaves_all_readable_and_the_next_commit_completes_it(fresh: Path, done_template: Path, place: str):
    before = tree(fresh)
    half = ALL[: len(ALL) // 2]
    DvcStore(fresh).commit(half)
    killed = subprocess.run(
        [sys.executable, "-c", COMMIT, fresh, *ALL], env=os.environ | {VARIABLE: place}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert tree(fresh) == before
    assert set(half) <= set(read_lock_file(fresh / "dvc.lock").blocks) <= set(ALL)
    DvcStore(fresh).commit(ALL)
    assert record(fresh) == record(done_template)
    assert not list(fresh.glob(".*.tmp"))


@pytest.mark.parametrize(
    "damage", [b"", b"sch", b"\0" * 4096, b"<<<<<<< ours\nschema: '2.0'\n", b"\xff\xfe", b"[]", b"stages: 3"]
)
def test_an_unreadable_lock_file_is_written_anew(done: Path, damage: bytes, caplog: pytest.LogCaptureFixture):
    whole = (done / "dvc.lock").read_bytes()
    (done / "dvc.lock").write_bytes(damage)
    DvcStore(done).commit(ALL)
    assert (done / "dvc.lock").read_bytes() == whole
    assert "dvc.lock is unreadable" in caplog.text


def test_a_lock_file_cut_inside_a_hash_loses_only_that_stage(done: Path, caplog: pytest.LogCaptureFixture):
    text = (done / "dvc.lock").read_text()
    (done / "dvc.lock").write_text(text[: text.rindex("md5: ") + 12])
    assert set(ALL) - set(read_lock_file(done / "dvc.lock").blocks) == {"compare"}
    assert "dropped: compare" in caplog.text


def test_a_lock_file_cut_anywhere_is_completed_by_the_next_commit(done: Path):
    whole = (done / "dvc.lock").read_bytes()
    store = DvcStore(done)
    for length in range(0, len(whole), 97):
        (done / "dvc.lock").write_bytes(whole[:length])
        store.commit(ALL)
        assert (done / "dvc.lock").read_bytes() == whole


def test_processes_that_commit_at_once_all_land(fresh: Path, done_template: Path):
    shares = [ALL[:11], ALL[11:]]
    running = [subprocess.Popen([sys.executable, "-c", COMMIT, fresh, *share]) for share in shares]
    assert [process.wait() for process in running] == [0, 0]
    assert record(fresh) == record(done_template)


def test_threads_that_share_a_store_all_land(fresh: Path, done_template: Path):
    store = DvcStore(fresh)
    threads = [threading.Thread(target=store.commit, args=(ALL[first::4],)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record(fresh) == record(done_template)


# ---------------------------------------------------------------------------------------------------- spelling


@given(value=st.text("0123456789eab.x_", min_size=1, max_size=40), key=st.text("ag/.-", min_size=1, max_size=90))
@example(value="12345e67", key="md5")
@example(value="0b10", key="md5")
@example(value="5" * 32, key="md5")
def test_a_stage_is_spelled_as_dvc_spells_it(value: str, key: str):
    key = f"k{key}"
    entry = {
        "cmd": "dwindle train",
        "deps": [{"path": f"data/{key}", "md5": value}],
        "params": {"plan.yaml": {key: value}},
    }
    stream = io.StringIO()
    YAML().dump({"schema": "2.0", "stages": {"train@x": entry}}, stream)
    assert "schema: '2.0'\nstages:\n" + spell("train@x", entry) == stream.getvalue()


def test_a_lock_file_in_another_spelling_is_read_as_yaml(done: Path):
    path = done / "dvc.lock"
    spelled = read_lock_file(path)
    path.write_text(json.dumps(YAML(typ="safe").load(path.read_text())))
    assert read_lock_file(path) == spelled
