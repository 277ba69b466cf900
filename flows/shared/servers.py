"""Prefect's server and MLflow's server on this machine, both on PostgreSQL, for as long as the launcher lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import httpx
import psycopg

from dwindle.errors import NotReachable
from flows.shared.attached import start
from flows.shared.settings import require

__all__ = ["connected", "prepare", "serve"]

PATIENCE = 5
"""How long a database may take to answer, seconds."""

STARTED = 180
"""How long a server may take to answer its first question, seconds; Prefect makes its tables in that time."""

_PREFECT_DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_MLFLOW_DATABASE = "MLFLOW_BACKEND_STORE_URI"
_MLFLOW_LOCK = 0x6477696E
"""Number of the advisory lock under which MLflow's tables are made."""

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # jobs are for traces and judges, which nothing here writes
}


@dataclass(frozen=True)
class _Server:
    """A server to be started.

    Args:
        name: what messages call it.
        command: what starts it, behind the Python that runs this.
        address: where this machine reaches it.
        health: path below the address that answers once it is up.
    """

    name: str
    command: tuple[str, ...]
    address: str
    health: str


@contextmanager
def connected(uri: str) -> Iterator[psycopg.Connection]:
    """Connect to a database of either server's setting.

    Raises:
        NotReachable: within seconds, if it does not answer or refuses.
    """
    scheme, _, rest = uri.partition("://")
    plain = f"{scheme.partition('+')[0]}://{rest.replace('?ssl=', '?sslmode=')}"  # asyncpg's word, libpq's word
    try:
        connection = psycopg.connect(plain, connect_timeout=PATIENCE, autocommit=True)
    except psycopg.Error as error:
        raise NotReachable(f"{rest.rpartition('@')[2]}: {_first_line(error)}") from error
    with connection:
        yield connection


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].removeprefix("connection failed: ") if str(error).strip() else repr(error)


def prepare(settings: Mapping[str, str]) -> None:
    """Make what each database needs before a server opens it, once, whoever else is at it.

    Raises:
        NotReachable: if a database is out of reach or refuses.
    """
    with connected(settings[_PREFECT_DATABASE]) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except psycopg.Error as error:
            raise NotReachable(
                f"Prefect's database has no pg_trgm and its user may not add it ({_first_line(error)}); "
                "as the database's administrator: CREATE EXTENSION pg_trgm"
            ) from error
    with connected(settings[_MLFLOW_DATABASE]) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_MLFLOW_LOCK])  # freed with the connection
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            _make_tables(settings[_MLFLOW_DATABASE])


def _make_tables(uri: str) -> None:
    """Have MLflow make its tables; two servers that do so at the same time lose the database."""
    environment = {**_DEFAULTS, **os.environ}
    made = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", uri], env=environment, capture_output=True, text=True
    )
    if made.returncode:
        said = (made.stderr.strip() or made.stdout.strip()).splitlines()[-1:]
        raise NotReachable(f"MLflow could not make its tables: {' '.join(said).replace(uri, 'the database')}")


def serve(settings: Mapping[str, str]) -> None:
    """Run both servers until one ends, or this process is told to end or is killed.

    Raises:
        BadInput: if a setting that a server needs is missing.
        NotReachable: if a database is out of reach, or a server does not start or ends by itself.
    """
    require(settings, _PREFECT_DATABASE, _MLFLOW_DATABASE, "MLFLOW_ARTIFACTS_DESTINATION")
    prepare(settings)
    servers = _servers(settings)
    signal.signal(signal.SIGTERM, _leave)
    environment = {**_DEFAULTS, **os.environ, **settings}
    environment["PREFECT_SERVER_LOGGING_LEVEL"] = "WARNING"  # `flows` silences embedded servers; this one shall speak
    running = {server.name: start([sys.executable, "-m", *server.command], environment) for server in servers}
    try:
        for server in servers:
            _wait_until_up(server, running)
            print(f"{server.name:<8}  {server.address}", flush=True)
        while True:
            _see_running(running)
            time.sleep(1)
    finally:
        for process in running.values():
            process.stdin.close()  # type: ignore[union-attr]
        for process in running.values():
            process.wait()


def _servers(settings: Mapping[str, str]) -> tuple[_Server, _Server]:
    """Return the servers; either reads host, port and database from its own settings."""
    prefect = _here(settings, "PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT", "4200")
    mlflow = _here(settings, "MLFLOW_HOST", "MLFLOW_PORT", "5000")
    return (
        _Server("Prefect", ("prefect", "server", "start"), prefect, "/api/health"),
        _Server("MLflow", ("mlflow", "server"), mlflow, "/health"),
    )


def _here(settings: Mapping[str, str], host: str, port: str, default: str) -> str:
    """Return where this machine reaches a server; one that listens everywhere listens here."""
    given = settings.get(host, "127.0.0.1")
    return f"http://{'127.0.0.1' if given in ('0.0.0.0', '::', '[::]') else given}:{settings.get(port, default)}"


def _wait_until_up(server: _Server, running: Mapping[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + STARTED
    while time.monotonic() < deadline:
        _see_running(running)
        try:
            if httpx.get(server.address + server.health, timeout=PATIENCE, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise NotReachable(f"{server.name}'s server does not answer at {server.address} after {STARTED} s")


def _see_running(running: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, process in running.items():
        if process.poll() is not None:
            raise NotReachable(
                f"{name}'s server has ended by itself (exit code {process.returncode}); see what it said"
            )


def _leave(number: int, frame: FrameType | None) -> None:
    """End with the servers, and with the exit code of a process that was told to."""
    sys.exit(128 + number)
