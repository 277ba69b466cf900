"""Generate: the new rows of a generation, sampled from the parent's model; generation 0 takes the anchor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import Model
from dwindle.data.rows import Provenance, Rows
from dwindle.data.shards import link_shard, write_shard
from dwindle.samplers import Sampler
from dwindle.stages.job import Job, read_rows, told
from dwindle.stages.lift import load_model

__all__ = ["run"]


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the new rows, each with its provenance."""
    chains = job.recipe.chains
    if job.generation == 0:
        link_shard(job.inputs["generator"], "real", out)
        return {"shards": ["real"], "rows": {"real": job.recipe.budget}, "chains": chains}
    model = load_model(told(job.recipe.family, job.recipe.source), job.inputs["generator"])
    rows = _sample(model, job)
    name = f"synthetic-{job.generation:03d}"
    write_shard(out, name, rows)
    return {"shards": [name], "rows": {"synthetic": rows.count}, "chains": chains}


def _sample(model: Model, job: Job) -> Rows:
    recipe, generation = job.recipe, job.generation
    asked = recipe.regime.asks(generation, budget=recipe.budget).get(generation, 0)
    count = round(asked * recipe.sampler.oversample)
    if count == 0:  # a generation of real rows only: an empty shard of the model's shape
        rows = model.sample(1, sampler=Sampler(), seed=job.seed.at(0))
        return Rows(rows.values[:, :0], provenance=Provenance.of(generation, rows.chains, 0))
    if recipe.sampler.prompts == "none":
        rows = model.sample(count, sampler=recipe.sampler, seed=job.seed.at(0))
        return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count))
    prompts = read_rows(job.inputs["prompts"])
    rows = model.sample(count, sampler=recipe.sampler, seed=job.seed.at(0), prompts=prompts.anonymous())
    # Of a chain that is shorter than another, places are empty, and nobody is asked what is not there.
    there = np.argsort(prompts.filled_weights() == 0, axis=1, kind="stable")
    asked_by = np.take_along_axis(there, np.arange(count) % prompts.counts[:, None], axis=1)
    asked_by = np.broadcast_to(asked_by, (rows.chains, count))
    return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count, source=asked_by))
