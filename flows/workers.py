"""Run Prefect workers on this machine, one a GPU, and keep them alive.

Usage: python -m flows.workers [--pool lineages] [--devices all|0,1|none] [--count K] [--shared] [--pack N]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dwindle.errors import BadInput
from dwindle.stages.devices import devices_here
from dwindle.stages.slots import environment_of, leased, slot_folder
from flows.guard import guarded
from flows.keeper import Keeper, WorkerSetup, end, mind, report
from flows.server import ANYWAY, online_workers, pool_type, refuse_sqlite, served

__all__ = ["parsed_options", "setups"]

_DEFAULTS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # the zombie automation counts on it
    "PREFECT_WORKER_QUERY_SECONDS": "2",
}


def parsed_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what a command line asks for; a word that is not known ends the process with exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m flows.workers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pool", default="lineages", help="work pool of type process (default: lineages)")
    parser.add_argument("--devices", default="", help="all (default), a list such as 0,1, or none")
    parser.add_argument("--count", type=int, default=0, help="workers without a device, in place of --devices")
    parser.add_argument("--shared", action="store_true", help="one worker for all devices; lineages lease them")
    parser.add_argument("--pack", type=int, default=1, help="lineages on one device at a time (default: 1)")
    parser.add_argument("--name", default="", help="what the workers' names begin with (default: the machine's name)")
    parser.add_argument("--sqlite-anyway", action="store_true", help="several workers although the server uses SQLite")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


def setups(options: argparse.Namespace) -> tuple[WorkerSetup, ...]:
    """Return the workers that the command line asks for.

    Raises:
        BadInput: if options contradict each other, or no device is found and the processor was not asked for.
    """
    devices = _devices(options)
    host = options.name or socket.gethostname().partition(".")[0]
    if not devices:
        return tuple(_setup(options, f"{host}-cpu{place}", ()) for place in range(options.count))
    if options.shared:
        return (_setup(options, f"{host}-gpus", devices, {"DWINDLE_SLOTS": ",".join(devices)}),)
    return tuple(_setup(options, f"{host}-gpu{device}", (device,)) for device in devices)


def _devices(options: argparse.Namespace) -> tuple[str, ...]:
    if options.count < 0 or options.pack < 1:
        raise BadInput("--count must be 1 or more, and so must --pack")
    if options.count or options.devices == "none":
        if options.devices not in ("", "none") or options.shared:
            raise BadInput("--count is for workers without devices; leave out --devices and --shared")
        if not options.count:
            raise BadInput("--devices none needs --count: how many workers on the processor")
        return ()
    here = devices_here()
    if not here:
        raise BadInput("this machine shows no GPU (nvidia-smi, CUDA_VISIBLE_DEVICES); --count K runs K workers without")
    if options.devices in ("", "all"):
        return here
    asked = tuple(dict.fromkeys(part.strip() for part in options.devices.split(",")))
    if unknown := [device for device in asked if device not in here]:
        raise BadInput(
            f"--devices {options.devices}: no device {', '.join(unknown)}; this machine has {', '.join(here)}"
        )
    return asked


def _setup(
    options: argparse.Namespace, name: str, devices: Sequence[str], more: dict[str, str] | None = None
) -> WorkerSetup:
    name = re.sub(r"[^\w.-]", "-", name)
    # The launcher holds the whole device of such a worker; what its lineages lease of it stands in a folder of its own.
    apart = {"DWINDLE_SLOTS": "", "DWINDLE_SLOT_FOLDER": str(slot_folder() / name)}
    return WorkerSetup(
        name=name,
        pool=options.pool,
        limit=options.pack * max(1, len(devices)),
        environment={
            **{key: os.environ.get(key, value) for key, value in _DEFAULTS.items()},
            "PREFECT_LOGGING_LEVEL": _logging_level(),
            **environment_of(devices),
            **(apart if devices and not options.shared else {}),
            **(more or {}),
        },
    )


def _logging_level() -> str:
    """Return how much a flow run logs; this package's own choice, for a terminal, is not meant for its page."""
    level = os.environ.get("PREFECT_LOGGING_LEVEL", "INFO")
    return "INFO" if level == "WARNING" else level


async def _approve(options: argparse.Namespace, workers: Sequence[WorkerSetup]) -> None:
    """Ask the server whether these workers may run.

    Raises:
        BadInput: if the pool is not there, is not for processes, or would have several workers on SQLite.
        NotReachable: if the server does not answer.
    """
    async with served() as client:
        kind = await pool_type(client, options.pool)
        if kind != "process":
            raise BadInput(
                f"work pool '{options.pool}' is for {kind}: one `prefect worker start -p {options.pool}` serves it, "
                f"and {kind} gives out the devices"
            )
        names = {worker.name for worker in workers} | await online_workers(client, options.pool)
        await refuse_sqlite(client, options.pool, names)


@contextmanager
def _claimed(options: argparse.Namespace, workers: Sequence[WorkerSetup]) -> Iterator[None]:
    """Hold the device of every worker that has one of its own, against another launcher on this machine."""
    with ExitStack() as leases:
        for worker in () if options.shared else workers:
            device = worker.environment["CUDA_VISIBLE_DEVICES"]
            if device:
                leases.enter_context(leased((device,), 1, slot_folder(), patience=0))
        yield


async def _keep(workers: Sequence[WorkerSetup]) -> int:
    """Keep workers alive until a signal comes, then end everything; return the exit code."""
    launch = f"{os.getpid()}-{time.time_ns()}/"
    pool, names = workers[0].pool, [worker.name for worker in workers]
    minder, told = mind(launch, pool, names), asyncio.Event()
    numbers: list[int] = []

    def tell(number: int) -> None:
        numbers.append(number)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, tell, number)
    keepers = [asyncio.create_task(Keeper(worker, f"{launch}{worker.name}/").keep()) for worker in workers]
    try:
        failed, _ = await asyncio.wait([asyncio.create_task(told.wait()), *keepers], return_when="FIRST_COMPLETED")
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.to_thread(end, launch)
        await report(pool, names, "Its worker was told to end.")
        minder.kill()
        minder.wait()
    for task in failed:
        task.result()
    return 128 + numbers[0]


def main(arguments: Sequence[str]) -> None:
    """Run the workers that the command line asks for, until a signal comes."""
    options = parsed_options(arguments)
    if options.sqlite_anyway:
        os.environ[ANYWAY] = "1"  # the flow runs of these workers take the same risk
    workers = setups(options)
    asyncio.run(_approve(options, workers))
    with _claimed(options, workers):
        code = asyncio.run(_keep(workers))
    sys.exit(code)


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
