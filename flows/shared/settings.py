"""The settings file: `KEY=value` lines that a shell, docker and systemd read alike, and what each key may hold.

The names are those that Prefect, MLflow, the S3 client and dwindle read from the environment by themselves, so nothing
has to translate them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dwindle.errors import BadInput, nearest

__all__ = ["SETTINGS", "Setting", "is_secret", "read_settings", "require", "wrong_values"]

PLACEHOLDER = "change-me"

_LINE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII)
_EXPORT = re.compile(r"export\s")
_ALIKE = re.compile(r"[A-Za-z0-9_@%+=:,./?^!*\[\]-]")
"""What means itself in a shell's assignment, in docker's --env-file and in systemd's EnvironmentFile."""
_SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|AUTH")
_LOGIN = re.compile(r"://[^/@]*:[^/@]*@")


@dataclass(frozen=True)
class Setting:
    """What a key may hold.

    Args:
        form: regular expression that the whole value fits.
        wanted: the form in words.
    """

    form: str = r".+"
    wanted: str = "a text"


_ADDRESS = Setting(r"https?://[^/\s]+(/\S*)?", "http(s)://host:port")
_FILE = Setting(r"/.+", "an absolute path")
_PORT = Setting(r"[1-9]\d{0,4}", "a port")
_LOGIN_PAIR = Setting(r"[^:]+:.+", "user:password")
_SUMS = Setting(r"when_required|when_supported", "when_required or when_supported")

SETTINGS: Mapping[str, Setting] = {
    "PREFECT_API_URL": Setting(r"https?://[^/\s]+(/\S+)*/api/?", "http(s)://host:port/api"),
    "PREFECT_API_AUTH_STRING": _LOGIN_PAIR,
    "PREFECT_API_SSL_CERT_FILE": _FILE,
    "MLFLOW_TRACKING_URI": Setting(
        r"https?://[^/\s]+(/\S*)?|postgresql(\+\w+)?://\S+/\S+", "http(s)://host:port or postgresql://..."
    ),
    "MLFLOW_TRACKING_USERNAME": Setting(),
    "MLFLOW_TRACKING_PASSWORD": Setting(),
    "MLFLOW_TRACKING_SERVER_CERT_PATH": _FILE,
    "DWINDLE_EXCHANGE": Setting(
        r"(s3|ssh)://[^/\s]+/\S+|/\S+", "s3://bucket/folder, ssh://user@host/folder or an absolute path"
    ),
    "DWINDLE_ENGINE": Setting(r"process|ray|dask|deployments", "process, ray, dask or deployments"),
    "DWINDLE_IMAGE": Setting(),
    "AWS_ENDPOINT_URL": _ADDRESS,
    "AWS_ACCESS_KEY_ID": Setting(),
    "AWS_SECRET_ACCESS_KEY": Setting(),
    "AWS_DEFAULT_REGION": Setting(),
    "AWS_CA_BUNDLE": _FILE,
    "AWS_REQUEST_CHECKSUM_CALCULATION": _SUMS,
    "AWS_RESPONSE_CHECKSUM_VALIDATION": _SUMS,
    "PREFECT_WORKER_QUERY_SECONDS": Setting(r"\d+(\.\d+)?", "seconds"),
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": Setting(r"[3-9]\d|[1-9]\d{2,}", "seconds, 30 at least"),
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": Setting(
        r"postgresql\+asyncpg://\S+/\S+", "postgresql+asyncpg://user:password@host/database"
    ),
    "PREFECT_SERVER_API_HOST": Setting(),
    "PREFECT_SERVER_API_PORT": _PORT,
    "PREFECT_SERVER_API_AUTH_STRING": _LOGIN_PAIR,
    "MLFLOW_BACKEND_STORE_URI": Setting(
        r"postgresql(\+psycopg)?://\S+/\S+", "postgresql://user:password@host/database"
    ),
    "MLFLOW_ARTIFACTS_DESTINATION": Setting(r"s3://[^/\s]+(/\S*)?|/\S+", "s3://bucket/folder or an absolute path"),
    "MLFLOW_HOST": Setting(),
    "MLFLOW_PORT": _PORT,
    "MLFLOW_WORKERS": Setting(r"[1-9]\d{0,2}", "a count of processes"),
    "MLFLOW_SERVER_ALLOWED_HOSTS": Setting(),
}


def is_secret(name: str, value: str = "") -> bool:
    """Say whether a value must not be shown: by its key, or because it is an address with a password."""
    return bool(_SECRET.search(name) or _LOGIN.search(value))


def read_settings(path: Path) -> dict[str, str]:
    """Read a settings file.

    Returns:
        Value by key, in the file's order.

    Raises:
        BadInput: every problem found, with its line; no value is repeated that might be a secret.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise BadInput(f"{path}: {why}; copy deploy/shared.env.example to deploy/shared.env and fill it in") from error
    found: dict[str, str] = {}
    problems = [
        f"{path}, line {number}: {problem}"
        for number, line in enumerate(lines, 1)
        for problem in _read_line(line, found)
    ]
    problems += [f"{path}: {problem}" for problem in wrong_values(found)]
    if problems:
        raise BadInput(*problems)
    return found


def _read_line(line: str, found: dict[str, str]) -> Iterator[str]:
    """Take a line's value up, and yield what is wrong with the line."""
    if not line.strip() or line.startswith("#"):
        return
    parts = _LINE.fullmatch(line)
    if parts is None:
        exported = " without `export`, which docker does not read" if _EXPORT.match(line) else ""
        yield f"not KEY=value{exported}; comments stand on lines of their own, and no space beside ="
        return
    name, value = parts.groups()
    if name not in SETTINGS:
        yield f"unknown key {name}{nearest(name, SETTINGS)}"
    elif name in found:
        yield f"{name} a second time"
    elif not value:
        yield f"{name} has no value; put a # before it to leave it at its default"
    elif strange := sorted(set(_ALIKE.sub("", value))):
        signs = " ".join("space" if sign == " " else sign for sign in strange)
        yield f"{name}: shell, docker and systemd read {signs} differently; in an address write %XX for it"
    else:
        found[name] = value


def wrong_values(values: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the values of known keys, one line each."""
    problems = []
    for name, setting in SETTINGS.items():
        value = values.get(name)
        if value is None:
            continue
        if PLACEHOLDER in value:
            problems.append(f"{name} still holds the example's {PLACEHOLDER}")
        elif not re.fullmatch(setting.form, value):
            given = "what it holds is another" if is_secret(name, value) else f"not {value!r}"
            problems.append(f"{name} takes {setting.wanted}; {given}")
    return problems


def require(values: Mapping[str, str], *names: str) -> None:
    """See that keys are there.

    Raises:
        BadInput: naming each that is missing.
    """
    if missing := [name for name in names if name not in values]:
        raise BadInput(*(f"{name} is not set; deploy/shared.env.example says what it is for" for name in missing))
