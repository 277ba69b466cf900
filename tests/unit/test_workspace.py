"""What is published is whole or not there, whoever is killed and when; a lock dies with its holder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dwindle.data import workspace
from dwindle.data.manifest import MANIFEST, Manifest, digest_of, read_manifest, verify
from dwindle.data.workspace import (
    held,
    publish_document,
    publish_folder,
    publish_text,
    read_document,
    sweep_litter,
)
from dwindle.errors import DataDamaged, NotReachable
from dwindle.failpoints import VARIABLE

SOURCE = Path(__file__).parents[2] / "src"


def tree(folder):
    """Return every file below a folder, hidden ones too, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def publish(target, text="new", **changes):
    def write(out):
        (out / "values.npy").write_bytes(text.encode() * 1000)
        (out / "table.parquet").write_bytes(text.upper().encode())
        return {"shards": [text], "share": 1 / 3, "rows": {"2": 1, "10": 2}}

    told = {"stage": "draw", "key": text, "inputs": {"rows": "d"}, "recipe": "r", "environment": {"threads": "1"}}
    return publish_folder(target, changes.pop("write", write), **told | changes)


def check(target, text):
    manifest = read_manifest(target)
    assert manifest is not None
    assert manifest.key == text
    verify(target, manifest, afresh=True)
    assert (target / "values.npy").read_bytes() == text.encode() * 1000


CHILD = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_workspace import publish
from dwindle.data import workspace
from dwindle.data.workspace import publish_text
target, kind = Path(sys.argv[2]), sys.argv[3]
if kind == "text":
    publish_text(target, "new" * 1000)
else:
    if kind == "two renames":
        workspace._exchanged = lambda working, target: False
    publish(target)
"""


def run_child(program, *arguments, failpoint=None, **options):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    if failpoint:
        environment[VARIABLE] = failpoint
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **options)


def killed(target, kind, failpoint):
    """Publish in a child that is killed at a failpoint; return whether the kill landed."""
    with run_child(CHILD, Path(__file__).parent, target, kind, failpoint=failpoint) as child:
        child.communicate(timeout=60)
    assert child.returncode in (0, -signal.SIGKILL)
    return child.returncode == -signal.SIGKILL


# ------------------------------------------------------------------------------------------- publishing


def test_a_published_folder_is_whole_and_nothing_else_is_left(tmp_path):
    manifest = publish(tmp_path / "a" / "real")
    check(tmp_path / "a" / "real", "new")
    assert read_manifest(tmp_path / "a" / "real") == manifest
    assert sorted(tree(tmp_path)) == ["a/real/manifest.json", "a/real/table.parquet", "a/real/values.npy"]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "a" / "real").glob("*.*[yt]"))


def test_publishing_twice_gives_the_same_bytes(tmp_path):
    publish(tmp_path / "one")
    publish(tmp_path / "two")
    publish(tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_the_manifest_tells_neither_time_nor_place(tmp_path):
    publish(tmp_path / "one")
    text = (tmp_path / "one" / MANIFEST).read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text
    assert set(json.loads(text)) == {*Manifest.__dataclass_fields__, "seal"}


@pytest.mark.parametrize("before", ["folder", "file", "link", "folder without manifest"])
def test_what_stood_there_is_replaced(tmp_path, before):
    target, other = tmp_path / "real", tmp_path / "other"
    publish(other, "other")
    kept = tree(other)
    {
        "folder": lambda: publish(target, "old"),
        "file": lambda: target.write_text("old"),
        "link": lambda: target.symlink_to(other),
        "folder without manifest": target.mkdir,
    }[before]()
    publish(target)
    check(target, "new")
    assert not target.is_symlink()
    assert tree(other) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "real"]


def test_a_stage_that_fails_leaves_what_stood_there(tmp_path):
    publish(tmp_path / "real", "old")

    def write(out):
        (out / "half").write_text("half")
        raise RuntimeError("no convergence")

    with pytest.raises(RuntimeError, match="no convergence"):
        publish(tmp_path / "real", write=write)
    check(tmp_path / "real", "old")
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "dangling link"])
def test_a_stage_may_leave_only_plain_files(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("secret")

    def write(out):
        path = out / "values.npy"
        match kind:
            case "link":
                path.symlink_to(secret)
            case "dangling link":
                path.symlink_to(tmp_path / "nowhere")
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
        return {}

    with pytest.raises(DataDamaged, match=r"values.npy: not a regular file"):
        publish(tmp_path / "real", write=write)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert secret.stat().st_mode & 0o777 != 0o000


def test_a_full_disk_is_told_in_words_and_leaves_what_stood_there(tmp_path):
    """/dev/full answers every write as a full disk does."""
    publish(tmp_path / "real", "old")

    def write(out):
        with Path("/dev/full").open("wb") as file:
            file.write(b"x" * 100_000)
        return {}

    with pytest.raises(NotReachable, match=r"real: cannot be written: No space left on device"):
        publish(tmp_path / "real", write=write)
    check(tmp_path / "real", "old")
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


def test_a_text_that_cannot_be_written_is_told_and_leaves_no_litter(tmp_path):
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(NotReachable, match=r"plan.json: cannot be written: Is a directory"):
        publish_text(tmp_path / "plan.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_texts_are_utf8_in_any_locale(tmp_path):
    program = (
        "from pathlib import Path; from dwindle.data.workspace import publish_text as p; p(Path('t'), 'Fr\\u00e9chet')"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert (tmp_path / "t").read_bytes() == "Fr\u00e9chet".encode()


# ------------------------------------------------------------------------------------------- kills


POINTS = ("publish.begin", "publish.written", "publish.manifest", "publish.aside", "publish.renamed")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["exchange", "two renames"])
def test_a_kill_leaves_the_old_folder_or_the_new_one_whole(tmp_path, point, kind):
    target = tmp_path / "real"
    publish(target, "old")
    landed = killed(target, kind, point)
    assert landed or (kind, point) == ("exchange", "publish.aside")
    if landed and point == "publish.aside":
        assert not target.exists()  # where a file system cannot exchange two folders: as if it never ran
    else:
        check(target, "new" if not landed or point == "publish.renamed" else "old")
    sweep_litter(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"real"}
    publish(target)
    check(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["real"]


@pytest.mark.parametrize("point", [point for point in POINTS if point != "publish.aside"])
def test_a_kill_leaves_no_folder_or_the_new_one_whole(tmp_path, point):
    target = tmp_path / "real"
    assert killed(target, "exchange", point)
    if point == "publish.renamed":
        check(target, "new")
    else:
        assert not target.exists()
        assert sweep_litter(tmp_path) == 1
    assert set(tree(tmp_path)) <= {f"real/{name}" for name in (MANIFEST, "values.npy", "table.parquet")}


@pytest.mark.parametrize("point", ["text.begin", "text.written", "text.renamed"])
def test_a_kill_leaves_the_old_text_or_the_new_one_whole(tmp_path, point):
    target = tmp_path / "plan.json"
    target.write_text("old")
    assert killed(target, "text", point)
    assert target.read_text() == ("new" * 1000 if point == "text.renamed" else "old")
    assert sweep_litter(tmp_path) == (1 if point == "text.written" else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_every_failpoint_of_publishing_is_killed_at_above():
    text = Path(workspace.__file__).read_text()
    assert {part.partition('"')[0] for part in text.split('failpoint("')[1:]} == {
        *POINTS,
        "text.begin",
        "text.written",
        "text.renamed",
    }


def test_a_target_that_is_replaced_is_never_missing(tmp_path):
    """A reader beside a writer that replaces a folder 200 times finds one of the two folders each time."""
    target = tmp_path / "real"
    publish(target, "old")
    program = CHILD.replace(
        "    publish(target)", "    print('ready', flush=True)\n    for _ in range(200): publish(target)"
    )
    seen = set()
    with run_child(program, Path(__file__).parent, target, "exchange") as child:
        child.stdout.readline()
        while child.poll() is None:
            seen.add(read_manifest(target).key)
    assert child.returncode == 0
    assert seen <= {"old", "new"}
    assert "new" in seen


# ------------------------------------------------------------------------------------------- litter


def test_litter_is_swept_at_any_depth_and_nothing_else(tmp_path):
    publish(tmp_path / "a" / "000" / "train")
    kept = tree(tmp_path)
    (tmp_path / "a" / "000" / ".train.77.tmp").mkdir()
    (tmp_path / "a" / "000" / ".train.77.tmp" / "half").write_text("half")
    (tmp_path / "a" / "000" / ".train.77.old.tmp").mkdir()
    (tmp_path / "a" / ".001.json.77.tmp").write_text("half")
    (tmp_path / ".x.77.tmp").symlink_to(tmp_path / "a")
    assert sweep_litter(tmp_path) == 4
    assert tree(tmp_path) == kept
    assert sweep_litter(tmp_path) == 0
    assert sweep_litter(tmp_path / "nowhere") == 0


def test_only_the_litter_of_the_named_target_is_swept(tmp_path):
    for name in (".digits-1.9.tmp", ".digits-1.9.old.tmp", ".digits-2.9.tmp"):
        (tmp_path / name).mkdir()
    assert sweep_litter(tmp_path, "digits-1") == 2
    assert [path.name for path in tmp_path.iterdir()] == [".digits-2.9.tmp"]


# ------------------------------------------------------------------------------------------- locks


HOLDER = """\
import sys, time
from pathlib import Path
from dwindle.data.workspace import held
with held(Path(sys.argv[1]), "lineage-replace"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_lock_names_its_holder_and_is_freed_by_a_kill(tmp_path):
    with run_child(HOLDER, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(NotReachable, match=f"lineage-replace is being grown by process {holder.pid}; wait"):
            held(tmp_path, "lineage-replace").__enter__()
        with held(tmp_path, "lineage-blend"):
            pass
        holder.kill()
    with held(tmp_path, "lineage-replace"):
        pass


def test_who_waits_for_a_lock_gets_it_when_the_holder_is_killed(tmp_path):
    waiter = HOLDER.replace('"lineage-replace"', '"lineage-replace", wait=True').replace("time.sleep(60)", "pass")
    with run_child(HOLDER, tmp_path) as holder:
        assert holder.stdout.readline() == "held\n"
        with run_child(waiter, tmp_path) as waiting:
            time.sleep(0.5)
            assert waiting.poll() is None
            holder.kill()
            assert waiting.communicate(timeout=30)[0] == "held\n"
    assert waiting.returncode == 0


def test_a_lock_is_freed_by_an_exception_and_may_be_taken_again(tmp_path):
    with pytest.raises(RuntimeError), held(tmp_path, "plan"):
        raise RuntimeError
    with held(tmp_path, "plan"):
        assert (tmp_path / ".dwindle" / "locks" / "plan.lock").read_text() == f"{os.getpid()}\n"


def test_two_threads_of_one_process_do_not_both_hold_a_lock(tmp_path):
    with held(tmp_path, "plan"), pytest.raises(NotReachable, match="plan is being grown by process"):
        held(tmp_path, "plan").__enter__()


def test_a_workspace_that_cannot_be_written_is_told_in_words(tmp_path):
    (tmp_path / ".dwindle").write_text("in the way")
    with pytest.raises(NotReachable, match=r"plan.lock: cannot be written: "):
        held(tmp_path, "plan").__enter__()


# ------------------------------------------------------------------------------------------- verifying


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
@pytest.mark.parametrize("name", ["values.npy", MANIFEST])
def test_what_is_no_plain_file_is_refused_and_not_followed(tmp_path, kind, name):
    target, path = tmp_path / "real", tmp_path / "real" / name
    publish(target)
    path.rename(tmp_path / "same")
    match kind:
        case "link":
            path.symlink_to(tmp_path / "same")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    with pytest.raises(DataDamaged, match=rf"real/{name}: "):
        verify(target, read_manifest(target), afresh=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a manifest"),
        ("[]", "not a manifest"),
        ("{}", "not a manifest"),
        ('{"schema": 2}', "manifest schema 2, this dwindle reads 1"),
        ('{"schema": 1}', "not a manifest"),
        ('{"schema": 1, "seal": "x"}', "it is not what it was written as"),
        ("[" * 100_000, "not a manifest"),
        ("\ud800", "not a manifest"),
    ],
)
def test_a_manifest_that_is_none_is_told_in_words(tmp_path, text, says):
    (tmp_path / MANIFEST).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataDamaged, match=says):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": 3},
        {"files": {"a": 3}},
        {"files": {"a": {}}},
        {"files": {"values.npy": {"sha256": 3, "bytes": "x"}}},
        {"facts": []},
        {"inputs": None},
        {"surplus": 1},
    ],
)
def test_a_forged_manifest_is_refused_by_its_shape(tmp_path, changes):
    publish(tmp_path / "real")
    path = tmp_path / "real" / MANIFEST
    document = json.loads(path.read_text()) | changes
    document.pop("seal")
    sealed = {**document, "seal": digest_of(document)}
    path.write_text(json.dumps(sealed, sort_keys=True, indent=1) + "\n")
    with pytest.raises(DataDamaged, match=r"not a manifest: (?!it is not what it was written as)"):
        read_manifest(tmp_path / "real")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/file"])
def test_a_manifest_cannot_reach_outside_its_folder(tmp_path, name):
    (tmp_path / "outside").write_text("x")
    publish(tmp_path / "real")
    manifest = read_manifest(tmp_path / "real")
    entry = {"sha256": "0" * 64, "bytes": 1}
    forged = Manifest(**vars(manifest) | {"files": {**manifest.files, name: entry}})
    with pytest.raises(DataDamaged, match="missing"):
        verify(tmp_path / "real", forged)


def test_a_folder_that_was_never_published_has_no_manifest(tmp_path):
    (tmp_path / "file").write_text("x")
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "nowhere") is None
    assert read_manifest(tmp_path / "file") is None


def test_a_file_changed_after_it_was_read_once_is_read_again(tmp_path):
    target = tmp_path / "real"
    manifest = publish(target)
    verify(target, manifest)
    changed = bytearray((target / "values.npy").read_bytes())
    changed[7] ^= 1
    (target / "values.npy").write_bytes(changed)
    verify(target, manifest, whole=False)
    with pytest.raises(DataDamaged, match=r"values.npy: sha256 \w{64}, manifest says \w{64}"):
        verify(target, manifest)


# ------------------------------------------------------------------------------------------- documents


DOCUMENT = {"mean": 0.1, "record": [{"stage": "evaluate"}, {"measures": {"mean": {"chains": [0.1, None, 1e-300]}}}]}


def test_a_document_comes_back_as_it_was(tmp_path):
    publish_document(tmp_path / "003.json", DOCUMENT)
    assert read_document(tmp_path / "003.json") == DOCUMENT
    assert read_document(tmp_path / "004.json") is None


def test_one_flipped_bit_of_a_document_is_found(tmp_path):
    path = tmp_path / "003.json"
    publish_document(path, DOCUMENT)
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert read_document(path) is None, place
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        assert read_document(path) is None, size


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "{}", '{"record": 3}', '{"record": []}', '{"record": [3]}', "[" * 99_999]
)
def test_what_is_no_document_is_none(tmp_path, text):
    (tmp_path / "003.json").write_text(text)
    assert read_document(tmp_path / "003.json") is None
