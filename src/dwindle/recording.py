"""Project finished generations onto MLflow and DVC. The files are the truth; what is written here can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dwindle.comparing import (
    comparison,
    derived_parameters,
    described,
    kinds,
    parameters,
    rules,
    run_label,
    settings_of,
    tally,
)
from dwindle.config.recipe import Recipe
from dwindle.config.sweep import Sweep
from dwindle.contracts import Curve
from dwindle.data.manifest import digest_of, read_manifest
from dwindle.errors import NotReachable
from dwindle.expectations import expected
from dwindle.plan import STAGES, Plan
from dwindle.readings import generation_record
from dwindle.report.canvas import colours
from dwindle.stages.steps import output
from dwindle.tracking.address import ui_command
from dwindle.tracking.mlflow_tracker import Tracker
from dwindle.tracking.records import Dataset, GenerationRecord, LineageRecord
from dwindle.tracking.view import EACH, GROUPED, MOST_COMPARED, SETTINGS
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
        self._others: dict[str, str] | None = None
        self._verdicts: dict[str, Mapping[str, str]] = {}
        self._leading: tuple[str, ...] = ()
        self._settings = settings_of(sweep) if tracking else {}
        self._entered: dict[str, int] = {}
        self._colours = colours(list(sweep.lineages))  # those of the sweep's pictures
        self._theory: dict[str, Mapping[str, Curve]] = {}
        self._hashes: dict[str, str] = recorded_hashes(sweep.root) if self._store is not None else {}

    @property
    def commands(self) -> dict[str, str]:
        """The command that shows what was tracked, with the address of the sweep's page; nothing without MLflow."""
        if self._tracker is None:
            return {}
        return {ui_command(self.sweep.tracking.uri, self.root): f"compare the lineages in MLflow: {self.page}"}

    @property
    def page(self) -> str:
        """The address at which that command shows the sweep's lineages on one chart; empty without MLflow."""
        view = GROUPED if self._settings else EACH
        return self._tracker.page(self.sweep.name, view) if self._tracker is not None else ""

    @property
    def compare_page(self) -> str:
        """The address at which it lays the runs of all lineages side by side; empty if there are too many for that."""
        names = list(self.sweep.lineages)
        if self._tracker is None or len(names) > MOST_COMPARED:
            return ""
        runs = [run for name in names if (run := self._found(name))]
        return self._tracker.compare_page(self.sweep.name, runs)

    def begin(self) -> None:
        """Reach MLflow and open the sweep's run.

        Raises:
            NotReachable: if MLflow is out of reach and the sweep requires it.
        """
        if self._tracker is None:
            return
        try:
            self._tracker.preflight()
            self._tracker.end_abandoned(self.sweep.name)
            self._parent = self._tracker.sweep(self.sweep.name, self.sweep.name, self._sweep_identity, {}, {})
            compared = comparison(self.sweep, self._known_to_theory())
            self._tracker.offer(self.sweep.name, compared)
            self._leading = compared.measures[:1]
        except NotReachable as error:
            if self.sweep.tracking.required:
                raise
            self._tracker = None
            self.notes.append(f"MLflow is out of reach ({error}); run `dwindle sync` when it is back")

    def _known_to_theory(self) -> list[str]:
        """Return the measures of the recipes that theory speaks of, in the order of the metrics.

        Of recipes that differ in a number only, the first one is asked.
        """
        known: dict[str, None] = {}
        for name in kinds(self.sweep):
            curves = self._expected(name)
            metrics = self.sweep.lineages[name].recipe.metrics
            known |= {m: None for metric in metrics for m in metric.measures if m in curves}
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
            lineage, recipe = self.sweep.lineages[name], self.plan.recipe(name)
            record = LineageRecord(
                name,
                self._identity(name),
                parameters(recipe),
                _tags(recipe) | ({SETTINGS: self._settings[name]} if self._settings else {}),
                run_label(lineage),
                derived_parameters(lineage),
                self._colours[name],
            )
            self._runs[name] = self._tracker.lineage(self.sweep.name, self._parent, record)
        return self._runs[name]

    def _identity(self, name: str) -> str:
        return digest_of([self.sweep.name, name, self.plan.recipe(name).digest])

    def _found(self, name: str) -> str:
        """Return the run of a lineage that this session or another one opened, and leave it as it is; empty if none."""
        assert self._tracker is not None
        if name not in self._runs and self._others is None:
            self._others = self._tracker.known(self.sweep.name)
        return self._runs.get(name) or (self._others or {}).get(self._identity(name), "")

    def _record(self, name: str, generation: int) -> GenerationRecord:
        return generation_record(self.root, self.plan, name, generation, self._expected(name), self._leading)

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
        """Record a lineage's collapse profile: verdicts as tags, first passages as metrics of its last generation.

        A lineage that another session grows, or has grown, keeps its state.
        """
        if self._tracker is None:
            return
        self._verdicts[name] = tags
        self._safely(self._judge, name, tags, passages)

    def _judge(self, name: str, tags: Mapping[str, str], passages: Mapping[str, float]) -> None:
        assert self._tracker is not None
        if not (run := self._found(name)):
            return
        self._tracker.tag(run, tags)
        last = self.sweep.lineages[name].generations
        path = self.root / output(f"evaluate@{self.plan.generations(name)[last]}", self.plan)
        if path.exists():
            metrics: dict[str, float | None] = {f"passage.{measure}": value for measure, value in passages.items()}
            record = GenerationRecord(last, metrics, path.stat().st_mtime_ns // 1_000_000, None)
            self._tracker.generation(run, record)

    def finish_sweep(self, tables: Mapping[str, Mapping[str, list[Any]]], artifacts: Iterable[Path]) -> None:
        """Close the sweep's run with its tables, by name and by column, its pictures, and its report."""
        if self._tracker is None:
            return
        for name, columns in tables.items():
            self._safely(self._tracker.table, self._parent, columns, f"{name}.json")
        for path in artifacts:
            place = f"plots/{path.name}" if path.is_dir() else "plots"
            self._safely(self._tracker.artifact, self._parent, path, place)
        self.report(self.root / "plots" / self.sweep.name / "report")
        counts = tally(self._verdicts)
        note = {"mlflow.note.content": described(self.sweep, tables.get("summary", {}), counts)}
        self._safely(self._tracker.finish, self._parent, "FINISHED", counts | note)

    @property
    def report_page(self) -> str:
        """The address at which MLflow shows the report; empty without MLflow."""
        if self._tracker is None or not self._parent:
            return ""
        return self._tracker.artifact_page(self.sweep.name, self._parent, "report/index.html")

    def report(self, folder: Path) -> None:
        """Keep a report with the sweep's run, if both are there; whether or not the sweep is open.

        Args:
            folder: its files, `index.html` among them; MLflow's page of the run shows that one.
        """
        if self._tracker is not None and folder.is_dir():
            self._safely(self._keep_report, folder)

    def _keep_report(self, folder: Path) -> None:
        assert self._tracker is not None
        run = self._parent or self._tracker.known(self.sweep.name, "sweep").get(self._sweep_identity, "")
        if run:
            self._tracker.artifact(run, folder, "report")

    @property
    def _sweep_identity(self) -> str:
        return digest_of(["sweep", self.sweep.name])

    def stop(self, status: str) -> None:
        """Close the sweep's run without a table: FINISHED, FAILED or KILLED."""
        if self._tracker is not None and self._parent:
            self._safely(self._tracker.finish, self._parent, status)

    def _safely(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except NotReachable:
            self.pending += 1


def _tags(recipe: Recipe) -> dict[str, str]:
    """Return what runs are searched and grouped by."""
    settings = recipe.settings
    ratio = settings["regime"].get("synthetic_ratio")
    tags = {part: str(settings[part]["name"]) for part in ("family", "source", "regime")}
    tags |= {key: f"{value}" for key, value in rules(recipe).items()}
    return tags | ({"synthetic_ratio": f"{ratio:g}"} if ratio is not None else {})
