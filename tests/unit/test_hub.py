"""Files of the hub: pinned, from the cache where they are there, in seconds an answer or a clear error, never code."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from huggingface_hub import constants

from dwindle.data.hub import resolved
from dwindle.errors import NotReachable
from tests.unit.hub_standing_in import REVISION, hub, silent

MODEL = f"org/model@{REVISION}"
WEIGHTS = ("config.json", "*.safetensors")


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Return a function that has the hub's client ask an address, with an empty cache."""

    def ask(address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        url = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    return ask


@pytest.fixture
def served(at, tmp_path):
    """A hub with a small model, and the folder that it serves."""
    folder = tmp_path / "org" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "opt"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with hub(tmp_path) as server:
        at(server.address)
        yield server, folder


def test_what_is_asked_for_comes_at_its_revision_and_nothing_else(served, tmp_path, monkeypatch):
    monkeypatch.chdir(served[1])
    before = sorted(served[1].rglob("*"))
    found = resolved(MODEL, WEIGHTS)
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "model.safetensors"]
    assert (found / "model.safetensors").read_bytes() == b"weights"
    assert found.is_relative_to(tmp_path / "cache")
    assert sorted(served[1].rglob("*")) == before


def test_what_is_in_the_cache_is_not_asked_for(served, at):
    found = resolved(MODEL, WEIGHTS)
    at("http://127.0.0.1:9")
    assert resolved(MODEL, WEIGHTS) == found
    with pytest.raises(NotReachable):
        resolved(MODEL, ("tokenizer.json",))


def test_numbered_parts_are_in_the_cache_when_all_are(served, at):
    server, folder = served
    for part in (1, 2, 3):
        (folder / f"data-0000{part}-of-00003.parquet").write_bytes(b"rows")
    found = resolved(f"org/model@{REVISION}", ("data-*.parquet",))
    assert len(list(found.glob("data-*"))) == 3
    (found / "data-00002-of-00003.parquet").unlink()
    asked = len(server.asked)
    resolved(f"org/model@{REVISION}", ("data-*.parquet",))
    assert len(server.asked) > asked
    assert len(list(found.glob("data-*"))) == 3


def test_data_sets_have_a_room_of_their_own(served):
    found = resolved(MODEL, ("config.json",), kind="dataset")
    assert "datasets--org--model" in found.parts
    assert any(line.startswith("GET /api/datasets/org/model/revision/") for line in served[0].asked)


@pytest.mark.parametrize("name", ["org/model", "org/model@main", f"org/model@{REVISION[:12]}", f"model@{REVISION}"])
def test_a_name_without_a_pinned_revision_is_refused_with_the_form(name):
    with pytest.raises(
        ValueError, match=r"org/name@revision, the revision being the 40 hexadecimal digits of a commit"
    ):
        resolved(name, WEIGHTS)


def test_an_unknown_revision_and_an_unknown_name_are_told_apart(served):
    with pytest.raises(ValueError, match=f"org/model@{'f' * 40}: http://127.0.0.1:.* knows no such revision"):
        resolved(f"org/model@{'f' * 40}", WEIGHTS)
    with pytest.raises(ValueError, match=r"org/mode@.* has nothing of that name"):
        resolved(f"org/mode@{REVISION}", WEIGHTS)


def test_a_missing_file_is_named(served):
    with pytest.raises(ValueError, match=r"org/model@\w+ has no merges\.txt$"):
        resolved(MODEL, ("config.json", "merges.txt"))
    with pytest.raises(ValueError, match=r"has no tokenizer\.json, nor vocab\.json and merges\.txt instead$"):
        resolved(MODEL, ("tokenizer.json",), otherwise=("vocab.json", "merges.txt"))


@pytest.mark.parametrize("local", [False, True])
def test_weights_that_are_only_pickle_are_refused(served, local):
    _, folder = served
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"only as pickle \(pytorch_model\.bin\).*expected \*\.safetensors"):
        resolved(str(folder) if local else MODEL, WEIGHTS)


def test_weights_that_are_only_pickle_are_refused_with_the_first_file_and_not_fetched_otherwise(served, tmp_path):
    _, folder = served
    assert resolved(MODEL, ("config.json",), beside=[("*.safetensors",)]).is_dir()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    (folder / "model.safetensors").unlink()
    shutil.rmtree(tmp_path / "cache")
    for name in (MODEL, str(folder)):
        with pytest.raises(ValueError, match=r"only as pickle \(pytorch_model\.bin\)"):
            resolved(name, ("config.json",), beside=[("*.safetensors",)])
    assert not list((tmp_path / "cache").rglob("config.json"))


@pytest.mark.parametrize("local", [False, True])
def test_a_configuration_that_brings_code_is_refused_before_the_weights_come(served, local):
    server, folder = served
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": "modeling.Evil"}}))
    with pytest.raises(ValueError, match=r"config\.json asks for code that comes with it \(auto_map\)"):
        resolved(str(folder) if local else MODEL, WEIGHTS)
    assert not any("safetensors" in line for line in server.asked)


def test_a_local_folder_serves_as_it_is(served):
    _, folder = served
    assert resolved(str(folder), WEIGHTS) == folder
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        resolved(str(folder), WEIGHTS)


def test_a_hub_that_refuses_or_is_forbidden_is_not_reachable(at, monkeypatch):
    at("http://127.0.0.1:9")
    with pytest.raises(NotReachable, match=r"org/model@\w+ is not in the local cache, and http://127.0.0.1:9 does not"):
        resolved(MODEL, WEIGHTS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NotReachable, match="offline"):
        resolved(MODEL, WEIGHTS)


def test_a_hub_that_never_answers_is_given_up_within_ten_seconds(at):
    with silent() as address:
        at(address)
        start = time.monotonic()
        with pytest.raises(NotReachable, match="does not answer"):
            resolved(MODEL, WEIGHTS)
    assert time.monotonic() - start < 10
