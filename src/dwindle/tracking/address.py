"""Where MLflow lives: the address of a tracking server or database, and whether it can be had."""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from dwindle.errors import BadInput, NotReachable
from dwindle.failpoints import failpoint

__all__ = ["absolute", "database", "imported", "is_server", "make_database", "probe", "reason", "shown", "ui_command"]

PATIENCE = 5
"""How long a server or database may take to answer the first question, seconds."""

SETTINGS = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""With MLflow's own defaults a call to a dead server blocks for four minutes, to a silent one for twenty."""

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql")


def imported() -> ModuleType:
    """Import mlflow with our settings and without its chatter; it takes more than a second, so call this late."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name, level in {"mlflow": "ERROR", "alembic": "ERROR", "mlflow.store.db.utils": "CRITICAL"}.items():
        logging.getLogger(name).setLevel(level)
    return mlflow  # type: ignore[no-any-return]


def absolute(uri: str, root: Path) -> str:
    """Return an address that means the same from any folder; a relative SQLite path starts at the workspace.

    Raises:
        BadInput: if it is no address of a server or of a database.
    """
    kind = _kind(uri)
    if kind not in (*SERVERS, *DATABASES):
        raise BadInput(
            f"tracking.uri: {uri!r} is no address of MLflow; use sqlite:///mlflow.db, http(s)://... or postgresql://..."
        )
    if kind != "sqlite":
        return uri
    path = uri.removeprefix("sqlite:///")
    if path in (uri, "", ":memory:"):
        raise BadInput(f"tracking.uri: {uri!r} names no file; write sqlite:///mlflow.db")
    return f"sqlite:///{os.path.normpath(root / path)}"


def is_server(uri: str) -> bool:
    """Say whether an address is a tracking server rather than a database."""
    return _kind(uri) in SERVERS


def database(uri: str) -> Path | None:
    """Return the file of an absolute address, if it is an SQLite database's."""
    return Path(uri.removeprefix("sqlite:///")) if _kind(uri) == "sqlite" else None


def shown(uri: str) -> str:
    """Return an address without user and password, for messages."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else uri


def ui_command(uri: str, root: Path) -> str:
    """Return the command, or the address, that shows what was tracked."""
    if is_server(uri):
        return shown(uri)
    return f"mlflow ui --backend-store-uri {shlex.quote(absolute(uri, root.resolve()))}"


def probe(uri: str) -> None:
    """Ask an absolute address whether it can be read and written, within seconds.

    Raises:
        NotReachable: if not.
    """
    if is_server(uri):
        _probe_server(uri)
    elif (path := database(uri)) is not None:
        _probe_file(path)
    else:
        _probe_database(uri)


def make_database(uri: str) -> None:
    """Make an SQLite database with MLflow's tables where there is none; other addresses are left alone.

    MLflow makes them in some seventy steps and cannot go on from the middle. So they are made in a file beside, which
    one rename puts into its place: a kill leaves no database or a whole one. Only call this under the tracker's lock.
    """
    path = database(uri)
    if path is None or (path.exists() and path.stat().st_size):
        return
    for litter in path.parent.glob(f".{path.name}.*.tmp*"):
        litter.unlink()
    working = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh = f"sqlite:///{working}"
    imported().MlflowClient(fresh, registry_uri=fresh).search_experiments(max_results=1)
    failpoint("tracking.made")
    working.replace(path)


def _kind(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


def _probe_server(uri: str) -> None:
    imported()
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request_safe

    question = {"endpoint": "/api/2.0/mlflow/experiments/search", "method": "POST", "json": {"max_results": 1}}
    try:
        http_request_safe(get_default_host_creds(uri), **question, max_retries=0, timeout=PATIENCE)
    except MlflowException as error:
        raise NotReachable(f"MLflow does not answer at {shown(uri)}: {reason(error, uri)}") from error


def _probe_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise NotReachable(f"MLflow's database {path} cannot be written: {error}") from error


def _probe_database(uri: str) -> None:
    imported()
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": PATIENCE})
        engine.connect().close()
        engine.dispose()
    except ImportError as error:
        raise NotReachable(f"{shown(uri)} needs a driver that is not installed: {error}") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise NotReachable(f"MLflow's database {shown(uri)} does not answer: {reason(error, uri)}") from error


def reason(error: Exception, uri: str) -> str:
    """Return what an error says, without the pages around it and without the password of the address."""
    text = str(error).partition("Caused by ")[2] or str(error) or type(error).__name__
    return text.replace(uri, shown(uri)).strip().splitlines()[0][:300]
