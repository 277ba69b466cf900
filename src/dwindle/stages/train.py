"""Train: fit the family to the generation's dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dwindle.contracts import Cohort, Model
from dwindle.data.rows import Rows
from dwindle.errors import StageFailed
from dwindle.stages.job import Job, facts_of, read_rows, shared_seed, told
from dwindle.stages.lift import fit_model, load_model
from dwindle.stages.phased import class_names, fit_in_phases, with_classes

__all__ = ["run", "together"]


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the fitted model.

    Raises:
        StageFailed: if the family cannot fit these rows.
    """
    rows = read_rows(job.inputs["train"])
    _refuse_unfit(rows)
    model: Model = job.ready.made if job.ready is not None else _fitted(job, rows)
    model.save(out)
    depth = max(map(int, facts_of(job.inputs["train"])["rounds"]), default=0)
    return {"chains": rows.chains, "rows": int(rows.counts.max()), "depth": depth}


def _fitted(job: Job, rows: Rows) -> Model:
    family = told(job.recipe.family_of(job.generation), job.recipe.source)
    parent = load_model(family, job.inputs["parent"]) if "parent" in job.inputs else None
    source, phases = job.recipe.source, job.recipe.phases
    try:
        if phases:
            whole, names = with_classes(rows, source).anonymous(), class_names(source)
            return fit_in_phases(family, whole, phases, names, seed=job.seed, parent=parent)
        return fit_model(family, rows.anonymous(), seed=job.seed, parent=parent)
    except ValueError as error:
        raise StageFailed(f"{type(family).__name__} cannot fit generation {job.generation}: {error}") from error


def together(jobs: Sequence[Job]) -> list[Model]:
    """Fit the models of a cohort in one batch; return that of each job."""
    family = told(jobs[0].recipe.family_of(jobs[0].generation), jobs[0].recipe.source)
    assert isinstance(family, Cohort)
    rows = [read_rows(job.inputs["train"]).anonymous() for job in jobs]
    for part in rows:
        _refuse_unfit(part)
    parents = [load_model(family, job.inputs["parent"]) for job in jobs if "parent" in job.inputs]
    parent = family.together(parents) if parents else None
    model = family.fit(Rows.stack(rows), seed=shared_seed(jobs), parent=parent)
    return family.apart(model, [part.chains for part in rows])


def _refuse_unfit(rows: Rows) -> None:
    import numpy as np

    if rows.values.dtype.kind == "f" and not np.isfinite(rows.values).all():
        broken = int((~np.isfinite(rows.values)).reshape(rows.chains * rows.count, -1).any(axis=1).sum())
        raise StageFailed(f"{broken} training rows are not finite")
