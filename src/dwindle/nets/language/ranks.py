"""One of several processes that train a net together: `python -m dwindle.nets.language.ranks FOLDER RANK`.

The folder holds what is to be done (`Job`), and is where the processes meet, so that no port is needed. Process 0 keeps
the state, tells the progress and writes the weights; all of them take up kept state. A process ends with whoever
started it: the pipe that it holds as standard input is closed then, even after SIGKILL.
"""

from __future__ import annotations

import json
import operator
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from torch import Tensor

from dwindle.contracts import IntArray, Seed
from dwindle.data.unfinished import Shelf, joined
from dwindle.nets import training
from dwindle.nets.language import adapters, shapes
from dwindle.nets.language.fitting import Course, Training
from dwindle.nets.language.kept import Keeper, State
from dwindle.nets.language.peers import Peers

__all__ = ["NET", "Job", "failure_of", "trained_in"]

NET = "net"
"""The folder of the net as it is before training."""

_PLAIN, _BLOCKS, _TRAINED, _TAKEN, _MEETING = (
    *("job.json", "blocks.safetensors", "trained.safetensors", "taken.json", "meeting"),
)


@dataclass(frozen=True)
class Job:
    """What processes that train together must know beside the net and the blocks.

    Args:
        count: of processes.
        gpus: whether each has a GPU, the one of its number; else all compute on the processor.
        threads: of the numerical libraries, in each process.
        course: of training.
        seed: address of dropout; other processes than the first have addresses below it.
        lora: rank and alpha of the change that is trained alone; rank 0: all is trained.
        dropout: share of activations that are dropped.
        shelf: where state is kept, or None.
        rhythm: at what pause (`Keeper`).
    """

    count: int
    gpus: bool
    threads: int
    course: Course
    seed: Seed
    lora: tuple[int, float]
    dropout: float
    shelf: str | None
    rhythm: tuple[float, float]

    def write(self, folder: Path, blocks: Tensor, places: IntArray, validation: Tensor | None) -> None:
        """Write the job and its blocks into a folder; the net is there already."""
        from safetensors.torch import save_file

        tensors = {"blocks": blocks, "places": torch.from_numpy(places)}
        tensors |= {} if validation is None else {"validation": validation}
        save_file({name: part.cpu().contiguous() for name, part in tensors.items()}, folder / _BLOCKS)
        path = [step if isinstance(step, str) else operator.index(step) for step in self.seed.path]
        seed = {"root": operator.index(self.seed.root), "path": path}
        (folder / _PLAIN).write_text(json.dumps({**asdict(self), "seed": seed}))

    @classmethod
    def read(cls, folder: Path) -> Job:
        """Read what `write` wrote, without the blocks."""
        plain = json.loads((folder / _PLAIN).read_text())
        course, seed = Course(**plain["course"]), Seed(plain["seed"]["root"], tuple(plain["seed"]["path"]))
        return cls(**{**plain, "course": course, "seed": seed})


def trained_in(folder: Path) -> tuple[dict[str, Tensor], int]:
    """Return the trained weights that process 0 wrote, and how many steps its optimiser counted."""
    from safetensors.torch import load_file

    return load_file(folder / _TRAINED), json.loads((folder / _TAKEN).read_text())


def failure_of(folder: Path, rank: int) -> tuple[str, str] | None:
    """Return the kind of error that a process ended with, and its words; None if it had no time to write them."""
    try:
        kind, told = json.loads(_failed(folder, rank).read_text())
    except (OSError, ValueError):
        return None
    return kind, told


def _failed(folder: Path, rank: int) -> Path:
    return folder / f"failed-{rank}.json"


class _Reader(Keeper):
    """Reads kept state and leaves the keeping to process 0."""

    def offer(self, state: Callable[[], State]) -> None:
        """Keep nothing."""


def _train(folder: Path, rank: int) -> None:
    """Do one process's part of the job."""
    from safetensors.torch import load_file, save_file

    job = Job.read(folder)
    place = _met(job, folder, rank)
    torch.set_num_threads(job.threads)
    found = {name: part.to(place) for name, part in load_file(folder / _BLOCKS).items()}
    net = shapes.load(folder / NET, job.dropout)
    if job.lora[0]:
        adapters.adapt(net, rank=job.lora[0], alpha=job.lora[1], seed=job.seed.at("lora"))
    shelf = Shelf(Path(job.shelf) if job.shelf else None)
    keeper = (_Reader if rank else Keeper)(shelf, rhythm=job.rhythm)
    seed = job.seed.at("rank", rank) if rank else job.seed
    telling = joined(shelf.folder.parent) if shelf.folder and not rank else nullcontext()
    with telling, training.deterministic(place):
        run = Training(net.to(place), job.course, seed, keeper, Peers(rank, job.count))
        taken = run.run(found["blocks"], found["places"].cpu().numpy(), found.get("validation"))
    if not rank:
        save_file({name: part.detach().cpu().contiguous() for name, part in run.trained.items()}, folder / _TRAINED)
        (folder / _TAKEN).write_text(json.dumps(taken))


def _met(job: Job, folder: Path, rank: int) -> torch.device:
    """Meet the other processes, and return the device that this one computes on."""
    from accelerate import PartialState

    # Of these only whether there is a number counts, and that accelerate finds as many processes as there are.
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job.count, "LOCAL_WORLD_SIZE": job.count}
    os.environ.update({name: str(number) for name, number in numbers.items()})
    os.environ.setdefault("OMP_NUM_THREADS", str(job.threads))  # accelerate warns, and sets it, where it is not
    meeting: dict[str, Any] = {"init_method": f"file://{folder / _MEETING}", "rank": rank, "world_size": job.count}
    place: torch.device = PartialState(cpu=not job.gpus, **meeting).device
    return place


def _tie(folder: Path) -> None:
    """End this process when its standard input is closed, and leave nothing of the job."""

    def wait() -> None:
        sys.stdin.buffer.read()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def main(folder: Path, rank: int) -> None:
    """Do one process's part, and write down why if that cannot be done."""
    _tie(folder)
    try:
        _train(folder, rank)
    except Exception as error:
        _failed(folder, rank).write_text(json.dumps([type(error).__name__, str(error)]))
        code = 1
    else:
        code = 0
    # Taking a group of processes down in order waits for all of them; the kernel does it as well.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
