"""What MLflow is told: one experiment a study, one parent run a sweep, one run a lineage, one point a generation.

Everything here can be told again, in any order and from any machine that has the files, without leaving anything twice.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dwindle.data.workspace import held
from dwindle.errors import BadInput, NotReachable
from dwindle.tracking.address import (
    absolute,
    database,
    imported,
    is_server,
    make_database,
    probe,
    reason,
    shown,
    ui_command,
)
from dwindle.tracking.batches import log_datasets, log_parameters, log_points, log_tags, shortened, table_cell
from dwindle.tracking.finding import found_runs, new_experiment, oldest_run
from dwindle.tracking.history import History
from dwindle.tracking.records import Comparison, Dataset, GenerationRecord, LineageRecord, Setting
from dwindle.tracking.view import EACH, artifact_page, compare_page, experiment_tags, page

__all__ = ["Dataset", "GenerationRecord", "LineageRecord", "Tracker", "ui_command"]

LOCK = "mlflow"


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
        self._names: dict[str, str] = {}

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
            if parent not in self._names:
                self._names[parent] = client.get_run(parent).info.run_name
            sweep = {"mlflow.parentRunId": parent, "dwindle.sweep": self._names[parent]}
            return {**sweep, "dwindle.lineage": record.name, "dwindle.label": record.title}

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
            log_points(client, run, points, rewritten)
            log_datasets(client, run, datasets)
            history.settle(points, datasets)
            self._histories[run] = history

    def finish(self, run: str, status: str = "FINISHED", tags: Mapping[str, str] | None = None) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        with self._asked() as client:
            log_tags(client, run, tags or {})
            client.set_terminated(run, status)
        self._histories.pop(run, None)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run; one of the same name is replaced."""
        with self._asked() as client:
            log_tags(client, run, tags)

    def offer(self, experiment: str, of: Comparison) -> None:
        """Have the page of an experiment compare its lineages by what is worth comparing."""
        with self._asked() as client:
            with held(self.root, LOCK, wait=True):
                home = self._experiment(client, experiment)
            for key, value in experiment_tags(of, client.get_experiment(home).tags).items():
                client.set_experiment_tag(home, key, value)

    def page(self, experiment: str, view: str = EACH) -> str:
        """Return the address of the page that shows an experiment's lineages side by side, generation by generation."""
        with self._asked() as client, held(self.root, LOCK, wait=True):
            return page(self.uri, self._experiment(client, experiment), view)

    def compare_page(self, experiment: str, runs: Sequence[str]) -> str:
        """Return the address of the page that lays runs side by side; empty where they are too few or too many."""
        with self._asked() as client, held(self.root, LOCK, wait=True):
            return compare_page(self.uri, self._experiment(client, experiment), runs)

    def artifact_page(self, experiment: str, run: str, path: str) -> str:
        """Return the address of the page that shows an artifact of a run."""
        with self._asked() as client, held(self.root, LOCK, wait=True):
            return artifact_page(self.uri, self._experiment(client, experiment), run, path)

    def known(self, experiment: str, kind: str = "lineage") -> dict[str, str]:
        """Return the runs of a kind, `lineage` or `sweep`, by identity, whoever opened them; none is opened by this."""
        runs = self._recorded(experiment, f"tags.`dwindle.kind` = '{kind}'")
        return {run.data.tags["dwindle.identity"]: run.info.run_id for run in runs}

    def end_abandoned(self, experiment: str) -> list[str]:
        """End the runs that a kill has left running, and return the names of their lineages.

        A lineage that grows holds its lock, so one that is free is not growing. Locks are those of this workspace: a
        server, or a database of several machines, has runs of which they say nothing, and is left alone.
        """
        if database(self.uri) is None:
            return []
        running = self._recorded(experiment, "tags.`dwindle.kind` = 'lineage' and attributes.status = 'RUNNING'")
        ended = {run.info.run_id: str(run.data.tags["dwindle.lineage"]) for run in running}
        ended = {run: name for run, name in ended.items() if not self._grows(name)}
        with self._asked() as client:
            for run in ended:
                client.set_terminated(run, "KILLED")
        return list(ended.values())

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
        rows = [[table_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True)]
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
                run = oldest_run(client, home, ours)
                if run is None:
                    client.create_run(home, run_name=record.title, tags={**record.tags, **ours, **marks(client)})
                    run = oldest_run(client, home, ours)  # another machine, with locks of its own, may have been first
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
        return new_experiment(client, name, place, experiment_tags())

    def _recorded(self, experiment: str, question: str) -> list[Any]:
        """Return the runs of an experiment that a question finds; where there is no database yet, none is made."""
        path = database(self.uri)
        if path is not None and not path.exists():
            return []
        with self._asked() as client:
            home = client.get_experiment_by_name(experiment)
            return found_runs(client, home.experiment_id, question) if home is not None else []

    def _grows(self, name: str) -> bool:
        """Say whether some process of this workspace is growing a lineage."""
        try:
            with held(self.root, f"lineage-{name}"):
                return False
        except NotReachable:
            return True

    def _complete(self, client: Any, run: Any, record: LineageRecord) -> None:
        """Give a run the name, the parameters and the tags that it lacks, and have it running.

        A name or a colour that somebody has given it on MLflow's pages stays.
        """
        identifier, known = run.info.run_id, run.data
        for key in record.parameters.keys() & known.params.keys():
            held_one, wanted = known.params[key], shortened(record.parameters[key])
            if held_one != wanted:
                raise BadInput(f"run {record.name} has {key} = {held_one}, not {wanted}; grow it as new")
        missing = {key: v for key, v in {**record.derived, **record.parameters}.items() if key not in known.params}
        log_parameters(client, identifier, missing)
        tags = dict(record.tags)
        if known.tags.get("dwindle.label", record.name) == run.info.run_name != record.title:
            client.update_run(identifier, name=record.title)
            tags["dwindle.label"] = record.title
        if record.colour and known.tags.get("mlflow.runColor") == known.tags.get("dwindle.colour"):
            tags |= {"mlflow.runColor": record.colour, "dwindle.colour": record.colour}
        log_tags(client, identifier, {key: value for key, value in tags.items() if known.tags.get(key) != value})
        if run.info.status != "RUNNING":
            client.update_run(identifier, status="RUNNING")
