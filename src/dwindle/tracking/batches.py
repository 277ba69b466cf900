"""Writing into a run, in as few requests as MLflow takes it in."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dwindle.tracking.finding import twice
from dwindle.tracking.history import Point
from dwindle.tracking.records import Dataset, Setting

__all__ = ["log_datasets", "log_parameters", "log_points", "log_tags", "shortened", "table_cell"]

LONGEST_PARAMETER = 6000
POINTS_A_BATCH = 1000
DATASETS_A_BATCH = 500
PARAMETERS_A_BATCH = 100


def log_points(client: Any, run: str, points: Sequence[Point], rewritten: Sequence[Point]) -> None:
    """Log points of curves; `rewritten` are those that take the place of another value, the run is tagged with them."""
    from mlflow.entities import Metric, RunTag

    metrics = [Metric(p.name, math.nan if p.value is None else p.value, p.timestamp, p.step) for p in points]
    steps = sorted({point.step for point in rewritten})
    told = f"{len(rewritten)} values, generations {steps[0]} to {steps[-1]}" if steps else ""
    tags = [RunTag("dwindle.rewritten", told)] if told else []
    for first in range(0, len(metrics), POINTS_A_BATCH):
        client.log_batch(run, metrics=metrics[first : first + POINTS_A_BATCH], tags=tags, synchronous=True)


def log_datasets(client: Any, run: str, datasets: Sequence[tuple[int, Dataset]]) -> None:
    """Log what generations trained on, as inputs of the run."""
    inputs = [_dataset_input(step, dataset) for step, dataset in datasets]
    for first in range(0, len(inputs), DATASETS_A_BATCH):
        twice(client.log_inputs, run, inputs[first : first + DATASETS_A_BATCH])


def log_parameters(client: Any, run: str, parameters: Mapping[str, Setting]) -> None:
    """Log parameters; one that is too long for MLflow is kept whole as an artifact, and logged as its digest."""
    from mlflow.entities import Param

    params = []
    for key, value in parameters.items():
        if (short := shortened(value)) != str(value):
            client.log_text(run, str(value), f"parameters/{key}.txt")
        params.append(Param(key, short))
    for first in range(0, len(params), PARAMETERS_A_BATCH):
        client.log_batch(run, params=params[first : first + PARAMETERS_A_BATCH], synchronous=True)


def log_tags(client: Any, run: str, tags: Mapping[str, str]) -> None:
    """Set tags; one of the same name is replaced."""
    from mlflow.entities import RunTag

    if tags:
        twice(client.log_batch, run, tags=[RunTag(key, value) for key, value in tags.items()], synchronous=True)


def shortened(value: Setting) -> str:
    """Return a parameter as MLflow takes it."""
    text = str(value)
    return text if len(text) <= LONGEST_PARAMETER else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def table_cell(value: Any) -> Any:
    """Return a cell as JSON has it; a number that is none is null."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _dataset_input(step: int, dataset: Dataset) -> Any:
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    source = json.dumps({"path": dataset.path, "md5": dataset.digest})
    profile = json.dumps({"num_rows": dataset.rows})  # MLflow's word, its pages look for it
    entity = MlflowDataset(dataset.name, dataset.digest, "dvc", source, profile=profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training"), InputTag("generation", str(step))])
