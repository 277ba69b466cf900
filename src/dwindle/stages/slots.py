"""Leases of devices, for one worker that has several: who grows a lineage holds its GPUs, and nobody else does.

A lease is a set of `flock`s, so that the kernel takes it back at once from a process that is killed. The locks stand
in a folder of this machine, never in a workspace that machines share: GPU 0 of one is not GPU 0 of another. A folder
that containers of one machine mount works: the kernel is the same.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from itertools import count as counting
from math import ceil, inf
from pathlib import Path

from dwindle.errors import BadInput, NotReachable
from dwindle.stages.devices import devices_here

__all__ = ["asked_slots", "environment_of", "leased", "leased_async", "slot_folder"]

SLOTS, FOLDER = "DWINDLE_SLOTS", "DWINDLE_SLOT_FOLDER"
PAUSE = 0.1
"""Seconds between two looks at the locks."""


def asked_slots() -> tuple[str, ...]:
    """Return the devices that DWINDLE_SLOTS puts up for lease: a list such as `0,1,2`, `all`, or none if it is unset.

    Raises:
        BadInput: if it is `all` and no device can be found, or names one twice.
    """
    value = os.environ.get(SLOTS, "")
    devices = devices_here() if value == "all" else tuple(part.strip() for part in value.split(",") if part.strip())
    if value == "all" and not devices:
        raise BadInput(f"{SLOTS} is 'all', and this machine shows no GPU; name the devices, as in {SLOTS}=0,1")
    if len(set(devices)) < len(devices):
        raise BadInput(f"{SLOTS} is '{value}'; it names a device twice")
    return devices


def slot_folder() -> Path:
    """Return the folder of this machine's locks: DWINDLE_SLOT_FOLDER, or one in the temporary folder for each user."""
    return Path(os.environ.get(FOLDER) or Path(tempfile.gettempdir()) / f"dwindle-slots-{os.getuid()}")


def environment_of(devices: Sequence[str]) -> dict[str, str]:
    """Return what a process must find in its environment to use these devices and no other."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(devices), "DWINDLE_DEVICE": "cuda" if devices else "cpu"}


@contextmanager
def leased(devices: Sequence[str], count: float, folder: Path, *, patience: float = inf) -> Iterator[tuple[str, ...]]:
    """Hold devices until the block ends; waits until they are free.

    Whoever waits in front gets its devices first, all at once, so that a lineage that needs several neither starves
    nor holds some while it waits for others.

    Args:
        devices: the devices to choose from.
        count: how many whole devices, or the share of one: 0.25 lets four lineages share a device; 0 takes none.
        folder: where the locks stand, on this machine.
        patience: seconds to wait.

    Yields:
        The devices, in the order of `devices`.

    Raises:
        BadInput: if so many can never be had.
        NotReachable: if they are still held when patience ends, or the folder may not be written.
    """
    end = time.monotonic() + patience
    with ExitStack() as locks:
        with closing(_Need(tuple(devices), count, folder)) as need:
            while (found := need.tried(locks)) is None:
                if time.monotonic() >= end:
                    raise NotReachable(f"{count:g} of the devices {', '.join(devices)}: held by another process")
                time.sleep(PAUSE)
        yield found


@asynccontextmanager
async def leased_async(devices: Sequence[str], count: float, folder: Path) -> AsyncIterator[tuple[str, ...]]:
    """Hold devices as `leased` does; other coroutines go on while this one waits."""
    with ExitStack() as locks:
        with closing(_Need(tuple(devices), count, folder)) as need:
            while (found := need.tried(locks)) is None:
                await asyncio.sleep(PAUSE)
        yield found


class _Need:
    """What somebody waits for, and the place in front of the queue once it is reached."""

    def __init__(self, devices: tuple[str, ...], count: float, folder: Path) -> None:
        if count < 0 or (count > 1 and count != int(count)):
            raise BadInput(f"{count:g} devices: expected a share of one device, or a whole number of devices")
        self.whole, self.share = ceil(count), min(1.0, count)
        if self.whole > len(devices):
            raise BadInput(f"{count:g} devices are asked for, and there are {len(devices)}: {', '.join(devices)}")
        self.devices, self.folder = devices, folder
        self._front: int | None = None

    def tried(self, locks: ExitStack) -> tuple[str, ...] | None:
        """Try once to get everything, or nothing."""
        if not self.whole:
            return ()
        if self._front is None:
            self._front = _lock(self.folder / "front.lock")
        if self._front is None:
            return None
        loads = [(self._load(device), place) for place, device in enumerate(self.devices)]
        free = [(load, place) for load, place in loads if load + self.share <= 1 + 1e-6]  # three thirds are one
        if len(free) < self.whole:
            return None
        chosen = sorted(place for _, place in sorted(free)[: self.whole])  # the least loaded ones
        for place in chosen:
            locks.callback(os.close, self._take(self.devices[place]))
        return tuple(self.devices[place] for place in chosen)

    def close(self) -> None:
        """Let the next one to the front."""
        if self._front is not None:
            os.close(self._front)

    def _load(self, device: str) -> float:
        """Return how much of a device is held; only meant while in front, where nobody else takes anything."""
        held = 0.0
        for path in self.folder.glob(_slot(device, "*")):
            descriptor = _lock(path)
            if descriptor is None:
                held += float(path.read_text() or 1.0)
            else:
                os.close(descriptor)
        return held

    def _take(self, device: str) -> int:
        """Lock the first free slot of a device and note how much of it is meant."""
        for number in counting():
            descriptor = _lock(self.folder / _slot(device, str(number)))
            if descriptor is not None:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{self.share!r}".encode(), 0)
                return descriptor
        raise AssertionError


def _slot(device: str, number: str) -> str:
    return f"gpu{device.replace('/', '_')}.{number}.lock"


def _lock(path: Path) -> int | None:
    """Lock a file and return its descriptor, or None if another process holds it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise NotReachable(f"{path}: cannot be written: {error.strerror}; {FOLDER} names another folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
