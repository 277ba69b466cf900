"""dvc.lock is spelled as DVC spells it, and no damage to it passes for a record."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dwindle.versioning.lock_file import LockFile, read_lock_file, spell

STAGES = {
    f"train@replace-g{t:03d}": {
        "cmd": "dwindle train",
        "deps": [
            {"path": f"data/replace/{t:03d}/train", "hash": "md5", "md5": f"{t:032x}.dir", "size": 9, "nfiles": 2}
        ],
        "params": {"plan.json": {f"chain.replace-g{t:03d}.train": f"{t:032x}"}},
        "outs": [
            {"path": f"models/{'x' * 80}/{t:03d}", "hash": "md5", "md5": f"{t:031x}a.dir", "size": 7, "nfiles": 1},
            {"path": f"models/{t:03d}.json", "hash": "md5", "md5": f"{t:031x}b", "size": 7},
        ],
    }
    for t in range(4)
}
HASHES = {item["path"]: item["md5"] for entry in STAGES.values() for item in entry["outs"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lock = LockFile(blocks={name: spell(name, entry) for name, entry in STAGES.items()})
    (tmp_path / "dvc.lock").write_text(lock.text([]))
    return tmp_path / "dvc.lock"


def as_dvc_writes(stages: dict) -> str:
    stream = io.StringIO()
    YAML().dump({"schema": "2.0", "stages": stages}, stream)
    return stream.getvalue()


@given(value=st.text("0123456789eab.x_", min_size=1, max_size=40), key=st.text("ag/.-", max_size=90))
@example(value="12345e67", key="")
@example(value="0b10", key="")
@example(value="5" * 32, key="")
def test_a_stage_is_spelled_as_dvc_spells_it(value: str, key: str):
    deps, params = [{"path": f"data/k{key}", "md5": value}], {"plan.json": {f"k{key}": value}}
    entry = {"cmd": "dwindle train", "deps": deps, "params": params}
    assert LockFile(blocks={"a": spell("train@x", entry)}).text([]) == as_dvc_writes({"train@x": entry})


def test_the_file_is_written_as_dvc_writes_it_and_read_back(path: Path):
    assert path.read_text() == as_dvc_writes(STAGES)
    assert read_lock_file(path).hashes() == HASHES


def test_stages_stand_in_the_order_asked_for_and_unknown_ones_last(path: Path):
    first, second, *others = STAGES
    lock = read_lock_file(path)
    path.write_text(lock.text([*others, second, "not recorded"]))
    assert list(read_lock_file(path).blocks) == [*others, second, first]


def test_a_file_in_another_spelling_is_read_as_yaml(path: Path):
    spelled = read_lock_file(path)
    path.write_text(json.dumps({"schema": "2.0", "stages": STAGES}))
    assert read_lock_file(path) == spelled


def test_what_stands_beside_the_stages_is_kept(path: Path):
    datasets = [{"name": "digits", "type": "url"}]
    path.write_text(json.dumps({"schema": "2.0", "datasets": datasets, "stages": STAGES}))
    text = read_lock_file(path).text([])
    assert YAML(typ="safe").load(text) == {"schema": "2.0", "datasets": datasets, "stages": STAGES}


def test_a_missing_file_holds_no_stages(tmp_path: Path):
    assert read_lock_file(tmp_path / "dvc.lock") == LockFile()


@pytest.mark.parametrize(
    "damage", [b"", b"sch", b"\0" * 4096, b"<<<<<<< ours\nstages:\n", b"\xff\xfe", b"[]", b"stages: 3"]
)
def test_an_unreadable_file_holds_no_stages_and_says_so(path: Path, damage: bytes, caplog: pytest.LogCaptureFixture):
    path.write_bytes(damage)
    assert read_lock_file(path) == LockFile()
    assert "dvc.lock is unreadable" in caplog.text


def test_a_stage_cut_inside_a_hash_is_dropped_and_named(path: Path, caplog: pytest.LogCaptureFixture):
    text = path.read_text()
    path.write_text(text[: text.rindex("md5: ") + 12])
    assert set(STAGES) - set(read_lock_file(path).blocks) == {"train@replace-g003"}
    assert "dropped: train@replace-g003" in caplog.text


def test_no_cut_leaves_a_wrong_hash(path: Path):
    text = path.read_text()
    for length in range(text.rindex("train@"), len(text)):
        path.write_text(text[:length])
        assert read_lock_file(path).hashes().items() <= HASHES.items()
