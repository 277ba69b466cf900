"""The draw task: real rows from the source, once for all lineages that share them."""

from __future__ import annotations

from prefect import task

from tasks.settings import STAGE, Stage, run

__all__ = ["draw"]


@task(name="draw", task_run_name="draw {key}", **STAGE)
async def draw(root: str, key: str) -> Stage:
    """Draw anchor and held-out rows.

    Args:
        root: the workspace.
        key: key of the real rows in the plan.

    Returns:
        Name, digest and whether it ran.
    """
    return await run(root, f"draw@{key}")
