"""Training by several processes: the steps of one, what a kill leaves of it, and how its failures are told."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from _thread import interrupt_main
from contextlib import suppress
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest
import torch
from walking_blocks import LENGTH, digest, fitted, nats, walks, weights_of

from dwindle.data.unfinished import FOLDER, keeping, progress_of
from dwindle.errors import BadInput, StageFailed
from dwindle.nets.language import kept, peers, together

STAGE = "train@a-g001"

pytest.importorskip("accelerate")


@pytest.fixture
def two(monkeypatch, tmp_path):
    """Have two processes on the processor train together, and every state kept."""
    monkeypatch.setattr(together, "ON_PROCESSOR", 2)
    monkeypatch.setattr(kept, "PAUSE", 0.0)
    monkeypatch.setattr(kept, "_SHARE", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def close(one, other):
    np.testing.assert_allclose(weights_of(one), weights_of(other), atol=1e-5)
    assert nats(one, walks(50)) == pytest.approx(nats(other, walks(50)), abs=1e-6)


def test_two_processes_take_the_steps_of_one(two, tmp_path, monkeypatch):
    # Of one validation row the second process has none. Llama has no biases; gradients of those may be mere rounding.
    settings = {"model": "llama", "steps": 40, "accumulation": 3, "checkpoint": "best", "validation": 0.02}
    several = fitted(walks(60), **settings)
    monkeypatch.setattr(together, "ON_PROCESSOR", 1)
    one = fitted(walks(60), **settings)
    assert (weights_of(one) != weights_of(several)).any()
    close(one, several)
    assert not list(tmp_path.glob("dwindle-*"))


def test_two_processes_change_a_given_model_by_low_rank_as_one_does(two, tmp_path, monkeypatch):
    given = tmp_path / "given"
    monkeypatch.setattr(together, "ON_PROCESSOR", 1)
    digest(fitted(walks(60), model="llama"), given)
    settings = {"model": str(given), "lora_rank": 2, "steps": 10, "clip": 0.0}
    one = fitted(walks(60, step=2), **settings)
    monkeypatch.setattr(together, "ON_PROCESSOR", 2)
    close(one, fitted(walks(60, step=2), **settings))


def test_a_process_that_is_killed_is_named_and_the_next_fit_goes_on_to_the_same_bits(two, tmp_path, monkeypatch):
    settings = {"model": "gpt2", "steps": 0, "epochs": 8, "dropout": 0.2, "accumulation": 2, "precision": "bfloat16"}
    settings |= {"checkpoint": "best", "validation": 0.2}
    whole = digest(fitted(walks(60), **settings), tmp_path / "whole")
    # Each of the 24 steps is a state, which is a rename; a few words on progress are some, too.
    monkeypatch.setenv("DWINDLE_FAILPOINT", "publish.renamed:14")
    told = r"process 0 of 2 that train together was ended by signal 9, perhaps for want of memory$"
    with pytest.raises(StageFailed, match=told), keeping(tmp_path, STAGE, "key"):
        fitted(walks(60), **settings)
    assert list((tmp_path / FOLDER / STAGE / "key").glob("*/state/tensors.safetensors"))
    assert progress_of(tmp_path, STAGE)["total"] == 24 * 16 * LENGTH
    monkeypatch.setenv("DWINDLE_FAILPOINT", "publish.renamed:24")  # a fit from the start would be killed again
    with keeping(tmp_path, STAGE, "key"):
        again = digest(fitted(walks(60), **settings), tmp_path / "again")
    assert again == whole
    assert not (tmp_path / FOLDER / STAGE).exists()


SCRIPT = f"""
import sys, tempfile
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from walking_blocks import fitted, walks
from dwindle.data.unfinished import keeping
from dwindle.nets.language import kept, together
kept.PAUSE = kept._SHARE = 0.0
together.ON_PROCESSOR, tempfile.tempdir = 2, sys.argv[1]
with keeping(Path(sys.argv[1]), {STAGE!r}, "key"):
    fitted(walks(60), steps=1_000_000)
"""


def ranks_of(process):
    return [child for child in psutil.Process(process.pid).children() if trains(child)]


def trains(process):
    with suppress(psutil.Error):  # it may just have ended
        return "dwindle.nets.language.ranks" in process.cmdline()
    return False


def waited(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def ended(process):
    with suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def test_no_process_trains_on_when_the_one_that_started_it_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)]) as parent:
        crew = waited(lambda: len(found := ranks_of(parent)) == 2 and found)
        waited(lambda: list(tmp_path.glob(f"{FOLDER}/{STAGE}/key/*/state/state.json")))
        parent.kill()
    waited(lambda: all(map(ended, crew)), 20)
    waited(lambda: not list(tmp_path.glob("dwindle-*")), 20)


@pytest.fixture
def interruptible():
    """Have Ctrl-C interrupt, whatever an earlier test of this process has made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_fit_leaves_no_process(two, tmp_path, interruptible):
    crew = []

    def interrupt():
        crew.extend(waited(lambda: len(found := ranks_of(psutil.Process())) == 2 and found))
        while not all(map(ended, crew)):  # an interrupt that comes while something is finalised is lost to python
            interrupt_main()
            psutil.wait_procs(crew, timeout=10)

    Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        fitted(walks(60), steps=1_000_000)
    assert len(crew) == 2
    waited(lambda: all(map(ended, crew)), 20)
    assert not list(tmp_path.glob("dwindle-*"))


def test_what_a_process_finds_wrong_is_told_as_one_process_tells_it(two):
    with pytest.raises(
        ValueError, match=r"^step \d+: the gradient is not finite; lower learning_rate or raise warmup$"
    ):
        fitted(walks(60), learning_rate=1.0, width=64, clip=0.0, warmup=0.0, weight_decay=10.0, steps=400, batch=4)


def test_other_failures_are_one_line(two, monkeypatch):
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "nowhere")
    with pytest.raises(
        StageFailed, match=r"process [01] of 2 that train together failed: RuntimeError: .*nowhere"
    ) as told:
        fitted(walks(60))
    assert "\n" not in str(told.value)


def test_a_batch_without_equal_parts_is_refused(two):
    with pytest.raises(BadInput, match=r"batch 15: 2 devices train together, .* take a multiple of 2, or show fewer"):
        fitted(walks(60), batch=15)


def test_one_device_is_one_process():
    assert together.processes(torch.device("cpu"), 15) == 1


def test_sums_of_pieces_are_of_all_parts_in_order(monkeypatch):
    monkeypatch.setattr(peers, "_PIECE", 10)
    parts = [torch.full((size,), float(size)) for size in (4, 6, 1, 20, 3)]
    found = [[len(part) for part in some] for some in peers._pieces(parts)]
    assert found == [[4, 6], [1], [20], [3]]
