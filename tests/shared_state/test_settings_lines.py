"""The settings file is read as a shell reads it, and a mistake in it is one line that gives nothing away."""

from __future__ import annotations

import re
import subprocess

import pytest

from dwindle.errors import BadInput
from flows.shared.settings import SETTINGS, is_secret, read_settings
from tests.shared_state.postgres import REPOSITORY

EXAMPLE = REPOSITORY / "deploy" / "shared.env.example"
FILLED = EXAMPLE.read_text().replace("change-me", "word")


def problems(tmp_path, text: str) -> tuple[str, ...]:
    (tmp_path / "shared.env").write_text(text)
    with pytest.raises(BadInput) as caught:
        read_settings(tmp_path / "shared.env")
    return caught.value.problems


def test_the_example_names_every_key_once_and_the_page_explains_each():
    named = re.findall(r"^#?([A-Z_]+)=\S+$", EXAMPLE.read_text(), re.M)
    assert named == list(dict.fromkeys(named))
    assert set(named) == set(SETTINGS)
    page = (REPOSITORY / "docs" / "shared-state.md").read_text()
    assert [name for name in SETTINGS if f"`{name}`" not in page] == []


def test_every_key_of_the_example_says_who_reads_it_and_what_its_default_is():
    for block in EXAMPLE.read_text().split("\n\n"):
        if re.search(r"^#?[A-Z_]+=", block, re.M):
            assert "Read by" in block.replace("\n# ", " "), block
            assert "Default:" in block.replace("\n# ", " "), block


@pytest.mark.parametrize("text", [FILLED, re.sub(r"^#(?=[A-Z_]+=)", "", FILLED, flags=re.M)], ids=["set", "all"])
def test_a_shell_reads_the_example_as_it_is_read_here(tmp_path, text):
    file = tmp_path / "shared.env"
    file.write_text(text)
    said = subprocess.run(
        ["env", "-i", "sh", "-c", "set -a; . ./shared.env; exec /usr/bin/env -0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = dict(pair.split("=", 1) for pair in said.split("\0") if pair)
    assert {key: seen[key] for key in seen.keys() & SETTINGS.keys()} == read_settings(file)


def test_the_example_itself_is_refused_because_its_passwords_are_placeholders(tmp_path):
    found = problems(tmp_path, EXAMPLE.read_text())
    assert {line.split()[1] for line in found} == {
        "AWS_SECRET_ACCESS_KEY",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        "MLFLOW_BACKEND_STORE_URI",
    }
    assert all("change-me" in line for line in found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "MLFLOW_TRACKING_URL=http://server:5000",
            "unknown key MLFLOW_TRACKING_URL; did you mean MLFLOW_TRACKING_URI?",
        ),
        ("export DWINDLE_ENGINE=ray", "without `export`"),
        ("DWINDLE_ENGINE = ray", "no space beside ="),
        ("DWINDLE_ENGINE=", "no value"),
        ("DWINDLE_ENGINE=ray # the cluster", "space # differently"),
        ("DWINDLE_ENGINE=ray\nDWINDLE_ENGINE=dask", "line 2: DWINDLE_ENGINE a second time"),
        ("DWINDLE_ENGINE=rey", "takes process, ray, dask or deployments; not 'rey'"),
        ("PREFECT_API_URL=http://server:4200", "takes http(s)://host:port/api"),
        ("PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql://u:tell-no-one@h/d", "takes postgresql+asyncpg://"),
        ("MLFLOW_BACKEND_STORE_URI=postgresql://u:tell-no-one&x@h/d", "& differently"),
        ("AWS_SECRET_ACCESS_KEY='tell-no-one'", "' differently"),
        ("PREFECT_SERVER_API_AUTH_STRING=tell-no-one", "takes user:password"),
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY=10", "30 at least"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key_and_no_secret(tmp_path, line, words):
    (found,) = problems(tmp_path, line + "\n")
    assert words in found
    assert "shared.env" in found
    assert "tell-no-one" not in found


def test_a_missing_file_says_where_its_example_is(tmp_path):
    with pytest.raises(BadInput, match=r"copy deploy/shared\.env\.example"):
        read_settings(tmp_path / "shared.env")


def test_keys_and_addresses_with_passwords_are_secrets():
    secret = {name for name in SETTINGS if is_secret(name)}
    assert {"AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_AUTH_STRING"} <= secret
    assert is_secret("MLFLOW_BACKEND_STORE_URI", "postgresql://u:word@h/d")
    assert not is_secret("MLFLOW_TRACKING_URI", "http://server:5000")
