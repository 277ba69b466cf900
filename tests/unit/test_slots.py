"""Leases of devices: never two at once, freed by a kill, all or nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest

from dwindle.errors import BadInput, NotReachable
from dwindle.stages import devices
from dwindle.stages.devices import devices_here, parsed
from dwindle.stages.slots import asked_slots, environment_of, leased, leased_async, slot_folder

GROWER = """
import json, os, random, sys, time
from pathlib import Path
from dwindle.stages import slots
folder, count, times = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
slots.PAUSE = 0.002
with open(sys.argv[4], "a", buffering=1) as log:
    for turn in range(times):
        with slots.leased(("0", "1", "2"), count, folder) as devices:
            begin = time.monotonic()
            time.sleep(random.uniform(0.0, 0.004))
            log.write(json.dumps([devices, count, begin, time.monotonic()]) + chr(10))
"""

HOLDER = """
import sys, time
from pathlib import Path
from dwindle.stages.slots import leased
with leased(("0",), 1, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def most_at_once(spans):
    """Return the largest sum of shares that were held at one moment."""
    turns = sorted(turn for begin, end, share in spans for turn in ((begin, 1, share), (end, 0, -share)))
    load = peak = 0.0
    for _, _, share in turns:
        load += share
        peak = max(peak, load)
    return peak


def test_many_processes_never_hold_more_than_a_device_has(tmp_path):
    counts, times = (1, 1, 2, 3, 0.5, 0.25, 0.25), 30
    growers = [
        subprocess.Popen(
            [sys.executable, "-c", GROWER, str(tmp_path / "slots"), str(count), str(times), str(tmp_path / "log")]
        )
        for count in counts
    ]
    assert [grower.wait(timeout=60) for grower in growers] == [0] * len(counts)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) == len(counts) * times
    spans = defaultdict(list)
    for names, count, begin, end in lines:
        assert len(set(names)) == max(1, count)
        for device in names:
            spans[device].append((begin, end, min(1, count)))
    peaks = {device: most_at_once(held) for device, held in spans.items()}
    assert set(peaks) == {"0", "1", "2"}
    assert max(peaks.values()) <= 1.0
    assert sum(end - begin for held in spans.values() for begin, end, _ in held) > 0.3  # they did hold them


def test_a_kill_frees_a_device_at_once(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(held_for_a_moment(tmp_path), 0.3))
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    killed = time.monotonic()
    asyncio.run(held_for_a_moment(tmp_path))
    assert killed - begun >= 0.3
    assert time.monotonic() - killed < 10


async def held_for_a_moment(folder, count=1.0, devices=("0",)):
    async with leased_async(devices, count, folder) as found:
        return found


def test_one_that_gives_up_waiting_leaves_the_front_of_the_queue_to_the_next(tmp_path):
    with leased(("0", "1"), 1, tmp_path):
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(held_for_a_moment(tmp_path, 2, ("0", "1")), 0.3))
        assert asyncio.run(asyncio.wait_for(held_for_a_moment(tmp_path, 1, ("0", "1")), 1)) == ("1",)


def test_shares_fill_the_emptiest_device_first_and_no_device_beyond_one(tmp_path):
    with (
        leased(("0", "1"), 0.5, tmp_path) as first,
        leased(("0", "1"), 0.25, tmp_path) as second,
        leased(("0", "1"), 0.5, tmp_path) as third,
    ):
        assert (first, second, third) == (("0",), ("1",), ("1",))
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(held_for_a_moment(tmp_path, 1, ("0", "1")), 0.2))


def test_thirds_fill_a_device(tmp_path):
    with leased(("0",), 1 / 3, tmp_path), leased(("0",), 1 / 3, tmp_path), leased(("0",), 1 / 3, tmp_path) as last:
        assert last == ("0",)


def test_no_device_is_no_lease(tmp_path):
    with leased((), 0, tmp_path) as none:
        assert none == ()
    assert list(tmp_path.iterdir()) == []
    assert environment_of(()) == {"CUDA_VISIBLE_DEVICES": "", "DWINDLE_DEVICE": "cpu"}
    assert environment_of(("1", "3")) == {"CUDA_VISIBLE_DEVICES": "1,3", "DWINDLE_DEVICE": "cuda"}


@pytest.mark.parametrize("count", [-1, 1.5, 3])
def test_what_can_never_be_had_is_refused_at_once(tmp_path, count):
    with pytest.raises(BadInput, match="devices"), leased(("0", "1"), count, tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReachable, match="DWINDLE_SLOT_FOLDER"), leased(("0",), 1, tmp_path / "file" / "slots"):
        pass


def test_the_environment_says_which_devices_are_for_lease_and_where_their_locks_stand(monkeypatch, tmp_path):
    monkeypatch.delenv("DWINDLE_SLOTS", raising=False)
    assert asked_slots() == ()
    monkeypatch.setenv("DWINDLE_SLOTS", "0, 2")
    assert asked_slots() == ("0", "2")
    monkeypatch.setenv("DWINDLE_SLOTS", "all")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert asked_slots() == ("4", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BadInput, match="shows no GPU"):
        asked_slots()
    monkeypatch.setenv("DWINDLE_SLOTS", "1,1")
    with pytest.raises(BadInput, match="twice"):
        asked_slots()
    assert str(os.getuid()) in slot_folder().name
    monkeypatch.setenv("DWINDLE_SLOT_FOLDER", str(tmp_path))
    assert slot_folder() == tmp_path


LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-d1a38c5c-0bb0-4a1c-b5c4-c2ef7c1ef6d7)
  MIG 3g.20gb     Device  0: (UUID: MIG-1e4a9b3c-0000-5a0b-9d2a-52d0b5b3b1e1)
  MIG 3g.20gb     Device  1: (UUID: MIG-2f5bac4d-0000-5a0b-9d2a-52d0b5b3b1e2)
"""


def test_a_divided_gpu_stands_for_its_parts():
    parts = ("MIG-1e4a9b3c-0000-5a0b-9d2a-52d0b5b3b1e1", "MIG-2f5bac4d-0000-5a0b-9d2a-52d0b5b3b1e2")
    assert parsed(LISTED) == ("0", *parts)
    assert parsed("No devices found.\n") == ()


def test_what_a_batch_system_grants_is_all_there_is():
    assert devices_here({"CUDA_VISIBLE_DEVICES": "2,3", "NVIDIA_VISIBLE_DEVICES": "0,1,2,3"}) == ("2", "3")
    assert devices_here({"CUDA_VISIBLE_DEVICES": "1,-1,0"}) == ("1",)
    assert devices_here({"CUDA_VISIBLE_DEVICES": ""}) == ()


def test_without_nvidia_tools_the_driver_is_asked_and_then_the_container_runtime(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "gpus")
    assert devices_here({"NVIDIA_VISIBLE_DEVICES": "1,2"}) == ("1", "2")
    assert devices_here({"NVIDIA_VISIBLE_DEVICES": "void"}) == ()
    for address in ("0000:3b:00.0", "0000:d8:00.0"):
        (tmp_path / "gpus" / address).mkdir(parents=True)
    assert devices_here({"NVIDIA_VISIBLE_DEVICES": "void"}) == ("0", "1")


def test_nvidia_smi_is_asked_first(monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert devices_here({"NVIDIA_VISIBLE_DEVICES": "0,1,2,3"}) == parsed(LISTED)
