"""What MLflow is told: one experiment a study, one parent run a sweep, one run a lineage, one point a generation.

Everything here can be told again, in any order and from any machine that has the files, without leaving anything twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dwindle.data.workspace import held
from dwindle.errors import BadInput, NotReachable
from dwindle.tracking.address import absolute, imported, is_server, make_database, probe, reason, shown, ui_command
from dwindle.tracking.history import History, Point
from dwindle.tracking.records import Dataset, GenerationRecord, LineageRecord, Setting
from dwindle.tracking.view import experiment_tags, page

__all__ = ["Dataset", "GenerationRecord", "LineageRecord", "Tracker", "ui_command"]

LOCK = "mlflow"
LONGEST_PARAMETER = 6000
POINTS_A_BATCH = 1000
DATASETS_A_BATCH = 500
PARAMETERS_A_BATCH = 100


class Tracker:
    """A tracking server or database, and a workspace whose lineages it is told of.

    Safe to share between threads. A process that was forked from one with a tracker in use must make its own.

    Args:
        uri: `sqlite:///mlflow.db` (relative to the workspace), `http(s)://...` or `postgresql://...`.
        root: the workspace.

    Raises:
        BadInput: if the address is not one of these.
    """

    def __init__(self, uri: str, root: Path) -> None:
        self.root = root.resolve()
        self.uri = absolute(uri, self.root)
        self._opening = threading.Lock()
        self._client: Any = None
        self._experiments: dict[str, str] = {}
        self._histories: dict[str, History] = {}

    def preflight(self) -> None:
        """See that MLflow can be had, and make its tables where there are none.

        Call this before lineages are handed to other processes: a database that two of them touch first is lost.

        Raises:
            NotReachable: within about ten seconds, if it cannot be had.
        """
        with held(self.root, LOCK, wait=True):
            probe(self.uri)
        with self._asked():
            pass

    def sweep(
        self, experiment: str, name: str, identity: str, parameters: Mapping[str, Setting], tags: Mapping[str, str]
    ) -> str:
        """Return the parent run of a sweep, found again by its identity or created."""
        record = LineageRecord(name, identity, parameters, tags)
        return self._run(experiment, "sweep", record, lambda _: {"dwindle.sweep": name})

    def lineage(self, experiment: str, parent: str, record: LineageRecord) -> str:
        """Return the run of a lineage, found again by its identity or created; it is running from now on.

        Args:
            experiment: name of the experiment.
            parent: run of the sweep.
            record: what identifies and describes the lineage.

        Raises:
            BadInput: if the run that was found has another value for a parameter.
        """

        def marks(client: Any) -> dict[str, str]:
            sweep = client.get_run(parent).info.run_name
            return {"mlflow.parentRunId": parent, "dwindle.sweep": sweep, "dwindle.lineage": record.name}

        return self._run(experiment, "lineage", record, marks)

    def generation(self, run: str, record: GenerationRecord) -> None:
        """Log one generation in one batch."""
        self.generations(run, [record])

    def generations(self, run: str, records: Sequence[GenerationRecord]) -> None:
        """Log many generations in as few requests as there can be; what the run holds already is left alone.

        A value that differs from the one a step holds is logged after it, so that it is the latest, and the run is
        tagged `dwindle.rewritten`.
        """
        with self._asked() as client:
            history = self._histories.pop(run, None) or History(client, client.get_run(run))
            points = [point for record in records for point in history.missing_points(record)]
            datasets = history.missing_datasets(records)
            rewritten = [point for point in points if history.replaces(point)]
            self._log_points(client, run, points, rewritten)
            self._log_datasets(client, run, datasets)
            history.settle(points, datasets)
            self._histories[run] = history

    def finish(self, run: str, status: str = "FINISHED", tags: Mapping[str, str] | None = None) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        with self._asked() as client:
            self._log_tags(client, run, tags or {})
            client.set_terminated(run, status)
        self._histories.pop(run, None)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run; one of the same name is replaced."""
        with self._asked() as client:
            self._log_tags(client, run, tags)

    def offer_theory(self, experiment: str, measures: Iterable[str]) -> None:
        """Have the page of an experiment draw the closed forms of these measures over what was measured."""
        with self._asked() as client:
            with held(self.root, LOCK, wait=True):
                home = self._experiment(client, experiment)
            for key, value in experiment_tags(measures).items():
                client.set_experiment_tag(home, key, value)

    def page(self, experiment: str) -> str:
        """Return the address of the page that shows an experiment's lineages side by side, generation by generation."""
        with self._asked() as client, held(self.root, LOCK, wait=True):
            return page(self.uri, self._experiment(client, experiment))

    def artifact(self, run: str, path: Path, folder: str = "") -> None:
        """Keep a file, or all files of a folder, with a run; one of the same name is replaced."""
        with self._asked() as client:
            keep = client.log_artifacts if path.is_dir() else client.log_artifact
            keep(run, str(path), folder or None)

    def table(self, run: str, columns: Mapping[str, Sequence[Any]], file: str) -> None:
        """Keep a table with a run, as MLflow's pages show tables; one of the same name is replaced.

        Args:
            run: the run.
            columns: name of the column to its cells, top to bottom.
            file: name of the artifact, ending in `.json`.
        """
        rows = [[_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True)]
        with self._asked() as client:
            client.log_dict(run, {"columns": list(columns), "data": rows}, file)
            listed = json.loads(client.get_run(run).data.tags.get("mlflow.loggedArtifacts", "[]"))
            entry = {"path": file, "type": "table"}
            if entry not in listed:  # MLflow's own log_table would append the rows to those of the last time
                client.set_tag(run, "mlflow.loggedArtifacts", json.dumps([*listed, entry]))

    # ------------------------------------------------------------------------------------------------- inside

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """Give the client, and say in our words what goes wrong with it."""
        imported()
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield self._opened()
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                raise BadInput(f"MLflow refuses this: {reason(error, self.uri)}") from error
            raise NotReachable(f"MLflow at {shown(self.uri)} cannot be used: {reason(error, self.uri)}") from error

    def _opened(self) -> Any:
        """Return the client; it makes a database's tables as it is built, and only one process may."""
        with self._opening:
            if self._client is None:
                mlflow = imported()
                with nullcontext() if is_server(self.uri) else held(self.root, LOCK, wait=True):
                    make_database(self.uri)
                    client = mlflow.MlflowClient(self.uri, registry_uri=self.uri)
                    client.search_experiments(max_results=1)
                self._client = client
            return self._client

    def _run(self, experiment: str, kind: str, record: LineageRecord, marks: Callable[[Any], Mapping[str, str]]) -> str:
        """Find or create a run; `marks` are the tags of a new one that depend on its kind."""
        ours = {"dwindle.kind": kind, "dwindle.identity": record.identity}
        with self._asked() as client:
            with held(self.root, LOCK, wait=True):
                home = self._experiment(client, experiment)
                run = self._found(client, home, ours)
                if run is None:
                    run = client.create_run(home, run_name=record.name, tags={**record.tags, **ours, **marks(client)})
            self._complete(client, run, record)
            self._histories[run.info.run_id] = History(client, run)
            return str(run.info.run_id)

    def _experiment(self, client: Any, name: str) -> str:
        """Return the id of an experiment, created where there is none; call it under the lock."""
        if name not in self._experiments:
            found = client.get_experiment_by_name(name)
            if found is None:
                self._experiments[name] = self._new_experiment(client, name)
            elif found.lifecycle_stage != "active":
                raise BadInput(f"experiment {name} was deleted in MLflow; restore it there or take another name")
            else:
                self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _new_experiment(self, client: Any, name: str) -> str:
        """Create an experiment; a database keeps its artifacts in the workspace, a server where it likes."""
        place = None if is_server(self.uri) else (self.root / "mlartifacts" / quote(name, safe="")).as_uri()
        return str(client.create_experiment(name, artifact_location=place, tags=experiment_tags()))

    def _found(self, client: Any, home: str, ours: Mapping[str, str]) -> Any:
        """Return the run with these tags, or None; the oldest if another machine has made a second one."""
        question = " and ".join(f"tags.`{key}` = '{value}'" for key, value in ours.items())
        runs = client.search_runs([home], question, order_by=["attributes.start_time ASC", "attributes.run_id ASC"])
        for twin in runs[1:]:
            client.set_tag(twin.info.run_id, "dwindle.superseded", runs[0].info.run_id)
        return runs[0] if runs else None

    def _complete(self, client: Any, run: Any, record: LineageRecord) -> None:
        """Give a run the parameters and tags that a kill may have kept from it, and have it running."""
        identifier, known = run.info.run_id, run.data
        texts = {key: str(value) for key, value in record.parameters.items()}
        short = {key: _shortened(text) for key, text in texts.items()}
        for key in short.keys() & known.params.keys():
            if known.params[key] != short[key]:
                raise BadInput(f"run {record.name} has {key} = {known.params[key]}, not {short[key]}; grow it as new")
        for key in short.keys() - known.params.keys():
            if short[key] != texts[key]:
                client.log_text(identifier, texts[key], f"parameters/{key}.txt")
        self._log_parameters(client, identifier, {key: short[key] for key in short if key not in known.params})
        self._log_tags(client, identifier, {key: v for key, v in record.tags.items() if known.tags.get(key) != v})
        if run.info.status != "RUNNING":
            client.update_run(identifier, status="RUNNING")

    def _log_points(self, client: Any, run: str, points: Sequence[Point], rewritten: Sequence[Point]) -> None:
        from mlflow.entities import Metric, RunTag

        metrics = [Metric(p.name, math.nan if p.value is None else p.value, p.timestamp, p.step) for p in points]
        steps = sorted({point.step for point in rewritten})
        told = f"{len(rewritten)} values, generations {steps[0]} to {steps[-1]}" if steps else ""
        tags = [RunTag("dwindle.rewritten", told)] if told else []
        for first in range(0, len(metrics), POINTS_A_BATCH):
            client.log_batch(run, metrics=metrics[first : first + POINTS_A_BATCH], tags=tags, synchronous=True)

    def _log_datasets(self, client: Any, run: str, datasets: Sequence[tuple[int, Dataset]]) -> None:
        from mlflow.exceptions import MlflowException

        inputs = [_dataset_input(step, dataset) for step, dataset in datasets]
        for first in range(0, len(inputs), DATASETS_A_BATCH):
            batch = inputs[first : first + DATASETS_A_BATCH]
            try:
                client.log_inputs(run, batch)
            except MlflowException as error:
                if "unique" not in str(error).lower():
                    raise
                client.log_inputs(run, batch)  # another lineage made the same dataset known in between

    def _log_parameters(self, client: Any, run: str, parameters: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        params = [Param(key, value) for key, value in parameters.items()]
        for first in range(0, len(params), PARAMETERS_A_BATCH):
            client.log_batch(run, params=params[first : first + PARAMETERS_A_BATCH], synchronous=True)

    def _log_tags(self, client: Any, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        if tags:
            client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()], synchronous=True)


def _dataset_input(step: int, dataset: Dataset) -> Any:
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    source = json.dumps({"path": dataset.path, "md5": dataset.digest})
    profile = json.dumps({"num_rows": dataset.rows})  # MLflow's word, its pages look for it
    entity = MlflowDataset(dataset.name, dataset.digest, "dvc", source, profile=profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training"), InputTag("generation", str(step))])


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_PARAMETER else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _cell(value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
