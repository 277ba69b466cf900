"""All that machines share, on this one: PostgreSQL, an S3 store, and both servers from one file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.shared_state.postgres import REPOSITORY, Postgres, cluster, free_port

BUCKET = "dwindle"
STORE = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "a/good+word", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Shared:
    """Everything running, and the settings that lead to it.

    Args:
        settings: what the file holds.
        file: the settings file.
        postgres: the databases' cluster.
        launcher: `python -m flows.shared serve`, with its two lines said.
    """

    settings: dict[str, str]
    file: Path
    postgres: Postgres
    launcher: psutil.Popen

    def changed(self, file: Path, **settings: str) -> Path:
        """Write a settings file that differs in some keys; an empty value leaves the key out."""
        return written(file, {key: value for key, value in {**self.settings, **settings}.items() if value})

    def objects(self, prefix: str) -> list[str]:
        """Return the keys in the bucket that begin with a prefix."""
        found = client(self.settings).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", ())]


def written(file: Path, settings: dict[str, str]) -> Path:
    file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return file


def client(settings: dict[str, str]):
    """Return a client of the store."""
    import boto3

    keys = {
        "endpoint_url": settings["AWS_ENDPOINT_URL"],
        "aws_access_key_id": settings["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": settings["AWS_SECRET_ACCESS_KEY"],
        "region_name": settings["AWS_DEFAULT_REGION"],
    }
    return boto3.client("s3", **keys)


@contextmanager
def store() -> Iterator[dict[str, str]]:
    """Run an S3 store with one bucket; yield the settings that lead to it."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        settings = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", **STORE}
        client(settings).create_bucket(Bucket=BUCKET)
        yield settings
    finally:
        running.stop()


@contextmanager
def served(folder: Path, bucket: dict[str, str]) -> Iterator[Shared]:
    """Run everything with one settings file, through `python -m flows.shared serve`; the store runs already."""
    with cluster() as postgres:
        prefect, mlflow = free_port(), free_port()
        settings = {
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect}/api",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}",
            "DWINDLE_EXCHANGE": f"s3://{BUCKET}/exchange",
            **bucket,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.database("prefect", driver="postgresql+asyncpg"),
            "PREFECT_SERVER_API_PORT": str(prefect),
            "MLFLOW_BACKEND_STORE_URI": postgres.database("mlflow"),
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow",
            "MLFLOW_PORT": str(mlflow),
            "MLFLOW_WORKERS": "1",
        }
        file = written(folder / "shared.env", settings)
        with launched(file, folder) as launcher:
            yield Shared(settings, file, postgres, launcher)


@contextmanager
def launched(file: Path, folder: Path) -> Iterator[psutil.Popen]:
    """Serve by a settings file, then kill the launcher: everything that it started must end with it."""
    command = [sys.executable, "-m", "flows.shared", "serve", "--file", str(file)]
    environment = {**os.environ, "PREFECT_HOME": str(folder / "prefect")}
    with (folder / "serve.log").open("w") as log:
        launcher = psutil.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        said = []
        for line in launcher.stdout:
            said.append(line)
            if line.startswith("MLflow "):
                break
        else:
            pytest.fail(f"not served:\n{''.join(said)}{(folder / 'serve.log').read_text()}")
        threading.Thread(target=lambda: list(launcher.stdout), daemon=True).start()  # or its pipe fills up
        yield launcher
    finally:
        family = launcher.children(recursive=True)
        launcher.kill()
        _, left = psutil.wait_procs([launcher, *family], timeout=30)
        for process in left:
            process.kill()
        assert left == []


@pytest.fixture(scope="session")
def shared(bucket, tmp_path_factory):
    """Everything running, once for all tests that ask; conftest.py takes it up."""
    with served(tmp_path_factory.mktemp("shared"), bucket) as running:
        yield running
