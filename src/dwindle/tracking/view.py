"""The view that MLflow's pages offer first: the lineages of a sweep, side by side, one chart a metric."""

from __future__ import annotations

import json
import time

from dwindle.tracking.address import is_server, shown

__all__ = ["experiment_tags", "page"]

KEY = "lineages"
NAME = "Lineages side by side"
STATE = {
    # Sorted by anything but their date, runs are not folded away below their parent.
    "searchFilter": "tags.`dwindle.kind` = 'lineage'",
    "orderByKey": "tags.`dwindle.lineage`",
    "orderByAsc": True,
    "runsHiddenMode": "SHOW_ALL",
    "chartsSearchFilter": r"^(?!generation$)(?!.*\.(low|high|theory|z|undefined)$)",
}
LOCAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless told otherwise."""


def experiment_tags() -> dict[str, str]:
    """Return the tags that have MLflow's pages treat an experiment as one of model training, with our view in its menu.

    The form of the view is that of MLflow 3.17; a version that has another form leaves the view out of its menu.
    """
    now = int(time.time() * 1000)
    view = {"name": NAME, "createdAt": now, "updatedAt": now, "state": json.dumps(STATE)}
    return {"mlflow.experimentKind": "custom_model_development", f"mlflow.sharedViewState.{KEY}": json.dumps(view)}


def page(uri: str, experiment: str) -> str:
    """Return the address of the view.

    Args:
        uri: where MLflow lives; for a database, the page is that of `mlflow ui`.
        experiment: id of the experiment.
    """
    host = shown(uri).rstrip("/") if is_server(uri) else LOCAL
    options = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={KEY}"
    return f"{host}/#/experiments/{experiment}/runs?{options}"
