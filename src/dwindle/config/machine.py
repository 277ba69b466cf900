"""Settings of the machine and not of the science: no recipe contains them, so no digest depends on them.

Four places may give one, the later over the earlier: the default, params.yaml, the environment, the command line. The
environment stands above the file because the same file is grown on a laptop and on a cluster.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dwindle.config.reading import Document, KeyPath
from dwindle.config.schema import Problems, build, schema
from dwindle.contracts import Within

__all__ = ["ENVIRONMENT", "Engine", "Tracking", "engine_from", "lay_environment", "tracking_from"]

ENVIRONMENT: Mapping[str, KeyPath] = {
    "MLFLOW_TRACKING_URI": ("tracking", "uri"),
    "DWINDLE_ENGINE": ("engine", "name"),
    "DWINDLE_EXCHANGE": ("engine", "exchange"),
}
"""Variables that take the place of a setting in the file, unless the command line gives it too."""


@dataclass(frozen=True)
class Tracking:
    """Where MLflow keeps the runs.

    Args:
        uri: tracking URI; a database path is relative to the project root. The variable MLFLOW_TRACKING_URI stands
            above the file, and the command line above both.
        required: False lets a sweep run while MLflow is out of reach; `dwindle sync` catches up later.
    """

    uri: str = "sqlite:///mlflow.db"
    required: bool = True


@dataclass(frozen=True)
class Engine:
    """Who grows lineages side by side, and on what. Every engine leaves the same bytes.

    In params.yaml `engine: ray` is short for `engine: {name: ray}`; on the command line `engine=ray` changes the name
    and leaves the file's other settings.

    Args:
        name: `process` grows on this machine, `ray` and `dask` on a cluster of that kind, `deployments` in one flow
            run a lineage on a Prefect work pool. The variable DWINDLE_ENGINE stands above the file, and the command
            line above both.
        workers: processes; 0 means one a processor. Each uses the recipe's threads.
        cohort: chains that are trained and sampled as one batch of networks, those of several lineages where the family
            can; 1 leaves each lineage to itself. Engine `process` only.
        gpus: devices that a lineage gets: 0 none, a fraction packs several lineages on one device, above 1 it is a
            whole number.
        cpu_fallback: True lets a lineage that asks for a device and finds none train on the processor.
        deployment: of the lineage flow, for `deployments`: `lineage`, `lineage-docker` or `lineage-kubernetes`.
        address: of a running Ray or Dask cluster; empty: one is started on this machine.
        nodes: nodes of the cluster that is started.
        exchange: DVC remote, by name or address, by which data and models travel between machines; empty: all workers
            share the folder. The variable DWINDLE_EXCHANGE stands above the file, and the command line above both.
        retries: how often a lineage whose worker died is given to another one.
    """

    name: Literal["process", "ray", "dask", "deployments"] = "process"
    workers: Annotated[int, Within(low=0, high=1024, unit="processes")] = 0
    cohort: Annotated[int, Within(low=1, high=4096, unit="chains")] = 32
    gpus: Annotated[float, Within(low=0, high=64, unit="devices")] = 0
    cpu_fallback: bool = False
    deployment: str = "lineage"
    address: str = ""
    nodes: Annotated[int, Within(low=1, high=64, unit="nodes")] = 1
    exchange: str = ""
    retries: Annotated[int, Within(low=0, high=100, unit="retries")] = 2


def lay_environment(document: Document) -> None:
    """Lay the variables of the environment over the file's data; what the command line gave stays."""
    if isinstance(document.data.get("engine"), str):
        document.data["engine"] = {"name": document.data["engine"]}
    for variable, path in ENVIRONMENT.items():
        above, key = path
        value, held = os.environ.get(variable), document.data.get(above)
        given = document.lines.get(path) == 0  # on the command line
        if value and not given and (held is None or isinstance(held, Mapping)):
            document.data[above] = {**(held or {}), key: value}
            document.variables[path] = variable


def tracking_from(data: Mapping[str, Any], problems: Problems) -> Tracking | None:
    """Return where MLflow keeps the runs, or note what is wrong and return None."""
    tracking: Tracking | None = _section("tracking", Tracking, data, problems)
    return tracking


def engine_from(data: Mapping[str, Any], problems: Problems) -> Engine | None:
    """Return who grows lineages, or note what is wrong and return None."""
    engine: Engine | None = _section("engine", Engine, data, problems)
    if engine is not None and engine.gpus > 1 and engine.gpus != int(engine.gpus):
        told = "expected a fraction of one device, or a whole number of devices"
        problems.add(("engine", "gpus"), engine.gpus, told)
    return engine


def _section(key: str, kind: type[Any], data: Mapping[str, Any], problems: Problems) -> Any:
    """Build a section that no recipe contains; one that is not there or empty is all defaults."""
    given = {} if data.get(key) is None else data[key]
    if isinstance(given, Mapping):
        return build(kind, given, (key,), problems)
    problems.add((key,), given, f"expected a mapping of {', '.join(schema(kind))}")
    return None
