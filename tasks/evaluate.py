"""The evaluate task: measure the generation's model against the frozen held-out rows."""

from __future__ import annotations

from prefect import task

from tasks.settings import STAGE, Stage, run

__all__ = ["evaluate"]


@task(name="evaluate", task_run_name="evaluate {key}", **STAGE)
async def evaluate(root: str, key: str) -> Stage:
    """Measure the generation's model against the frozen held-out rows.

    Args:
        root: the workspace.
        key: the generation's key in the plan, for instance `replace-g003`.

    Returns:
        Name, digest and whether it ran.
    """
    return await run(root, f"evaluate@{key}")
