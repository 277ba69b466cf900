"""Training on several GPUs of one machine: a process for each, and the trained weights back in this one.

A process has an equal part of every batch, and gradients are summed over all of them, so that the steps are those of
one process, to rounding. The processes meet, and find their GPUs, by the package accelerate; where it is not installed
one GPU is used. One GPU means this process and no other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from dwindle.contracts import IntArray, Seed
from dwindle.errors import BadInput, StageFailed
from dwindle.nets.language import adapters, ranks, shapes
from dwindle.nets.language.fitting import Course, Training
from dwindle.nets.language.kept import Keeper
from dwindle.nets.language.memory import SIGNS

__all__ = ["Together", "processes"]

ON_PROCESSOR = 1
"""Processes that train together where no GPU computes; tests take more."""

_PAUSE = 0.05  # seconds between two looks at the processes
_GRACE = 2.0  # seconds that the others have to say what is wrong once one has ended
_LAST = 300  # characters of a log that are shown

Crew = Sequence[subprocess.Popen[bytes]]


def processes(place: torch.device, batch: int) -> int:
    """Return how many processes train a net together: one for each GPU that CUDA shows, where it is trained on GPUs.

    Args:
        place: the device that networks are computed on.
        batch: blocks in a step.

    Raises:
        BadInput: if a batch has no so many equal parts.
    """
    if find_spec("accelerate") is None:
        return 1
    count = torch.cuda.device_count() if place.type == "cuda" else ON_PROCESSOR
    if batch % max(1, count):
        raise BadInput(
            f"batch {batch}: {count} devices train together, each on an equal part of it; take a multiple of {count}, "
            "or show fewer devices (engine.gpus, CUDA_VISIBLE_DEVICES)"
        )
    return max(1, count)


class Together(Training):
    """A net in training by several processes; its weights come back into it.

    Args:
        net: the net, on its device.
        course: how it is trained.
        seed: address of dropout and of initial values of a change of low rank.
        keeper: keeps the state; process 0 does, in its place.
        count: of processes.
        lora: rank and alpha of the change that is trained alone; rank 0: all is trained.
        dropout: share of activations that are dropped.
    """

    def __init__(
        self,
        net: shapes.Net,
        course: Course,
        seed: Seed,
        keeper: Keeper,
        *,
        count: int,
        lora: tuple[int, float],
        dropout: float,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dwindle-", ignore_cleanup_errors=True)
        self._count, self._lora, self._dropout = count, lora, dropout
        shapes.save(net, Path(self._folder.name) / ranks.NET)
        if lora[0]:
            adapters.adapt(net, rank=lora[0], alpha=lora[1], seed=seed.at("lora"))
        super().__init__(net, course, seed, keeper)

    def run(self, blocks: Tensor, places: IntArray, validation: Tensor | None = None) -> int:
        """Train to the end, as `Training.run` does.

        Raises:
            ValueError: if a gradient is not finite.
            MemoryError: if memory does not suffice.
            StageFailed: if a process ends otherwise.
        """
        shelf, place = self.keeper.shelf.folder, self.net.device
        job = ranks.Job(
            count=self._count,
            gpus=place.type == "cuda",
            threads=torch.get_num_threads(),
            course=self.course,
            seed=self.seed,
            lora=self._lora,
            dropout=self._dropout,
            shelf=None if shelf is None else str(shelf.absolute()),
            rhythm=self.keeper.rhythm,
        )
        with self._folder as name:
            folder = Path(name)
            job.write(folder, blocks, places, validation)
            self.net.to("cpu")  # process 0 needs the memory
            if place.type == "cuda":
                torch.cuda.empty_cache()
            with _running(folder, self._count) as crew:
                _await(crew, folder)
            weights, taken = ranks.trained_in(folder)
        self.net.to(place)
        self._put(weights)
        return taken


@contextmanager
def _running(folder: Path, count: int) -> Iterator[Crew]:
    """Start the processes, out of reach of the terminal's Ctrl-C, and have none of them run on afterwards."""
    crew: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(count):
            command = [sys.executable, "-m", ranks.__name__, str(folder), str(rank)]
            with _log(folder, rank).open("wb") as log:
                crew.append(
                    subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                    )
                )
        yield crew
    finally:
        for process in crew:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _await(crew: Crew, folder: Path) -> None:
    """Wait until all processes have ended well, or say why one has not."""
    while any(codes := [process.poll() for process in crew]) or None in codes:
        if any(codes):
            first = next(rank for rank, code in enumerate(codes) if code)
            _raise(crew, folder, first)
        time.sleep(_PAUSE)


def _raise(crew: Crew, folder: Path, first: int) -> NoReturn:
    """Raise what a process that failed has written down, once the others have had time to.

    One that dies takes the others with it, who complain of nothing but that; so a process that names a cause comes
    first, then one that a signal has ended, then the one that ended first.
    """
    end = time.monotonic() + _GRACE
    while time.monotonic() < end and any(process.poll() is None for process in crew):
        time.sleep(_PAUSE)
    for rank in range(len(crew)):
        kind, told = ranks.failure_of(folder, rank) or ("", "")
        if kind == "ValueError":
            raise ValueError(told)
        if kind == "MemoryError" or any(sign in told for sign in SIGNS):
            raise MemoryError(told)
    killed = [rank for rank, process in enumerate(crew) if (process.poll() or 0) < 0]
    chosen = killed[0] if killed else first
    raise StageFailed(f"process {chosen} of {len(crew)} that train together {_end_of(crew, folder, chosen)}")


def _end_of(crew: Crew, folder: Path, rank: int) -> str:
    """Say in one line how a process ended."""
    code = crew[rank].returncode
    if code < 0:
        return f"was ended by signal {-code}, perhaps for want of memory"
    kind, told = ranks.failure_of(folder, rank) or (f"exit code {code}", _log(folder, rank).read_text(errors="replace"))
    return f"failed: {kind}: {' '.join(told.split())[-_LAST:]}"


def _log(folder: Path, rank: int) -> Path:
    return folder / f"log-{rank}.txt"
