"""Finding runs again: one by its tags, or all that answer a question; and what another machine has made first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["found_runs", "new_experiment", "oldest_run", "twice"]

_AGE = ("attributes.start_time", "attributes.run_id")
_RUNS_A_PAGE = 1000


def oldest_run(client: Any, home: str, tags: Mapping[str, str]) -> Any:
    """Return the run with these tags, or None; the oldest if another machine has made a second one.

    A second one is tagged with the run that is continued in its place.
    """
    question = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    runs = client.search_runs([home], question, order_by=[f"{key} ASC" for key in _AGE])
    for twin in runs[1:]:
        twice(client.set_tag, twin.info.run_id, "dwindle.superseded", runs[0].info.run_id)
    return runs[0] if runs else None


def found_runs(client: Any, home: str, question: str) -> list[Any]:
    """Return all runs of an experiment that a question finds, the youngest first."""
    runs: list[Any] = []
    token: str | None = None
    while token != "":
        order = [f"{key} DESC" for key in _AGE]
        found = client.search_runs([home], question, max_results=_RUNS_A_PAGE, order_by=order, page_token=token)
        runs += found
        token = found.token or ""
    return runs


def new_experiment(client: Any, name: str, place: str | None, tags: Mapping[str, str]) -> str:
    """Create an experiment and return its id, or that of the one that another machine has created in between.

    Args:
        client: MLflow's client.
        name: its name.
        place: where its artifacts go; None where the server likes.
        tags: its tags.
    """
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=place, tags=dict(tags)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)


def twice(ask: Callable[..., Any], *what: Any, **how: Any) -> None:
    """Ask MLflow to write something, and once more if another machine has written the same line in between.

    MLflow looks whether a tag or a dataset is there, and then inserts it; between the two it may have come.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        ask(*what, **how)
    except (MlflowException, SQLAlchemyError) as error:
        if "unique" not in str(error).lower():
            raise
        ask(*what, **how)
