"""The charts of an experiment's page, as MLflow's pages keep them: sections, and in each a few cards.

The form is that of MLflow 3.17. What its pages do with it: a chart whose metric no run has is left out, a run without
every axis of a parallel chart is left out of that chart, and at most 30 texts stand on one of its axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dwindle.tracking.records import Comparison

__all__ = ["charts", "sections"]

COLLAPSE = "Collapse by generation"
PARALLEL = "Parallel coordinates"
RATIO = "By synthetic ratio"
INTERVALS = "Intervals over chains"
THEORY = "Measured and theory"
AXIS = "synthetic_ratio"
"""The metric on the common axis: measured, so that every regime has it, and free to grow with a lineage."""

_SECTIONS: Mapping[str, Mapping[str, Any]] = {
    COLLAPSE: {"uuid": "collapse"},
    PARALLEL: {"uuid": "parallel", "columns": 1, "cardHeight": 420},
    RATIO: {"uuid": "ratio"},
    INTERVALS: {"uuid": "intervals"},
    THEORY: {"uuid": "theory"},
    "Model metrics": {"uuid": "model"},
    "System metrics": {"uuid": "system"},
}
"""Sections of charts. The last two are MLflow's own, which fills them, but only if they are there."""

_RUNS = 100  # runs that a chart shows at once: as many as the page reads before it is asked for more
_CHARTS = 6  # charts in a section
_ENDS = 4  # measures on a parallel chart
_AXES = 5  # parameters on it
_FEW = 4  # lineages of which three lines each can be told apart; no chart of MLflow has a band within one run


def sections(of: Comparison) -> list[dict[str, Any]]:
    """Return the sections of charts, in their order; those that have none are left out."""
    used = {chart["metricSectionId"] for chart in charts(of)} | {"model", "system"}
    fixed = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False}
    return [{"name": name, **fixed, **own} for name, own in _SECTIONS.items() if own["uuid"] in used]


def charts(of: Comparison, *, grouped: bool = False) -> list[dict[str, Any]]:
    """Return the charts of a comparison.

    Args:
        of: what is compared.
        grouped: whether runs are shown in groups; then there is no axis of texts, they have no mean.
    """
    curves = [_line(f"curve-{name}", COLLAPSE, [name], of) for name in of.measures[:_CHARTS]]
    theory = [_line(f"theory-{name}", THEORY, [name, f"{name}.theory"], of) for name in of.theory]
    few = of.measures[:_CHARTS] if of.lineages <= _FEW and not grouped else ()
    intervals = [_line(f"interval-{name}", INTERVALS, [name, f"{name}.low", f"{name}.high"], of) for name in few]
    return [*curves, *_against_ratio(of, grouped=grouped), *intervals, *theory]


def _card(kind: str, uuid: str, section: str, title: str, **settings: Any) -> dict[str, Any]:
    common = {"metricSectionId": _SECTIONS[section]["uuid"], "deleted": False, "isGenerated": False}
    return {"type": kind, "uuid": uuid, "displayName": title, "runsCountToCompare": _RUNS, **common, **settings}


def _line(uuid: str, section: str, keys: list[str], of: Comparison) -> dict[str, Any]:
    settings: Mapping[str, Any] = {
        "metricKey": keys[0],
        "selectedMetricKeys": keys,
        "scaleType": "log" if keys[0] in of.logarithmic else "linear",
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
    return _card("LINE", uuid, section, " vs ".join(keys), **settings)


def _against_ratio(of: Comparison, *, grouped: bool) -> Iterator[dict[str, Any]]:
    if not of.measures:
        return
    parameters = list(of.numbers if grouped else of.axes)[:_AXES]
    axes = {"selectedParams": parameters, "selectedMetrics": [AXIS, *of.measures[:_ENDS]], "showAllRuns": True}
    yield _card("PARALLEL", "parallel", PARALLEL, "Parallel Coordinates", **axes)
    for name in of.measures[:_CHARTS]:
        ends = {"xaxis": {"key": AXIS, "type": "METRIC"}, "yaxis": {"key": name, "type": "METRIC"}}
        yield _card("SCATTER", f"ratio-{name}", RATIO, f"{AXIS} vs {name}", **ends)
