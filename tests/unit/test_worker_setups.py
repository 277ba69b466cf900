"""Which workers the command line asks for, and with which devices."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dwindle.errors import BadInput, NotReachable
from flows.workers import _claimed, parsed_options, setups

LINEAGE = """
import sys
from dwindle.config.machine import Engine
from dwindle.stages.equipment import equipped
with equipped(Engine(gpus=float(sys.argv[1])), workers=1) as given:
    print(given[0]["CUDA_VISIBLE_DEVICES"])
"""


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


def asked(*words):
    return setups(parsed_options(words))


def test_each_gpu_has_a_worker_of_its_own_that_takes_one_lineage():
    first, second = asked()
    assert (first.name.rpartition("-")[2], second.name.rpartition("-")[2]) == ("gpu0", "gpu1")
    for worker, device in ((first, "0"), (second, "1")):
        assert worker.limit == 1
        assert worker.environment["CUDA_VISIBLE_DEVICES"] == device
        assert worker.environment["DWINDLE_DEVICE"] == "cuda"
        assert worker.environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
        assert worker.environment["DWINDLE_SLOTS"] == ""


def test_devices_can_be_chosen_and_packed():
    [worker] = asked("--devices", "1", "--pack", "4")
    assert (worker.limit, worker.environment["CUDA_VISIBLE_DEVICES"]) == (4, "1")


def test_one_worker_can_have_all_devices_for_lease():
    [worker] = asked("--shared", "--pack", "2")
    assert worker.limit == 4
    assert worker.environment["DWINDLE_SLOTS"] == "0,1"
    assert worker.environment["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_workers_without_a_device_see_none():
    workers = asked("--count", "3")
    assert len({worker.name for worker in workers}) == 3
    assert {worker.environment["CUDA_VISIBLE_DEVICES"] for worker in workers} == {""}
    assert {worker.environment["DWINDLE_DEVICE"] for worker in workers} == {"cpu"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--devices", "0,7"), "no device 7; this machine has 0, 1"),
        (("--devices", "none"), "needs --count"),
        (("--count", "2", "--devices", "0"), "leave out --devices"),
        (("--count", "2", "--shared"), "leave out --devices"),
        (("--count", "-1"), "1 or more"),
        (("--pack", "0"), "1 or more"),
    ],
)
def test_a_mistake_is_named(words, said):
    with pytest.raises(BadInput, match=said):
        asked(*words)


def test_without_a_gpu_the_processor_is_used_only_if_asked_for(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BadInput, match=r"shows no GPU.*--count K"):
        asked()
    assert len(asked("--count", "1")) == 1


@pytest.mark.parametrize(("pack", "gpus"), [(1, 1.0), (4, 0.25)])
def test_a_lineage_leases_the_device_that_its_worker_s_launcher_holds(monkeypatch, tmp_path, pack, gpus):
    monkeypatch.setenv("DWINDLE_SLOT_FOLDER", str(tmp_path))
    monkeypatch.setenv("DWINDLE_SLOTS", "0,1")  # meant for another launcher
    options = parsed_options(["--pack", str(pack)])
    workers = setups(options)
    with _claimed(options, workers):
        for worker in workers:
            environment = {**os.environ, **worker.environment}
            command = [sys.executable, "-c", LINEAGE, str(gpus)]
            leased = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
            assert leased.stdout.strip() == worker.environment["CUDA_VISIBLE_DEVICES"]
        with pytest.raises(NotReachable, match="held by another process"), _claimed(options, workers):
            pass


def test_one_worker_for_all_devices_leases_where_other_launchers_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DWINDLE_SLOT_FOLDER", str(tmp_path))
    assert "DWINDLE_SLOT_FOLDER" not in asked("--shared")[0].environment
