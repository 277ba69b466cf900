"""Addresses of stores that machines could share, served on this one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncssh
import pytest

from tests.shared_state.servers import BUCKET, shared, store  # noqa: F401


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3 store with one bucket."""
    with store() as settings:
        yield settings


@pytest.fixture(scope="session")
def ssh_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the key and the ssh_config that lead to an SSH server, by the name of `store`."""
    keys = tmp_path_factory.mktemp("home") / ".ssh"
    (keys.parent / "given").mkdir()
    keys.mkdir(mode=0o700)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(keys / "id_ed25519")
    key.write_public_key(keys / "authorized")
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    listening = asyncio.run_coroutine_threadsafe(_listen(keys), loop).result(30)
    (keys / "config").write_text(f"Host store\n  HostName 127.0.0.1\n  Port {listening.get_port()}\n  User someone\n")
    yield keys.parent
    loop.call_soon_threadsafe(listening.close)
    loop.call_soon_threadsafe(loop.stop)


async def _listen(keys: Path) -> asyncssh.SSHAcceptor:
    """Serve files, and no shell."""
    return await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=str(keys / "authorized"),
        sftp_factory=partial(asyncssh.SFTPServer, chroot=str(keys.parent / "given")),
    )


@pytest.fixture
def s3_address(bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A place of one's own in the store; credentials come from the environment."""
    for key, value in bucket.items():
        monkeypatch.setenv(key, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def ssh_address(ssh_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A folder of one's own on the SSH server; user, port and key come from ~/.ssh."""
    monkeypatch.setenv("HOME", str(ssh_home))
    return f"ssh://store/{tmp_path.name}"


@pytest.fixture(params=["s3", "ssh"])
def address(request: pytest.FixtureRequest) -> str:
    """A place on each of the two."""
    found: str = request.getfixturevalue(f"{request.param}_address")
    return found
