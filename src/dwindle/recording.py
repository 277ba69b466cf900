"""Project finished generations onto MLflow and DVC. The files are the truth; what is written here can be rebuilt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.config.sweep import Sweep
from dwindle.contracts import Curve
from dwindle.data.manifest import digest_of, read_manifest
from dwindle.errors import NotReachable
from dwindle.expectations import expected, z_scores
from dwindle.plan import STAGES, Plan
from dwindle.stages.runner import evaluation, output
from dwindle.survey import rows_by_origin
from dwindle.tracking.address import ui_command
from dwindle.tracking.mlflow_tracker import Tracker
from dwindle.tracking.records import Dataset, GenerationRecord, LineageRecord
from dwindle.versioning.dvc_store import DvcStore, recorded_hashes, why_off

__all__ = ["Recorder"]


class Recorder:
    """Writes a sweep's generations into MLflow and DVC; used by one thread at a time.

    Args:
        sweep: the sweep.
        plan: its plan.
        tracking: whether to record in MLflow.
        versioning: whether to record in DVC.
    """

    def __init__(self, sweep: Sweep, plan: Plan, *, tracking: bool = True, versioning: bool = True) -> None:
        self.sweep, self.plan, self.root = sweep, plan, sweep.root
        self.pending = 0
        self.notes: list[str] = []
        self._tracker = Tracker(sweep.tracking.uri, sweep.root) if tracking else None
        reason = why_off(sweep.root) if versioning else ""
        self._store = DvcStore(sweep.root) if versioning and reason is None else None
        if reason:
            self.notes.append(reason)
        self._parent = ""
        self._runs: dict[str, str] = {}
        self._entered: dict[str, int] = {}
        self._theory: dict[str, Mapping[str, Curve]] = {}
        self._hashes: dict[str, str] = recorded_hashes(sweep.root) if self._store is not None else {}

    @property
    def tracking_command(self) -> str:
        """The command that shows what was tracked."""
        return ui_command(self.sweep.tracking.uri, self.root)

    @property
    def page(self) -> str:
        """The address at which that command shows the sweep's lineages on one chart; empty without MLflow."""
        return self._tracker.page(self.sweep.name) if self._tracker is not None else ""

    def begin(self) -> None:
        """Reach MLflow and open the sweep's run.

        Raises:
            NotReachable: if MLflow is out of reach and the sweep requires it.
        """
        if self._tracker is None:
            return
        try:
            self._tracker.preflight()
            identity = digest_of(["sweep", self.sweep.name])
            self._parent = self._tracker.sweep(self.sweep.name, self.sweep.name, identity, {}, {})
            if known := self._known_to_theory():
                self._tracker.offer_theory(self.sweep.name, known)
        except NotReachable as error:
            if self.sweep.tracking.required:
                raise
            self._tracker = None
            self.notes.append(f"MLflow is out of reach ({error}); run `dwindle sync` when it is back")

    def _known_to_theory(self) -> list[str]:
        """Return the measures of the recipes that theory speaks of, in the order of the metrics."""
        known: dict[str, None] = {}
        for name, lineage in self.sweep.lineages.items():
            curves = self._expected(name)
            known |= {m: None for metric in lineage.recipe.metrics for m in metric.measures if m in curves}
        return list(known)

    def _expected(self, name: str) -> Mapping[str, Curve]:
        if name not in self._theory:
            self._theory[name] = expected(self.plan.recipe(name), self.sweep.lineages[name].generations)
        return self._theory[name]

    def open(self, name: str) -> None:
        """Open a lineage's run, so that it is there to be watched, and to be closed whatever happens."""
        if self._tracker is not None:
            self._safely(self._run, name)

    def generations(self, name: str, generations: Iterable[int]) -> None:
        """Record the metrics of evaluated generations in MLflow; recording one twice changes nothing."""
        self._send(name, [self._record(name, generation) for generation in generations])

    def _send(self, name: str, records: list[GenerationRecord]) -> None:
        if self._tracker is None or not records:
            return
        try:
            self._tracker.generations(self._run(name), records)
        except NotReachable:
            self.pending += len(records)

    def _run(self, name: str) -> str:
        assert self._tracker is not None
        if name not in self._runs:
            recipe = self.plan.recipe(name)
            record = LineageRecord(
                name,
                digest_of([self.sweep.name, name, recipe.digest]),
                flat(recipe.settings),
                _tags(recipe),
            )
            self._runs[name] = self._tracker.lineage(self.sweep.name, self._parent, record)
        return self._runs[name]

    def _record(self, name: str, generation: int) -> GenerationRecord:
        key = self.plan.generations(name)[generation]
        path = self.root / output(f"evaluate@{key}", self.plan)
        measured = evaluation(self.root, self.plan, key) or {}
        metrics: dict[str, float | None] = {}
        for measure, value in measured.items():
            metrics |= {measure: value["mean"], f"{measure}.low": value["low"], f"{measure}.high": value["high"]}
            metrics |= self._against_theory(name, generation, measure, value["chains"])
        metrics |= self._composition(key)
        return GenerationRecord(generation, metrics, path.stat().st_mtime_ns // 1_000_000, None)

    def _against_theory(self, name: str, generation: int, measure: str, chains: list[Any]) -> dict[str, float | None]:
        curve = self._expected(name).get(measure)
        if curve is None:
            return {}
        here = slice(generation, generation + 1)
        deviation = None if curve.deviation is None else curve.deviation[here]
        values = np.array([[math.nan if value is None else value for value in chains]])
        (score,) = z_scores(replace(curve, mean=curve.mean[here], deviation=deviation), values).tolist()
        return {f"{measure}.theory": float(curve.mean[generation]), f"{measure}.z": score}

    def _composition(self, key: str) -> dict[str, float | None]:
        manifest = read_manifest(self.root / output(f"curate@{key}", self.plan))
        if manifest is None:
            return {}
        chains = manifest.facts["chains"]
        rows = {f"rows.{origin}": count / chains for origin, count in rows_by_origin(manifest).items()}
        dropped = sum(manifest.facts["dropped"].values()) / chains
        return {**rows, "rows.dropped": dropped, "synthetic_ratio": manifest.facts["synthetic_ratio"]}

    def _dataset(self, key: str) -> Dataset | None:
        """Return the generation's dataset under the digest DVC has for it; None until DVC has one."""
        path = output(f"curate@{key}", self.plan)
        digest = self._hashes.get(path)
        manifest = read_manifest(self.root / path)
        if digest is None or manifest is None:
            return None
        return Dataset(key, path, digest, manifest.facts["rows"]["total"])

    def commit(self, stages: Iterable[str]) -> None:
        """Record finished stages in DVC, all at once."""
        if self._store is not None:
            self._hashes |= self._store.commit(list(stages))

    def enter(self, name: str, last: int) -> None:
        """Enter a lineage's stages up to generation `last` into DVC, and its datasets into MLflow by DVC's digests."""
        first = self._entered.get(name, -1) + 1
        keys = self.plan.generations(name)[first : last + 1]
        real = {self.plan.chain[key]["real"] for key in keys}
        draws = [f"draw@{key}" for key, entry in self.plan.real.items() if entry["folder"] in real]
        self.commit([*draws, *(f"{stage}@{key}" for key in keys for stage in STAGES)])
        datasets = [(generation, self._dataset(key)) for generation, key in enumerate(keys, first)]
        self._send(name, [GenerationRecord(g, {}, 0, dataset) for g, dataset in datasets if dataset is not None])
        self._entered[name] = last

    def finish(self, name: str, status: str = "FINISHED", tags: Mapping[str, str] | None = None) -> None:
        """Close a lineage's run."""
        if self._tracker is not None and name in self._runs:
            self._safely(self._tracker.finish, self._runs[name], status, tags or {})

    def judged(self, name: str, tags: Mapping[str, str], passages: Mapping[str, float]) -> None:
        """Record a lineage's collapse profile: verdicts as tags, first passages as metrics of its last generation."""
        if self._tracker is None:
            return
        last = self.sweep.lineages[name].generations
        path = self.root / output(f"evaluate@{self.plan.generations(name)[last]}", self.plan)
        self._safely(self._tracker.tag, self._run(name), tags)
        if path.exists():
            metrics: dict[str, float | None] = {f"passage.{measure}": value for measure, value in passages.items()}
            self._send(name, [GenerationRecord(last, metrics, path.stat().st_mtime_ns // 1_000_000, None)])

    def finish_sweep(self, tables: Mapping[str, Mapping[str, list[Any]]], artifacts: Iterable[Path]) -> None:
        """Close the sweep's run with its tables, by name and by column, and its pictures."""
        if self._tracker is None:
            return
        for name, columns in tables.items():
            self._safely(self._tracker.table, self._parent, columns, f"{name}.json")
        for path in artifacts:
            self._safely(self._tracker.artifact, self._parent, path, "plots")
        self._safely(self._tracker.finish, self._parent)

    def _safely(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except NotReachable:
            self.pending += 1


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | float | int]:
    """Return nested settings with dotted keys: `regime.synthetic_ratio`."""
    found: dict[str, str | float | int] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found[prefix + key] = ",".join(item["name"] if isinstance(item, Mapping) else str(item) for item in value)
        else:
            found[prefix + key] = value
    return found


def _tags(recipe: Recipe) -> dict[str, str]:
    """Return what runs are searched and grouped by."""
    settings = recipe.settings
    ratio = settings["regime"].get("synthetic_ratio")
    tags = {part: str(settings[part]["name"]) for part in ("family", "source", "regime")}
    return tags | ({"synthetic_ratio": f"{ratio:g}"} if ratio is not None else {})
