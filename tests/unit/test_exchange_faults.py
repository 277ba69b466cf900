"""Kills, damage and hostile texts: nothing half-sent can be fetched, nothing half-fetched stands in a place."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

from dwindle.errors import BadInput, DataDamaged
from dwindle.versioning.lock_file import read_lock_file
from dwindle.versioning.reference import spell_reference
from tests.unit.exchanged_sweep import Between, between, in_child, md5, of, published, spoilt_objects, stages, swept
from tests.unit.recorded_sweep import stale

REFERENCE, STAGES = "blend/1f2e/000", stages("blend", 0)
FOLDERS = ("data/real/", "data/blend/000/", "models/blend/000/", "metrics/blend/000.json")


@pytest.fixture
def pair(tmp_path: Path) -> Between:
    return between(tmp_path, str(tmp_path / "shelf"))


@pytest.fixture
def sent(pair: Between) -> Between:
    pair.sender().send(REFERENCE, STAGES)
    return pair


# ---------------------------------------------------------------------------------------------------- kills


@pytest.mark.parametrize("place", ["exchange.objects", "exchange.listings", "exchange.sent"])
def test_a_killed_send_leaves_all_or_no_reference_and_the_next_completes_it(pair: Between, place: str):
    assert in_child(lambda: pair.sender().send(REFERENCE, STAGES), place) == -signal.SIGKILL
    there = pair.fetcher().fetch(REFERENCE)
    assert there == (tuple(STAGES) if place == "exchange.sent" else None)
    assert published(pair.here) == (of(pair.there, *FOLDERS) if there else {})
    pair.sender().send(REFERENCE, STAGES)
    pair.fetcher().fetch(REFERENCE)
    assert published(pair.here) == of(pair.there, *FOLDERS)


PLACES = ("received", "fetched", "working:1", "working:3", "working:5", "placed")


@pytest.mark.parametrize(
    "place", [*(f"exchange.{place}" for place in PLACES), "publish.renamed:2", "text.begin", "text.written"]
)
def test_a_killed_fetch_leaves_each_output_whole_or_away_and_the_next_completes_it(sent: Between, place: str):
    whole = of(sent.there, *FOLDERS)
    assert in_child(lambda: sent.fetcher().fetch(REFERENCE), place) == -signal.SIGKILL
    assert published(sent.here).items() <= whole.items()
    for path in sent.here.glob("*/**/rows.npy"):
        assert (path.parent / "manifest.json").exists()
    assert spoilt_objects(sent.here) == []
    assert not (sent.here / "dvc.lock").exists()
    assert sent.fetcher().fetch(REFERENCE) == tuple(STAGES)
    assert swept(sent.here) == whole


def test_a_kill_after_the_record_was_renamed_lost_nothing(sent: Between):
    assert in_child(lambda: sent.fetcher().fetch(REFERENCE), "text.renamed") == -signal.SIGKILL
    assert swept(sent.here) == of(sent.there, *FOLDERS)
    assert set(read_lock_file(sent.here / "dvc.lock").blocks) == set(STAGES)
    assert not stale(sent.here) & set(STAGES)


# ---------------------------------------------------------------------------------------------------- damage


def flipped(text: bytes) -> bytes:
    return bytes([text[0] ^ 1]) + text[1:]


@pytest.mark.parametrize("damage", [flipped, lambda text: text[:-1], lambda text: b"", lambda text: text + b"x"])
@pytest.mark.parametrize("which", ["rows.npy", "manifest.json", "folder", "metrics"])
def test_a_damaged_object_is_named_and_nothing_of_it_arrives(sent: Between, which: str, damage):
    model = sent.there / "models/blend/000"
    blocks = read_lock_file(sent.there / "dvc.lock").hashes()
    values = {"folder": blocks["models/blend/000"], "metrics": blocks["metrics/blend/000.json"]}
    value = values.get(which) or md5((model / which).read_bytes())
    spoil(sent.object(value), damage)
    with pytest.raises(DataDamaged, match=value[2:]):
        sent.fetcher().fetch(REFERENCE)
    assert published(sent.here) == swept(sent.here) == {}
    assert spoilt_objects(sent.here) == []
    assert not (sent.here / "dvc.lock").exists()
    sent.object(value).unlink()
    sent.sender().send(REFERENCE, STAGES)
    sent.fetcher().fetch(REFERENCE)
    assert swept(sent.here) == of(sent.there, *FOLDERS)


def spoil(path: Path, damage) -> None:
    text = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(damage(text))
    path.chmod(0o444)  # DVC takes the mode of a local object for a sign that it was verified


def reference(pair: Between) -> Path:
    return Path(pair.shelf, f"dwindle/{REFERENCE}.lock")


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.999])
def test_a_reference_that_is_cut_names_nothing(sent: Between, keep: float):
    text = reference(sent).read_bytes()
    reference(sent).write_bytes(text[: int(keep * len(text))])
    with pytest.raises(DataDamaged, match="cut or changed"):
        sent.fetcher().fetch(REFERENCE)
    sent.sender().send(REFERENCE, STAGES)
    assert reference(sent).read_bytes() == text


# ---------------------------------------------------------------------------------------------------- hostile texts

NAMES = ("", "/", "/etc/x", "../x", "a/../b", "a//b", "a/", "./a", ".hidden", "a/.b", "-x", "a b", "a\n", "é", "a\\b")


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_a_path_of_plain_names(pair: Between, name: str):
    for refused in (pair.fetcher().fetch, lambda name: pair.sender().send(name, STAGES)):
        with pytest.raises(BadInput, match="plain names"):
            refused(name)
    if name:
        with pytest.raises(BadInput, match="plain names"):
            pair.fetcher().known(name)
    assert not Path(pair.shelf).exists()


HASH = "0123456789abcdef0123456789abcdef"
PATHS = (
    "../x",
    "/etc/x",
    "data/../../x",
    "data/./x",
    "data//x",
    "data/.x",
    "data",
    "plots/x",
    ".dvc/config",
    "data/x y",
)
FORGED = {
    **{f"path {path}": ("path: models/blend/000", f"path: {path}") for path in PATHS},
    "path as a tag": ("path: models/blend/000", "path: !!python/name:os.system models/blend/000"),
    "path of another stage": ("path: models/blend/000", "path: models/blend/001"),
    "command as a tag": ("cmd: dwindle train", "cmd: !!python/object/apply:os.system [id]"),
    "command with an anchor": ("cmd: dwindle train", "cmd: &a dwindle train"),
    "command as a mapping": ("cmd: dwindle train", "cmd: {a: b}"),
    "command with an open quote": ("cmd: dwindle train", "cmd: 'dwindle train"),
    "command with a comment": ("cmd: dwindle train", "cmd: dwindle train #"),
    "a key of its own": ("    outs:\n", "    wdir: /etc\n    outs:\n"),
    "a hash that is a path": (f"md5: {HASH}", "md5: ../../../../etc/passwd"),
    "a hash that is a number": (f"md5: {HASH}.dir", f"md5: {'1' * 32}"),
    "a head of its own": ("schema: '2.0'", "schema: '3.0'"),
    "a second document": ("schema: '2.0'", "---\nschema: '2.0'"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_reference_is_refused_and_nothing_happens(sent: Between, what: str):
    forge(sent, *FORGED[what])
    with pytest.raises(DataDamaged, match=REFERENCE):
        sent.fetcher().fetch(REFERENCE)
    assert published(sent.here) == {}
    assert not (sent.here / "dvc.lock").exists()


def forge(pair: Between, old: str, new: str) -> None:
    """Publish a reference to one stage in which a piece is exchanged, with the digest of what it has become."""
    block = read_lock_file(pair.there / "dvc.lock").blocks["train@blend-g000"]
    value = read_lock_file(pair.there / "dvc.lock").hashes()["models/blend/000"]
    text = spell_reference({"train@blend-g000": block.replace(value, f"{HASH}.dir")}).decode()
    head, _, tail = text.rpartition(old)
    assert old in text
    body = (head + new + tail).partition("\n")[2].encode()
    reference(pair).write_bytes(f"# sha256 {hashlib.sha256(body).hexdigest()}\n".encode() + body)


LISTINGS = {
    "leaves its folder": [{"md5": HASH, "relpath": "../../x"}],
    "is absolute": [{"md5": HASH, "relpath": "/etc/x"}],
    "is nested": [{"md5": HASH, "relpath": "a/b"}],
    "is hidden": [{"md5": HASH, "relpath": ".a"}],
    "has a hash that is a path": [{"md5": "../../x", "relpath": "a"}],
    "has no hash": [{"relpath": "a"}],
    "is there twice": [{"md5": HASH, "relpath": "a"}, {"md5": HASH, "relpath": "a"}],
    "is no list": {"md5": HASH, "relpath": "a"},
    "is no text": [{"md5": 3, "relpath": 4}],
    "is unhashable": [{"md5": HASH, "relpath": ["a"]}],
}


@pytest.mark.parametrize("what", LISTINGS)
def test_a_forged_listing_of_a_folder_is_refused_and_nothing_happens(sent: Between, what: str):
    text = json.dumps(LISTINGS[what]).encode()
    forge(sent, HASH, md5(text))
    sent.object(f"{md5(text)}.dir").parent.mkdir(exist_ok=True)
    sent.object(f"{md5(text)}.dir").write_bytes(text)
    with pytest.raises(DataDamaged, match=r"listing|lists"):
        sent.fetcher().fetch(REFERENCE)
    assert published(sent.here) == {}
    assert not (sent.here / "dvc.lock").exists()
