"""The grow task: all stages of one lineage, in the process that a cluster gives it."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from dwindle.growth import grow_elsewhere

__all__ = ["grow"]


@task(name="grow", task_run_name="grow {name}", cache_policy=NO_CACHE, persist_result=False)
def grow(root: str, name: str, exchange: str = "", device: str = "") -> int:
    """Grow one lineage.

    Args:
        root: the workspace, at the same path on every node.
        name: the lineage.
        exchange: DVC remote by which it travels; empty if the nodes share the workspace.
        device: what DWINDLE_DEVICE shall be; empty to leave it.

    Returns:
        How many generations were grown.
    """
    return grow_elsewhere(Path(root), name, exchange=exchange, device=device)
