"""Put work pools, deployments and the zombie automation on the server; what is there already is brought up to date.

Usage: python -m flows.deploy [--pools process,docker,kubernetes]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists

from dwindle.errors import BadInput, NotReachable, nearest
from dwindle.report.text_table import TextTable, print_table
from flows.guard import guarded
from flows.server import database_kind, online_workers, pool_type, served

__all__ = ["DEPLOYMENTS", "POOLS", "zombies"]

TEMPLATES = Path(__file__).parent.parent / "deploy" / "pools"

POOLS = {
    "process": ("control", "lineages"),
    "docker": ("lineages-docker",),
    "kubernetes": ("lineages-kubernetes",),
}
"""Work pools by type."""

DEPLOYMENTS = {
    "control": "sweep/sweep",
    "lineages": "lineage/lineage",
    "lineages-docker": "lineage/lineage-docker",
    "lineages-kubernetes": "lineage/lineage-kubernetes",
}
"""The deployment of prefect.yaml that each pool runs."""

NEEDED = ("DWINDLE_IMAGE", "DWINDLE_EXCHANGE", "MLFLOW_TRACKING_URI")
"""Variables that the deployments of containers name; their values are written into the deployment."""

SILENCE = timedelta(seconds=90)
"""How long a flow run may be silent; its sign of life comes every 30 s (PREFECT_FLOWS_HEARTBEAT_FREQUENCY)."""

_HEARTBEAT = "prefect.flow-run.heartbeat"
_RESTS = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Cancelling", "Suspended", "AwaitingRetry")
"""States after which no sign of life is due."""


def zombies() -> AutomationCore:
    """Return the automation that calls a flow run crashed when its machine is lost and nobody is left to say so."""
    return AutomationCore(
        name="dwindle: silent flow runs have crashed",
        description=f"A flow run that gave a sign of life and then none for {SILENCE.seconds} s.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *(f"prefect.flow-run.{name}" for name in _RESTS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"No sign of life for {SILENCE.seconds} s; its machine was lost."
            )
        ],
    )


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says and print what is there now.

    Raises:
        BadInput: if the command line, a variable or the place is wrong.
        NotReachable: if the server does not answer, or Prefect refuses a deployment.
    """
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pools", default="process", help="types of work pools: process, docker, kubernetes")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    types = [part.strip() for part in parser.parse_args(arguments).pools.split(",") if part.strip()]
    _examine(types)
    print_table(asyncio.run(_deploy(types)))


def _examine(types: Sequence[str]) -> None:
    """Find every mistake before the server is changed."""
    problems = [f"--pools: no pool of type '{kind}'{nearest(kind, POOLS)}" for kind in types if kind not in POOLS]
    if not types:
        problems.append(f"--pools names no type; known: {', '.join(POOLS)}")
    if not Path("prefect.yaml").exists():
        problems.append("no prefect.yaml here; run this in the project's folder")
    if {"docker", "kubernetes"} & set(types):
        problems += [
            f"{name} is not set, and containers need it: set it, or load deploy/shared.env"
            for name in NEEDED
            if not os.environ.get(name)
        ]
    if problems:
        raise BadInput(*problems)


async def _deploy(types: Sequence[str]) -> TextTable:
    rows: list[tuple[str, ...]] = []
    async with served() as client:
        pools = [(kind, pool) for kind in types for pool in POOLS[kind]]
        for kind, pool in pools:
            await _put_pool(client, pool, kind)
        await asyncio.to_thread(_deploy_file, [DEPLOYMENTS[pool] for _, pool in pools])
        for kind, pool in pools:
            found = await client.read_deployment_by_name(DEPLOYMENTS[pool])
            workers = len(await online_workers(client, pool))
            rows.append((DEPLOYMENTS[pool], pool, kind, str(workers), str(found.id)))
        note = await _watch(client)
    columns = ("deployment", "work pool", "type", "workers online", "id")
    return TextTable("deployments", "On the server now", columns, tuple(rows), (note,))


def template(kind: str) -> dict[str, Any]:
    """Return the base job template of a type of work pool."""
    return json.loads((TEMPLATES / f"{kind}.json").read_text())


async def _put_pool(client: PrefectClient, pool: str, kind: str) -> None:
    """Make a work pool, or give the one that is there the template; its limits and whether it is paused stay."""
    try:
        await client.create_work_pool(WorkPoolCreate(name=pool, type=kind, base_job_template=template(kind)))
    except ObjectAlreadyExists:
        if (there := await pool_type(client, pool)) != kind:
            raise BadInput(f"work pool '{pool}' is there for {there}, not for {kind}; delete or rename it") from None
        await client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template(kind)))


def _deploy_file(names: Sequence[str]) -> None:
    """Deploy what prefect.yaml describes under these names."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *(f"--name={name}" for name in names)],
        env={**os.environ, "PWD": str(Path.cwd())},  # it takes the folder from there
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotReachable(f"{', '.join(names)} could not be deployed:\n{(done.stdout + done.stderr).strip()}")


async def _watch(client: PrefectClient) -> str:
    """Put the zombie automation on the server where that is safe; return what was done."""
    kind = await database_kind(client)
    if kind == "sqlite":
        return (
            "No zombie automation: the server keeps its state in SQLite, where events are lost under load and it would "
            "call runs crashed that live. A run whose machine is lost stays Running; PostgreSQL (deploy/shared.env) "
            "lets it be found."
        )
    wanted = zombies()
    for found in await client.read_automations_by_name(wanted.name):
        await client.update_automation(found.id, wanted)
        return f"Zombie automation up to date: silent for {SILENCE.seconds} s is crashed (database: {kind})."
    await client.create_automation(wanted)
    return f"Zombie automation made: silent for {SILENCE.seconds} s is crashed (database: {kind})."


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
