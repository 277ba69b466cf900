"""Clusters: Ray and Dask, running or started on this machine, to which tasks are handed by Prefect's own runners."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from dwindle.config.sweep import Engine
from dwindle.errors import BadInput, NotReachable

__all__ = ["Submit", "dask_cluster", "ray_cluster"]

Submit = Callable[[Any, dict[str, Any]], tuple[Callable[[], Any], Callable[[], Any]]]
"""Hand a task with its parameters to the cluster; returns what waits for its result, and what cancels it."""

PATIENCE = 10
"""Seconds that a cluster may take to answer."""

STORE = 80 * 2**20
"""Bytes of a Ray node's object store: only names and counts pass through it. Ray's own default is 30 % of memory."""


@contextmanager
def ray_cluster(engine: Engine) -> Iterator[Submit]:
    """Connect to the Ray cluster at `engine.address`, or start one of `engine.nodes` nodes on this machine.

    Raises:
        BadInput: if prefect-ray is not installed.
        NotReachable: if no cluster answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    runners, ray = _imported("prefect_ray", "ray"), importlib.import_module("ray")
    context = importlib.import_module("prefect_ray.context")
    own = None if engine.address else _own_ray(engine)
    address = engine.address or own.address
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        with _reached(engine, "Ray", runners.RayTaskRunner(address=address, init_kwargs=quiet)) as runner:

            def submit(task: Any, parameters: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
                # Lost lineages are given on by the flow, which knows how far they are; Ray would begin at once.
                with context.remote_options(max_retries=0, num_cpus=1, num_gpus=engine.gpus):
                    future = runner.submit(task, parameters)
                return future.result, partial(ray.cancel, future.wrapped_future, force=True)

            yield submit
    finally:
        ray.shutdown()
        if own is not None:
            own.shutdown()


def _own_ray(engine: Engine) -> Any:
    """Start a Ray cluster on this machine; its processors are shared out among the nodes."""
    cluster = importlib.import_module("ray.cluster_utils").Cluster()
    workers, nodes = _workers(engine), engine.nodes
    for node in range(nodes):
        share = workers // nodes + (node < workers % nodes)
        cluster.add_node(num_cpus=max(1, share), object_store_memory=STORE, include_dashboard=False)
    return cluster


@contextmanager
def dask_cluster(engine: Engine) -> Iterator[Submit]:
    """Connect to the Dask scheduler at `engine.address`, or start a cluster on this machine.

    Workers that have GPUs are started with `--resources GPU=1`, which limits how many lineages each takes at once.

    Raises:
        BadInput: if prefect-dask is not installed.
        NotReachable: if no scheduler answers at the address.
    """
    runners, dask = _imported("prefect_dask", "distributed"), importlib.import_module("dask")
    # A lineage whose worker died is given on by the flow, which knows how far it is.
    dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.logging.distributed": "critical"})
    for name in ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resources = {"GPU": engine.gpus} if engine.gpus else {}
    if engine.address:
        made = runners.DaskTaskRunner(address=engine.address)
    else:
        cluster = {"n_workers": _workers(engine), "threads_per_worker": 1, "dashboard_address": None}
        made = runners.DaskTaskRunner(cluster_kwargs=cluster | ({"resources": {"GPU": 1}} if resources else {}))
    with _reached(engine, "Dask", made) as runner:

        def submit(task: Any, parameters: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
            with dask.annotate(resources=resources, retries=0):
                future = runner.submit(task, parameters)
            return future.result, future.wrapped_future.cancel

        yield submit


@contextmanager
def _reached(engine: Engine, kind: str, runner: Any) -> Iterator[Any]:
    try:
        _probe(engine.address)
        entered = runner.__enter__()
    except (OSError, RuntimeError, TimeoutError, ConnectionError) as error:
        where = engine.address or "this machine"
        raise NotReachable(f"engine.address = {where}: no {kind} cluster answers: {error}") from error
    try:
        yield entered
    finally:
        runner.__exit__(None, None, None)


def _probe(address: str) -> None:
    """See within seconds that somebody listens: Ray tries for minutes, Dask's runner for each lineage anew.

    Raises:
        OSError: if nobody does.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE).close()


def _imported(package: str, engine: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise BadInput(
            f"engine needs the packages {package.replace('_', '-')} and {engine}, which are not installed: "
            f"pip install 'dwindle[{package.removeprefix('prefect_')}]'"
        ) from None


def _workers(engine: Engine) -> int:
    return engine.workers or len(os.sched_getaffinity(0))
