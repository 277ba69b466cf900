"""A PostgreSQL cluster of one's own, on a free port, with passwords, as `initdb` makes it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OWNER, PASSWORD = "dwindle", "a-good-word"


@dataclass(frozen=True)
class Postgres:
    """A running cluster.

    Args:
        port: where it listens on 127.0.0.1.
        admin: connection string of its superuser.
        log: what the server wrote.
    """

    port: int
    admin: str
    log: Path

    def database(self, name: str, *, password: str = PASSWORD, driver: str = "postgresql") -> str:
        """Return the address of a database of the owner, who is no superuser; it is made if it is not there."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
        return f"{driver}://{OWNER}:{password}@127.0.0.1:{self.port}/{name}"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def cluster():
    """Run a cluster until the block ends, then remove it."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    # As root it runs as its own user, who cannot enter pytest's folders.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    root = Path(tempfile.mkdtemp(prefix="dwindle-postgres-"))
    try:
        (root / "password").write_text(PASSWORD)
        if user:
            for path in (root, root / "password"):
                shutil.chown(path, "postgres", "postgres")
        new = ("--username=admin", f"--pwfile={root}/password", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
        subprocess.run([found / "initdb", "-D", root / "data", *new], cwd=root, check=True, capture_output=True, **user)
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root}"
        control = [found / "pg_ctl", "-D", root / "data", "--wait"]
        start = [*control, "-o", options, "-l", root / "log", "start"]
        subprocess.run(start, cwd=root, check=True, stdout=subprocess.DEVNULL, **user)
        try:
            admin = f"postgresql://admin:{PASSWORD}@127.0.0.1:{port}/postgres"
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")
            yield Postgres(port, admin, root / "log")
        finally:
            subprocess.run([*control, "--mode=immediate", "stop"], cwd=root, stdout=subprocess.DEVNULL, **user)
    finally:
        shutil.rmtree(root, ignore_errors=True)
