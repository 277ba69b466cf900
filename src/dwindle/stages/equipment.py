"""What a sweep needs of this machine, and what each worker process is given: nothing but processors, or GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from dwindle.config.machine import Engine
from dwindle.config.recipe import Recipe
from dwindle.errors import NotReachable
from dwindle.nets.device import asked, device
from dwindle.plan import STAGES, Plan
from dwindle.stages.devices import devices_here
from dwindle.stages.results import is_done
from dwindle.stages.slots import asked_slots, environment_of, leased, slot_folder

__all__ = ["equipped", "prepared"]


def prepared(root: Path, plan: Plan, recipes: Mapping[str, Recipe], engine: Engine) -> None:
    """Refuse to begin what a stage on this machine would have to give up later; what is grown needs nothing.

    Args:
        root: the workspace.
        plan: the plan.
        recipes: those of the lineages to grow, by name.
        engine: how many GPUs a worker gets, and whether it may do without.

    Raises:
        BadInput: if a family lacks what the environment must say, or the environment names no device.
        NotReachable: if a GPU is asked for and there is none, or a family calls a program that is not there.
    """
    gpus = _gpus(engine)
    if gpus:
        _devices(engine)
    for name, recipe in recipes.items():
        require = getattr(recipe.family, "require", None)
        alone = not gpus and getattr(recipe.family, "on_device", False) and asked() == "cuda"
        if (require is not None or alone) and not _is_grown(root, plan, name):
            if require is not None:
                require()
            if alone:
                device()


def _is_grown(root: Path, plan: Plan, name: str) -> bool:
    every = (f"{stage}@{key}" for key in plan.generations(name) for stage in STAGES)
    return all(is_done(root, stage, plan, whole=False) for stage in every)


def _gpus(engine: Engine) -> float:
    return engine.gpus or float(bool(asked_slots()))  # who puts devices up for lease means them to be used


def _devices(engine: Engine) -> tuple[str, ...]:
    """Return the devices that may be leased; none if workers do without."""
    devices = tuple(asked_slots() or devices_here())
    if not devices and not engine.cpu_fallback:
        raise NotReachable(
            f"engine.gpus = {engine.gpus:g}: this machine shows no GPU; engine.cpu_fallback=true lets a lineage "
            "train on the processor, engine.gpus=0 asks for none"
        )
    return devices


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
    count, gpus = workers or engine.workers, _gpus(engine)
    if not gpus:
        yield [{}] * (count or len(os.sched_getaffinity(0)))
        return
    devices = _devices(engine)
    if not devices:
        yield [{"DWINDLE_DEVICE": "cuda,cpu"}] * (count or len(os.sched_getaffinity(0)))
        return
    places = max(1, int(len(devices) / gpus + 1e-6))
    with ExitStack() as leases:
        held = (leases.enter_context(leased(devices, gpus, slot_folder())) for _ in range(places))
        yield [environment_of(own) for own in islice(held, count or places)]
