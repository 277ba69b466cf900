"""The generate task: sample the new rows of a generation from the parent's model."""

from __future__ import annotations

from prefect import task

from tasks.settings import STAGE, Stage, run

__all__ = ["generate"]


@task(name="generate", task_run_name="generate {key}", **STAGE)
async def generate(root: str, key: str) -> Stage:
    """Sample the new rows of a generation from the parent's model.

    Args:
        root: the workspace.
        key: the generation's key in the plan, for instance `replace-g003`.

    Returns:
        Name, digest and whether it ran.
    """
    return await run(root, f"generate@{key}")
