"""One settings file leads to PostgreSQL, an S3 store or an SSH server, and both servers; `check` says if it does."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import PARAMS
from tests.shared_state.postgres import PASSWORD, REPOSITORY, free_port
from tests.shared_state.servers import written

LOADED = "set -a; . $0; set +a; "


def checked(project, file, **options):
    """Run the check; return what it printed and how long it took, seconds."""
    started = time.monotonic()
    done = project.run(sys.executable, "-m", "flows.shared", "check", "--file", str(file), check=False, **options)
    return done, time.monotonic() - started


@pytest.fixture(scope="module")
def project(new_project):
    return new_project(PARAMS)


def test_every_service_of_the_file_is_tried_and_nothing_is_left_there(shared, project):
    done, _ = checked(project, shared.file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok ") == 6
    assert done.stdout.count("written, read, deleted") == 2
    assert PASSWORD not in done.stdout + done.stderr
    assert [key for key in shared.objects("") if "dwindle-check" in key] == []


def test_what_is_wrong_is_one_line_for_each_service_within_20_seconds(shared, project, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        changes = {
            "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": shared.postgres.database(
                "prefect", password="tell-no-one", driver="postgresql+asyncpg"
            ),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "MLFLOW_BACKEND_STORE_URI": f"postgresql://dwindle:tell-no-one@127.0.0.1:{free_port()}/mlflow",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        }
        done, seconds = checked(project, shared.changed(tmp_path / "wrong.env", **changes))
    assert done.returncode == 3
    assert seconds < 20 + 5  # the last ones for the start of Python on a busy machine
    services = [line.removeprefix("error: ").partition(":")[0] for line in done.stderr.splitlines()]
    assert services == [
        "Prefect's server",
        "Prefect's database",
        "MLflow's server",
        "MLflow's artifacts",
        "MLflow's database",
        "Exchange of data",
    ]
    assert "password authentication failed" in done.stderr
    assert "tell-no-one" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_servers_are_not_started_on_a_database_that_refuses(shared, project, tmp_path):
    address = shared.postgres.database("mlflow", password="tell-no-one")
    file = shared.changed(tmp_path / "wrong.env", MLFLOW_BACKEND_STORE_URI=address)
    done = project.run(sys.executable, "-m", "flows.shared", "serve", "--file", str(file), check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "password authentication failed" in line
    assert "tell-no-one" not in line


def test_servers_need_databases_of_their_own_settings(shared, project, tmp_path):
    file = shared.changed(tmp_path / "short.env", MLFLOW_BACKEND_STORE_URI="", MLFLOW_ARTIFACTS_DESTINATION="")
    done = project.run(sys.executable, "-m", "flows.shared", "serve", "--file", str(file), check=False)
    assert done.returncode == 2
    assert [line.split()[1] for line in done.stderr.splitlines()] == [
        "MLFLOW_BACKEND_STORE_URI",
        "MLFLOW_ARTIFACTS_DESTINATION",
    ]


def test_without_any_shared_setting_there_is_nothing_to_check(project):
    done = project.run("env", "-i", sys.executable, "-m", "flows.shared", "check", check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no shared service is set" in done.stderr


def test_dvc_pushes_and_pulls_over_ssh_by_the_address_of_the_file(flowed, ssh_address, tmp_path):
    here = flowed.copy(tmp_path / "here")
    file = written(tmp_path / "shared.env", {"DWINDLE_EXCHANGE": ssh_address})
    done, _ = checked(here, file)
    assert f"written, read, deleted at {ssh_address}" in done.stdout
    before = here.files()
    remote = 'dvc remote add --quiet --local --default shared "$DWINDLE_EXCHANGE"; '
    here.run("sh", "-c", LOADED + remote + "dvc push --quiet", str(file))
    for folder in ("data", "models", "metrics", ".dvc/cache"):
        shutil.rmtree(here.root / folder)
    here.run("dvc", "pull", "--quiet")
    assert here.files() == before


LAUNCHER = """
import subprocess, sys, time
from flows.shared.attached import start
child = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1); time.sleep(99)"
held = [start([sys.executable, "-c", child], {}) for _ in range(2)]
print("started", flush=True)
time.sleep(99)
"""


def test_a_server_and_its_children_end_when_the_launcher_is_killed():
    launcher = psutil.Popen([sys.executable, "-c", LAUNCHER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout.readline() == "started\n"
    while len(family := launcher.children(recursive=True)) < 6:
        time.sleep(0.1)
    launcher.kill()
    assert psutil.wait_procs(family, timeout=20)[1] == []
