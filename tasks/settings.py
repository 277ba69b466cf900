"""What all stage tasks share: no result cache, and another try only when a worker process was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from dwindle.stages.workers import WorkerLost, on_worker

__all__ = ["STAGE", "Stage", "run"]


class Stage(TypedDict):
    """What a stage task tells the flow.

    Args:
        stage: the stage's name.
        ran: False if it was done already.
        digest: digest of its output.
    """

    stage: str
    ran: bool
    digest: str


def _worth_another_try(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failure was the machine's and not the stage's."""
    return isinstance(state.data, WorkerLost)


# The stage key is the cache: Prefect's own would call a stage done whose files are gone.
STAGE: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_condition_fn": _worth_another_try,
}


async def run(root: str, name: str) -> Stage:
    """Run a stage on a worker process and tell the flow what became of it."""
    outcome = await on_worker(Path(root), name)
    return Stage(stage=outcome.stage, ran=outcome.ran, digest=outcome.digest)
