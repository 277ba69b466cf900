"""What the files of a generation say of it, as one point on each curve of its lineage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import Curve
from dwindle.data.manifest import read_manifest
from dwindle.expectations import z_scores
from dwindle.plan import Plan
from dwindle.stages.results import evaluation, rows_by_origin
from dwindle.stages.steps import output
from dwindle.tracking.records import GenerationRecord

__all__ = ["generation_record"]

_ENDS = {"": "mean", ".low": "low", ".high": "high"}


def generation_record(
    root: Path, plan: Plan, name: str, generation: int, curves: Mapping[str, Curve], leading: Sequence[str] = ()
) -> GenerationRecord:
    """Return what was measured in a generation, beside its closed forms, and what its training rows are made of.

    Args:
        root: the workspace.
        plan: the plan.
        name: the lineage.
        generation: t.
        curves: what theory expects of the lineage, by measure.
        leading: the measures that come first.
    """
    key = plan.generations(name)[generation]
    path = root / output(f"evaluate@{key}", plan)
    measured = evaluation(root, plan, key) or {}
    metrics: dict[str, float | None] = {}
    for measure in sorted(measured, key=lambda name: name not in leading):
        value = measured[measure]
        metrics |= {measure: value["mean"], f"{measure}.low": value["low"], f"{measure}.high": value["high"]}
        if measure in curves:
            metrics |= _against_theory(curves[measure], generation, measure, value["chains"])
    metrics |= _composition(root, plan, key)
    return GenerationRecord(generation, metrics, path.stat().st_mtime_ns // 1_000_000, None)


def _against_theory(curve: Curve, generation: int, measure: str, chains: list[Any]) -> dict[str, float | None]:
    here = slice(generation, generation + 1)
    deviation = None if curve.deviation is None else curve.deviation[here]
    values = np.array([[math.nan if value is None else value for value in chains]])
    (score,) = z_scores(replace(curve, mean=curve.mean[here], deviation=deviation), values).tolist()
    return {f"{measure}.theory": float(curve.mean[generation]), f"{measure}.z": score}


def _composition(root: Path, plan: Plan, key: str) -> dict[str, float | None]:
    manifest = read_manifest(root / output(f"curate@{key}", plan))
    if manifest is None:
        return {}
    chains = manifest.facts["chains"]
    rows = {f"rows.{origin}": count / chains for origin, count in rows_by_origin(manifest).items()}
    dropped = sum(manifest.facts["dropped"].values()) / chains
    told = {
        f"{name}{end}": fact[key]
        for name, fact in manifest.facts.get("judged", {}).items()
        for end, key in _ENDS.items()
    }
    bias = {
        f"curation.{line['curator']}.{measure}": fact["mean"]
        for line in manifest.facts.get("curation", [])
        for measure, fact in line["bias"].items()
    }
    return {**rows, "rows.dropped": dropped, "synthetic_ratio": manifest.facts["synthetic_ratio"], **told, **bias}
