"""The views that MLflow's pages offer: the lineages of a sweep side by side, and the same in groups of equal settings.

A view opens on charts. Its table, behind the same address, has the parameters that differ, the main measures at their
last generation, and the verdicts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dwindle.tracking.address import is_server, shown
from dwindle.tracking.charts import charts, sections
from dwindle.tracking.records import Comparison

__all__ = ["EACH", "GROUPED", "MOST_COMPARED", "SETTINGS", "artifact_page", "compare_page", "experiment_tags", "page"]

EACH, GROUPED = "lineages", "seeds"
"""Keys of the two views: a line a lineage; a line and a band for lineages that differ in their seed only."""

SETTINGS = "settings"
"""The tag that is equal where lineages differ in their seed only."""

_NAMES = {EACH: "Lineages side by side", GROUPED: "Bands over seeds"}
_STATE: Mapping[str, Any] = {
    # Sorted by anything but their date, runs are not folded away below their parent.
    "searchFilter": "tags.`dwindle.kind` = 'lineage'",
    "orderByKey": "tags.`dwindle.lineage`",
    "orderByAsc": True,
    "runsHiddenMode": "SHOW_ALL",
    "chartsSearchFilter": r"^(?!generation$)(?!passage\.)(?!.*\.(low|high|theory|z|undefined)$)",
}
_PREFIX = "mlflow.sharedViewState."
_LONGEST = 20_000  # characters that MLflow takes for a tag of an experiment
LOCAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless told otherwise."""

MOST_COMPARED = 50
"""Runs on one page of comparison: its table has a column a run, and its address all their names."""


def experiment_tags(of: Comparison | None = None, held: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the tags that have MLflow's pages treat an experiment as one of model training, with our views.

    Args:
        of: what its lineages are compared by; None where nothing is known of them yet.
        held: the tags that the experiment has; of ours, those that are missing or have another state are returned.

    The form of a view is that of MLflow 3.17; a version that has another form opens the page without it.
    """
    held = held or {}
    states = {EACH: _state(of)} | ({GROUPED: _state(of, grouped=True)} if of is not None and of.settings else {})
    tags = {"mlflow.experimentKind": "custom_model_development"}
    for key, state in states.items():
        if _state_in(held.get(_PREFIX + key)) != state:
            tags[_PREFIX + key] = _view(_NAMES[key], state)
    return {key: value for key, value in tags.items() if held.get(key) != value}


def _view(name: str, state: Mapping[str, Any]) -> str:
    now = int(time.time() * 1000)
    return json.dumps({"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)})


def _state_in(view: str | None) -> Any:
    """Return the state that a view holds; None if there is none that we could have written."""
    try:
        return json.loads(json.loads(view or "null")["state"])
    except (ValueError, TypeError, KeyError):
        return None


def _state(of: Comparison | None, *, grouped: bool = False) -> dict[str, Any]:
    """Return what a page shows; without measures no charts, so that MLflow makes its own."""
    state = dict(_STATE)
    if of is not None and (of.measures or of.theory):
        state |= {"compareRunCharts": charts(of, grouped=grouped), "compareRunSections": sections(of)}
        state |= {"isAccordionReordered": True, "selectedColumns": _columns(of)}  # or the sections would be sorted
    if of is not None and grouped:
        folded = {f"tag.{SETTINGS}.{value}": False for value in of.settings}
        by = [{"mode": "tag", "groupByData": SETTINGS}]
        state |= {"groupBy": {"aggregateFunction": "average", "groupByKeys": by}, "useGroupedValuesInCharts": True}
        if len(_view(_NAMES[GROUPED], {**state, "groupsExpanded": folded})) <= _LONGEST:  # else groups start open
            state["groupsExpanded"] = folded
    return state


def _columns(of: Comparison) -> list[str]:
    kinds = {"params": of.parameters, "metrics": of.measures, "tags": of.verdicts}
    return [f"{kind}.`{name}`" for kind, names in kinds.items() for name in names]


def page(uri: str, experiment: str, view: str = EACH) -> str:
    """Return the address of a view.

    Args:
        uri: where MLflow lives; for a database, the page is that of `mlflow ui`.
        experiment: id of the experiment.
        view: `EACH` or `GROUPED`.
    """
    options = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={view}"
    return f"{_host(uri)}/#/experiments/{experiment}/runs?{options}"


def compare_page(uri: str, experiment: str, runs: Sequence[str]) -> str:
    """Return the address of the page that lays runs side by side; empty for fewer than two, or too many to be read."""
    if not 2 <= len(runs) <= MOST_COMPARED:
        return ""
    lists = {"runs": list(runs), "experiments": [experiment]}
    options = "&".join(f"{name}={quote(json.dumps(ids, separators=(',', ':')))}" for name, ids in lists.items())
    return f"{_host(uri)}/#/compare-runs?{options}"


def artifact_page(uri: str, experiment: str, run: str, path: str) -> str:
    """Return the address of the page that shows an artifact of a run."""
    return f"{_host(uri)}/#/experiments/{experiment}/runs/{run}/artifacts/{quote(path)}"


def _host(uri: str) -> str:
    return shown(uri).rstrip("/") if is_server(uri) else LOCAL
