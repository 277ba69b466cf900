"""The curate task: judge the new rows and assemble what trains the generation."""

from __future__ import annotations

from prefect import task

from tasks.settings import STAGE, Stage, run

__all__ = ["curate"]


@task(name="curate", task_run_name="curate {key}", **STAGE)
async def curate(root: str, key: str) -> Stage:
    """Judge the new rows and assemble what trains the generation.

    Args:
        root: the workspace.
        key: the generation's key in the plan, for instance `replace-g003`.

    Returns:
        Name, digest and whether it ran.
    """
    return await run(root, f"curate@{key}")
