"""Train: fit the family to the generation's dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwindle.data.rows import Rows
from dwindle.errors import StageFailed
from dwindle.stages.job import Job, read_rows, told
from dwindle.stages.lift import fit_model, load_model

__all__ = ["run"]


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the fitted model.

    Raises:
        StageFailed: if the family cannot fit these rows.
    """
    rows = read_rows(job.inputs["train"])
    _refuse_unfit(rows)
    family = told(job.recipe.family, job.recipe.source)
    parent = load_model(family, job.inputs["parent"]) if "parent" in job.inputs else None
    try:
        model = fit_model(family, rows.anonymous(), seed=job.seed, parent=parent)
    except ValueError as error:
        raise StageFailed(f"{type(family).__name__} cannot fit generation {job.generation}: {error}") from error
    model.save(out)
    return {"chains": rows.chains, "rows": int(rows.counts.max())}


def _refuse_unfit(rows: Rows) -> None:
    import numpy as np

    if rows.values.dtype.kind == "f" and not np.isfinite(rows.values).all():
        broken = int((~np.isfinite(rows.values)).reshape(rows.chains * rows.count, -1).any(axis=1).sum())
        raise StageFailed(f"{broken} training rows are not finite")
