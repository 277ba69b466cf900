"""A Prefect server of one's own, on a free port, and questions to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.shared_state.postgres import cluster, free_port

BIN = Path(sys.executable).parent
SERVED = 90


@dataclass(frozen=True)
class Server:
    """A running server.

    Args:
        url: address of its API.
        env: the environment of its clients.
    """

    url: str
    env: dict[str, str]

    def get(self, path: str):
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=20) as answer:
            return json.loads(answer.read())

    def post(self, path: str, **body):
        request = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def run(self, *command, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=cwd,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def state(self, run: str) -> dict:
        return self.get(f"flow_runs/{run}")["state"]

    def wait(self, run: str, *names: str, seconds: float = 60) -> dict:
        """Wait until a flow run is in one of these states."""
        deadline = time.monotonic() + seconds
        while (state := self.state(run))["name"] not in names:
            assert time.monotonic() < deadline, f"{run}: {state['name']} ({state['message']}), expected {names}"
            time.sleep(0.1)
        return state


@contextmanager
def background(*command, cwd, env, **options):
    """Run a command and its children until the block ends."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=cwd, env=env, start_new_session=True, **{**quiet, **options})
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()


@contextmanager
def prefect_server(folder: Path, port: int = 0, **settings: str):
    """Run a server until the block ends; on SQLite in that folder, unless the settings name a database."""
    port = port or free_port()
    env = {**os.environ, "PREFECT_HOME": str(folder), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    env |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PREFECT_WORKER_QUERY_SECONDS": "1", "DO_NOT_TRACK": "1"}
    env |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    start = (BIN / "prefect", "server", "start", "--port", str(port))
    with background(*start, cwd=folder, env={**env, **settings}):
        server = Server(env["PREFECT_API_URL"], env)
        deadline = time.monotonic() + SERVED
        while True:
            try:
                server.get("health")
            except OSError:
                if time.monotonic() > deadline:
                    pytest.fail(f"no Prefect server within {SERVED} s")
                time.sleep(0.2)
            else:
                break
        yield server


@contextmanager
def prefect_on_postgres(folder: Path):
    """Run a server that keeps its state in a PostgreSQL cluster of its own."""
    with cluster() as postgres:
        address = postgres.database("prefect", driver="postgresql+asyncpg")
        with psycopg.connect(postgres.database("prefect"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        with prefect_server(folder, PREFECT_SERVER_DATABASE_CONNECTION_URL=address) as server:
            yield server
