"""Datasets and models travel by S3 and by SSH: the same bytes, nothing half, and a clear word where nobody answers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwindle.errors import DataDamaged, NotReachable
from dwindle.versioning import remote
from dwindle.versioning.dvc_store import DvcStore, recorded_hashes
from dwindle.versioning.exchange import Exchange
from tests.unit.exchanged_sweep import TOPS, Between, between, md5, of, published, spoilt_objects, stages, travel
from tests.unit.recorded_sweep import dvc, stale
from tests.unit.test_exchange import TRAVEL

FOLDERS = ("data/real/", "data/blend/000/", "models/blend/000/", "metrics/blend/000.json")


@pytest.fixture
def pair(tmp_path: Path, address: str) -> Between:
    return between(tmp_path, address)


def raw(exchange: Exchange):
    """Return DVC's store on the remote, for what only a vandal would do."""
    return exchange._remote._connected()[0]


def whole(store) -> list[str]:
    """Return the paths of the objects that stand in the remote under their own names, not under those of sending."""
    store.fs.fs.invalidate_cache()
    return [path for path in store.fs.find(store.path) if "/." not in path]


def test_a_sweep_travels_generation_by_generation(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    assert fetcher.fetch("blend/000") is None
    assert fetcher.known() == []
    travel(sender, "send")
    assert fetcher.known("blend") == ["blend/000", "blend/001"]
    travel(fetcher, "fetch")
    assert published(pair.here) == of(pair.there, *TOPS[:3])
    assert stale(pair.here) <= {"compare"}


def test_a_generation_takes_less_than_a_second_once_connected(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    sender.send("blend/000", stages("blend", 0))
    fetcher.fetch("blend/000")
    for step in (
        lambda: sender.send("blend/001", stages("blend", 1)),
        lambda: fetcher.fetch("blend/001"),
        lambda: sender.send("blend/001", stages("blend", 1)),
        lambda: fetcher.fetch("blend/001"),
    ):
        before = time.process_time()  # of this process, where the server runs too: not of what else the machine does
        step()
        assert time.process_time() - before < 1


def test_many_senders_and_fetchers_at_once_all_land(pair: Between):
    for root, way in ((pair.there, "send"), (pair.here, "fetch")):
        exchange = Exchange(root, pair.shelf)
        process = subprocess.Popen([sys.executable, "-c", TRAVEL, root, pair.shelf, way])
        threads = [threading.Thread(target=travel, args=(exchange, way)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert process.wait() == 0
    assert published(pair.here) == of(pair.there, *TOPS[:3])
    assert spoilt_objects(pair.here) == []


def test_a_killed_send_leaves_no_half_object_that_passes_for_a_whole(pair: Between):
    big = pair.there / "models/blend/000/rows.npy"
    big.write_bytes(os.urandom(30 << 20))
    DvcStore(pair.there).commit(stages("blend", 0))
    process = subprocess.Popen([sys.executable, "-c", TRAVEL, pair.there, pair.shelf, "send"])
    store = raw(pair.fetcher())
    deadline = time.monotonic() + 60
    while process.poll() is None and not whole(store) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    standing = whole(store)
    assert standing
    for path in standing:
        assert md5(store.fs.cat_file(path)) == "".join(path.rsplit("/", 2)[1:]).removesuffix(".dir")
    pair.sender().send("blend/000", stages("blend", 0))
    pair.fetcher().fetch("blend/000")
    assert published(pair.here) == of(pair.there, *FOLDERS)


def test_a_damaged_object_is_named_and_nothing_of_it_arrives(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    sender.send("blend/000", stages("blend", 0))
    value = recorded_hashes(pair.there)["metrics/blend/000.json"]
    store = raw(sender)
    size = store.fs.info(store.oid_to_path(value))["size"]
    store.fs.pipe_file(store.oid_to_path(value), b"x" * size)
    with pytest.raises(DataDamaged, match=value[2:]):
        fetcher.fetch("blend/000")
    assert published(pair.here) == {}
    assert spoilt_objects(pair.here) == []
    store.fs.pipe_file(store.oid_to_path(value), b"x" * (size - 1))
    sender.send("blend/000", stages("blend", 0))
    fetcher.fetch("blend/000")
    assert published(pair.here) == of(pair.there, *FOLDERS)


def test_an_object_that_is_gone_is_named(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    sender.send("blend/000", stages("blend", 0))
    value = recorded_hashes(pair.there)["models/blend/000"]
    raw(sender).fs.remove(raw(sender).oid_to_path(value))
    with pytest.raises(DataDamaged, match=f"{value[2:]}: not there"):
        fetcher.fetch("blend/000")


def test_dvc_itself_finds_what_was_sent(pair: Between):
    pair.sender().send("blend/000", stages("blend", 0))
    dvc(pair.there, "remote", "add", "--default", "shelf", pair.shelf)
    before = of(pair.there, "models/blend/000/")
    shutil.rmtree(pair.there / ".dvc/cache")
    shutil.rmtree(pair.there / "models/blend/000")
    dvc(pair.there, "pull", "train@blend-g000")
    assert of(pair.there, "models/blend/000/") == before


def test_a_connection_lost_while_nobody_spoke_is_made_anew(tmp_path: Path, ssh_address: str):
    pair = between(tmp_path, ssh_address)
    sender = pair.sender()
    sender.send("blend/000", stages("blend", 0))
    client = raw(sender).fs.fs
    client.loop.call_soon_threadsafe(client.client.abort)
    time.sleep(0.2)
    sender.send("blend/001", stages("blend", 1))
    assert sender.known() == ["blend/000", "blend/001"]


# ---------------------------------------------------------------------------------------------------- nobody answers


@pytest.fixture
def refusing() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def silent() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("way", ["s3", "ssh"])
@pytest.mark.parametrize("server", ["refusing", "silent"])
def test_a_remote_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, way: str, server: str
):
    port = request.getfixturevalue(server)
    monkeypatch.setattr(remote, "_PATIENCE", 3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pair = between(tmp_path, "s3://bucket/path" if way == "s3" else f"ssh://me:secret@127.0.0.1:{port}/path")
    exchange, began = pair.sender(), time.monotonic()
    with pytest.raises(NotReachable, match="s3://bucket/path" if way == "s3" else f"ssh://me@127.0.0.1:{port}") as told:
        exchange.send("blend/000", stages("blend", 0))
    assert time.monotonic() - began < 15
    assert "secret" not in str(told.value)


def test_a_bucket_that_is_not_there_is_not_an_empty_one(tmp_path: Path, s3_address: str):
    pair = between(tmp_path, "s3://nobodys-bucket/path")
    with pytest.raises(NotReachable, match="nobodys-bucket"):
        pair.fetcher().fetch("blend/000")


def test_a_key_that_the_server_does_not_know_is_refused_at_once(
    tmp_path: Path, ssh_address: str, monkeypatch: pytest.MonkeyPatch
):
    config = Path(os.environ["HOME"], ".ssh/config").read_text()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(NotReachable, match="Permission denied"):
        between(tmp_path, ssh_address).fetcher().known()
    assert time.monotonic() - began < 10
