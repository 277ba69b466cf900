"""What each worker process of this machine is given: nothing but processors, or GPUs of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

from dwindle.config.machine import Engine
from dwindle.errors import NotReachable
from dwindle.stages.devices import devices_here
from dwindle.stages.slots import asked_slots, environment_of, leased, slot_folder

__all__ = ["equipped"]


@contextmanager
def equipped(engine: Engine, *, workers: int = 0) -> Iterator[list[dict[str, str]]]:
    """Hold GPUs for the worker processes of a sweep until the block ends.

    Args:
        engine: how many GPUs a worker gets, and whether it may do without.
        workers: how many worker processes; 0 for as many as `engine.workers` says, or as there are places for.

    Yields:
        What each worker process shall find in its environment.

    Raises:
        BadInput: if a worker shall get more GPUs than there are.
        NotReachable: if there are none and `engine.cpu_fallback` does not let it do without.
    """
    count, slots = workers or engine.workers, asked_slots()
    gpus = engine.gpus or float(bool(slots))  # who puts devices up for lease means them to be used
    if not gpus:
        yield [{}] * (count or len(os.sched_getaffinity(0)))
        return
    devices = slots or devices_here()
    if not devices:
        if not engine.cpu_fallback:
            raise NotReachable(
                f"engine.gpus = {engine.gpus:g}: this machine shows no GPU; engine.cpu_fallback=true lets a lineage "
                "train on the processor, engine.gpus=0 asks for none"
            )
        yield [{"DWINDLE_DEVICE": "cuda,cpu"}] * (count or len(os.sched_getaffinity(0)))
        return
    places = max(1, int(len(devices) / gpus + 1e-6))
    with ExitStack() as leases:
        held = (leases.enter_context(leased(devices, gpus, slot_folder())) for _ in range(places))
        yield [environment_of(own) for own in islice(held, count or places)]
