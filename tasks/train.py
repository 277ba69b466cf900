"""The train task: fit the family to the generation's dataset."""

from __future__ import annotations

from prefect import task

from tasks.settings import STAGE, Stage, run

__all__ = ["train"]


@task(name="train", task_run_name="train {key}", **STAGE)
async def train(root: str, key: str) -> Stage:
    """Fit the family to the generation's dataset.

    Args:
        root: the workspace.
        key: the generation's key in the plan, for instance `replace-g003`.

    Returns:
        Name, digest and whether it ran.
    """
    return await run(root, f"train@{key}")
