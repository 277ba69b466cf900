"""A look at every service of the settings: does it answer, may we write, and what to do if not."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from dwindle.errors import BadInput, DwindleError, NotReachable
from dwindle.report.text_table import TextTable, print_table
from flows.shared.servers import connected

__all__ = ["check"]

PATIENCE = 5
"""How long a server may take to answer one question, seconds."""

DEADLINE = 18
"""How long all checks may take, seconds; they run side by side."""

Settings = Mapping[str, str]


@dataclass
class Check:
    """A question to one service.

    Args:
        service: what the table calls it.
        setting: key of its address.
        ask: returns in a few words what was found; raises if it is not as it should be.
        advice: what to do if it is not.
        state: how it went.
        found: what was found, or what went wrong.
    """

    service: str
    setting: str
    ask: Callable[[Settings], str]
    advice: str
    state: str = "not set"
    found: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def run(self, settings: Settings) -> None:
        """Ask, and take note of the answer."""
        try:
            self.found, self.state = self.ask(settings), "ok"
        except Exception as error:
            # Whatever a driver raises, the user needs one line of it.
            self.found, self.state = _one_line(error), "FAILED"
        self.done.set()


def check(settings: Settings) -> None:
    """Ask every service that is set, and print the answers as a table.

    Raises:
        BadInput: if there is nothing to ask.
        NotReachable: if a service is not as it should be.
    """
    checks = _checks()
    asked = [one for one in checks if one.setting in settings]
    if not asked:
        raise BadInput("no shared service is set: load deploy/shared.env first, or name it with --file")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")  # five tries at a dead store take longer than the deadline
    for one in asked:
        threading.Thread(target=one.run, args=(settings,), daemon=True).start()
    _wait(asked)
    print_table(_table(checks))
    failed = [one for one in asked if one.state != "ok"]
    if failed:
        raise NotReachable("\n".join(f"{one.service}: {one.found}; {one.advice}" for one in failed))


def _wait(asked: Sequence[Check]) -> None:
    deadline = time.monotonic() + DEADLINE
    for one in asked:
        if not one.done.wait(max(0.0, deadline - time.monotonic())):
            one.state, one.found = "FAILED", f"no answer within {DEADLINE} s"


def _table(checks: Sequence[Check]) -> TextTable:
    rows = tuple((one.service, one.state, one.found or f"{one.setting}: this machine does without") for one in checks)
    return TextTable("shared", "What machines share", ("service", "state", "found"), rows)


def _checks() -> list[Check]:
    server = "is it running (`python -m flows.shared serve`), and does a firewall let its port through?"
    database = "see that PostgreSQL runs, lets this machine in (pg_hba.conf), and that user, password and database fit"
    store = "see that the bucket or folder exists, and that address and credentials may write to it"
    return [
        Check("Prefect's server", "PREFECT_API_URL", _prefect, server),
        Check("Prefect's database", "PREFECT_SERVER_DATABASE_CONNECTION_URL", _prefect_database, database),
        Check("MLflow's server", "MLFLOW_TRACKING_URI", _mlflow, server),
        Check("MLflow's artifacts", "MLFLOW_TRACKING_URI", _artifacts, f"on the server's machine, {store}"),
        Check("MLflow's database", "MLFLOW_BACKEND_STORE_URI", _mlflow_database, database),
        Check("Exchange of data", "DWINDLE_EXCHANGE", _exchange, store),
    ]


# ------------------------------------------------------------------------------------------------------ servers


def _prefect(settings: Settings) -> str:
    address, login = settings["PREFECT_API_URL"].rstrip("/"), settings.get("PREFECT_API_AUTH_STRING", "")
    user, _, password = login.partition(":")
    verify = settings.get("PREFECT_API_SSL_CERT_FILE", "")
    with _client(address, (user, password) if login else None, verify) as client:
        _answer(client.get("/health"))
        version = _answer(client.get("/admin/version")).json()
    kind = {"postgresql": "PostgreSQL", "sqlite": "SQLite: one worker a pool at most"}
    return f"Prefect {version} on {kind.get(asyncio.run(_database()), 'a database that it does not tell')}"


async def _database() -> str:
    from flows.server import database_kind, served

    async with served() as client:
        return await database_kind(client)


def _mlflow(settings: Settings) -> str:
    from dwindle.tracking.address import is_server, probe

    address = settings["MLFLOW_TRACKING_URI"]
    probe(address)
    if not is_server(address):
        return "a database without a server"
    with _mlflow_client(settings) as client:
        return f"MLflow {_answer(client.get('/version')).text}"


def _artifacts(settings: Settings) -> str:
    """Write, read and delete an artifact through MLflow's server, as runs do."""
    from dwindle.tracking.address import is_server

    if not is_server(settings["MLFLOW_TRACKING_URI"]):
        return "no server: pictures and tables stay in mlartifacts/ of the machine that made them"
    token = os.urandom(8).hex()
    place = f"/api/2.0/mlflow-artifacts/artifacts/dwindle-check/{token}"
    with _mlflow_client(settings) as client:
        _answer(client.put(place, content=token.encode()))
        if _answer(client.get(place)).text != token:
            raise NotReachable("what was written reads differently")
        _answer(client.delete(place))
    return "written, read, deleted"


def _mlflow_client(settings: Settings) -> httpx.Client:
    user = settings.get("MLFLOW_TRACKING_USERNAME", "")
    login = (user, settings.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None
    verify = settings.get("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    return _client(settings["MLFLOW_TRACKING_URI"].rstrip("/"), login, verify, patience=2 * PATIENCE)


def _client(address: str, login: tuple[str, str] | None, certificate: str, patience: float = PATIENCE) -> httpx.Client:
    timeout = httpx.Timeout(patience, connect=PATIENCE)
    return httpx.Client(base_url=address, auth=login, verify=certificate or True, timeout=timeout)


def _answer(response: httpx.Response) -> httpx.Response:
    """Return an answer, or raise what it means that there is none."""
    if response.status_code in (401, 403):
        why = "refuses user and password" if response.status_code == 401 else f"refuses: {response.text.strip()[:120]}"
        raise NotReachable(f"{_host(response)} {why}")
    if not response.is_success:
        raise NotReachable(f"{_host(response)} answers {response.status_code} {response.text.strip()[:160]}")
    return response


def _host(response: httpx.Response) -> str:
    return response.request.url.netloc.decode()


# ---------------------------------------------------------------------------------------------------- databases


def _prefect_database(settings: Settings) -> str:
    with connected(settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"]) as connection:
        if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'").fetchone():
            raise NotReachable(
                "has no extension pg_trgm; `serve` adds it, or its administrator: CREATE EXTENSION pg_trgm"
            )
        return _postgres(connection) + _empty(connection, "Prefect's server makes its tables as it starts")


def _mlflow_database(settings: Settings) -> str:
    with connected(settings["MLFLOW_BACKEND_STORE_URI"]) as connection:
        return _postgres(connection) + _empty(connection, "`serve` makes its tables")


def _postgres(connection: psycopg.Connection) -> str:
    return "PostgreSQL {}.{}".format(*divmod(connection.info.server_version, 10_000))


def _empty(connection: psycopg.Connection, who: str) -> str:
    """Return what to say of a database without tables; both servers keep their version in one of this name."""
    made = connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,)
    return "" if made else f", still empty: {who}"


# ----------------------------------------------------------------------------------------------------- exchange


def _exchange(settings: Settings) -> str:
    from dwindle.versioning.trial import try_remote

    return f"written, read, deleted at {try_remote(Path.cwd(), settings['DWINDLE_EXCHANGE'])}"


def _one_line(error: Exception) -> str:
    if not isinstance(error, DwindleError | httpx.HTTPError):
        return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
    if isinstance(error, httpx.TimeoutException):
        return "connects, but does not answer in time" if not isinstance(error, httpx.ConnectTimeout) else "no answer"
    return str(error).strip().splitlines()[0][:300]
