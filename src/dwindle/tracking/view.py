"""The view that MLflow's pages offer first: the lineages of a sweep, side by side, one chart a metric.

A measure that theory speaks of has a chart in which its closed form lies over it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dwindle.tracking.address import is_server, shown

__all__ = ["experiment_tags", "page"]

KEY = "lineages"
NAME = "Lineages side by side"
STATE: Mapping[str, Any] = {
    # Sorted by anything but their date, runs are not folded away below their parent.
    "searchFilter": "tags.`dwindle.kind` = 'lineage'",
    "orderByKey": "tags.`dwindle.lineage`",
    "orderByAsc": True,
    "runsHiddenMode": "SHOW_ALL",
    "chartsSearchFilter": r"^(?!generation$)(?!passage\.)(?!.*\.(low|high|theory|z|undefined)$)",
}
THEORY = "Measured and theory"
_SECTIONS = {THEORY: "theory", "Model metrics": "model", "System metrics": "system"}
"""Sections of charts and our names for them; MLflow fills its own two by itself, but only if they are there."""

_LINES = 100  # lineages that a chart shows at once
LOCAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless told otherwise."""


def experiment_tags(theory: Iterable[str] = ()) -> dict[str, str]:
    """Return the tags that have MLflow's pages treat an experiment as one of model training, with our view in its menu.

    Args:
        theory: the measures that theory speaks of.

    The form of the view is that of MLflow 3.17; a version that has another form leaves the view out of its menu.
    """
    now = int(time.time() * 1000)
    view = {"name": NAME, "createdAt": now, "updatedAt": now, "state": json.dumps({**STATE, **_charts(theory)})}
    return {"mlflow.experimentKind": "custom_model_development", f"mlflow.sharedViewState.{KEY}": json.dumps(view)}


def _charts(theory: Iterable[str]) -> dict[str, Any]:
    """Return the charts of measures with their closed forms; nothing if there is none, so that MLflow makes its own."""
    charts = [
        {
            "type": "LINE",
            "uuid": f"theory-{measure}",
            "metricSectionId": _SECTIONS[THEORY],
            "metricKey": measure,
            "selectedMetricKeys": [measure, f"{measure}.theory"],
            "displayName": f"{measure} and its closed form",
            "runsCountToCompare": _LINES,
            "deleted": False,
            "isGenerated": False,
            "xAxisKey": "step",
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for measure in theory
    ]
    sections = [
        {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False, "isGenerated": False}
        for name, uuid in _SECTIONS.items()
    ]
    return {"compareRunCharts": charts, "compareRunSections": sections} if charts else {}


def page(uri: str, experiment: str) -> str:
    """Return the address of the view.

    Args:
        uri: where MLflow lives; for a database, the page is that of `mlflow ui`.
        experiment: id of the experiment.
    """
    host = shown(uri).rstrip("/") if is_server(uri) else LOCAL
    options = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={KEY}"
    return f"{host}/#/experiments/{experiment}/runs?{options}"
